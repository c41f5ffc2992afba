"""One decision's whole story: a timeline, what the person concerned is told, and the evidence."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from app.console.errors import NotFoundError
from app.console.identity import parts_of
from app.console.pages.frame import Who
from app.console.pages.reading import action_label
from app.console.rendering import render
from app.desk.errors import NotAllowedError
from app.desk.looking import Look
from app.desk.story import Story, tell
from app.domain import words
from app.domain.authority import Denial
from app.domain.events import DecidedBy
from app.domain.people import Profile, Role
from app.domain.terms import Terms

router = APIRouter(include_in_schema=False)

_BY = {
    DecidedBy.AI: "The AI decided",
    DecidedBy.HUMAN: "A person decided",
    DecidedBy.DEADLINE_RULE: "Nobody answered in time; the safe default was taken",
}


class Moment(msgspec.Struct, frozen=True):
    """One line of the timeline."""

    at: int
    heading: str
    text: str = ""
    link: str = ""

    @property
    def when(self) -> str:
        """As an ISO time; empty when it is not known."""
        return words.moment(self.at) if self.at else ""


@router.get("/decisions/{decision_id:path}/evidence")  # before the next, which would take it for an id
def evidence(request: Request, visitor: Who, decision_id: str) -> Response:
    """The evidence pack as a file: every record in a hash chain (`hitl evidence verify` checks it)."""
    parts = parts_of(request)
    story = tell(parts.desk, parts.cases, parts.policy, visitor.profile, decision_id)
    if not _may_have(visitor.profile, story):
        raise NotAllowedError(
            Denial("not_lead", "evidence packs are for leads and auditors", "ask a lead of the pool")
        )
    if parts.evidence is None:
        raise NotFoundError("evidence packs are not made here", hint="`hitl evidence DECISION_ID`")
    pack = msgspec.json.encode(parts.evidence.pack(decision_id))
    # The name of a decision is not ours to put into a header.
    headers = {"Content-Disposition": 'attachment; filename="evidence.json"'}
    return Response(pack, media_type="application/json", headers=headers)


@router.get("/decisions/{decision_id:path}")
def decision_page(request: Request, visitor: Who, decision_id: str) -> Response:
    """The story, as far as this person may see it."""
    parts = parts_of(request)
    story = tell(parts.desk, parts.cases, parts.policy, visitor.profile, decision_id)
    terms = parts.policy.terms.get(story.decision_type)
    titles = parts.policy.pool_titles
    return render(
        request,
        "decision.html",
        story=story,
        question=terms.question if terms else story.decision_type,
        timeline=sorted(_timeline(story, titles), key=lambda moment: moment.at or 1 << 62),
        disclosure=_disclosure(story, terms),
        decided=story.case is not None and (story.case.brief.automated or story.case.resolved is not None),
        evidence=f"/decisions/{quote(story.decision_id, safe='')}/evidence"
        if _may_have(visitor.profile, story) and parts.evidence
        else "",
    )


def _may_have(who: Profile, story: Story) -> bool:
    """A pack holds everything, others' answers included: for auditors, and leads of the very pool."""
    return story.open_book and (Role.AUDITOR in who.roles or bool(story.pools & who.supervises))


def _disclosure(story: Story, terms: Terms | None) -> str:
    if terms is None or not story.open_book or story.case is None:
        return ""
    resolved = story.case.resolved
    automated = story.case.brief.automated if resolved is None else resolved.decided_by is DecidedBy.AI
    return terms.disclosure_automated if automated else terms.disclosure


def _timeline(story: Story, titles: dict[str, str]) -> list[Moment]:
    moments = [Moment(story.received_at, "Received", f"Type {story.decision_type}, about {story.subject}.")]
    answers = [moment for look in story.reviews for moment in _review(look, titles)]
    case = story.case if story.open_book else None
    if case is None:
        moments += answers
    else:
        brief = case.brief
        moments.append(
            Moment(
                brief.received_at,
                f"Routed: level {brief.level}, {words.LEVELS[brief.level]}",
                f"The AI recommended “{action_label(brief.recommendation)}” with a confidence of "
                f"{words.number(brief.probability)}; {brief.consequence_class.value} consequence. "
                f"{_begun(words.LEVEL_MEANINGS[brief.level])}.",
            )
        )
        # Of one millisecond: an answer makes the decision, a check of what ran alone follows it.
        if not brief.automated:
            moments += answers
        if case.resolved is not None:
            agreed = case.resolved.agreed
            told = " As the AI recommended." if agreed else " Not what the AI recommended."
            moments.append(
                Moment(
                    case.resolved.resolved_at,
                    f"Decided: {action_label(case.resolved.action)}",
                    f"{_BY[case.resolved.decided_by]}.{told if agreed is not None else ''}",
                )
            )
        if brief.automated:
            moments += answers
        if case.observed is not None:
            correct = case.observed.correct_action
            moments.append(
                Moment(
                    case.observed.observed_at,
                    f"Turned out later: {words.OBSERVED[case.observed.kind]}",
                    f"Right would have been “{action_label(correct)}”." if correct else "",
                )
            )
    return moments


def _begun(text: str) -> str:
    """As the beginning of a sentence; unlike ``capitalize``, the rest stays: AI."""
    return text[:1].upper() + text[1:]


def _review(look: Look, titles: dict[str, str]) -> list[Moment]:
    review, link = look.review, f"/reviews/{look.review.review_id}"
    pool = titles.get(review.pool, review.pool)
    told = [Moment(review.requested_at, f"A person was asked: {pool}", "", link)]
    if review.state.value == "claimed":
        told.append(Moment(review.claimed_at, f"{review.holder} took it"))
    if look.answer is not None:
        told.append(
            Moment(
                look.answer.decided_at,
                f"{look.answer.reviewer} answered: {action_label(look.answer.action)}",
                look.answer.reasoning,
                link,
            )
        )
    return told
