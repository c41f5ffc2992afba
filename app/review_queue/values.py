"""What goes into and comes out of the queue: plain values."""

from __future__ import annotations

import msgspec

from app.domain.events import Answer, ReviewRequest
from app.domain.review import Review

ARRIVAL_HEADER = "hitl_arrival"
"""Header of a published ReviewRequested: its place among ties, so that a rebuild restores the order."""
TRACE_HEADER = "hitl_trace"
"""Header of a published ReviewRequested whose decision came with a trace: ``Review.trace``."""


class NewReview(msgspec.Struct, frozen=True):
    """A review to enqueue. ``record`` is the whole ReviewRequested as it will be published, frame
    included: the only copy of the package. ``trace`` as in ``Review``."""

    decision_id: str
    request: ReviewRequest
    record: bytes
    trace: str = ""


class Enqueued(msgspec.Struct, frozen=True):
    """``record`` is what to publish: on a repeat, what was enqueued the first time."""

    review_id: str
    arrival: int
    record: bytes
    repeated: bool
    trace: str = ""

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """To be published with the record."""
        traced = [(TRACE_HEADER, self.trace.encode())] if self.trace else []
        return [(ARRIVAL_HEADER, str(self.arrival).encode()), *traced]


class Lease(msgspec.Struct, frozen=True):
    """A claimed review: answer with ``review.epoch`` and ``review.digest``."""

    review: Review
    record: bytes


class Decided(msgspec.Struct, frozen=True):
    """``answer`` is final, at the latest from ``review.undo_until`` on; ``None`` when others have to agree
    first. ``durable`` is ``False`` when the store did not confirm in time that the answer is on disk,
    ``None`` when it can not say."""

    review: Review
    answer: Answer | None
    durable: bool | None


class Undone(msgspec.Struct, frozen=True):
    """A review that is back in the hands of whoever had answered; ``answer`` is what was taken back.
    ``durable`` as in ``Decided``."""

    review: Review
    answer: Answer
    durable: bool | None


class Entry(msgspec.Struct, frozen=True):
    """Everything the queue has about one review. ``taken_back`` is what the last answer said before whoever
    gave it took it back."""

    review: Review
    record: bytes
    answer: Answer | None
    taken_back: Answer | None = None


class PoolStats(msgspec.Struct, frozen=True, kw_only=True):
    """A pool at this moment. ``oldest_age`` in ms since the request; ``overdue`` counts reviews whose
    deadline passed while their clock runs; ``unpublished`` counts steps that Kafka does not have yet,
    ``broken`` those that the relay could not publish and put aside; ``held`` counts answers that may still be
    taken back."""

    pool: str
    open: int
    supervisor: int
    offered: int
    claimed: int
    waiting: int
    overdue: int
    oldest_age: int | None
    unpublished: int
    broken: int
    held: int
