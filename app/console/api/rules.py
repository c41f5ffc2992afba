"""Standing rules: seen, proposed, approved, ended. Every rule of authority is the desk's."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import Field, StringConstraints

from app.console.api.models import Moment, Name, Part, PoolName, ReviewId, Said, Words
from app.console.api.route import ApiRoute, Parts, Reader, Worker
from app.console.errors import UnacceptableError
from app.console.parts import ConsoleParts
from app.desk.rules import RuleDesk, RuleView
from app.domain.authority import RuleDeed
from app.domain.events import ConsequenceClass, RuleKind
from app.domain.rule_proposal import Proposal
from app.domain.standing_rules import RuleState
from app.domain.words import moment
from app.policy.durations import parse_duration

router = APIRouter(prefix="/v1/rules", route_class=ApiRoute, tags=["rules"])
This = Annotated[str, StringConstraints(pattern=r"^r-[0-9a-f]{8,32}$"), InPath()]


class Proposing(Part):
    """A rule that you propose; somebody else has to approve it."""

    kind: RuleKind
    decision_type: Name
    condition: Said
    """CEL over facts, recommendation, signals, decision and assessment, as the policy's rules."""
    reason: Said
    """Why the rule is right, for whoever approves it and for whoever asks later."""
    lifetime: Annotated[str, StringConstraints(max_length=20), Field(examples=["14d"])]
    """How long it holds from now on: `12h`, `14d`."""
    action: Annotated[str, StringConstraints(max_length=64)] = ""
    """The recommendation that it covers; an exception covers any, unless given."""
    max_class: ConsequenceClass = ConsequenceClass.LOW
    """It covers no more harmful case."""
    max_amount: Annotated[float, Field(gt=0, le=1e15)] | None = None
    """It covers no larger amount."""
    min_level: Annotated[int, Field(ge=3, le=5)] = 3
    """Exceptions: at least this level."""
    pool: PoolName | None = None
    """Exceptions: the type's expert pool."""
    source_review: ReviewId | None = None
    """The case that gave rise to it."""


class Agreeing(Part):
    """Put a rule in force."""

    reason: Words = ""


class Ending(Part):
    """Reject or revoke a rule."""

    reason: Said
    """Why; others read it."""


class RuleOut(Part):
    """A standing rule."""

    rule_id: str
    state: RuleState
    kind: RuleKind
    decision_type: str
    condition: str
    reason: str
    action: str
    max_class: ConsequenceClass
    max_amount: float | None
    min_level: int
    pool: str | None
    source_review: str | None
    proposed_by: str
    proposed_at: Moment
    approved_by: str | None
    approved_at: Moment | None
    expires_at: Moment
    ended_by: str | None
    """Who ended it; `hitl` where it ended by itself."""
    ended_at: Moment | None
    end_reason: str | None
    uses: int
    """Decisions that it let run."""
    spot_checks: int
    overridden: int
    """Spot checks in which a person would have decided otherwise."""
    you_may: list[RuleDeed]


class RulesOut(Part):
    """The rules that you may see."""

    items: list[RuleOut]


class RuleLookOut(Part):
    """A rule, and what it would have done to the cases that people answered lately."""

    rule: RuleOut
    trial: str


@router.get("")
def rules(parts: Parts, visitor: Reader) -> RulesOut:
    """The standing rules of your pools: in force first, then what waits for approval, then the others."""
    return RulesOut(items=[_out(view) for view in desk_of(parts).list(visitor.profile)])


@router.post("", status_code=201)
def propose(parts: Parts, visitor: Worker, body: Proposing) -> RuleOut:
    """Propose a rule. You need the authority to decide every case that it covers."""
    try:
        lifetime = parse_duration(body.lifetime)
    except ValueError as error:
        raise UnacceptableError(str(error), code="bad_duration") from error
    given = body.model_dump(exclude={"lifetime"})
    return _out(desk_of(parts).propose(visitor.profile, Proposal(lifetime=lifetime, **given)))


@router.get("/{rule_id}")
def show(parts: Parts, visitor: Reader, rule_id: This) -> RuleLookOut:
    """One rule."""
    desk = desk_of(parts)
    view = desk.show(visitor.profile, rule_id)
    return RuleLookOut(rule=_out(view), trial=desk.trial(visitor.profile, rule_id).words)


@router.post("/{rule_id}/approve")
def approve(parts: Parts, visitor: Worker, rule_id: This, body: Agreeing) -> RuleOut:
    """Put a rule in force that somebody else proposed."""
    return _out(desk_of(parts).approve(visitor.profile, rule_id, body.reason))


@router.post("/{rule_id}/reject")
def reject(parts: Parts, visitor: Worker, rule_id: This, body: Ending) -> RuleOut:
    """Say no to a proposal."""
    return _out(desk_of(parts).reject(visitor.profile, rule_id, body.reason))


@router.post("/{rule_id}/revoke")
def revoke(parts: Parts, visitor: Worker, rule_id: This, body: Ending) -> RuleOut:
    """End a rule at once, for good."""
    return _out(desk_of(parts).revoke(visitor.profile, rule_id, body.reason))


def desk_of(parts: ConsoleParts) -> RuleDesk:
    """The desk of rules."""
    if parts.rules is None:
        raise UnacceptableError("this console runs without a broker, where the rules are kept")
    return parts.rules


def _out(view: RuleView) -> RuleOut:
    rule, approved, ended = view.standing.rule, view.standing.approved, view.standing.ended
    return RuleOut(
        rule_id=rule.rule_id,
        state=view.state,
        kind=rule.kind,
        decision_type=rule.decision_type,
        condition=rule.condition,
        reason=rule.reason,
        action=rule.action,
        max_class=rule.max_class,
        max_amount=rule.max_amount,
        min_level=rule.min_level,
        pool=rule.pool,
        source_review=rule.source_review,
        proposed_by=rule.proposed_by,
        proposed_at=moment(rule.proposed_at),
        approved_by=approved.actor if approved else None,
        approved_at=moment(approved.at) if approved else None,
        expires_at=moment(rule.expires_at),
        ended_by=ended.actor if ended else None,
        ended_at=moment(ended.at) if ended else None,
        end_reason=ended.reason if ended else None,
        uses=view.checks.uses,
        spot_checks=view.checks.checked,
        overridden=view.checks.overridden,
        you_may=sorted(view.may),
    )
