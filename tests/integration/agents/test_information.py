"""A reviewer asks, a program outside answers: through topics, a worker and an outage of the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.events import InformationGiven
from app.domain.review import Review, Reviewer, ReviewState
from app.review_queue.embedded import EmbeddedStore
from app.stream.topics import Topic, pool_topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, NOW, Deployment, Given, a_decision, header, letters, until

pytestmark = pytest.mark.broker

ANN = Reviewer(name="ann", pools=frozenset({"expenses"}))


def asked(deployment: Deployment) -> Review:
    """A review in which somebody waits for information."""
    lease = deployment.queue.queue.claim_next("expenses", ANN)
    assert lease is not None
    return deployment.queue.queue.request_info(lease.review.review_id, ANN, lease.review.epoch, "Which?")


def information(review: Review, **changes: object) -> InformationGiven:
    fields: dict[str, object] = {
        "review_id": review.review_id,
        "decision_id": review.decision_id,
        "lease_epoch": review.epoch,
        "information": "Apollo",
        "given_by": "svc-expenses",
        "given_at": NOW,
    }
    return InformationGiven(**{**fields, **changes})  # type: ignore[arg-type]


def test_information_from_outside_lets_the_review_go_on(deploy: Deploy) -> None:
    deployment = deploy()
    deployment.worker()
    deployment.submit(a_decision("exp-1", 0.8, submitted_by="svc-expenses"))
    deployment.watch.wait(pool_topic("expenses"), 1)
    review = asked(deployment)
    queue = deployment.queue.queue

    wrong = deployment.hitl("inform", review.review_id, "Zeus", "--as", "ann", "--epoch", "9")
    assert wrong.returncode == 0, wrong.stderr
    [letter] = until_letters(deployment, 1)
    assert letter == "other_question"
    assert queue.get(review.review_id).review.state is ReviewState.WAITING

    done = deployment.hitl("inform", review.review_id, "Apollo", "--as", "svc-expenses")
    assert done.returncode == 0, done.stderr
    until(lambda: queue.get(review.review_id).review.state is ReviewState.OPEN, "it goes on")
    told = queue.get(review.review_id).review
    assert (told.information, told.informed_by) == ("Apollo", "svc-expenses")

    tell(deployment, information(review))  # delivered twice
    tell(deployment, information(review, information="Late"))
    assert until_letters(deployment, 2) == ["other_question", "not_waiting"]
    assert queue.get(review.review_id).review == told
    until(lambda: queue.stats()[0].unpublished == 0, "the outbox is empty")
    verified = deployment.hitl("queue", "verify")
    assert verified.returncode == 0, verified.stdout


def test_information_that_comes_while_the_store_is_away_is_not_lost(deploy: Deploy, tmp_path: Path) -> None:
    directory = tmp_path / "own-store"
    with EmbeddedStore(directory) as store:
        deployment = deploy(redis_url=store.url)
        worker = deployment.worker()
        deployment.submit(a_decision("exp-1", 0.8, submitted_by="svc-expenses"))
        deployment.watch.wait(pool_topic("expenses"), 1)
        review = asked(deployment)
    tell(deployment, information(review))
    until(lambda: worker.says("paused until it is over"), "the worker says that it waits")
    assert not letters(deployment.watch[Topic.DEADLETTER])
    with EmbeddedStore(directory) as again:
        assert again.url == store.url

        def state() -> ReviewState:
            return deployment.queue.queue.get(review.review_id).review.state

        until(lambda: state() is ReviewState.OPEN, "the review goes on")
        assert not letters(deployment.watch[Topic.DEADLETTER])


def until_letters(deployment: Deployment, count: int) -> list[str | None]:
    """The reasons of at least so many dead letters, in order."""
    deployment.watch.wait(Topic.DEADLETTER, count)
    return [header(letter, "dlq_reason") for letter in letters(deployment.watch[Topic.DEADLETTER])]


def tell(deployment: Deployment, event: InformationGiven) -> None:
    """Publish information as a producer does."""
    deployment.write(Topic.REVIEWS_INFORMATION, [Given(CODEC.encode(event), event.decision_id.encode())])
