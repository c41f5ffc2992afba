"""Does a decision's evidence hold? Every link that does not is named, the first one first. Pure."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from app.domain.events import (
    DecisionResolved,
    DecisionRouted,
    DecisionScored,
    DecisionSubmitted,
    Record,
    Resolution,
    ReviewDecided,
    ReviewDefaulted,
    ReviewLifecycle,
    ReviewRequest,
    ReviewRequested,
)
from app.domain.evidence_chain import (
    SEALED,
    Evidence,
    Head,
    Told,
    canonical,
    chained,
    head_holds,
    key_id,
    ordered,
    seal_holds,
    state_of,
    step_number,
)
from app.domain.resolution import resolve_answer, resolve_automated, resolve_default
from app.domain.review import ReviewState

E = TypeVar("E", bound=Record)


class Broken(msgspec.Struct, frozen=True):
    """A link that does not hold: which record (``None``: the chain as a whole), and what is wrong."""

    position: str | None
    what: str

    def __str__(self) -> str:
        return f"{self.position}: {self.what}" if self.position else self.what


def check_records(records: Sequence[Told], key: bytes | None) -> Iterator[Broken]:
    """What is wrong with a decision's records as the log has them. Without a key no seal is looked at."""
    if key is not None:
        yield from _seals(records, key)
    kept = ordered(records)
    yield from _versions(kept)
    yield from _steps(kept)
    yield from _stories(kept)
    yield from _answers(kept)
    yield from _resolutions(kept)


def check_file(
    decision_id: str,
    chain: Sequence[Evidence],
    end: Head,
    decode: Callable[[Evidence], Record],
    key: bytes | None,
) -> Iterator[Broken]:
    """What is wrong with an evidence pack: its hashes, its head, and whether each content is what the
    record says; then everything of :func:`check_records`."""
    again = chained(decision_id, chain)
    for number, (stored, computed) in enumerate(zip(chain, again, strict=True), start=1):
        if stored.hash != computed.hash:
            yield Broken(
                stored.position, f"link {number} of {len(chain)} does not follow from the one before"
            )
            break
    last = chain[-1].hash if chain else ""
    if (end.count, end.hash) != (len(chain), last):
        yield Broken(
            None,
            f"the head speaks of {end.count} records and another end than the {len(chain)} that are here",
        )
    if key is not None and not head_holds(decision_id, end, key):
        why = (
            "it was changed, or made by somebody without the key"
            if end.key_id == key_id(key)
            else f"it was made with another key ({end.key_id}, ours is {key_id(key)})"
        )
        yield Broken(None, f"the head's seal does not hold: {why}")
    records = []
    for record in chain:
        event = _event(record, decode)
        if event is None:
            yield Broken(record.position, "its content is not what the record says")
        else:
            records.append(Told(record, event))
    if [canonical(one.evidence) for one in ordered(records)] != [canonical(r.evidence) for r in records]:
        yield Broken(None, "the records do not stand in their order, or one stands twice")
    yield from check_records(records, key)


def check_store(records: Sequence[Told], steps: Mapping[str, int]) -> Iterator[Broken]:
    """Compare with what the queue knows: ``steps`` gives how far each of the decision's reviews is. Finds an
    end that was cut off."""
    reached: dict[str, int] = defaultdict(int)
    for record in ordered(records):
        if isinstance(record.event, ReviewLifecycle):
            review_id = record.event.review_id
            reached[review_id] = max(reached[review_id], step_number(record.event))
    for review_id, step in sorted(steps.items()):
        if step > reached[review_id]:
            yield Broken(
                None,
                f"review {review_id} is at step {step} in the queue, the log ends at {reached[review_id]}: "
                "the end is cut off, or still on its way",
            )


def _event(record: Evidence, decode: Callable[[Evidence], Record]) -> Record | None:
    """The event that the record's bytes hold, if the content says the same."""
    try:
        event = decode(record)
    except Exception:  # bytes of a stranger: whatever is wrong with them, they are not what the content says
        return None
    if type(event).__name__ != record.event or msgspec.to_builtins(event) != record.content:
        return None
    return event


def _seals(records: Sequence[Told], key: bytes) -> Iterator[Broken]:
    for record in records:
        if not isinstance(record.event, SEALED):
            continue
        if record.evidence.seal is None:
            yield Broken(record.evidence.position, "has no seal: it was not written by us")
        elif not seal_holds(record.evidence, key):
            yield Broken(
                record.evidence.position,
                "its seal does not hold: it was changed, or written without the key (or with another one)",
            )


def _versions(records: Sequence[Told]) -> Iterator[Broken]:
    """The same thing said twice, differently."""
    known: dict[tuple[str, str], Told] = {}
    for record in records:
        name = _identity(record.event)
        if name is None:
            continue
        other = known.setdefault(name, record)
        if other is not record:
            yield Broken(
                record.evidence.position, f"says otherwise than {other.evidence.position} about {name[1]}"
            )


def _identity(event: Record) -> tuple[str, str] | None:
    name = type(event).__name__
    match event:
        case DecisionScored() | DecisionRouted() | DecisionResolved():
            return name, "the decision"
        case ReviewRequested(request=part) | ReviewDecided(answer=part) | ReviewDefaulted(default=part):
            return name, f"review {part.review_id}"
        case ReviewLifecycle():
            return name, f"step {step_number(event)} of review {event.review_id}"
    return None


def _steps(records: Sequence[Told]) -> Iterator[Broken]:
    """Steps are numbered without gaps, and belong to this decision's reviews."""
    expected: dict[str, int] = defaultdict(lambda: 1)
    for record in records:
        step = record.event
        if not isinstance(step, ReviewLifecycle):
            continue
        state, number = state_of(step), step_number(step)
        if state is None or state.review_id != step.review_id or state.decision_id != step.decision_id:
            yield Broken(record.evidence.position, "holds no state of this review")
            continue
        wanted = expected[step.review_id]
        if number > wanted:
            missing = str(wanted) if number == wanted + 1 else f"{wanted} to {number - 1}"
            yield Broken(
                record.evidence.position,
                f"is step {number} of review {step.review_id}; {missing} before it is missing",
            )
        expected[step.review_id] = max(wanted, number + 1)


def _stories(records: Sequence[Told]) -> Iterator[Broken]:
    """Every record carries the story so far: all of them must tell the same one."""
    # The record of an answer is sealed, and so the one to compare with.
    stories = [event.requested.routed for _, event in _of(records, ReviewDecided)]
    stories += [found for one in records if (found := _routed(one.event))]
    if not stories:
        return
    routed = stories[0]
    submitted = [one for one in records if isinstance(one.event, DecisionSubmitted)]
    if submitted and all(one.event != routed.scored.decision for one in submitted):
        yield Broken(submitted[0].evidence.position, "the later records tell of another submission")
    for record in records:
        event = record.event
        other = (
            event != routed.scored
            if isinstance(event, DecisionScored)
            else (found := _routed(event)) is not None and found != routed
        )
        if other:
            yield Broken(record.evidence.position, "tells another story than the record of the answer")
        request = _request(event)
        if request is not None and _digest(request.package) != request.package_digest:
            yield Broken(record.evidence.position, "the package is not the one with this digest")


def _digest(package: str) -> str:
    return hashlib.sha256(package.encode()).hexdigest()


def _routed(event: Record) -> DecisionRouted | None:
    match event:
        case DecisionRouted():
            return event
        case ReviewRequested(routed=routed) | DecisionResolved(routed=routed):
            return routed
        case ReviewDecided(requested=requested) | ReviewDefaulted(requested=requested):
            return requested.routed
        case _:
            return None


def _request(event: Record) -> ReviewRequest | None:
    match event:
        case ReviewRequested(request=request):
            return request
        case ReviewDecided(requested=requested) | ReviewDefaulted(requested=requested):
            return requested.request
        case _:
            return None


def _of(records: Sequence[Told], kind: type[E]) -> list[tuple[str, E]]:
    """Records of one kind, each with its position."""
    return [(one.evidence.position, one.event) for one in records if isinstance(one.event, kind)]


def _answers(records: Sequence[Told]) -> Iterator[Broken]:
    """A review is decided by exactly the answer that is there; both were shown the same package."""
    answers = {event.answer.review_id: (at, event.answer) for at, event in _of(records, ReviewDecided)}
    requests = {event.request.review_id: (at, event.request) for at, event in _of(records, ReviewRequested)}
    defaults = {event.default.review_id for _, event in _of(records, ReviewDefaulted)}
    last = {event.review_id: (at, event) for at, event in _of(records, ReviewLifecycle)}
    for review_id, (at, step) in last.items():
        state = state_of(step)
        if state is None:
            continue
        if state.state is ReviewState.DECIDED and state.over and review_id not in answers:
            yield Broken(at, f"review {review_id} is decided, its answer is missing")
        if state.state is ReviewState.DEFAULTED and review_id not in defaults:
            yield Broken(at, f"the deadline rule took review {review_id}, what it took is missing")
        if review_id in answers and state.answer_id != answers[review_id][1].answer_id:
            yield Broken(answers[review_id][0], "is not the answer that the review's last step speaks of")
        if review_id in requests and requests[review_id][1].package_digest != state.digest:
            yield Broken(requests[review_id][0], "asks with another package than the steps speak of")
    for review_id, (at, _) in answers.items():
        if review_id not in last:
            yield Broken(at, f"answers review {review_id}, whose steps are missing")


def _resolutions(records: Sequence[Told]) -> Iterator[Broken]:
    """What was finally done follows from the answer, or from the route: it is worked out again."""
    found = _of(records, DecisionResolved)
    routes = [event for _, event in _of(records, DecisionRouted)] + [event.routed for _, event in found]
    due = [
        *(resolve_answer(event.requested, event.answer) for _, event in _of(records, ReviewDecided)),
        *(resolve_default(event) for _, event in _of(records, ReviewDefaulted)),
        *(resolve_automated(one) for one in routes if one.route.level <= 2 and one.route.action is not None),
    ]
    expected = {_done(resolution) for resolution in due if resolution is not None}
    for at, event in found:
        if _done(event.resolution) not in expected:
            yield Broken(at, "the resolution does not follow from any answer or route")
    if expected and not found:
        yield Broken(None, "what was decided has no resolution: it is missing, or still on its way")


def _done(resolution: Resolution) -> tuple[str, str | None, str, str | None]:
    return resolution.action, resolution.changes, resolution.decided_by.value, resolution.reviewer
