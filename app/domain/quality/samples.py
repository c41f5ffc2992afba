"""Draws that keep people's skills fresh: cases of another kind than usual. As ``app.domain.evidence``:
unpredictable without the secret, the same on every replay, and the probability goes on the record."""

from __future__ import annotations

import hmac
import struct
from collections.abc import Mapping

import msgspec

_ONE = struct.Struct(">Q")
_UNIT = 2.0**-53


class Drawn(msgspec.Struct, frozen=True):
    """A draw with the probability it had, for the record."""

    drawn: bool
    probability: float


def uniform(secret: bytes, purpose: str, identifier: str) -> float:
    """A number in [0, 1) with 53 bits: HMAC-SHA256(secret, purpose, identifier). Different purposes are
    independent of each other and of the evidence coin.

    >>> round(uniform(b"a secret", "rotation", "exp-001"), 4)
    0.5477
    """
    digest = hmac.digest(secret, f"{purpose}\n{identifier}".encode(), "sha256")
    number: int = _ONE.unpack(digest[:8])[0]
    return (number >> 11) * _UNIT


def rotation(recent: Mapping[str, int]) -> dict[str, float]:
    """How likely each person should be offered a case: the fewer recent answers of its type, the more.

    ``recent`` counts each person's recent answers of the type. Weights 1 / (1 + n), so that nobody is
    ever left out and whoever has had none of them for long comes first; they sum to 1.

    >>> {name: round(p, 2) for name, p in rotation({"ann": 0, "bob": 1, "cat": 9}).items()}
    {'ann': 0.62, 'bob': 0.31, 'cat': 0.06}
    """
    weights = {name: 1.0 / (1 + count) for name, count in recent.items()}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def offered_to(secret: bytes, decision_id: str, recent: Mapping[str, int]) -> tuple[str, Drawn] | None:
    """The person that rotation offers this case, with the probability; ``None`` without people.

    >>> who, drawn = offered_to(b"a secret", "exp-001", {"ann": 0, "bob": 1, "cat": 9})
    >>> who, round(drawn.probability, 2)
    ('ann', 0.62)
    """
    left = uniform(secret, "rotation", decision_id)
    chosen: tuple[str, Drawn] | None = None
    for name, probability in sorted(rotation(recent).items()):
        chosen = name, Drawn(True, probability)
        left -= probability
        if left < 0:
            break
    return chosen
