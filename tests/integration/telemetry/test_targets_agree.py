"""The 14 targets say what an independent reading of the topics says, on a deployment of its own."""

from __future__ import annotations

import socket
import time
import urllib.request
from bisect import bisect_left

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.answers import Verdict
from app.domain.events import ObservationKind, ObservedOutcome, OverrideCategory
from app.domain.review import Reviewer
from app.review_queue.tallies import Tallies
from app.stream.topics import Topic, pool_topic
from app.telemetry import catalogue as c
from app.telemetry.standing import standings
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, NOW, Given, a_decision, until
from tests.integration.telemetry.independent_targets import TOPICS, targets
from tests.unit.agents.parts import POLICY_TEXT

pytestmark = pytest.mark.broker

# Half of what the AI decides is audited.
POLICY = POLICY_TEXT.replace("audit_rate: 0", "audit_rate: 0.5")
POOLS = frozenset({"expenses", "experts"})
ANN, SUE = Reviewer(name="ann", pools=POOLS), Reviewer(name="sue", pools=POOLS, supervisor=True)
REVIEWED, AUTOMATED, LATE = 30, 60, 4
BUCKETED = {"review_time": c.HANDLING, "feedback_latency": c.FEEDBACK}
KINDS = (
    *9 * (ObservationKind.CONFIRMED_CORRECT,),
    *3 * (ObservationKind.DOWNSTREAM_ERROR,),
    ObservationKind.CUSTOMER_INCIDENT,
    ObservationKind.AUDIT_FINDING,
    ObservationKind.GROUND_TRUTH,
)


def answers(number: int) -> Verdict:
    """Two of ten are overridden, one of them without a reason; one is modified; one is an edge case."""
    if number % 10 == 3:
        return Verdict(action="reject", reasoning=" ", reason_code="other")
    if number % 10 == 6:
        return Verdict(
            action="reject", reasoning="new", reason_code="other", category=OverrideCategory.EDGE_CASE
        )
    if number % 10 == 8:
        return Verdict(action="modify", changes='{"amount": 20}', reasoning="too much", reason_code="misread")
    return Verdict(action="approve", reasoning="as receipts say", reason_code="other")


def observed(number: int) -> Given:
    name, kind = f"auto-{number}", KINDS[number]
    truth = "reject" if kind is ObservationKind.GROUND_TRUTH else None
    event = ObservedOutcome(
        observation_id=f"o-{name}", decision_id=name, kind=kind, correct_action=truth, observed_at=NOW,
        source="ledger", note="",
    )  # fmt: skip
    return Given(CODEC.encode(event), name.encode())


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def scraped(port: int) -> dict[str, float]:
    """Every counter, summed over its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        families = text_string_to_metric_families(page.read().decode())
        return {family.name: sum(one.value for one in family.samples) for family in families}


def test_metrics_store_and_topics_agree(deploy: Deploy) -> None:
    deployment, port = deploy(policy=POLICY), free_port()
    watch, queue = deployment.watch, deployment.queue.queue
    deployment.worker(HITL_METRICS_PORT=str(port))
    soon = time.time_ns() // 1_000_000 + 8000
    deployment.submit(
        *(a_decision(f"review-{n}", 0.8, due_at=soon if n < LATE else None) for n in range(REVIEWED)),
        *(a_decision(f"auto-{n}") for n in range(AUTOMATED)),
    )
    watch.wait(Topic.DECISIONS_ROUTED, REVIEWED + AUTOMATED)
    deployment.caught_up("hitl-review-request", Topic.DECISIONS_ROUTED)
    deployment.write(Topic.OUTCOMES_OBSERVED, [observed(n) for n in range(len(KINDS))])

    # --- four deadlines pass; one review is escalated; three stay open; the others are answered -------
    def steps(event: str) -> int:
        return sum(event.encode() in (record.value or b"") for record in watch[Topic.REVIEWS_LIFECYCLE])

    until(lambda: steps("sla_missed") >= LATE, "four missed deadlines")
    asked = len(watch[pool_topic("expenses")])
    lease = queue.claim_next("expenses", ANN)
    assert lease is not None
    queue.escalate(lease.review.review_id, ANN, lease.review.epoch)
    for number in range(asked - 3):
        lease = queue.claim_next("expenses", SUE)
        assert lease is not None
        review = lease.review
        queue.decide(review.review_id, SUE, review.epoch, review.digest, answers(number))
    watch.wait(Topic.REVIEWS_OUTCOMES, asked - 3)
    for topic in (Topic.REVIEWS_OUTCOMES, Topic.REVIEWS_LIFECYCLE, Topic.OUTCOMES_OBSERVED):
        deployment.caught_up("hitl-outcome", topic)
    deployment.caught_up("hitl-drift", Topic.LEARNING_CASES)

    # --- three readings of the same run ----------------------------------------------------------------
    parts = deployment.queue

    def told() -> dict[str, float | None]:
        now = time.time_ns() // 1_000_000
        kept = Tallies(parts.client, parts.keys).read(now)
        return {one.target.name: one.value for one in standings(kept, now)}

    def read() -> dict[str, float | None]:
        requested = [record for pool in sorted(POOLS) for record in watch[pool_topic(pool)]]
        return targets({name: watch[Topic(name)] for name in TOPICS}, requested, time.time_ns() // 1_000_000)

    def comparable(found: dict[str, float | None]) -> dict[str, object]:
        """Quantiles by the bucket they are in: that is how exactly a histogram knows them."""
        return {
            name: value
            if value is None
            else bisect_left(BUCKETED[name], value)
            if name in BUCKETED
            else round(value, 9)
            for name, value in found.items()
        }

    try:
        until(lambda: comparable(told()) == comparable(read()), "the same 14 numbers", 60)
    except AssertionError:
        assert comparable(told()) == comparable(read())
    found = read()
    assert len(found) == 14
    assert found["automation_rate"] == AUTOMATED / (REVIEWED + AUTOMATED)
    assert found["queue_depth"] == 3
    assert found["customer_incidents"] == 1
    assert None not in [value for name, value in found.items() if name != "model_improvement"]

    page = scraped(port)
    assert page["hitl_decisions"] == REVIEWED + AUTOMATED
    assert page["hitl_downstream_errors"] == 3
    assert page["hitl_escalations"] >= 1
    assert page["hitl_queue_depth"] == 3
    assert page["hitl_dead_letters"] == 0
