"""The report of a replay, in the shape of a simulation's report where both know the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import msgspec

from app.domain.events import ReviewKind
from app.domain.terms import Fact
from app.lab.estimate import Estimate, estimate
from app.lab.recorded import Log
from app.lab.rendering import between, fitted, percent, thresholds_in_words
from app.lab.replay import Again, Replay, handling
from app.lab.report import KeyThreshold, Rejects, key_threshold, share

MOST_VALUES = 12
"""Values of a fact that are told apart; a number with more is cut into four of equal size."""
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


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """A log under another policy. ``*_logged`` is what happened; ``None`` where nothing is known."""

    decisions: int
    automation_rate: float | None
    automation_rate_logged: float | None
    automated: int
    newly_alone: int
    newly_reviewed: int
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
    reviewer_hours: float | None
    """At the handling times of the log."""
    reviewer_hours_logged: float | None
    sla_met: float | None
    """At the punctuality of each SLA class in the log: as if the load had stayed."""
    sla_met_logged: float | None
    override_rate: float | None
    """Of the log: how often a shown recommendation was changed."""
    thresholds: list[KeyThreshold]
    slices: list[Slice]
    alerts: list[str]
    rejected: Rejects
    policy: str
    policy_version: str
    elapsed_s: float


def replay_report(
    log: Log, again: Replay, facts: Sequence[str], policy: tuple[str, str], elapsed: float
) -> ReplayReport:
    """The report; ``facts`` are those by whose values it is sliced."""
    found = again.decisions
    whole = slice_of("all", found)
    kinds = Counter(kind for each in found for kind in each.people)
    answers = [answer for past in log.decisions for answer in past.answers]
    times = handling(answers)
    on_time: dict[str, list[bool]] = defaultdict(list)
    for answer in answers:
        deadline = answer.requested.request.deadline
        if deadline is not None:
            on_time[answer.requested.request.sla_class].append(answer.answer.decided_at <= deadline)
    shown = [
        answer.answer.action != answer.requested.routed.scored.decision.recommendation.action
        for answer in answers
        if not answer.requested.request.blind and answer.requested.request.kind is not ReviewKind.AUDIT
    ]
    reviewed = [each for each in found if not each.alone]
    by_class = Counter(each.route.sla_class for each in reviewed)
    punctual = [(on_time[name], n) for name, n in by_class.items() if name in on_time]
    return ReplayReport(
        decisions=len(found),
        automation_rate=whole.automation_rate,
        automation_rate_logged=whole.automation_rate_logged,
        automated=whole.automated,
        newly_alone=sum(each.alone and not each.was_alone for each in found),
        newly_reviewed=sum(each.was_alone and not each.alone for each in found),
        automated_error=whole.error.value,
        automated_error_interval=(whole.error.low, whole.error.high),
        automated_error_upper=whole.error.high,
        automated_error_by_any_answer=estimate([each.any for each in found if each.alone]).value,
        automated_error_logged=whole.error_logged.value,
        judged=whole.error.judged,
        reviews=len(reviewed),
        audits=kinds[ReviewKind.AUDIT],
        second_looks=kinds[ReviewKind.SECOND_LOOK],
        gold=kinds[ReviewKind.GOLD],
        human_work=share(kinds.total(), len(found)),
        reviewer_hours=_hours(kinds, times),
        reviewer_hours_logged=_hours(Counter(a.requested.request.kind for a in answers), times),
        sla_met=share(sum(n * sum(met) / len(met) for met, n in punctual), sum(n for _, n in punctual)),
        sla_met_logged=share(sum(map(sum, on_time.values())), sum(map(len, on_time.values()))),
        override_rate=share(sum(shown), len(shown)),
        thresholds=[key_threshold(k, t, again.updates.get(k)) for k, t in sorted(again.keys.items())],
        slices=[part for fact in facts for part in _slices(fact, found)],
        alerts=[],
        rejected=log.rejected,
        policy=policy[0],
        policy_version=policy[1],
        elapsed_s=round(elapsed, 3),
    )


def slice_of(name: str, found: Sequence[Again]) -> Slice:
    """The figures of some decisions."""
    alone = [each for each in found if each.alone]
    was_alone = [each for each in found if each.was_alone]
    return Slice(
        name=name,
        decisions=len(found),
        automation_rate=share(len(alone), len(found)),
        automation_rate_logged=share(len(was_alone), len(found)),
        automated=len(alone),
        error=estimate([each.blind for each in alone]),
        error_logged=estimate([each.blind for each in was_alone]),
    )


def text(report: ReplayReport) -> str:
    """The report in words."""
    r = report
    if not r.decisions:
        return "The log has no decision that the policy knows."
    lines = [
        f"{r.decisions:,} recorded decisions under policy '{r.policy}' {r.policy_version}",
        "WHO WOULD HAVE DECIDED",
        f"  The AI alone: {percent(r.automation_rate)} (in the log {percent(r.automation_rate_logged)});"
        f" {r.newly_alone:,} more run alone, {r.newly_reviewed:,} more are reviewed.",
        "HOW WRONG THAT WOULD HAVE BEEN",
        f"  {_error_in_words(r)}",
        "  By any answer, also of people who saw the recommendation:"
        f" {percent(r.automated_error_by_any_answer, 2)}."
        f" What did run alone: {percent(r.automated_error_logged, 2)}.",
        "WHAT IT WOULD HAVE COST PEOPLE",
        f"  {r.reviews:,} reviews, {r.audits:,} checks, {r.second_looks:,} second looks, {r.gold:,} items"
        f" with known truth: {percent(r.human_work)} of the number of decisions.",
        f"  {_hours_in_words(r.reviewer_hours)} (in the log {_hours_in_words(r.reviewer_hours_logged)});"
        f" in time: {percent(r.sla_met)} (in the log {percent(r.sla_met_logged)}), as if the load had"
        " stayed.",
        "THRESHOLDS THAT WERE IN FORCE AT THE END",
        *(f"  {line}" for line in thresholds_in_words(r.thresholds)),
    ]
    if r.slices:
        lines.append("BY FACT: alone (in the log), wrong of what would run alone")
        lines += [_slice_in_words(part) for part in r.slices]
    if r.rejected.total:
        counts = ", ".join(f"{n:,} {reason}" for reason, n in sorted(r.rejected.by_reason.items()))
        lines.append(f"LEFT OUT: {counts}")
    return "\n".join(piece for line in lines for piece in fitted(line))


def _slice_in_words(s: Slice) -> str:
    alone = f"{percent(s.automation_rate):>7} ({percent(s.automation_rate_logged)})"
    wrong = f"{percent(s.error.value, 2):>7}, {between((s.error.low, s.error.high))}"
    return f"  {s.name:<30} {s.decisions:>9,}  {alone}  {wrong}"


def _error_in_words(r: ReplayReport) -> str:
    interval = between(r.automated_error_interval)
    if not r.automated:
        return "Nothing would have run alone."
    if r.automated_error is None:
        return (
            f"Between {interval}: for a part nobody ever looked blind, so that no estimate is possible"
            f" ({r.judged:,} of {r.automated:,} were judged)."
        )
    return (
        f"{percent(r.automated_error, 2)} of what would run alone, 95 %: {interval}, from {r.judged:,} blind"
        f" answers about {r.automated:,} decisions."
    )


def _hours_in_words(hours: float | None) -> str:
    return "hours unknown, nobody was timed" if hours is None else f"{hours:,.1f} hours of reviewers"


def _hours(kinds: Counter[ReviewKind], times: dict[ReviewKind, float]) -> float | None:
    if not times:
        return None
    usual = sum(times.values()) / len(times)
    return sum(n * times.get(kind, usual) for kind, n in kinds.items()) / HOUR


def _slices(fact: str, found: Sequence[Again]) -> list[Slice]:
    name_of = _namer([each.facts.get(fact) for each in found])
    parts: dict[str, list[Again]] = defaultdict(list)
    for each in found:
        parts[name_of(each.facts.get(fact))].append(each)
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
