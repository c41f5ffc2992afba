"""hitl evidence and hitl gold on real services: a pack, tampering, and a case that comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from app.domain.answers import Verdict
from app.domain.events import ReviewDecided, ReviewKind
from app.domain.review import Review, Reviewer
from app.stream.codec import Codec
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from app.stream.schemas import Schemas
from app.stream.topics import Topic
from tests.integration.commands.test_verbs import line
from tests.integration.conftest import deployed
from tests.integration.deployment import Deployment, by_key, until
from tests.unit.agents.parts import POLICY_TEXT

pytestmark = pytest.mark.broker

CODEC = Codec(Schemas.load())
ANN = Reviewer(name="ann", pools=frozenset({"expenses"}))
POLICY = POLICY_TEXT.replace("gold_share: 0", "gold_share: 1")


@pytest.fixture(scope="module")
def deployment(kafka: str, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, store_url, tmp_path_factory.mktemp("evidence"), POLICY) as made:
        made.worker()
        yield made


def submit(deployment: Deployment, *names: str) -> None:
    file = deployment.directory / f"{names[0]}.jsonl"
    file.write_text("".join(f"{line(name, 0.8)}\n" for name in names), encoding="utf-8")
    assert deployment.hitl("submit", str(file)).returncode == 0
    until(lambda: set(names) <= {r.decision_id for r in reviews(deployment)}, "the reviews")


def keys(records):
    return {(record.key or b"").decode() for record in records}


def reviews(deployment: Deployment):
    return deployment.queue.queue.list("expenses", limit=500)


def decide(deployment: Deployment, review, action="approve", tags=()) -> None:
    queue = deployment.queue.queue
    lease = queue.claim(review.review_id, ANN)
    queue.seen(review.review_id, "ann", review.digest)
    verdict = Verdict(action=action, reasoning="looked at it", reason_code="other", tags=tags)
    queue.decide(review.review_id, ANN, lease.review.epoch, lease.review.digest, verdict)


def decided(deployment: Deployment, name: str, action="approve", tags=()) -> None:
    review = next(r for r in reviews(deployment) if r.decision_id == name)
    decide(deployment, review, action, tags)
    until(lambda: name in keys(deployment.watch[Topic.DECISIONS_RESOLVED]), "the resolution")
    until(lambda: deployment.queue.queue.stats()[0].unpublished == 0, "every step is in the log")


def verify(deployment: Deployment, what: str | Path):
    done = deployment.hitl("evidence", "verify", str(what), "--json")
    return done.returncode, json.loads(done.stdout)


def test_a_decision_its_pack_and_what_somebody_does_to_them(deployment: Deployment) -> None:
    submit(deployment, "exp-1")
    decided(deployment, "exp-1")
    code, found = verify(deployment, "exp-1")
    assert (code, found["broken"]) == (0, [])
    assert found["sealed"] == 4

    file = deployment.directory / "exp-1.evidence.json"
    assert deployment.hitl("evidence", "exp-1", "--out", str(file)).returncode == 0
    assert verify(deployment, file)[0] == 0
    pack = json.loads(file.read_text(encoding="utf-8"))
    assert [one["event"] for one in pack["chain"]][:4] == [
        "DecisionSubmitted", "DecisionScored", "DecisionRouted", "ReviewRequested",
    ]  # fmt: skip
    assert pack["who_saw"][0]["person"] == "ann"
    assert "ann answered 'approve'" in "\n".join(pack["explanation"])

    pack["chain"][-1]["content"]["resolution"]["action"] = "reject"
    file.write_text(json.dumps(pack), encoding="utf-8")
    done = deployment.hitl("evidence", "verify", str(file))
    assert done.returncode == 1
    assert "broken: exp-1: decisions.resolved[" in done.stdout
    assert "does not follow from the one before" in done.stdout

    # Somebody with access to the topics, but without the key, writes another answer.
    record = by_key(deployment.watch[Topic.REVIEWS_OUTCOMES])["exp-1"]
    event = CODEC.decode_as(record.value, ReviewDecided)
    forged = CODEC.encode(
        ReviewDecided(
            requested=event.requested,
            answer=msgspec.structs.replace(event.answer, action="reject", answer_id="x"),
        )
    )
    publisher = Publisher(deployment.connection, client_id="somebody")
    assert publisher.send([Outgoing(Topic.REVIEWS_OUTCOMES, b"exp-1", forged, [])]) == []
    publisher.close()
    code, found = verify(deployment, "exp-1")
    assert code == 1
    assert "has no seal" in found["broken"][0]["what"]


def test_a_case_with_known_truth_comes_back_and_its_answer_goes_nowhere(deployment: Deployment) -> None:
    submit(deployment, "exp-20")
    decided(deployment, "exp-20", "reject", ("teaching_example",))
    done = deployment.hitl("gold", "collect", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"known": 1, "taken": 1, "new": 1}
    [item] = [json.loads(text) for text in deployment.hitl("gold", "list", "--json").stdout.splitlines()]
    assert (item["truth"], item["source"]) == ("reject", "teaching_example")

    submit(deployment, "exp-21")

    def golden() -> list[Review]:
        return [review for review in reviews(deployment) if review.kind is ReviewKind.GOLD]

    until(golden, "the case comes back")
    [gold] = golden()
    assert gold.decision_id not in {"exp-20", "exp-21"}
    decide(deployment, gold, "approve")
    decided(deployment, "exp-21")
    watch = deployment.watch
    until(lambda: gold.decision_id in keys(watch[Topic.REVIEWS_OUTCOMES]), "the answer in the log")
    assert gold.decision_id not in keys(watch[Topic.DECISIONS_RESOLVED])
    labels = [CODEC.decode(r.value) for r in watch[Topic.LEARNING_CASES]]
    about_it = [one for one in labels if getattr(one, "decision_id", "") == gold.decision_id]
    told = [(one.kind, one.evidence, one.error) for one in about_it]
    assert told in ([], [(ReviewKind.GOLD, False, False)]), (
        "a known error was caught or not: no word on the AI"
    )
    code, finding = verify(deployment, "exp-21")
    assert (code, finding["broken"]) == (0, [])
