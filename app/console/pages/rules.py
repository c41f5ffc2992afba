"""Rules: what two people agreed on for a while, what waits for a second person, and how it goes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.console.api.rules import desk_of
from app.console.identity import Visitor, parts_of
from app.console.pages.answer_form import Mistake
from app.console.pages.frame import Form, Who, text_of
from app.console.pages.notices import notice_of
from app.console.parts import ConsoleParts
from app.console.rendering import render
from app.desk.errors import IncompleteAnswerError, RuleConflictError
from app.domain.events import ConsequenceClass, RuleKind
from app.domain.exception_rule import draft_rule
from app.domain.facts import Invalid, parse_facts
from app.domain.rule_proposal import Proposal
from app.policy.durations import format_duration, parse_duration

router = APIRouter(include_in_schema=False)

KINDS = {
    RuleKind.AUTO_APPROVE: "Auto-approve: such cases run as the AI recommends, spot-checked",
    RuleKind.EXCEPTION: "Exception: such cases get at least so much human involvement",
}
_PREFIX = "rule-"
_WEEK = 7 * 86_400_000


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the form."""

    kind: str = RuleKind.AUTO_APPROVE.value
    decision_type: str = ""
    condition: str = ""
    action: str = ""
    max_class: str = ConsequenceClass.LOW.value
    max_amount: str = ""
    min_level: str = "3"
    lifetime: str = "7d"
    reason: str = ""
    source_review: str = ""


@router.get("/rules")
def rules_page(request: Request, visitor: Who, notice: str = "") -> Response:
    """The rules of this person's pools."""
    views = desk_of(parts_of(request)).list(visitor.profile)
    return render(request, "rules.html", rules=views, notice=notice_of(notice))


@router.get("/rules/new")
def new_page(request: Request, visitor: Who, review: str = "") -> Response:
    """The form of a proposal; from a case, with a condition drafted from its facts."""
    parts = parts_of(request)
    return _form(request, parts, _drafted(parts, visitor, review) if review else Draft())


@router.post("/rules")
def propose(request: Request, visitor: Who, form: Form) -> Response:
    """Propose a rule."""
    parts = parts_of(request)
    draft = Draft(**{field: text_of(form, field)[:8000] for field in Draft.__struct_fields__})
    mistakes: list[Mistake] = []
    proposal = _proposal(draft, mistakes)
    if proposal is not None:
        try:
            view = desk_of(parts).propose(visitor.profile, proposal)
            return RedirectResponse(f"/rules/{view.standing.rule.rule_id}?notice=proposed", 303)
        except IncompleteAnswerError as error:
            mistakes = _mistakes(error)
    return _form(request, parts, draft, mistakes, status_code=422)


@router.get("/rules/{rule_id}")
def rule_page(request: Request, visitor: Who, rule_id: str, notice: str = "") -> Response:
    """One rule, what it would have done, and what this person may do about it."""
    return _rule(request, visitor, rule_id, notice=notice)


@router.post("/rules/{rule_id}/{deed}")
def change(request: Request, visitor: Who, rule_id: str, deed: str, form: Form) -> Response:
    """Approve, reject or revoke it."""
    desk, reason = desk_of(parts_of(request)), text_of(form, "reason")[:4000]
    steps = {"approve": desk.approve, "reject": desk.reject, "revoke": desk.revoke}
    if deed not in steps:
        return RedirectResponse(f"/rules/{rule_id}", 303)
    try:
        steps[deed](visitor.profile, rule_id, reason)
    except (IncompleteAnswerError, RuleConflictError) as error:
        wrong = [Mistake(f"{deed}-reason", f"{error}. {error.hint}".strip())]
        return _rule(request, visitor, rule_id, mistakes=wrong, status_code=409)
    return RedirectResponse(f"/rules/{rule_id}?notice=rule-{deed}", 303)


def _rule(
    request: Request,
    visitor: Visitor,
    rule_id: str,
    *,
    notice: str = "",
    mistakes: Sequence[Mistake] = (),
    status_code: int = 200,
) -> Response:
    desk = desk_of(parts_of(request))
    return render(
        request,
        "rule.html",
        status_code=status_code,
        view=desk.show(visitor.profile, rule_id),
        trial=desk.trial(visitor.profile, rule_id).words,
        kinds=KINDS,
        notice=notice_of(notice),
        mistakes=mistakes,
    )


def _form(
    request: Request,
    parts: ConsoleParts,
    draft: Draft,
    mistakes: Sequence[Mistake] = (),
    *,
    status_code: int = 200,
) -> Response:
    return render(
        request,
        "rule_new.html",
        status_code=status_code,
        draft=draft,
        kinds=KINDS,
        types=sorted(parts.policy.terms),
        actions=sorted({action for terms in parts.policy.terms.values() for action in terms.actions}),
        classes=[c.value for c in ConsequenceClass],
        mistakes=mistakes,
    )


def _drafted(parts: ConsoleParts, visitor: Visitor, review_id: str) -> Draft:
    """From a case that this person may look at."""
    look = parts.desk.glance(visitor.profile, review_id)
    if look.event is None:
        return Draft()
    decision = look.event.routed.scored.decision
    terms, facts = parts.policy.terms.get(decision.decision_type), parse_facts(decision.facts)
    required = terms.required_facts if terms else ()
    longest = terms.rules_longest if terms else _WEEK
    told = not look.review.blind
    return Draft(
        decision_type=decision.decision_type,
        condition="" if isinstance(facts, Invalid) else draft_rule(facts, required),
        action=decision.recommendation.action if told else "",
        max_class=look.review.consequence_class.value if told else ConsequenceClass.LOW.value,
        lifetime=format_duration(min(_WEEK, longest)),
        source_review=review_id,
    )


def _proposal(draft: Draft, mistakes: list[Mistake]) -> Proposal | None:
    """What was typed, as values; what can not be read becomes a mistake."""
    lifetime, amount = 0, None
    try:
        lifetime = parse_duration(draft.lifetime)
    except ValueError as error:
        mistakes.append(Mistake(_PREFIX + "expires", str(error)))
    try:
        amount = float(draft.max_amount) if draft.max_amount else None
    except ValueError:
        mistakes.append(Mistake(_PREFIX + "max_amount", "The largest amount is a number, or nothing"))
    if draft.kind not in set(RuleKind) or draft.max_class not in set(ConsequenceClass):
        mistakes.append(Mistake(_PREFIX + "kind", "Choose what the rule does"))
    if mistakes:
        return None
    return Proposal(
        kind=RuleKind(draft.kind),
        decision_type=draft.decision_type,
        condition=draft.condition,
        reason=draft.reason,
        lifetime=lifetime,
        action=draft.action,
        max_class=ConsequenceClass(draft.max_class),
        max_amount=amount,
        min_level=int(draft.min_level) if draft.min_level in ("3", "4", "5") else 0,
        source_review=draft.source_review or None,
    )


def _mistakes(error: IncompleteAnswerError) -> list[Mistake]:
    return [
        Mistake(_PREFIX + field, f"{denial.text}. {denial.hint}".strip())
        for field, denial in error.fields.items()
    ]
