"""How the state of a review is written down: short fields of a hash in the store, JSON in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.domain.events import Answer, ConsequenceClass, OnDeadline, ReviewKind
from app.domain.review import Review, ReviewState, Vote, locate

_FIRST = "first:"
_TEXT = {
    "decision": "decision_id",
    "sla": "sla_class",
    "digest": "digest",
    "holder": "holder",
    "to": "offered_to",
    "question": "question",
    "info": "information",
    "informer": "informed_by",
    "answer": "answer_id",
    "default": "safe_default",
    "trace": "trace",
}
_NUMBER = {
    "asked": "requested_at",
    "due": "deadline",
    "need": "approvals",
    "urgency": "urgency",
    "arrival": "arrival",
    "step": "step",
    "epoch": "epoch",
    "tier": "tier",
    "since": "claimed_at",
    "lease": "lease_until",
    "reserved": "reserved_until",
    "handed": "delegations",
    "lapses": "lapses",
    "pausing": "paused_at",
    "paused": "paused",
    "questions": "questions",
    "decided": "decided_at",
    "rung": "rung",
    "undo": "undo_until",
}
_FLAG = {"blind": "blind", "given": "assigned", "tie": "tie_break", "backups": "backups"}
_ENUM: dict[str, tuple[str, Any]] = {
    "kind": ("kind", ReviewKind),
    "class": ("consequence_class", ConsequenceClass),
    "state": ("state", ReviewState),
}
_votes = msgspec.json.Decoder(tuple[Vote, ...])
_answer = msgspec.json.Decoder(Answer)
_DEFAULTS = dict(
    zip(Review.__struct_fields__[-len(Review.__struct_defaults__) :], Review.__struct_defaults__, strict=True)
)


def pairs(flat: Sequence[bytes]) -> dict[str, bytes]:
    """Field, value, field, value ... as a mapping."""
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def people_of(review: Review) -> str:
    """Under what is noted who takes part (``PEOPLE``): the decision, or the item with known truth itself."""
    return locate(review.review_id)[1] if review.kind is ReviewKind.GOLD else review.decision_id


def from_fields(review_id: str, fields: Mapping[str, bytes]) -> Review:
    """A review from its hash; fields that are not there have their default."""
    values: dict[str, Any] = {"review_id": review_id}
    firsts: dict[str, str] = {}
    for name, raw in fields.items():
        if name in _NUMBER:
            values[_NUMBER[name]] = int(raw)
        elif name in _TEXT:
            values[_TEXT[name]] = raw.decode()
        elif name in _FLAG:
            values[_FLAG[name]] = True
        elif name in _ENUM:
            attribute, kind = _ENUM[name]
            values[attribute] = kind(raw.decode())
        elif name == "ladder":
            values["ladder"] = tuple(map(int, raw.split(b",")))
        elif name == "rule":
            values["on_deadline"] = OnDeadline(raw.decode())
        elif name == "votes":
            values["votes"] = _votes.decode(raw)
        elif name.startswith(_FIRST):
            firsts[name.removeprefix(_FIRST)] = raw.decode()
    if firsts:
        values["first_answers"] = firsts
    return Review(**values)


def to_fields(review: Review) -> dict[str, str | bytes]:
    """The hash of a review: what is at its default is left out, apart from ``state``."""
    fields: dict[str, str | bytes] = {
        name: getattr(review, attribute).value for name, (attribute, _) in _ENUM.items()
    }
    for names in (_TEXT, _NUMBER):
        for name, attribute in names.items():
            value = getattr(review, attribute)
            if value is not None and (attribute not in _DEFAULTS or value != _DEFAULTS[attribute]):
                fields[name] = str(value)
    fields.update({name: "1" for name, attribute in _FLAG.items() if getattr(review, attribute)})
    if review.ladder:
        fields["ladder"] = ladder_text(review)
    if review.on_deadline is not OnDeadline.HOLD:
        fields["rule"] = review.on_deadline.value
    if review.votes:
        fields["votes"] = msgspec.json.encode(review.votes)
    fields.update({_FIRST + person: action for person, action in review.first_answers.items()})
    return fields


def ladder_text(review: Review) -> str:
    """The times of the SLA steps as they are stored: four of 13 digits are short enough for a listpack."""
    return ",".join(map(str, review.ladder))


def completed(raw: bytes, review: Review, claimed_at: int | None = None) -> Answer:
    """A stored answer with what only the store knew: when it was claimed, and the blind first answer."""
    answer = _answer.decode(raw)
    return msgspec.structs.replace(
        answer,
        claimed_at=review.claimed_at if claimed_at is None else claimed_at,
        first_action=review.first_answers.get(answer.reviewer),
    )
