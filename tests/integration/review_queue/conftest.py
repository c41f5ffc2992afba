"""A real store for the whole run, and queues on it that do not see one another."""

import itertools
import os

import pytest

from app.domain.answers import Verdict
from app.domain.events import (
    Arm,
    Assessment,
    Confidence,
    Consequence,
    ConsequenceClass,
    DecisionRouted,
    DecisionScored,
    DecisionSubmitted,
    Model,
    OnDeadline,
    Option,
    ReviewKind,
    ReviewRequest,
    ReviewRequested,
    Route,
    Signals,
)
from app.domain.review import QueueTerms, Reviewer, review_id_of
from app.domain.working_time import Calendar
from app.review_queue.assignments import Assignments
from app.review_queue.keys import Keys
from app.review_queue.queue import ReviewQueue
from app.review_queue.store import open_client
from app.review_queue.values import NewReview
from app.stream.codec import Codec
from app.stream.schemas import Schemas

_numbers = itertools.count()

OFFICE = Calendar(zone="Europe/Berlin", week=5 * (((9 * 60, 17 * 60),),) + 2 * ((),))
"""What the SLA class "office" counts as time."""


def routed(decision="d1", *, at=1_764_000_000_000, subject="emp-17", level=4, action=None):
    """A routed decision, whole."""
    return DecisionRouted(
        scored=DecisionScored(
            decision=DecisionSubmitted(
                decision_id=decision,
                decision_type="expense.approval",
                occurred_at=at,
                subject=subject,
                submitted_by="svc",
                recommendation=Option(action="approve", probability=0.93, rationale="matches policy 4.2"),
                alternatives=[Option(action="reject", probability=0.05, rationale="unusual vendor")],
                facts='{"amount":1240.5}',
                signals=Signals(),
                factors=None,
                model=Model(name="expenses", version="3"),
                due_at=None,
                links=[],
            ),
            assessment=Assessment(
                received_at=at,
                policy_version="v1",
                consequence=Consequence(harm=0.1, consequence_class=ConsequenceClass.LOW, factors=[]),
                confidence=Confidence(
                    probability=0.8,
                    raw=0.75,
                    valid=True,
                    model_probability=0.93,
                    similarity=None,
                    consensus=None,
                    rule_clarity=None,
                    completeness=1.0,
                    calibration_version=0,
                ),
                missing_facts=[],
                findings=[],
            ),
        ),
        route=Route(
            route_id="r",
            level=level,
            action=action,
            score=0.8,
            threshold=0.9,
            threshold_version=1,
            learning_key="expense.approval/expenses/3",
            epoch=1,
            reasons=[],
            evidence=False,
            evidence_probability=0.2,
            audit=False,
            audit_probability=0.0,
            arm=Arm.SHOWN,
            arm_probability=0.8,
            review_kinds=[ReviewKind.DECIDE],
            pool="expenses",
            sla_class="standard",
            deadline=at + 3_600_000,
            on_deadline=OnDeadline.ESCALATE,
            approvals=1,
            policy_version="v1",
        ),
    )


class Clock:
    """Milliseconds that pass when a test says so."""

    def __init__(self, now=1_764_000_000_000):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, ms):
        self.now += ms
        return self.now


class Desk:
    """A queue with two pools and the people of a small office."""

    ann = Reviewer(name="ann", pools=frozenset({"expenses", "claims"}))
    bob = Reviewer(name="bob", pools=frozenset({"expenses"}))
    cat = Reviewer(name="cat", pools=frozenset({"expenses"}))
    sue = Reviewer(name="sue", pools=frozenset({"expenses", "claims"}), supervisor=True)
    sam = Reviewer(name="sam", pools=frozenset({"expenses", "claims"}), supervisor=True)
    kim = Reviewer(name="kim", pools=frozenset({"helpers"}))
    pool = "expenses"

    def __init__(self, client, url):
        self.client = client
        self.url = url
        self.prefix = f"t{os.getpid()}x{next(_numbers)}."
        self.keys = Keys(self.prefix)
        self.clock = Clock()
        self.terms = QueueTerms(
            lease=60_000, calendars={"office": OFFICE}, backups={"expenses": frozenset({"helpers"})}
        )
        self.queue = self.queue_on(client)
        self.assignments = Assignments(client, self.keys, self.queue, self.clock)

    def queue_on(self, client, **options):
        options = {"terms": self.terms, "clock": self.clock, "durability": 0, **options}
        return ReviewQueue(client, self.keys, ["expenses", "claims"], **options)

    def new(self, decision="d1", *, kind=ReviewKind.REVIEW, pool="expenses", record=None, **changes):
        request = ReviewRequest(
            review_id=review_id_of(pool, decision, kind),
            kind=kind,
            pool=pool,
            sla_class=changes.pop("sla_class", "standard"),
            consequence_class=changes.pop("consequence_class", ConsequenceClass.LOW),
            requested_at=changes.pop("requested_at", self.clock()),
            deadline=changes.pop("deadline", self.clock() + 3_600_000),
            approvals=changes.pop("approvals", 1),
            blind=changes.pop("blind", False),
            package="{}",
            package_digest="a" * 64,
            ladder=changes.pop("ladder", []),
            on_deadline=changes.pop("on_deadline", OnDeadline.HOLD),
            safe_default=changes.pop("safe_default", None),
        )
        assert not changes
        return NewReview(decision, request, record or f"record of {decision}".encode())

    def real(self, codec, decision="d1", **changes):
        """As ``new``, with a record that can be read."""
        request = self.new(decision, **changes).request
        record = codec.encode(
            ReviewRequested(routed=routed(decision, at=request.requested_at), request=request)
        )
        return NewReview(decision, request, record)

    def enter(self, decision="d1", **changes):
        """Enqueue one review; its id."""
        return self.queue.enqueue(self.new(decision, **changes)).review_id

    def take(self, reviewer, review=None):
        """Claim; the review as claimed."""
        lease = self.queue.claim(review, reviewer) if review else self.queue.claim_next(self.pool, reviewer)
        return lease and lease.review

    def decide(self, review, reviewer, action="approve", **changes):
        what = Verdict(action=action, reasoning="because", **changes)
        return self.queue.decide(review.review_id, reviewer, review.epoch, review.digest, what)

    def outbox(self, pool="expenses"):
        """The outbox as (event, actor, step) of every entry."""
        entries = self.client.execute_command("XRANGE", self.keys.pool(pool, "outbox"), "-", "+")
        found = []
        for _, fields in entries:
            found.append((fields[b"@event"].decode(), fields[b"@actor"].decode(), int(fields[b"step"])))
        return found

    def events(self, pool="expenses"):
        return [event for event, _, _ in self.outbox(pool)]


@pytest.fixture(scope="session")
def client(store_url):
    client = open_client(store_url)
    yield client
    client.close()


@pytest.fixture
def desk(client, store_url):
    return Desk(client, store_url)


@pytest.fixture(scope="session")
def make_desk(client, store_url):
    return lambda: Desk(client, store_url)


@pytest.fixture(scope="session")
def codec():
    return Codec(Schemas.load())
