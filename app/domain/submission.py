"""Decisions and observations as outsiders write them (JSON) become events, or a reason why not.

The JSON form is the Avro record with three comforts: ``facts`` is an object, times are ISO 8601 with
an offset, and optional fields may be left out.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from app.domain.events import (
    DecisionSubmitted,
    Model,
    ObservationKind,
    ObservedOutcome,
    Option,
    Shadow,
    Signals,
    StatedFactors,
)
from app.domain.ids import unfit_id

MAX_BYTES = 256 * 1024
"""Largest decision as JSON. A larger one belongs in a document store, with its address in ``links``."""

T = TypeVar("T")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Rejected(msgspec.Struct, frozen=True):
    """Why a line was not taken: a stable ``reason`` and the words, with the field's path."""

    reason: str
    message: str


class DecisionJson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision as outsiders write it."""

    decision_id: Name
    decision_type: Name
    occurred_at: Time
    subject: Name
    submitted_by: str = ""
    recommendation: Option
    alternatives: list[Option] = []
    facts: dict[str, bool | int | float | str | None]
    signals: Signals = Signals()
    factors: StatedFactors | None = None
    model: Model
    due_at: Time | None = None
    links: list[str] = []
    shadows: list[Shadow] = []
    truth: Any = None  # carried by laboratory files; never part of the event


class ObservationJson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An observation as outsiders write it."""

    decision_id: Name
    kind: ObservationKind
    correct_action: str | None = None
    observed_at: Time
    observation_id: str = ""
    source: str = ""
    note: str = ""


_decisions = msgspec.json.Decoder(DecisionJson)
_observations = msgspec.json.Decoder(ObservationJson)
OBSERVATIONS = uuid.UUID("0a3d4f5e-6f27-5b7e-9a53-1c1c4bb0f0d2")


def milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch.

    >>> from datetime import UTC
    >>> milliseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000
    """
    return round(moment.timestamp() * 1000)


def parse_decision(line: bytes) -> DecisionSubmitted | Rejected:
    """One JSON object -> event, or why not: ``too_large``, ``not_utf8``, ``unfit_id`` (:func:`unfit_id`) or
    ``invalid`` with the path.

    >>> parse_decision(b'{"decision_id": "a"}')
    Rejected(reason='invalid', message='Object missing required field `decision_type`')
    """
    parsed = _parse(line, _decisions)
    if isinstance(parsed, Rejected):
        return parsed
    if wrong := unfit_id(parsed.decision_id):
        return Rejected("unfit_id", f"`decision_id` {wrong}")
    return DecisionSubmitted(
        decision_id=parsed.decision_id,
        decision_type=parsed.decision_type,
        occurred_at=milliseconds(parsed.occurred_at),
        subject=parsed.subject,
        submitted_by=parsed.submitted_by,
        recommendation=parsed.recommendation,
        alternatives=parsed.alternatives,
        facts=msgspec.json.encode(parsed.facts).decode(),
        signals=parsed.signals,
        factors=parsed.factors,
        model=parsed.model,
        due_at=None if parsed.due_at is None else milliseconds(parsed.due_at),
        links=parsed.links,
        shadows=parsed.shadows,
    )


def parse_observation(line: bytes) -> ObservedOutcome | Rejected:
    """One JSON object -> observed outcome, or why not. Without an id of its own it gets one that the
    same observation always gets, so that a file sent twice counts once."""
    parsed = _parse(line, _observations)
    if isinstance(parsed, Rejected):
        return parsed
    observed_at = milliseconds(parsed.observed_at)
    identity = f"{parsed.decision_id}|{parsed.kind}|{observed_at}|{parsed.correct_action}|{parsed.source}"
    return ObservedOutcome(
        observation_id=parsed.observation_id or str(uuid.uuid5(OBSERVATIONS, identity)),
        decision_id=parsed.decision_id,
        kind=parsed.kind,
        correct_action=parsed.correct_action,
        observed_at=observed_at,
        source=parsed.source,
        note=parsed.note,
    )


def json_schemas(reference: str) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """JSON Schema of a decision and of an observation, and of what they are made of; ``reference`` is
    where the latter will stand, such as ``#/$defs/{name}``."""
    return msgspec.json.schema_components([DecisionJson, ObservationJson], ref_template=reference)


def _parse(line: bytes, decoder: msgspec.json.Decoder[T]) -> T | Rejected:
    if len(line) > MAX_BYTES:
        return Rejected(
            "too_large", f"{len(line)} bytes; at most {MAX_BYTES} are taken, put documents in links"
        )
    try:
        return decoder.decode(line)
    except UnicodeDecodeError as error:
        return Rejected("not_utf8", str(error))
    except msgspec.DecodeError as error:
        return Rejected("invalid", str(error))
    except RecursionError:
        return Rejected("invalid", "nested too deeply")
