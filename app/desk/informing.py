"""Information that comes from outside: an event, not a person at an entry."""

from __future__ import annotations

from app.desk.authority import Authority
from app.desk.case import ReviewCase
from app.domain.answers import MAX_NAME, MAX_TEXT, unfit
from app.domain.authority import Denial, information_refused
from app.domain.events import InformationGiven
from app.errors import UsageError
from app.review_queue.errors import QueueError

UNFIT_TEXT = "unfit_text"
"""Why information is not taken: what it says, and not who gives it."""


class Informing(Authority):
    """What producers and other programs know."""

    def information_denied(self, event: InformationGiven) -> Denial | None:
        """Why ``inform`` would not take this from whoever gives it: asked before it becomes an event, too, so
        that nothing is accepted there that ends here. Raises ``QueueError`` and ``UsageError``."""
        return self._denied(event, self._case(event.review_id))

    def inform(self, event: InformationGiven) -> Denial | None:
        """Take the answer to a question, so that the review goes on; why not, if so. Safe to repeat."""
        try:
            denial = self.information_denied(event)
            if denial is None:
                self._queue.inform(event.review_id, event.given_by, event.information, event.lease_epoch)
        except QueueError as refusal:
            return Denial(refusal.refusal or "refused", str(refusal), refusal.hint or "")
        except UsageError as error:
            return Denial("not_a_review", str(error), error.hint or "")
        return denial

    def _denied(self, event: InformationGiven, case: ReviewCase) -> Denial | None:
        if event.decision_id != case.review.decision_id:
            return Denial("other_decision", f"{event.review_id} is no review of '{event.decision_id}'")
        texts = {"information": (event.information, MAX_TEXT), "given_by": (event.given_by, MAX_NAME)}
        for field, (text, longest) in texts.items():
            if wrong := unfit(text, longest):
                return Denial(UNFIT_TEXT, f"`{field}` {wrong}")
        person = self.directory.find(event.given_by)
        capacities = self._capacities(person) if person else ()
        return information_refused(event.given_by, self.directory, capacities, case.matter, self._clock())
