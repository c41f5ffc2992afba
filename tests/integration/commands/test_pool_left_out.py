"""A policy without a pool that still has something in it, on a real store."""

import pytest

from app.commands.activate import put_in_force
from app.errors import HitlError
from app.policy.load import policy_from_text
from app.review_queue import keys as names
from app.settings import load_settings
from tests.integration.review_queue.conftest import client, codec, desk  # noqa: F401 - fixtures
from tests.integration.review_queue.test_undo import answer
from tests.unit.agents.parts import POLICY_TEXT

BEFORE, AFTER = (policy_from_text(POLICY_TEXT.replace("expenses", pool)) for pool in ("expenses", "others"))


def refusal(desk):  # noqa: F811
    settings = load_settings({"HITL_REDIS_URL": desk.url, "HITL_TOPIC_PREFIX": desk.prefix})
    with pytest.raises(HitlError, match="pool 'expenses' is not in this policy") as refused:
        put_in_force(settings, AFTER, BEFORE, "root")
    return str(refused.value)


def test_an_answer_that_may_be_taken_back_keeps_its_pool(desk):  # noqa: F811
    desk.enter("d1")
    answer(desk, desk.take(desk.ann), desk.ann)
    desk.client.execute_command("DEL", desk.keys.pool(desk.pool, names.OUTBOX))  # all of it is published
    assert refusal(desk).endswith("still in it are 1 answers that may still be taken back")


def test_what_was_put_aside_keeps_its_pool(desk):  # noqa: F811
    desk.client.execute_command("XADD", desk.keys.pool(desk.pool, names.BROKEN), "*", "@id", "1")
    assert refusal(desk).endswith("still in it are 1 steps that were put aside")


def test_each_kind_is_told(desk):  # noqa: F811
    desk.enter("d1")
    desk.enter("d2")
    desk.take(desk.ann)
    published = len(desk.outbox())
    assert refusal(desk).endswith(f"are 2 undecided reviews, {published} steps on their way to Kafka")
