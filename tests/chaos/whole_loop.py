"""The whole loop under torment: real worker processes, a feeder, people who answer, and who kills what."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from app.composition.parts import connection_of, load_compiled_policy, open_codec, open_queue
from app.domain.answers import Verdict
from app.domain.events import DecisionSubmitted, Model, Option, Signals
from app.domain.review import Reviewer, ReviewState
from app.errors import HitlError
from app.policy.compiled import CompiledPolicy
from app.review_queue.errors import QueueError
from app.review_queue.values import Lease
from app.settings import Settings, load_settings
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from app.stream.topics import Topic
from tests.processes import PATIENCE, Process

TYPE = "expense.approval"
GROUPS = (
    ("decide", Topic.DECISIONS_SUBMITTED),
    ("review-request", Topic.DECISIONS_ROUTED),
    ("outcome", Topic.REVIEWS_OUTCOMES),
    ("drift", Topic.LEARNING_CASES),
)
LOOKED = Verdict(action="", reasoning="looked at it", reason_code="other")
"""How people explain what they answer."""
MARKERS = 100  # more unread records than this can not all be transaction markers


@contextmanager
def workers(count: int, env: dict[str, str], logs: Path, module: str = "app") -> Iterator[list[Process]]:
    """So many workers, of ``hitl`` or of a broken variant of it; stopped at the end."""
    running = [
        Process(
            [sys.executable, "-m", module, "worker", "--slot", str(slot)], env, logs / f"worker-{slot}.log"
        )
        for slot in range(count)
    ]
    try:
        for worker in running:
            worker.start()
        yield running
    finally:
        for worker in running:
            worker.stop()


def decisions(count: int, seed: int, sure_share: float = 0.7) -> Iterator[DecisionSubmitted]:
    """Expenses; of ``sure_share`` of them the AI is sure. The same for the same seed."""
    draw = random.Random(seed)
    now = time.time_ns() // 1_000_000
    for number in range(count):
        sure = draw.random() < sure_share
        yield DecisionSubmitted(
            decision_id=f"exp-{seed}-{number:07d}",
            decision_type=TYPE,
            occurred_at=now,
            subject=f"emp-{draw.randrange(2000)}",
            submitted_by="chaos",
            recommendation=Option(
                action="approve", probability=0.985 if sure else draw.uniform(0.6, 0.9), rationale="routine"
            ),
            alternatives=[Option(action="reject", probability=0.01, rationale="unusual vendor")],
            facts=msgspec.json.encode(
                {"amount": draw.uniform(5, 900), "currency": "EUR", "category": "travel", "tenure_days": 900}
            ).decode(),
            signals=Signals(similarity=0.97, consensus=1.0, rule_clarity=0.97),
            factors=None,
            model=Model(name="expenses", version="3"),
            due_at=None,
            links=[],
        )


class Feeder(threading.Thread):
    """Submits decisions at a steady rate and repeats one in ``repeat_every`` a little later. Retries
    until the broker has stored every record once."""

    def __init__(
        self,
        settings: Settings,
        count: int,
        *,
        seed: int,
        rate: int,
        repeat_every: int,
        sure: float = 0.7,
        chunk: int = 500,
    ) -> None:
        super().__init__(name="feeder", daemon=True)
        self._settings = settings
        self._count = count
        self._seed = seed
        self._rate = rate
        self._repeat_every = repeat_every
        self._sure = sure
        self._chunk = chunk
        self.ids: list[str] = []
        self.repeated: list[str] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._feed()
        except BaseException as failure:
            self.failure = failure

    def _feed(self) -> None:
        codec = open_codec(self._settings)
        publisher = Publisher(connection_of(self._settings), client_id="feeder", timeout=300)
        chunk: list[Outgoing] = []
        began = time.monotonic()
        for number, decision in enumerate(decisions(self._count, self._seed, self._sure), start=1):
            record = Outgoing(
                Topic.DECISIONS_SUBMITTED, decision.decision_id.encode(), codec.encode(decision), []
            )
            chunk.append(record)
            self.ids.append(decision.decision_id)
            if number % self._repeat_every == 0:
                chunk.append(record)
                self.repeated.append(decision.decision_id)
            if len(chunk) >= self._chunk or number == self._count:
                failed = publisher.send(chunk)
                assert not failed, failed[:3]
                chunk = []
                ahead = number / self._rate - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)
        publisher.close()


class Desk(threading.Thread):
    """People who claim and answer until told to stop; ``agrees`` gives how probably they approve the
    ReviewRequested in some bytes. ``answered`` maps the review ids whose answer was
    accepted to the action: none of them may be lost or counted twice."""

    def __init__(
        self,
        settings: Settings,
        policy: CompiledPolicy,
        name: str,
        at_most: int,
        agrees: Callable[[bytes], float] = lambda _record: 0.8,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._parts = open_queue(settings, policy)
        self._person = Reviewer(name=name, pools=frozenset(policy.pool_names), supervisor=True)
        self._pools = policy.pool_names
        self._at_most = at_most
        self.agrees = agrees
        self.verdict = LOOKED
        self._stop_asked = threading.Event()
        self.answered: dict[str, str] = {}
        self.outages = 0

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(PATIENCE)

    def run(self) -> None:
        draw = random.Random(self.name)
        while not self._stop_asked.is_set() and len(self.answered) < self._at_most:
            try:
                if not self._answer_one(draw):
                    time.sleep(0.05)
            except QueueError:
                continue  # the lease ran out during an outage: the next one
            except HitlError:
                self.outages += 1
                time.sleep(0.2)

    def _answer_one(self, draw: random.Random) -> bool:
        lease = self._claim()
        if lease is None:
            return False
        self._answer(lease, draw)
        return True

    def _claim(self) -> Lease | None:
        """The next review of any pool."""
        for pool in self._pools:
            lease = self._parts.queue.claim_next(pool, self._person)
            if lease is not None:
                return lease
        return None

    def _answer(self, lease: Lease, draw: random.Random) -> None:
        review = lease.review
        action = "approve" if draw.random() < self.agrees(lease.record) else "reject"
        verdict = msgspec.structs.replace(self.verdict, action=action)
        self._decide(review.review_id, review.epoch, review.digest, verdict)
        self.answered[review.review_id] = action

    def _decide(self, review_id: str, epoch: int, digest: str, verdict: Verdict) -> None:
        """Until it is said to be stored: a person presses the button again after an outage."""
        while True:
            try:
                self._parts.queue.decide(review_id, self._person, epoch, digest, verdict)
            except QueueError:
                raise
            except HitlError:
                self.outages += 1
                time.sleep(0.2)
            else:
                return


def our_settings(env: dict[str, str]) -> tuple[Settings, CompiledPolicy]:
    """Settings and policy as the workers see them."""
    settings = load_settings(env)
    return settings, load_compiled_policy(settings)


def waiting_reviews(settings: Settings, policy: CompiledPolicy) -> set[str]:
    """Ids of all reviews that are not decided."""
    queue = open_queue(settings, policy).queue
    found: set[str] = set()
    for pool in policy.pool_names:
        for state in (ReviewState.OPEN, ReviewState.CLAIMED, ReviewState.WAITING):
            for escalated in (False, True):
                offset = 0
                while page := queue.list(pool, state, offset, 500, escalated=escalated):
                    found.update(review.review_id for review in page)
                    offset += len(page)
                    if len(page) < 500:
                        break
    return found
