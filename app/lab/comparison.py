"""What a policy beside another one would have changed, in the shape of a simulation's report where both know
the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from app.domain.events import ReviewKind
from app.domain.terms import Fact
from app.lab.adjustment_effects import AdjustmentEffect, adjustment_effects
from app.lab.beside import Again, Beside, Work
from app.lab.estimate import Estimate, Estimator, estimate
from app.lab.report import KeyThreshold, Rejects, key_threshold, share

MOST_VALUES = 12
"""Values of a fact that are told apart; a number with more is cut into four of equal size."""
POINTS = 80
"""Most points of a curve over time."""
HOUR = 3_600_000


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions with one value of a fact, or all."""

    name: str
    decisions: int
    automation_rate: float | None
    automation_rate_logged: float | None
    automated: int
    error: Estimate
    """Of what would run alone."""
    error_logged: Estimate
    """Of what did."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the decisions. ``error`` is that of all that would have run alone up to its end."""

    decisions: int
    automation_rate: float | None
    automation_rate_logged: float | None
    human_work: float | None
    human_work_logged: float | None
    error: Estimate


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions under another policy. ``*_logged`` is what happened; ``None`` where nothing is known."""

    decisions: int
    automation_rate: float | None
    automation_rate_logged: float | None
    automated: int
    newly_alone: int
    newly_reviewed: int
    same_level: float | None
    automated_error: float | None
    automated_error_interval: tuple[float, float]
    """95 %; with what nobody ever judged at 0 below and at 1 above."""
    automated_error_upper: float
    automated_error_by_any_answer: float | None
    """With answers of people who had seen the recommendation: anchoring makes it too low."""
    automated_error_logged: float | None
    judged: int
    reviews: int
    audits: int
    second_looks: int
    gold: int
    human_work: float | None
    human_work_logged: float | None
    reviewer_hours: float | None
    """At the handling times of the log."""
    reviewer_hours_logged: float | None
    sla_met: float | None
    """At the punctuality of each SLA class in the log: as if the load had stayed."""
    sla_met_logged: float | None
    override_rate: float | None
    """Of the log: how often a shown recommendation was changed."""
    answers: int
    thresholds: list[KeyThreshold]
    slices: list[Slice]
    adjustments: list[AdjustmentEffect]
    """What each contextual adjustment of this policy changes."""
    levels: dict[str, int]
    levels_logged: dict[str, int]
    over_time: list[Moment]
    alerts: list[str]
    """A replay sees none; there for whoever reads reports of simulations, too."""
    rescored: int
    """Decisions whose raw confidence is another one than in the log."""
    begin_anew: list[str] | None
    """Types whose certificate does not count under this policy (docs/policy.md): once it is activated people
    decide them until the evidence is in. ``None`` where the policy before is not known."""
    unannounced: int
    """Decisions whose threshold's announcement the log no longer has; the threshold itself stands for it."""
    rejected: Rejects
    policy: str
    policy_version: str
    elapsed_s: float


def compare(beside: Beside, elapsed: float, begin_anew: list[str] | None = None) -> Comparison:
    """The report; ``elapsed`` is in seconds."""
    found = list(beside.decisions.values())
    whole = slice_of("all", found)
    kinds = Counter(kind for each in found for kind in each.people)
    logged = Counter(kind for each in found for kind in each.people_logged)
    work = beside.work
    reviewed = [each for each in found if not each.alone]
    levels, levels_logged = Counter(each.level for each in found), Counter(e.level_logged for e in found)
    return Comparison(
        decisions=len(found),
        automation_rate=whole.automation_rate,
        automation_rate_logged=whole.automation_rate_logged,
        automated=whole.automated,
        newly_alone=sum(each.alone and not each.was_alone for each in found),
        newly_reviewed=sum(each.was_alone and not each.alone for each in found),
        same_level=share(sum(each.level == each.level_logged for each in found), len(found)),
        automated_error=whole.error.value,
        automated_error_interval=(whole.error.low, whole.error.high),
        automated_error_upper=whole.error.high,
        automated_error_by_any_answer=estimate(each.any for each in found if each.alone).value,
        automated_error_logged=whole.error_logged.value,
        judged=whole.error.judged,
        reviews=len(reviewed),
        audits=kinds[ReviewKind.AUDIT],
        second_looks=kinds[ReviewKind.SECOND_LOOK],
        gold=kinds[ReviewKind.GOLD],
        human_work=share(kinds.total(), len(found)),
        human_work_logged=share(logged.total(), len(found)),
        reviewer_hours=_hours(kinds, work),
        reviewer_hours_logged=_hours(logged, work),
        sla_met=_punctual(reviewed, work),
        sla_met_logged=share(
            sum(k for _, k in work.on_time.values()), sum(n for n, _ in work.on_time.values())
        ),
        override_rate=share(work.changed, work.shown),
        answers=work.answers,
        thresholds=[_threshold(beside, key) for key in sorted(beside.keys)],
        slices=[part for place, fact in enumerate(beside.facts) for part in _slices(fact, place, found)],
        adjustments=adjustment_effects(found),
        levels={str(level): levels[level] for level in range(1, 6)},
        levels_logged={str(level): levels_logged[level] for level in range(1, 6)},
        over_time=_over_time(found),
        alerts=[],
        rescored=sum(each.rescored for each in found),
        begin_anew=begin_anew,
        unannounced=beside.unannounced,
        rejected=beside.rejected,
        policy=beside.policy.name,
        policy_version=beside.policy.version,
        elapsed_s=round(elapsed, 3),
    )


def slice_of(name: str, found: Sequence[Again]) -> Slice:
    """The figures of some decisions."""
    alone = sum(each.alone for each in found)
    return Slice(
        name=name,
        decisions=len(found),
        automation_rate=share(alone, len(found)),
        automation_rate_logged=share(sum(each.was_alone for each in found), len(found)),
        automated=alone,
        error=estimate(each.blind for each in found if each.alone),
        error_logged=estimate(each.blind for each in found if each.was_alone),
    )


def _threshold(beside: Beside, key: str) -> KeyThreshold:
    found = key_threshold(key, beside.keys[key], beside.announced.latest(key))
    if not found.version:
        return found
    return msgspec.structs.replace(found, reason=f"Announced under the policy before: {found.reason}")


def _hours(kinds: Counter[ReviewKind], work: Work) -> float | None:
    if not work.handling:
        return None
    times = {kind: total / n for kind, (n, total) in work.handling.items()}
    usual = sum(times.values()) / len(times)
    return sum(n * times.get(kind, usual) for kind, n in kinds.items()) / HOUR


def _punctual(reviewed: Iterable[Again], work: Work) -> float | None:
    by_class = Counter(each.sla_class for each in reviewed)
    known = [(n, work.on_time[name]) for name, n in by_class.items() if name in work.on_time]
    return share(sum(n * kept / all_ for n, (all_, kept) in known), sum(n for n, _ in known))


def _over_time(found: Sequence[Again]) -> list[Moment]:
    size = max(1, -(-len(found) // POINTS))
    sums, moments = Estimator(), []
    for start in range(0, len(found), size):
        part = found[start : start + size]
        for each in part:
            if each.alone:
                sums.add(each.blind)
        moments.append(
            Moment(
                decisions=start + len(part),
                automation_rate=share(sum(each.alone for each in part), len(part)),
                automation_rate_logged=share(sum(each.was_alone for each in part), len(part)),
                human_work=share(sum(len(each.people) for each in part), len(part)),
                human_work_logged=share(sum(len(each.people_logged) for each in part), len(part)),
                error=sums.estimate(),
            )
        )
    return moments


def _slices(fact: str, place: int, found: Sequence[Again]) -> list[Slice]:
    name_of = _namer([each.facts[place] for each in found])
    parts: dict[str, list[Again]] = defaultdict(list)
    for each in found:
        parts[name_of(each.facts[place])].append(each)
    largest = sorted(parts, key=lambda name: (-len(parts[name]), name))[:MOST_VALUES]
    return [slice_of(f"{fact}: {name}", parts[name]) for name in sorted(largest)]


def _namer(values: Sequence[Fact]) -> Callable[[Fact], str]:
    numbers = sorted(v for v in values if isinstance(v, int | float) and not isinstance(v, bool))
    if len(set(numbers)) <= MOST_VALUES:
        return _said
    cuts = [numbers[len(numbers) * i // 4] for i in (1, 2, 3)]

    def quarter(value: Fact) -> str:
        if not isinstance(value, int | float):
            return "unknown"
        place = sum(value >= cut for cut in cuts)
        return ("below " + f"{cuts[0]:g}", *(f"from {cut:g}" for cut in cuts))[place]

    return quarter


def _said(value: Fact) -> str:
    if value is None:
        return "unknown"
    return f"{value:g}" if isinstance(value, float) else str(value)
