"""One reviewer's seat left to the person who runs the demo: fresh cases, in the real console.

The cases are applications of the run under new names, half of them such that the AI is wrong: there
should be something to find. From here on simulated time passes as time does.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from app.composition.console import open_console
from app.console.accounts import Accounts
from app.console.server import beside, listen
from app.demo.collector import wait_until
from app.demo.embedded import Installation
from app.demo.shift import SimulatedClock
from app.demo.submissions import Submission
from app.domain.events import DecisionRouted, DecisionSubmitted
from app.domain.people import Directory, Profile
from app.domain.review import ReviewState
from app.policy.compiled import CompiledPolicy
from app.review_queue.errors import StoreUnavailableError
from app.settings import Settings

NAME = "you"
CASES = 12
ROUTED_WITHIN = 120.0
TICK = 0.1


class Case(msgspec.Struct, frozen=True):
    """A decision for the person, and what the lender really did."""

    decision: DecisionSubmitted
    lender: str


class Invitation(msgspec.Struct, frozen=True):
    """How to take the seat."""

    url: str
    name: str
    password: str
    waiting: int
    """Reviews that wait."""


class Score(msgspec.Struct, frozen=True):
    """What came of it: how many were answered, and of these how often person and AI agreed with the
    lender."""

    answered: int
    person_right: int
    ai_right: int


class Seat:
    """The console beside a finished demo run."""

    def __init__(
        self,
        site: Installation,
        settings: Settings,
        policy: CompiledPolicy,
        clock: SimulatedClock,
        cases: Sequence[Case],
        scratch: Path,
    ) -> None:
        pools = frozenset(policy.pool_names)
        you = Profile(name=NAME, title="You", pools=pools, supervises=pools)
        self._site = site
        self._policy = replace(policy, directory=Directory(MappingProxyType({NAME: you}), pools))
        self._settings = replace(settings, accounts_file=scratch / "accounts.json")
        self._clock = clock
        self._cases = cases
        self._stopping = threading.Event()

    @contextlib.contextmanager
    def open(self, port: int) -> Iterator[Invitation]:
        """Cases submitted and routed, console open, until the end of the block. ``port`` 0 takes any."""
        password = secrets.token_urlsafe(9)
        Accounts(self._settings.accounts_file, self._clock, secrets.token_bytes).set_password(
            NAME, password, new=True
        )
        ticking = threading.Thread(target=self._tick, name="demo-clock", daemon=True)
        ticking.start()
        try:
            self._submit()
            with contextlib.closing(listen("127.0.0.1", port)) as listening:
                url = f"http://127.0.0.1:{listening.getsockname()[1]}"
                with (
                    open_console(
                        self._settings, self._policy, url, embedded=True, clock=self._clock
                    ) as parts,
                    beside(parts, listening),
                ):
                    yield Invitation(url, NAME, password, self._open())
        finally:
            self._stopping.set()
            ticking.join(5)

    def score(self) -> Score:
        """How it went so far."""
        lender = {case.decision.decision_id: case.lender for case in self._cases}
        advice = {case.decision.decision_id: case.decision.recommendation.action for case in self._cases}
        given: dict[str, str] = {}
        for pool in self._policy.pool_names:
            for review in self._site.queue.list(pool, ReviewState.DECIDED, limit=1000):
                answer = self._site.queue.get(review.review_id).answer
                if review.decision_id in lender and answer is not None and answer.reviewer == NAME:
                    given[review.decision_id] = answer.action
        return Score(
            answered=len(given),
            person_right=sum(action == lender[case] for case, action in given.items()),
            ai_right=sum(advice[case] == lender[case] for case in given),
        )

    def _submit(self) -> None:
        now = self._clock()
        fresh = [replace(case.decision, occurred_at=now) for case in self._cases]
        self._site.feed.submit([Submission(key=one.decision_id, at=now, value=one) for one in fresh])
        wait_until(
            lambda: self._open() > 0,
            what="your cases to reach the queue",
            state=lambda: {"open": self._open()},
            timeout=ROUTED_WITHIN,
        )

    def _open(self) -> int:
        return sum(pool.open + pool.supervisor + pool.offered for pool in self._site.queue.stats())

    def _tick(self) -> None:
        """Time passes, answers become final and go to the log, leases and deadlines run out."""
        start, began = self._clock.now, time.monotonic()
        while not self._stopping.wait(TICK):
            self._clock.now = start + int(1000 * (time.monotonic() - began))
            with contextlib.suppress(StoreUnavailableError):
                for pool in self._policy.pool_names:
                    self._site.queue.expire(pool)
                    self._site.queue.sla(pool)
                    self._site.queue.settle(pool)
                self._site.relay()


def choose(routed: Sequence[DecisionRouted], lender: Callable[[str], str | None]) -> list[Case]:
    """Cases that people were asked about, as many with a wrong recommendation as with a right one, in
    turns; under new names, so that no history gives the answer away."""
    sides: Mapping[bool, list[Case]] = {True: [], False: []}
    for event in routed:
        decision = event.scored.decision
        truth = lender(decision.decision_id)
        if truth is not None and event.route.level in (3, 4):
            sides[decision.recommendation.action == truth].append(Case(decision, truth))
    turns = [case for pair in zip(sides[True], sides[False], strict=False) for case in pair][:CASES]
    return [
        Case(
            replace(case.decision, decision_id=f"yours-{n:02d}", subject=f"applicant-{n:02d}", links=[]),
            case.lender,
        )
        for n, case in enumerate(turns, start=1)
    ]
