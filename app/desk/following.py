"""The producer's side of the desk: a decision followed by whoever handed it in, and by nobody else."""

from __future__ import annotations

from collections.abc import Sequence

from app.desk.errors import NotTheProducerError
from app.domain.arms import KINDS
from app.domain.authority import is_producer
from app.domain.events import DecidedBy, Resolution
from app.domain.ids import derived_id
from app.domain.progress import Progress, Question, Routed, Status, Submission, identity_of
from app.domain.review import ReviewState, review_id_of
from app.review_queue.cases import Brief, CaseFile
from app.review_queue.whereabouts import Tracker, Whereabouts

_STATUS = {
    ReviewState.OPEN: Status.OPEN,
    ReviewState.CLAIMED: Status.CLAIMED,
    ReviewState.WAITING: Status.WAITING,
    ReviewState.DECIDED: Status.ANSWERED,
    ReviewState.DEFAULTED: Status.ANSWERED,
    ReviewState.WITHDRAWN: Status.WITHDRAWN,
}


class Following:
    """Reads only."""

    def __init__(self, tracker: Tracker, cases: CaseFile) -> None:
        self._tracker = tracker
        self._cases = cases

    def admit(self, name: str, decision_id: str, submission: Submission | None) -> None:
        """Raises ``NotTheProducerError`` unless ``name`` handed it in: that there is such a decision is
        told to nobody else."""
        if not is_producer(name, submission, self._routed(decision_id)):
            raise NotTheProducerError(decision_id)

    def knows(self, decision_id: str) -> bool:
        """Whether a decision of this id was routed."""
        return self._routed(decision_id) is not None

    def submitted_by(self, decision_id: str) -> str:
        """In whose name it was handed in; empty before it was routed."""
        routed = self._routed(decision_id)
        return routed.submitted_by if routed is not None else ""

    def progress(self, ids: Sequence[str]) -> list[Progress]:
        """Where each decision stands. One that nobody knows may still be on its way."""
        return [progress_of(one, where) for one, where in zip(ids, self._tracker.of(ids), strict=True)]

    def _routed(self, decision_id: str) -> Routed | None:
        brief = self._cases.briefs([decision_id])[0]
        if brief is None:
            return None
        identity = identity_of(decision_id, brief.decision_type, brief.subject, brief.submitted_by)
        return Routed(submitted_by=brief.submitted_by, identity=identity)


def progress_of(decision_id: str, where: Whereabouts) -> Progress:
    """What the producer is told."""
    if where.case is None:
        return Progress(decision_id=decision_id, status=Status.SUBMITTED)
    brief, review, withdrawal = where.case.brief, where.review, where.withdrawal
    status = _status(where)
    waiting = review is not None and status is Status.WAITING
    withdrawn = status is Status.WITHDRAWN and withdrawal is not None
    return Progress(
        decision_id=decision_id,
        status=status,
        received_at=brief.received_at,
        level=brief.level,
        deadline=review.deadline if review is not None else None,
        question=Question(review_id=review.review_id, lease_epoch=review.epoch, text=review.question)
        if review is not None and waiting
        else None,
        resolution=_resolution(where),
        withdrawn_by=withdrawal.withdrawn_by if withdrawal is not None and withdrawn else "",
        withdrawal_reason=withdrawal.reason if withdrawal is not None and withdrawn else "",
    )


def _status(where: Whereabouts) -> Status:
    """A withdrawal ends open reviews only: what was answered before stays answered."""
    if _resolution(where) is not None:
        return Status.RESOLVED
    if where.review is not None:
        return _STATUS[where.review.state]
    return Status.WITHDRAWN if where.withdrawal is not None else Status.OPEN


def _resolution(where: Whereabouts) -> Resolution | None:
    """The answer as `decisions.resolved` has it, as far as the store knows it: whoever acts on it gets the
    same action and changes from both."""
    if where.case is None:
        return None
    brief, resolved = where.case.brief, where.case.resolved
    if resolved is None:
        return _automated(brief) if brief.action is not None else None
    answer = where.answer if resolved.decided_by is DecidedBy.HUMAN else None
    return Resolution(
        resolution_id=derived_id(brief.decision_id, "resolution"),
        action=resolved.action,
        changes=resolved.changes,
        decided_by=resolved.decided_by,
        level=brief.level,
        review_id=_review_id(brief),
        reviewer=answer.reviewer if answer is not None else None,
        agreed=resolved.agreed,
        category=answer.category if answer is not None else None,
        reason_code=resolved.reason_code,
        reasoning=answer.reasoning if answer is not None else "",
        resolved_at=resolved.resolved_at,
    )


def _automated(brief: Brief) -> Resolution:
    return Resolution(
        resolution_id=derived_id(brief.decision_id, "resolution"),
        action=brief.action or "",
        changes=None,
        decided_by=DecidedBy.AI,
        level=brief.level,
        review_id=None,
        reviewer=None,
        agreed=None,
        category=None,
        reason_code="",
        reasoning="",
        resolved_at=brief.received_at,
    )


def _review_id(brief: Brief) -> str | None:
    kind = KINDS.get(brief.level)
    return review_id_of(brief.pool, brief.decision_id, kind) if kind is not None and brief.pool else None
