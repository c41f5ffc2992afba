"""Somebody who can write to `reviews.outcomes`, but has no key, answers for a person who has not."""

from __future__ import annotations

import pytest

from app.domain.events import (
    DecisionResolved,
    PatternDetected,
    ReviewDecided,
    ReviewDefaulted,
    ReviewRequested,
    SafeDefault,
)
from app.domain.evidence_chain import SEAL_HEADER, seal, seal_key
from app.domain.review import Reviewer
from app.stream.topics import Topic, pool_topic
from bench.drill.faults import forged_answer
from tests.integration.conftest import Deploy
from tests.integration.deployment import (
    CODEC,
    NOW,
    Deployment,
    Given,
    a_decision,
    by_key,
    header,
    letters,
    until,
)

pytestmark = pytest.mark.broker

ANN = Reviewer(name="ann", pools=frozenset({"expenses"}))


def asked(deployment: Deployment) -> ReviewRequested:
    """A review that nobody has answered."""
    deployment.submit(a_decision("exp-1", 0.8))
    [record] = deployment.watch.wait(pool_topic("expenses"), 1)
    return CODEC.decode_as(record.value, ReviewRequested)


def forgeries(requested: ReviewRequested) -> list[Given]:
    """No seal, one of a key that is not ours, and a default that nobody's clock took."""
    decided = CODEC.encode(ReviewDecided(requested=requested, answer=forged_answer(requested, "forged", NOW)))
    mark = seal(seal_key(b"a secret of my own"), Topic.REVIEWS_OUTCOMES, b"exp-1", decided)
    default = SafeDefault(
        default_id="d", review_id=requested.request.review_id, action="reject", deadline=NOW, taken_at=NOW
    )
    return [
        Given(decided, b"exp-1"),
        Given(decided, b"exp-1", headers=[(SEAL_HEADER, mark.encode())]),
        Given(CODEC.encode(ReviewDefaulted(requested=requested, default=default)), b"exp-1"),
    ]


def test_a_forged_answer_does_nothing_and_the_true_one_counts(deploy: Deploy) -> None:
    deployment = deploy()
    deployment.worker()
    watch = deployment.watch
    deployment.write(Topic.REVIEWS_OUTCOMES, forgeries(asked(deployment)))
    watch.wait(Topic.DEADLETTER, 3)
    assert {header(one, "dlq_reason") for one in letters(watch[Topic.DEADLETTER])} == {"unsealed_answer"}
    assert not watch[Topic.DECISIONS_RESOLVED]
    assert not watch[Topic.FEEDBACK_TRAINING_EXAMPLES]
    patterns = watch.wait(Topic.PATTERNS_DETECTED, 1)
    assert CODEC.decode_as(patterns[0].value, PatternDetected).pattern == "unsealed_answer"

    queue = deployment.queue.queue
    lease = queue.claim_next("expenses", ANN)
    assert lease is not None
    done = deployment.hitl(
        "review", "decide", lease.review.review_id, "--action", "reject", "--reasoning", "no", "--as", "ann"
    )
    assert done.returncode == 0, done.stderr
    until(lambda: bool(watch[Topic.DECISIONS_RESOLVED]), "the true answer")
    resolved = by_key(watch[Topic.DECISIONS_RESOLVED])["exp-1"]
    assert CODEC.decode_as(resolved.value, DecisionResolved).resolution.action == "reject"
