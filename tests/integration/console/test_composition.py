"""The console as it is put together: what is activated reaches every part of it."""

import pytest

from app.agents.books import UnusablePolicyError
from app.composition.console import open_console
from app.composition.parts import load_compiled_policy
from app.domain.events import OverrideCategory, PolicyActivated
from app.settings import load_settings
from app.stream.broadcast import Broadcast
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.embedded_broker import EmbeddedBroker
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from app.stream.schemas import Schemas
from app.stream.topics import Topic, TopicTable
from tests.processes import until
from tests.unit.agents.parts import POLICY_TEXT
from tests.unit.domain import cases

CODEC = Codec(Schemas.load())


def test_answers_are_counted_under_the_policy_in_force(store_url, tmp_path, monkeypatch):
    """The same reason code means another category from an activation on, without a restart. And the console
    knows when it hears of none any more."""
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY_TEXT)
    env = {"HITL_REDIS_URL": store_url, "HITL_TOPIC_PREFIX": "composed.", "HITL_POLICY": str(file)}
    env["HITL_ACCOUNTS_FILE"] = str(tmp_path / "accounts.json")
    policy = load_compiled_policy(load_settings(env))
    names = TopicTable.load().named(policy.pool_names)
    with EmbeddedBroker({f"composed.{name}": 1 for name in names}) as broker:
        settings = load_settings(env | {"HITL_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers})
        connection = Connection(bootstrap_servers=broker.bootstrap_servers, prefix="composed.", embedded=True)
        publisher = Publisher(connection, client_id="t")

        def write(topic, event):
            assert publisher.send([Outgoing(topic, b"policy", CODEC.encode(event), [])]) == []

        def answered(number):
            story = cases.routed(cases.decision(0.8, decision_id=f"d{number}"))
            write(Topic.REVIEWS_OUTCOMES, cases.answered(
                story, "reject", answer_id=f"a{number}", reviewer="ann", reason_code="misread",
                category=None, decided_at=cases.NOW + number, claimed_at=cases.NOW,
            ))  # fmt: skip

        with (
            pytest.raises(UnusablePolicyError, match="names nobody"),
            open_console(settings, policy, "http://127.0.0.1:1", embedded=True),
        ):
            pytest.fail("a console for everybody, and nobody asked for one")
        with open_console(settings, policy, "http://127.0.0.1:1", open_house=True, embedded=True) as parts:

            def categories():
                ann = parts.ledger.snapshot().reviewers.get("ann")
                return dict(ann.categories) if ann else {}

            answered(1)
            until(lambda: categories() == {OverrideCategory.AI_ERROR: 1}, "the first answer")
            other = POLICY_TEXT.replace("category: ai_error", "category: human_error")
            write(Topic.POLICY_ACTIVATED, PolicyActivated(
                policy_version="next", policy=other, activated_by="ann", activated_at=cases.NOW
            ))  # fmt: skip
            until(lambda: parts.policy_in_force().version != policy.version, "the activation")
            answered(2)
            until(lambda: len(categories()) == 2, "the second answer")
            assert categories() == {OverrideCategory.AI_ERROR: 1, OverrideCategory.HUMAN_ERROR: 1}
            for topic in (Topic.POLICY_ACTIVATED, Topic.RULES_CHANGED):
                assert parts.unheard() == ""
                with monkeypatch.context() as silent:
                    silent.setattr(
                        Broadcast, "deaf_for", lambda each, topic=topic: 61.0 if each.topic == topic else 0.0
                    )
                    assert parts.unheard() == topic
        publisher.close()
