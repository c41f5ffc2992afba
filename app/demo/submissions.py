"""Applications as decisions on a simulated calendar, in waves, with a few bad records on purpose.

The calendar is part of the seed: the same seed submits the same records at the same simulated times.
Each wave is one business day. The first is a pilot of 50, so that learning sets its reference on
exactly these; the others share the rest evenly.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace

from app.demo.lending import DECISION_TYPE, Application
from app.demo.model import Recommendation
from app.domain.events import DecisionSubmitted, Model, Option, Signals
from app.domain.terms import Fact

PILOT = 50
MODEL = "lending-demo"
SUBMITTER = "svc-mortgage-intake"
BAD_DAY = 2
OPENS, CLOSES = 9, 16
"""Business hours in which applications arrive, UTC."""


class Planted(msgspec.Struct, frozen=True, kw_only=True):
    """A bad record that was submitted on purpose."""

    kind: str
    decision_id: str
    expected: str


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One record for ``decisions.submitted``: a decision, or bytes that are none. ``at`` in ms UTC."""

    key: str
    at: int
    value: DecisionSubmitted | bytes


class Wave(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated business day. Times in ms UTC, submissions in order of time."""

    day: int
    opens_at: int
    closes_at: int
    submissions: list[Submission]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that will be submitted, and what of it is bad on purpose."""

    waves: list[Wave]
    planted: list[Planted]

    @property
    def records(self) -> int:
        """Records in all waves, bad ones included."""
        return sum(len(wave.submissions) for wave in self.waves)


def plan(
    applications: Sequence[Application], recommendations: Sequence[Recommendation], *, seed: int, days: int
) -> Plan:
    """Waves of submissions for ``applications`` in their order, with the bad records among them."""
    sizes = _sizes(len(applications), days)
    waves: list[Wave] = []
    planted: list[Planted] = []
    start = 0
    for day, (opens_at, size) in enumerate(zip(business_days(seed), sizes, strict=False), start=1):
        closes_at = opens_at + (CLOSES - OPENS) * 3_600_000
        step = (closes_at - opens_at) / (size + 1)
        part = slice(start, start + size)
        decisions = [
            decision(application, advice, occurred_at=opens_at + round(step * place))
            for place, (application, advice) in enumerate(
                zip(applications[part], recommendations[part], strict=True), start=1
            )
        ]
        if day == BAD_DAY and size >= 3:
            submissions, planted = _with_bad_records(decisions)
        else:
            submissions = [_submission(event) for event in decisions]
        waves.append(Wave(day=day, opens_at=opens_at, closes_at=closes_at, submissions=submissions))
        start += size
    return Plan(waves=waves, planted=planted)


def _sizes(count: int, days: int) -> list[int]:
    """How many applications each day gets.

    >>> _sizes(1780, 4), _sizes(30, 4)
    ([50, 577, 577, 576], [30])
    """
    if count <= PILOT or days < 2:
        return [count]
    rest, more = divmod(count - PILOT, days - 1)
    return [PILOT, *(rest + (place < more) for place in range(days - 1) if rest or place < more)]


def business_days(seed: int) -> list[int]:
    """Openings of the first sixty business days of the seed's calendar, Monday first, ms UTC."""
    monday = datetime(2025, 1, 6, OPENS, tzinfo=UTC) + timedelta(weeks=seed % 40)
    return [
        round((monday + timedelta(weeks=week, days=day)).timestamp() * 1000)
        for week in range(12)
        for day in range(5)
    ]


def _submission(event: DecisionSubmitted) -> Submission:
    return Submission(key=event.decision_id, at=event.occurred_at, value=event)


def decision(application: Application, advice: Recommendation, *, occurred_at: int) -> DecisionSubmitted:
    """The application with the model's advice, as any producer would submit it."""
    return DecisionSubmitted(
        decision_id=application.application_id,
        decision_type=DECISION_TYPE,
        occurred_at=occurred_at,
        subject=applicant(application.application_id),
        submitted_by=SUBMITTER,
        recommendation=Option(
            action=advice.action, probability=advice.probability, rationale=advice.rationale
        ),
        alternatives=[
            Option(
                action=advice.second, probability=advice.second_probability, rationale=advice.second_rationale
            )
        ],
        facts=_facts(application.facts),
        signals=Signals(
            similarity=advice.similarity, consensus=advice.consensus, rule_clarity=advice.rule_clarity
        ),
        factors=None,
        model=Model(name=MODEL, version="1"),
        due_at=None,
        links=[],
    )


def applicant(application_id: str) -> str:
    """Whom an application is about: a made-up id, the data set names nobody.

    >>> applicant("hmda-0012")
    'applicant-0012'
    """
    return application_id.replace("hmda", "applicant")


def _facts(facts: dict[str, Fact]) -> str:
    return msgspec.json.encode(facts).decode()


def _with_bad_records(decisions: list[DecisionSubmitted]) -> tuple[list[Submission], list[Planted]]:
    """The day with two decisions spoiled, one repeated, and three records that are no decision."""
    first, second, third, *others = decisions
    no_facts = replace(second, facts=_without(second.facts, "loan_to_value", "payment_to_income"))
    no_number = replace(third, recommendation=replace(third.recommendation, probability=math.nan))
    closing = decisions[-1].occurred_at
    stranger = replace(
        first, decision_id="unknown-type-0001", decision_type="pet.insurance", occurred_at=closing + 2_000
    )
    cut_off = replace(
        first, decision_id="broken-facts-0001", facts=first.facts[:20], occurred_at=closing + 4_000
    )
    garbage = Submission(
        key="garbage-0001", at=closing + 3_000, value=hashlib.blake2b(b"not a decision").digest()
    )
    submissions = [
        *(_submission(event) for event in (first, no_facts, no_number, *others)),
        Submission(key=first.decision_id, at=closing + 1_000, value=first),
        _submission(stranger),
        garbage,
        _submission(cut_off),
    ]
    dead = "dead letter"
    return submissions, [
        Planted(kind="facts missing", decision_id=no_facts.decision_id, expected="a person decides"),
        Planted(
            kind="probability not a number", decision_id=no_number.decision_id, expected="a person decides"
        ),
        Planted(kind="same id twice", decision_id=first.decision_id, expected="decided once"),
        Planted(kind="type without policy", decision_id=stranger.decision_id, expected=dead),
        Planted(kind="not a record", decision_id=garbage.key, expected=dead),
        Planted(kind="facts cut off", decision_id=cut_off.decision_id, expected=dead),
    ]


def _without(facts: str, *names: str) -> str:
    kept: dict[str, Fact] = msgspec.json.decode(facts)
    return _facts({name: value for name, value in kept.items() if name not in names})
