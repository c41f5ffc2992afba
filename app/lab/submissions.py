"""Lines of a decisions file with truths -> what is simulated, or why not."""

from __future__ import annotations

from typing import Annotated

import msgspec

from app.domain.events import DecisionSubmitted
from app.domain.submission import MAX_BYTES, DecisionJson, Rejected, milliseconds
from app.domain.terms import Facts

Action = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Truth(msgspec.Struct, frozen=True, gc=False):
    """What would have been right."""

    action: Action


class LabDecision(DecisionJson, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision as outsiders write it, with its truth."""

    facts: dict[str, bool | float | str | None]  # all numbers as floats, as ``parse_facts`` gives them
    truth: Truth | None = None


class Tolerant(LabDecision, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The same, whatever else stands beside it."""


class Submission(msgspec.Struct, frozen=True, gc=False):
    """A decision that takes part. ``truth`` is ``None`` where nobody knows it; ``unknown`` are fields that
    are no part of a decision."""

    decision: DecisionSubmitted
    facts: Facts
    truth: str | None
    unknown: tuple[str, ...] = ()


_strict = msgspec.json.Decoder(LabDecision)
_tolerant = msgspec.json.Decoder(Tolerant)
_KNOWN = frozenset(LabDecision.__struct_fields__)


def parse(line: bytes) -> Submission | Rejected:
    """One JSON object -> submission, or why not: ``too_large``, ``not_utf8`` or ``invalid`` with the path.

    Unknown fields are left out of account: a file from elsewhere may bring columns of its own.

    >>> parse(b'{"decision_id": "a"}')
    Rejected(reason='invalid', message='Object missing required field `decision_type`')
    """
    if len(line) > MAX_BYTES:
        return Rejected("too_large", f"{len(line)} bytes; at most {MAX_BYTES} are taken")
    try:
        return _submission(_strict.decode(line), ())
    except UnicodeDecodeError as error:
        return Rejected("not_utf8", str(error))
    except msgspec.DecodeError as error:
        if "unknown field" not in str(error):
            return Rejected("invalid", str(error))
    try:
        names = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        return _submission(_tolerant.decode(line), tuple(sorted(names.keys() - _KNOWN)))
    except msgspec.DecodeError as error:
        return Rejected("invalid", str(error))


def _submission(parsed: LabDecision, unknown: tuple[str, ...]) -> Submission:
    decision = DecisionSubmitted(
        decision_id=parsed.decision_id,
        decision_type=parsed.decision_type,
        occurred_at=milliseconds(parsed.occurred_at),
        subject=parsed.subject,
        submitted_by=parsed.submitted_by,
        recommendation=parsed.recommendation,
        alternatives=parsed.alternatives,
        facts="",  # no rule reads the text
        signals=parsed.signals,
        factors=parsed.factors,
        model=parsed.model,
        due_at=None if parsed.due_at is None else milliseconds(parsed.due_at),
        links=parsed.links,
        shadows=parsed.shadows,
    )
    truth = parsed.truth
    return Submission(decision, parsed.facts, None if truth is None else truth.action, unknown)
