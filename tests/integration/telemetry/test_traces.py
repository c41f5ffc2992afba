"""One trace from the submission to the resolution, through worker processes that know nothing of one
another but the records."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from app.domain.answers import Verdict
from app.domain.events import DecisionSubmitted
from app.domain.review import Reviewer
from app.stream.headers import new_traceparent
from app.stream.records import Incoming
from app.stream.topics import Topic, pool_topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, Given, a_decision, header, until
from tests.integration.telemetry.collector import Found, collector

pytestmark = pytest.mark.broker

ANN = Reviewer(name="ann", pools=frozenset({"expenses"}))
CALLERS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00"
SECRET = "nobody-outside-reads-this"
STAGES = ["submit", "scoring", "routing", "desk", "outcome"]
"""Each the parent of the next; ``review_request`` is the desk's sibling."""
TOPICS = [
    Topic.DECISIONS_SCORED,
    Topic.DECISIONS_ROUTED,
    pool_topic("expenses"),
    Topic.REVIEWS_OUTCOMES,
    Topic.REVIEWS_LIFECYCLE,
    Topic.DECISIONS_RESOLVED,
]


def chain(spans: dict[object, Found], stages: list[str]) -> None:
    """Each stage is the child of the one before."""
    for before, name in itertools.pairwise(stages):
        assert spans[name]["parent"] == spans[before]["span"], (before, name)


def line(decision: DecisionSubmitted) -> str:
    return json.dumps(
        {
            "decision_id": decision.decision_id,
            "decision_type": decision.decision_type,
            "occurred_at": "2026-03-02T09:30:00Z",
            "subject": SECRET,
            "recommendation": {"action": "approve", "probability": 0.8, "rationale": SECRET},
            "facts": json.loads(decision.facts),
            "model": {"name": "expenses", "version": "3"},
        }
    )


def test_a_trace_goes_from_the_submission_to_the_resolution(deploy: Deploy, tmp_path: Path) -> None:
    deployment = deploy()
    watch, queue = deployment.watch, deployment.queue.queue
    with collector() as found:
        deployment.worker("scoring,routing", **found.env)
        deployment.worker("review_request", **found.env)
        deployment.worker("outcome", **found.env)
        file = tmp_path / "decisions.jsonl"
        file.write_text(line(a_decision("own-1")) + "\n", encoding="utf-8")
        sent = deployment.hitl("submit", str(file), **found.env)
        assert sent.returncode == 0, sent.stderr
        deployment.write(
            Topic.DECISIONS_SUBMITTED,
            [
                Given(
                    CODEC.encode(a_decision(name, 0.8)),
                    name.encode(),
                    headers=[("traceparent", given.encode())],
                )
                for name, given in (("called-1", CALLERS), ("quiet-1", UNSAMPLED))
            ],
        )
        deployment.submit(a_decision("plain-1", 0.8))
        watch.wait(pool_topic("expenses"), 4)
        while lease := queue.claim_next("expenses", ANN):
            review = lease.review
            verdict = Verdict(action="reject", reasoning=SECRET, reason_code="other")
            queue.decide(review.review_id, ANN, review.epoch, review.digest, verdict)
        watch.wait(Topic.DECISIONS_RESOLVED, 4)
        # Each worker sends its own, in no order.
        for name, stages in (("own-1", STAGES), ("called-1", STAGES[1:]), ("plain-1", STAGES[1:])):
            every = {*stages, "review_request"}
            until(lambda name=name, every=every: every <= found.of(name).keys(), f"the spans of {name}")  # type: ignore[misc]

    def trace_ids(name: str) -> set[str]:
        records: list[Incoming] = [record for topic in TOPICS for record in watch[topic]]
        headers = [header(record, "traceparent") for record in records if record.key == name.encode()]
        assert len(headers) >= len(TOPICS)
        return {str(value).split("-")[1] for value in headers}

    submitted = found.of("own-1")
    assert sorted(map(str, submitted)) == sorted([*STAGES, "review_request"])
    assert submitted["submit"]["parent"] == ""
    chain(submitted, STAGES)
    assert submitted["review_request"]["parent"] == submitted["routing"]["span"]
    assert trace_ids("own-1") == {span["trace"] for span in submitted.values()}
    assert {span["service"] for span in submitted.values()} == {"hitl-submit", "hitl-worker"}
    assert {span["hitl.decision.type"] for span in submitted.values()} == {"expense.approval"}

    called = found.of("called-1")  # somebody's trace goes on, through the desk as well
    assert called["scoring"]["parent"] == CALLERS.split("-")[2]
    chain(called, STAGES[1:])
    assert trace_ids("called-1") == {span["trace"] for span in called.values()} == {CALLERS.split("-")[1]}

    assert found.of("quiet-1") == {}  # whoever called did not sample it
    assert trace_ids("quiet-1") == {UNSAMPLED.split("-")[1]}

    plain = found.of("plain-1")  # nobody gave a trace: the first stage begins it
    assert plain["scoring"]["parent"] == ""
    chain(plain, STAGES[1:])
    assert trace_ids("plain-1") == {new_traceparent("plain-1").decode().split("-")[1]}

    assert SECRET not in str(found.spans) and "ann" not in str([list(s.values()) for s in found.spans])
