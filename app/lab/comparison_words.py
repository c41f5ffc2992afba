"""A comparison of policies in plain words, on one screen."""

from __future__ import annotations

from app.lab.adjustment_effects import AdjustmentEffect
from app.lab.comparison import Comparison, Slice
from app.lab.estimate import Estimate
from app.lab.rendering import between, fitted, percent, thresholds_in_words


def text(report: Comparison, how: str = "recorded") -> str:
    """The report in words; ``how`` says where the decisions come from."""
    r = report
    if not r.decisions:
        return "\n".join([f"No {how} decision that the policy knows.", *_left_out(r)])
    lines = [
        f"{r.decisions:,} {how} decisions under policy '{r.policy}' {r.policy_version}",
        "WHO WOULD HAVE DECIDED",
        f"  The AI alone: {percent(r.automation_rate)} (really {percent(r.automation_rate_logged)});"
        f" {r.newly_alone:,} more run alone, {r.newly_reviewed:,} more are reviewed;"
        f" {percent(r.same_level)} at the same level.",
        *(f"  {line}" for line in cautions(r)),
        "HOW WRONG THAT WOULD HAVE BEEN",
        f"  {error_in_words(r)}",
        "  By any answer, also of people who saw the recommendation:"
        f" {percent(r.automated_error_by_any_answer, 2)}."
        f" What did run alone: {percent(r.automated_error_logged, 2)}.",
        "WHAT IT WOULD HAVE COST PEOPLE",
        f"  {r.reviews:,} reviews, {r.audits:,} checks, {r.second_looks:,} second looks, {r.gold:,} items"
        f" with known truth: {percent(r.human_work)} of the number of decisions"
        f" (really {percent(r.human_work_logged)}).",
        f"  {_hours(r.reviewer_hours)} (really {_hours(r.reviewer_hours_logged)});"
        f" in time: {percent(r.sla_met)} (really {percent(r.sla_met_logged)}), as if the load had stayed.",
        "THRESHOLDS IN FORCE AT THE END",
        *(f"  {line}" for line in thresholds_in_words(r.thresholds)),
    ]
    if r.slices:
        lines.append("BY FACT: alone (really), wrong of what would run alone")
        lines += [_slice(part) for part in r.slices]
    if r.adjustments:
        lines.append("WHAT ADJUSTMENTS CHANGE, AND HOW OFTEN THE AI IS WRONG THERE")
        lines += [line for effect in r.adjustments for line in _adjustment(effect)]
    lines += _left_out(r)
    return "\n".join(piece for line in lines for piece in fitted(line))


def error_in_words(r: Comparison) -> str:
    """What is known of the error, and why not more."""
    interval = between(r.automated_error_interval)
    if not r.automated:
        return "Nothing would have run alone."
    if r.automated_error is None:
        return (
            f"Anywhere from {interval}: of a part nobody judged any blind, no estimate is possible"
            f" ({r.judged:,} of {r.automated:,} were judged)."
        )
    return (
        f"{percent(r.automated_error, 2)} of what would run alone, 95 %: {interval}, from {r.judged:,} blind"
        f" answers about {r.automated:,} decisions."
    )


def cautions(r: Comparison) -> list[str]:
    """What keeps these figures from being what happens after an activation."""
    lines = []
    if r.begin_anew:
        lines.append(
            f"But not at once: scores or rules of {', '.join(r.begin_anew)} differ from the policy before, so"
            " that what was certified does not count. People decide these until new evidence is in."
        )
    elif r.begin_anew is None and r.rescored:
        lines.append(
            f"{r.rescored:,} decisions get another score than in the log. If scores or rules differ from the"
            " policy before, what was certified does not count, and people decide until new evidence is in."
        )
    if r.unannounced:
        lines.append(
            f"For {r.unannounced:,} decisions the announcement of their threshold is no longer kept: the"
            " threshold that they were routed by stands for it, and this policy could only be stricter."
        )
    return lines


def _slice(s: Slice) -> str:
    alone = f"{percent(s.automation_rate):>7} ({percent(s.automation_rate_logged)})"
    wrong = f"{percent(s.error.value, 2):>7}, {between((s.error.low, s.error.high))}"
    return f"  {s.name:<30} {s.decisions:>9,}  {alone}  {wrong if s.automated else '-':>7}"


def _adjustment(effect: AdjustmentEffect) -> list[str]:
    lines = [f"  {effect.name} shifts the score of {effect.decisions:,} decisions"]
    for count, error, what in (
        (effect.to_people, effect.to_people_error, "go to people because of it"),
        (effect.alone, effect.alone_error, "run alone because of it"),
    ):
        if count:
            lines.append(f"    {count:,} {what}: {wrong_in_words(error)}")
    return lines if len(lines) > 1 else [f"{lines[0]}, and changes nothing"]


def wrong_in_words(error: Estimate) -> str:
    """How often the AI is wrong about some decisions, as far as anybody judged them blind.

    >>> wrong_in_words(Estimate(value=None, low=0.0, high=1.0, judged=0, effective=0.0))
    'how wrong, nobody can say: 0.00 to 100.00 %'
    """
    interval = between((error.low, error.high))
    if error.value is None:
        return f"how wrong, nobody can say: {interval}"
    return f"{percent(error.value, 2)} wrong, 95 %: {interval}"


def _hours(hours: float | None) -> str:
    return "hours unknown, nobody was timed" if hours is None else f"{hours:,.1f} hours of reviewers"


def _left_out(r: Comparison) -> list[str]:
    if not r.rejected.total:
        return []
    counts = ", ".join(f"{n:,} {reason}" for reason, n in sorted(r.rejected.by_reason.items()))
    return [f"LEFT OUT: {counts}"]
