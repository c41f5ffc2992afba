"""``hitl status``: where one decision is, and why."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from app.commands.in_force import policy_to_act_by
from app.commands.output import console, print_json
from app.composition.parts import QueueParts, connection_of, open_codec, open_queue
from app.domain.events import (
    DecisionResolved,
    DecisionRouted,
    DecisionScored,
    DecisionSubmitted,
    DecisionWithdrawn,
    Record,
    ReviewKind,
)
from app.domain.review import ReviewState, locate, review_id_of
from app.domain.words import LEVELS, moment
from app.errors import HitlError
from app.review_queue.errors import UnknownReview
from app.settings import Settings, load_settings
from app.stream.decision_story import SLACK
from app.stream.errors import DecodeError
from app.stream.reader import LogReader
from app.stream.records import Incoming
from app.stream.topics import Topic

STORY = (
    Topic.DECISIONS_SUBMITTED,
    Topic.DECISIONS_SCORED,
    Topic.DECISIONS_ROUTED,
    Topic.DECISIONS_WITHDRAWN,
    Topic.DECISIONS_RESOLVED,
    Topic.DEADLETTER,
)
WAITING = "waits for a person"
UNKNOWN_TO_QUEUE = "not in the queue"


class Status(msgspec.Struct):
    """What the log and the queue say about one decision."""

    decision_id: str
    state: str = "unknown"
    submitted_at: str | None = None
    level: int | None = None
    level_name: str | None = None
    confidence: float | None = None
    threshold: float | None = None
    consequence: str | None = None
    reasons: list[str] = []
    reviews: list[dict[str, object]] = []
    action: str | None = None
    decided_by: str | None = None
    reviewer: str | None = None
    reasoning: str | None = None
    resolved_at: str | None = None
    withdrawn_by: str | None = None
    dead_letters: list[dict[str, str]] = []


def status(
    decision_id: Annotated[str, typer.Argument(help="The producer's id of the decision.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Where a decision is and why: its level with every reason, its reviews, its resolution.

    Reads the partitions of its key since the decision arrived (from their beginning if the queue does not
    remember it).

    Example: `hitl status exp-001`
    """
    settings = load_settings()
    found = _read(settings, decision_id)
    if found.state == "unknown":
        raise HitlError(
            f"decision '{decision_id}' is in none of the topics",
            hint="was it submitted to this broker and prefix? rejected lines stand in FILE.rejected.jsonl",
        )
    if as_json:
        print_json(found)
    else:
        _print(found)


def _read(settings: Settings, decision_id: str) -> Status:
    found = Status(decision_id)
    codec = open_codec(settings)
    parts = open_queue(settings, policy_to_act_by(settings)) if settings.redis_url else None
    case = parts.cases.cases([decision_id])[0] if parts else None
    # The queue may have forgotten it, or not be set: then the log is read from its beginning.
    since = max(0, case.brief.received_at - SLACK) if case else 0
    reader = LogReader(connection_of(settings))
    records = list(reader.read_key(STORY, decision_id.encode(), since=since))
    if not records:  # a broker that can not search by time, a producer's own partitioner or timestamps
        records = _of(decision_id, reader.read_all(STORY))
    for record in sorted(records, key=lambda record: STORY.index(Topic(record.topic))):
        if record.topic == Topic.DEADLETTER:
            _tell_letter(found, record)
            continue
        with suppress(DecodeError):  # the dead letter of what can not be read says why
            _tell(found, codec.decode(record.value))
    if parts:
        found.reviews = [_review(parts, str(review["review_id"]), review) for review in found.reviews]
        found.reviews += _asked_since(parts, found)
        if found.state == WAITING and any(one["state"] == ReviewState.DECIDED for one in found.reviews):
            found.state = "answered"  # it goes out once it can not be taken back any more
        parts.client.close()
    return found


def _of(decision_id: str, records: Iterable[Incoming]) -> list[Incoming]:
    return [record for record in records if record.key == decision_id.encode()]


def _tell_letter(found: Status, record: Incoming) -> None:
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    if "dlq_reason" not in headers:
        return
    letter = {name: headers[f"dlq_{name}"] for name in ("reason", "stage", "message")}
    found.dead_letters.append({"position": record.position, **letter})
    if letter["reason"] != "duplicate" and found.state in ("unknown", "submitted", "scored"):
        found.state = "dead letter"


def _tell(found: Status, event: Record) -> None:
    match event:
        case DecisionSubmitted():
            found.state = "submitted"
        case DecisionScored():
            found.state = "scored"
            found.submitted_at = moment(event.assessment.received_at)
            found.confidence = round(event.assessment.confidence.probability, 4)
            found.consequence = event.assessment.consequence.consequence_class.value
        case DecisionRouted(route=route):
            found.state = WAITING if route.action is None else "automated"
            found.level, found.level_name = route.level, LEVELS[route.level]
            found.threshold = route.threshold
            found.reasons = [reason.text for reason in route.reasons]
            found.reviews = [
                {"review_id": review_id_of(route.pool, found.decision_id, kind), "kind": kind.value}
                for kind in route.review_kinds
            ]
        case DecisionWithdrawn(withdrawn_by=who, reason=why):
            if found.action is None and found.state != "automated":
                found.state, found.withdrawn_by, found.reasoning = "withdrawn", who, why
        case DecisionResolved(resolution=resolution):
            found.state = "resolved"
            found.action, found.decided_by = resolution.action, resolution.decided_by.value
            found.reviewer, found.reasoning = resolution.reviewer, resolution.reasoning
            found.resolved_at = moment(resolution.resolved_at)
        case _:
            pass


def _review(parts: QueueParts, review_id: str, known: dict[str, object]) -> dict[str, object]:
    try:
        review = parts.queue.get(review_id).review
    except UnknownReview:
        return {**known, "state": UNKNOWN_TO_QUEUE}
    final = moment(review.undo_until) if review.undo_until else None
    return {**known, "state": review.state.value, "holder": review.holder or None, "final_at": final}


def _asked_since(parts: QueueParts, found: Status) -> list[dict[str, object]]:
    """The second look that a finding gave rise to: no route names it, so only the queue knows."""
    kind = ReviewKind.SECOND_LOOK
    if not found.reviews or any(review["kind"] == kind.value for review in found.reviews):
        return []
    pool, _ = locate(str(found.reviews[0]["review_id"]))
    review_id = review_id_of(pool, found.decision_id, kind)
    review = _review(parts, review_id, {"review_id": review_id, "kind": kind.value})
    return [] if review["state"] == UNKNOWN_TO_QUEUE else [review]


def _print(found: Status) -> None:
    console.print(f"[bold]{escape(found.decision_id)}[/bold]: {found.state}")
    for label, value in (
        ("submitted", found.submitted_at),
        ("consequence", found.consequence),
        ("confidence", found.confidence),
        ("threshold", found.threshold),
        ("level", f"{found.level} · {found.level_name}" if found.level else None),
    ):
        if value is not None:
            console.print(f"  {label:<12} {escape(str(value))}", highlight=False)
    for reason in found.reasons:
        console.print(f"  why          {escape(reason)}", highlight=False)
    for review in found.reviews:
        text = " ".join(str(value) for name, value in review.items() if value and name != "final_at")
        if review.get("final_at"):
            text += f", may be taken back until {review['final_at']}"
        console.print(f"  review       {escape(text)}", highlight=False, soft_wrap=True)
    if found.withdrawn_by is not None:
        console.print(f"  withdrawn    {escape(f'by {found.withdrawn_by}')}", highlight=False)
    if found.action is not None:
        who = found.reviewer or found.decided_by
        console.print(
            f"  resolved     {escape(f'{found.action} by {who} at {found.resolved_at}')}", highlight=False
        )
        console.print(f"  reasoning    {escape(found.reasoning or '')}", highlight=False, soft_wrap=True)
    for letter in found.dead_letters:
        text = f"{letter['position']}: {letter['reason']}: {letter['message']}"
        console.print(f"  dead letter  {escape(text)}", style="yellow", highlight=False, soft_wrap=True)
