"""A decision's evidence pack: all that happened, as a chain, and what it means in plain words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.domain.attention import Seen, who_saw
from app.domain.events import (
    Answer,
    DecidedBy,
    DecisionResolved,
    DecisionRouted,
    ObservedOutcome,
    ReviewDecided,
    ReviewDefaulted,
    ReviewLifecycle,
    ReviewRequested,
    RuleChanged,
)
from app.domain.evidence_chain import Evidence, Head, Told, chained, head, ordered
from app.domain.terms import Terms
from app.domain.words import (
    CLASSES,
    KINDS,
    LEVEL_MEANINGS,
    LEVELS,
    OBSERVED,
    against,
    confidence,
    duration,
    moment,
)

FORMAT = 1
NO_TEXT = "The text of this policy version is not at hand; the version names it exactly."


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The policy under which the decision was routed. ``text`` is the whole policy where it is at hand."""

    version: str
    section: str
    section_text: str
    text: str


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """What is handed out about one decision. ``disclosure`` is what the person concerned is told."""

    format: int
    decision_id: str
    made_at: str
    disclosure: str
    explanation: tuple[str, ...]
    policy: Rules
    who_saw: tuple[Seen, ...]
    chain: tuple[Evidence, ...]
    head: Head


def make(
    decision_id: str,
    records: Sequence[Told],
    *,
    key: bytes,
    terms: Terms | None,
    policy: tuple[str, str] | None,
    made_at: int,
) -> Pack:
    """The pack of a decision. ``policy`` is version and text of the policy at hand, ``terms`` the decision
    type's part of it."""
    kept = ordered(records)
    chain = chained(decision_id, [one.evidence for one in kept])
    steps = [one.event for one in kept if isinstance(one.event, ReviewLifecycle)]
    return Pack(
        format=FORMAT,
        decision_id=decision_id,
        made_at=moment(made_at),
        disclosure=_disclosure(kept, terms),
        explanation=tuple(explain(kept)),
        policy=_rules(kept, terms, policy),
        who_saw=tuple(who_saw(steps)),
        chain=tuple(chain),
        head=head(decision_id, chain, key),
    )


def explain(records: Sequence[Told]) -> list[str]:
    """The decision in plain words, a sentence or two for each thing that happened."""
    told: list[str] = []
    routed = routed_of(records)
    if routed is not None:
        told += _route(routed)
    for record in records:
        match record.event:
            case RuleChanged() as changed:
                why = f": {changed.reason or changed.rule.reason}."
                told.append(
                    f"Rule {changed.rule.rule_id} was {changed.change.value} by {changed.actor} at "
                    f"{moment(changed.at)}{why}"
                )
            case ReviewDecided(requested=requested, answer=answer):
                told.append(_answer(requested, answer))
            case ReviewDefaulted(default=default):
                told.append(
                    f"Nobody answered by {moment(default.deadline)}; the policy's deadline rule then took"
                    f" '{default.action}'. No person decided this."
                )
            case DecisionResolved(resolution=resolution):
                who = {
                    DecidedBy.AI: "the AI system",
                    DecidedBy.HUMAN: resolution.reviewer or "a person",
                    DecidedBy.DEADLINE_RULE: "the policy's deadline rule",
                }[resolution.decided_by]
                at = moment(resolution.resolved_at)
                told.append(f"'{resolution.action}' was decided by {who} at {at}.")
            case ObservedOutcome() as observed:
                action, kind = observed.correct_action, OBSERVED[observed.kind]
                right = f"; right would have been '{action}'" if action else ""
                source = observed.source or "somebody"
                told.append(f"Later, at {moment(observed.observed_at)}, {source} reported: {kind}{right}.")
            case _:
                pass
    return told


def routed_of(records: Sequence[Told]) -> DecisionRouted | None:
    """The decision with its route, from whichever record has it: a sealed one first."""
    stories = [one.event.requested.routed for one in records if isinstance(one.event, ReviewDecided)]
    for record in records:
        match record.event:
            case DecisionRouted() as routed:
                stories.append(routed)
            case ReviewRequested(routed=routed) | DecisionResolved(routed=routed):
                stories.append(routed)
            case _:
                pass
    return stories[0] if stories else None


def _route(routed: DecisionRouted) -> list[str]:
    decision, assessment, route = routed.scored.decision, routed.scored.assessment, routed.route
    sure = assessment.confidence
    found, limit = against(route.score, route.threshold)
    told = [
        f"An AI system ({decision.model.name} {decision.model.version}) recommended"
        f" '{decision.recommendation.action}' for a decision of type {decision.decision_type}, submitted by"
        f" {decision.submitted_by} at {moment(decision.occurred_at)}."
        + (f" Its reason: {decision.recommendation.rationale}." if decision.recommendation.rationale else ""),
        CLASSES[assessment.consequence.consequence_class].capitalize() + ".",
        f"Confidence: {confidence(sure.probability, calibrated=sure.calibration_version > 0)}."
        if sure.valid
        else "The AI gave no usable confidence.",
        f"Level {route.level}, {LEVELS[route.level]}: {LEVEL_MEANINGS[route.level]}. The score of"
        f" {found} stands against a threshold of {limit}.",
    ]
    told += [f"Reason: {reason.text}." for reason in route.reasons]
    return told


def _answer(requested: ReviewRequested, answer: Answer) -> str:
    recommended = requested.routed.scored.decision.recommendation.action
    took = duration(max(0, answer.decided_at - answer.claimed_at))
    agreed = "as recommended" if answer.action == recommended else f"where '{recommended}' was recommended"
    first = (
        f" Before the recommendation was shown the answer was '{answer.first_action}'."
        if answer.first_action
        else ""
    )
    why = answer.reasoning or answer.reason_code or "no reason given"
    asked = KINDS[requested.request.kind]
    what = f"{answer.reviewer} answered '{answer.action}' (asked to {asked}; {agreed})"
    return f"{what} after {took}: {why}.{first}"


def _disclosure(records: Sequence[Told], terms: Terms | None) -> str:
    if terms is None:
        return ""
    people = any(
        one.event.resolution.decided_by is DecidedBy.HUMAN
        for one in records
        if isinstance(one.event, DecisionResolved)
    )
    return terms.disclosure if people else terms.disclosure_automated


def _rules(records: Sequence[Told], terms: Terms | None, policy: tuple[str, str] | None) -> Rules:
    routed = routed_of(records)
    version = routed.route.policy_version if routed else ""
    current = policy is not None and policy[0] == version
    shown = next((_shown(one.event) for one in records if isinstance(one.event, ReviewRequested)), None)
    section = (terms.policy_reference, terms.policy_text) if terms and current else ("", "")
    return Rules(
        version=version,
        section=(shown or section)[0],
        section_text=(shown or section)[1],
        text=policy[1] if policy and current else NO_TEXT,
    )


class _Reference(msgspec.Struct):
    section: str = ""
    text: str = ""


class _Package(msgspec.Struct):
    policy_reference: _Reference = msgspec.field(default_factory=_Reference)


def _shown(requested: ReviewRequested) -> tuple[str, str] | None:
    """Section and text as the reviewer had them."""
    try:
        found = msgspec.json.decode(requested.request.package, type=_Package).policy_reference
    except msgspec.MsgspecError:
        return None
    return found.section, found.text
