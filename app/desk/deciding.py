"""A person's work on a review in hand, up to the answer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.desk.authority import Authority
from app.desk.case import discreet
from app.desk.errors import IncompleteAnswerError, NotAllowedError
from app.desk.looking import withheld
from app.desk.matter import actions_of
from app.domain.answers import Verdict, completed, incomplete
from app.domain.authority import Deed, Matter
from app.domain.changes import changed_matter, changes_refused
from app.domain.people import Profile
from app.domain.review import Review
from app.review_queue.values import Decided, Undone


class Revealed(msgspec.Struct, frozen=True):
    """What was withheld, after the first answer."""

    review: Review
    withheld: dict[str, object]


class Deciding(Authority):
    """What the holder of a lease does, and the information that the holder asked for."""

    def extend(self, who: Profile, review_id: str, epoch: int) -> Review:
        """A heartbeat: the lease lasts from now again."""
        return discreet(self._queue.extend(review_id, self._admit(who, Deed.EXTEND, review_id), epoch))

    def release(self, who: Profile, review_id: str, epoch: int, reason: str = "") -> Review:
        """Give it back unanswered."""
        return discreet(
            self._queue.release(review_id, self._admit(who, Deed.RELEASE, review_id), epoch, reason=reason)
        )

    def reveal(self, who: Profile, review_id: str, epoch: int, action: str) -> Revealed:
        """Keep the blind first answer, then show what was withheld."""
        case = self._case(review_id)
        self._allow(who, Deed.REVEAL, case)
        actions = actions_of(case.package)
        self._allow_action(self._fit(who, Deed.REVEAL, case), action, actions)
        review = self._queue.reveal(review_id, self._reviewer(who, case.review.pool), epoch, action)
        return Revealed(discreet(review), withheld(case))

    def decide(self, who: Profile, review_id: str, epoch: int, digest: str, verdict: Verdict) -> Decided:
        """Answer, bound to the lease and to what was shown. Safe to repeat.

        Raises ``NotAllowedError``, ``IncompleteAnswerError``, or what the queue says."""
        case = self._case(review_id)
        self._allow(who, Deed.DECIDE, case)
        assert case.event is not None  # noqa: S101 - what nobody can read, nobody is allowed to decide
        decision = case.event.routed.scored.decision
        verdict = completed(verdict, decision.recommendation.action)
        actions = actions_of(case.package)
        documents = any(decision.decision_type in c.must_document for c in self._capacities(who))
        wrong = incomplete(verdict, actions, case.terms, must_document=documents)
        if wrong:
            raise IncompleteAnswerError(wrong)
        fit = self._fit(who, Deed.DECIDE, case)
        if verdict.changes is not None:
            fit = self._fit_for(fit, changed_matter(case.matter, decision, verdict.changes, case.terms))
        self._allow_action(fit, verdict.action, actions)
        window = case.terms.undo_window if case.terms else 0
        decided = self._queue.decide(
            review_id, self._reviewer(who, case.review.pool), epoch, digest, verdict, undo_window=window
        )
        return msgspec.structs.replace(decided, review=discreet(decided.review))

    def _fit_for(self, capacities: Sequence[Profile], changed: Matter) -> tuple[Profile, ...]:
        """Those of the capacities in which the person may also decide what the changes make of the case:
        a limit that holds for what is submitted holds for what becomes of it."""
        now = self._clock()
        if denial := changes_refused(capacities, changed, now):
            raise NotAllowedError(denial)
        return tuple(one for one in capacities if changes_refused((one,), changed, now) is None)

    def undo(self, who: Profile, review_id: str, epoch: int) -> Undone:
        """Take the own answer back, given under ``epoch``, while the policy allows it: the review is in the
        same hands again, and the answer comes back to be changed."""
        undone = self._queue.undo(review_id, self._admit(who, Deed.UNDO, review_id), epoch)
        return msgspec.structs.replace(undone, review=discreet(undone.review))

    def request_info(self, who: Profile, review_id: str, epoch: int, question: str) -> Review:
        """Ask for information; the SLA clock stands still."""
        return discreet(
            self._queue.request_info(
                review_id, self._admit(who, Deed.REQUEST_INFO, review_id), epoch, question
            )
        )

    def answer_info(self, who: Profile, review_id: str, information: str) -> Review:
        """Give the information; the review goes on."""
        return discreet(
            self._queue.answer_info(review_id, self._admit(who, Deed.ANSWER_INFO, review_id), information)
        )
