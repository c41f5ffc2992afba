"""The random draws of a decision: unpredictable without the secret, identical on every replay."""

from __future__ import annotations

import hashlib
import math
import struct
from functools import lru_cache
from typing import Any

import msgspec

from app.domain.events import Route
from app.domain.terms import EvidencePlan

_FOUR = struct.Struct(">4Q")
_UNIT = 2.0**-53
_LOW = 0x7FF
_BLOCK = 64  # bytes that SHA-256 takes in at a time


class Draws(msgspec.Struct, frozen=True, gc=False):
    """Independent uniforms in [0, 1), four with 53 random bits and one with what they leave."""

    evidence: float
    """Decides whether the decision is in the blind evidence sample."""
    audit: float
    """Decides about the extra spot check of level 2."""
    arm: float
    """Decides whether a reviewer answers before seeing the recommendation."""
    second: float
    """Decides about the independent second look (low end) and a gold item beside it (high end)."""
    canary: float = 0.999
    """Decides whether a decision is among the first that a lower threshold releases."""


def draws(secret: bytes, decision_id: str) -> Draws:
    """The draws of a decision: HMAC-SHA256(secret, decision id) cut into four numbers of 53 bits; the
    fifth has the 44 bits that are left.

    >>> first, again = draws(b"a secret", "exp-001"), draws(b"a secret", "exp-001")
    >>> first == again, round(first.evidence, 4), first.evidence != first.audit
    (True, 0.0145, True)
    """
    inner, outer = _keyed(secret)
    inner, outer = inner.copy(), outer.copy()
    inner.update(decision_id.encode())
    outer.update(inner.digest())
    a, b, c, d = _FOUR.unpack(outer.digest())
    rest = (a & _LOW) << 33 | (b & _LOW) << 22 | (c & _LOW) << 11 | (d & _LOW)
    return Draws((a >> 11) * _UNIT, (b >> 11) * _UNIT, (c >> 11) * _UNIT, (d >> 11) * _UNIT, rest * 2.0**-44)


@lru_cache(maxsize=16)
def _keyed(secret: bytes) -> tuple[Any, Any]:
    """The two SHA-256 of an HMAC (RFC 2104) that have taken its key in, to be copied: with them a draw takes
    two thirds of the time, and every decision is drawn for.

    >>> import hmac
    >>> inner, outer = (begun.copy() for begun in _keyed(b"a secret"))
    >>> inner.update(b"exp-001")
    >>> outer.update(inner.digest())
    >>> outer.digest() == hmac.digest(b"a secret", b"exp-001", "sha256")
    True
    """
    key = hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret
    inner, outer = (bytes(byte ^ pad for byte in key.ljust(_BLOCK, b"\0")) for pad in (0x36, 0x5C))
    return hashlib.sha256(inner), hashlib.sha256(outer)


def evidence_probability(plan: EvidencePlan, automated: float) -> float:
    """Share of a key's decisions drawn into the evidence sample after ``automated`` of them ran alone.

    q = min(1, floor + initial * exp(-automated / scale))

    >>> plan = EvidencePlan(floor=0.015, initial=1.0, scale=800.0)
    >>> evidence_probability(plan, 0), round(evidence_probability(plan, 1600), 4)
    (1.0, 0.1503)
    """
    return min(1.0, plan.floor + plan.initial * math.exp(-max(0.0, automated) / plan.scale))


def reviewed_probability(route: Route) -> float:
    """Chance that a person saw this decision: 1 above level 2, else that of either draw.

    1 - (1 - evidence) (1 - audit)
    """
    if route.level > 2:
        return 1.0
    return 1.0 - (1.0 - route.evidence_probability) * (1.0 - route.audit_probability)
