"""Where decisions are: all that the store knows of each, for whoever waits for many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from app.domain.arms import KINDS
from app.domain.events import Answer
from app.domain.review import Review, locate, review_id_of
from app.review_queue import keys as names
from app.review_queue.cases import Brief, Case, CaseFile, Withdrawal
from app.review_queue.keys import Keys
from app.review_queue.state import completed, from_fields
from app.review_queue.store import Client, reachable


class Whereabouts(msgspec.Struct, frozen=True):
    """``case`` is ``None`` until the decision was routed; ``review`` is the one whose answer is acted on,
    and ``answer`` what was said there."""

    case: Case | None
    withdrawal: Withdrawal | None
    review: Review | None
    answer: Answer | None


class Tracker:
    """Reads, and changes nothing. ``of`` costs three round trips, however many decisions."""

    def __init__(self, client: Client, keys: Keys, cases: CaseFile) -> None:
        self._client = client
        self._keys = keys
        self._cases = cases

    def of(self, ids: Sequence[str]) -> list[Whereabouts]:
        """Each decision as it is now; O(1) for each of them."""
        cases, withdrawals = self._cases.cases(ids), self._cases.withdrawals(ids)
        asked = {case.brief.decision_id: _asked(case.brief) for case in cases if case is not None}
        reviews = self._reviews([review_id for review_id in asked.values() if review_id])
        found = []
        for decision_id, case, withdrawal in zip(ids, cases, withdrawals, strict=True):
            review, answer = reviews.get(asked.get(decision_id, ""), (None, None))
            found.append(Whereabouts(case, withdrawal, review, answer))
        return found

    def _reviews(self, ids: Sequence[str]) -> dict[str, tuple[Review, Answer | None]]:
        if not ids:
            return {}
        pipe = self._client.pipeline(transaction=True)
        for review_id in ids:
            pool, name = locate(review_id)
            pipe.execute_command("HGETALL", self._keys.pool(pool, names.REVIEW, name))
            pipe.execute_command("GET", self._keys.pool(pool, names.ANSWER, name))
        with reachable:
            flat = pipe.execute()
        return {
            review_id: _read(review_id, fields, said)
            for review_id, fields, said in zip(ids, flat[::2], flat[1::2], strict=True)
            if fields
        }


def _asked(brief: Brief) -> str:
    """The review of a decision whose answer is acted on; empty where the AI decides."""
    kind = KINDS.get(brief.level)
    return review_id_of(brief.pool, brief.decision_id, kind) if kind is not None and brief.pool else ""


def _read(review_id: str, fields: Mapping[bytes, bytes], said: bytes | None) -> tuple[Review, Answer | None]:
    review = from_fields(review_id, {name.decode(): value for name, value in fields.items()})
    return review, completed(said, review) if said and review.answer_id else None
