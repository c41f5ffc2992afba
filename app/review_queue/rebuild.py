"""The queue from the log: what the store must hold, put into an empty one, or compared with one.

``fold`` is pure. Records may come in any order and more than once: a review's state is its step with
the highest number; without one it is as requested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from app.domain.events import (
    Answer,
    DecisionResolved,
    DecisionRouted,
    DecisionWithdrawn,
    ObservedOutcome,
    Record,
    ReviewDecided,
    ReviewDefaulted,
    ReviewLifecycle,
    ReviewRequest,
    ReviewRequested,
    SafeDefault,
)
from app.domain.review import ENDED, QueueTerms, Review, ReviewState, requested
from app.domain.review_steps import missed
from app.domain.undo import HELD, UNDONE
from app.review_queue.cases import Brief, brief
from app.review_queue.values import ARRIVAL_HEADER, TRACE_HEADER

POSITION_HEADER = "hitl_position"
"""Header of a routed decision: where the decision was submitted, for recognising duplicates."""


class Read(Protocol):
    """The part of ``app.stream.records.Incoming`` that is needed here."""

    @property
    def partition(self) -> int:
        """Partition it was read from."""

    @property
    def offset(self) -> int:
        """Offset within the partition."""

    @property
    def value(self) -> bytes | None:
        """The record's bytes, framed."""

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The record's headers."""

    @property
    def timestamp(self) -> int:
        """ms UTC."""

    @property
    def position(self) -> str:
        """topic[partition]@offset."""


LogRecord = tuple[str, Record, Read]
"""Logical topic, decoded event, the record as read."""


class Kept(msgspec.Struct, frozen=True):
    """A review as the store must hold it. ``answer`` was given, or given and taken back."""

    review: Review
    record: bytes
    answer: Answer | None


class QueueImage(msgspec.Struct):
    """What the store must hold. ``unclear`` says what the log can not tell any more."""

    reviews: dict[str, Kept] = msgspec.field(default_factory=dict)
    briefs: dict[str, Brief] = msgspec.field(default_factory=dict)
    resolved: dict[str, DecisionResolved] = msgspec.field(default_factory=dict)
    observed: dict[str, ObservedOutcome] = msgspec.field(default_factory=dict)
    withdrawn: dict[str, DecisionWithdrawn] = msgspec.field(default_factory=dict)
    seen: dict[str, str] = msgspec.field(default_factory=dict)
    unclear: list[str] = msgspec.field(default_factory=list)


class _Request(msgspec.Struct, frozen=True):
    decision_id: str
    request: ReviewRequest
    record: bytes
    arrival: int | None
    trace: str
    place: tuple[int, int, int, int]


class _Fold:
    """Takes records one by one; each kind has its method."""

    def __init__(self) -> None:
        self.image = QueueImage()
        self.requests: dict[str, _Request] = {}
        self.steps: dict[str, tuple[int, Review]] = {}
        self.answers: dict[str, Answer] = {}
        self.held: dict[str, Answer] = {}
        self.undone: dict[str, tuple[int, str]] = {}
        self.defaults: dict[str, SafeDefault] = {}
        self._routed_at: dict[str, tuple[int, int, int]] = {}
        self._state = msgspec.json.Decoder(Review)
        self._answer = msgspec.json.Decoder(Answer)

    def routed(self, event: DecisionRouted, read: Read) -> None:
        decision = event.scored.decision.decision_id
        place = (read.timestamp, read.partition, read.offset)
        if place >= self._routed_at.get(decision, place) and decision in self._routed_at:
            return
        self._routed_at[decision] = place
        self.image.briefs[decision] = brief(event)
        self.image.seen[decision] = _header(read, POSITION_HEADER) or read.position

    def requested(self, event: ReviewRequested, read: Read) -> None:
        request = event.request
        place = (request.requested_at, read.timestamp, read.partition, read.offset)
        known = self.requests.get(request.review_id)
        if known and known.place <= place:
            return
        arrival = _header(read, ARRIVAL_HEADER)
        slim = msgspec.structs.replace(request, package="")
        self.requests[request.review_id] = _Request(
            event.routed.scored.decision.decision_id,
            slim,
            read.value or b"",
            int(arrival) if arrival else None,
            _header(read, TRACE_HEADER) or "",
            place,
        )

    def step(self, event: ReviewLifecycle, _: Read) -> None:
        review = self._state.decode(event.state)
        known = self.steps.get(event.review_id)
        if known is None or review.step > known[0]:
            self.steps[event.review_id] = (review.step, review)
        if event.event == HELD:
            answer = self._answer.decode(event.detail)
            self.held[answer.answer_id] = answer
        elif event.event == UNDONE:
            taken_back = msgspec.json.decode(event.detail, type=dict[str, str])["answer_id"]
            self.undone[event.review_id] = max(
                self.undone.get(event.review_id, (0, "")), (review.step, taken_back)
            )

    def decided(self, event: ReviewDecided, _: Read) -> None:
        self.answers[event.answer.review_id] = event.answer

    def defaulted(self, event: ReviewDefaulted, _: Read) -> None:
        self.defaults[event.default.review_id] = event.default

    def withdrawn(self, event: DecisionWithdrawn, _: Read) -> None:
        known = self.image.withdrawn.get(event.decision_id)
        if known is None or event.at < known.at:
            self.image.withdrawn[event.decision_id] = event

    def resolved(self, event: DecisionResolved, _: Read) -> None:
        decision = event.routed.scored.decision.decision_id
        known = self.image.resolved.get(decision)
        if known is None or event.resolution.resolved_at >= known.resolution.resolved_at:
            self.image.resolved[decision] = event

    def observed(self, event: ObservedOutcome, _: Read) -> None:
        known = self.image.observed.get(event.decision_id)
        if known is None or event.observed_at >= known.observed_at:
            self.image.observed[event.decision_id] = event


def fold(records: Iterable[LogRecord], terms: QueueTerms) -> QueueImage:
    """What the log says the store must hold. Reviews are kept without their package's text; whole
    records stay as bytes, once."""
    state = _Fold()
    take: dict[type[Record], Callable[..., None]] = {
        DecisionRouted: state.routed,
        ReviewRequested: state.requested,
        ReviewLifecycle: state.step,
        ReviewDecided: state.decided,
        ReviewDefaulted: state.defaulted,
        DecisionWithdrawn: state.withdrawn,
        DecisionResolved: state.resolved,
        ObservedOutcome: state.observed,
    }
    for _, event, read in records:
        handler = take.get(type(event))
        if handler:
            handler(event, read)
    _settle(state, terms)
    return state.image


def _settle(state: _Fold, terms: QueueTerms) -> None:
    image = state.image
    arrivals = _arrivals(state)
    for review_id, request in state.requests.items():
        fresh = requested(request.request, request.decision_id, arrivals[review_id], terms, request.trace)
        review = state.steps[review_id][1] if review_id in state.steps else fresh
        answer = state.answers.get(review_id)
        if answer and not (review.over and review.state is ReviewState.DECIDED):
            review = _answered(missed(review, answer.decided_at), answer)
        default = state.defaults.get(review_id)
        if default and review.state not in ENDED:
            review = _defaulted(missed(review, default.taken_at), default)
        if review.undo_until or review_id in state.undone:
            answer = answer or state.held.get(review.answer_id or state.undone[review_id][1])
        if review.state is ReviewState.DECIDED and answer is None:
            image.unclear.append(f"{review_id}: decided, but its answer is not in the log")
        image.reviews[review_id] = Kept(review, request.record, answer)
    for review_id in state.steps.keys() - state.requests.keys():
        image.unclear.append(f"{review_id}: has steps, but its request is not in the log")


def _arrivals(state: _Fold) -> dict[str, int]:
    """Arrival numbers: from a step or the header; for what has none, after the others, in log order."""
    arrivals = {review_id: review.arrival for review_id, (_, review) in state.steps.items()}
    for review_id, request in state.requests.items():
        if review_id not in arrivals and request.arrival is not None:
            arrivals[review_id] = request.arrival
    last = max(arrivals.values(), default=0)
    missing = sorted(
        (request.place, review_id)
        for review_id, request in state.requests.items()
        if review_id not in arrivals
    )
    arrivals.update({review_id: last + n for n, (_, review_id) in enumerate(missing, start=1)})
    return arrivals


def _answered(review: Review, answer: Answer) -> Review:
    """The answer is in the log, the step that belongs to it is not (yet)."""
    return msgspec.structs.replace(
        review,
        state=ReviewState.DECIDED,
        step=review.step + 1,
        epoch=answer.lease_epoch,
        holder=answer.reviewer,
        claimed_at=answer.claimed_at,
        lease_until=0,
        offered_to="",
        reserved_until=0,
        answer_id=answer.answer_id,
        decided_at=answer.decided_at,
        undo_until=0,
    )


def _defaulted(review: Review, default: SafeDefault) -> Review:
    """The default is in the log, the step that belongs to it is not (yet)."""
    return msgspec.structs.replace(
        review,
        state=ReviewState.DEFAULTED,
        step=review.step + 1,
        rung=review.rung + 1,
        decided_at=default.taken_at,
    )


def people(reviews: Sequence[Review]) -> dict[str, str]:
    """Who takes part in a decision, as ``keys.PEOPLE`` has it: uuid = holds it, =uuid = has answered."""
    parts: dict[str, str] = {}
    for review in reviews:
        name = review.review_id.rpartition(".")[2]
        if review.state is ReviewState.CLAIMED:
            parts.setdefault(review.holder, name)
        parts.update({vote.reviewer: f"={name}" for vote in review.votes})
        if review.state is ReviewState.DECIDED:
            parts[review.holder] = f"={name}"
    return parts


def _header(read: Read, name: str) -> str | None:
    return next((value.decode() for header, value in read.headers if header == name), None)
