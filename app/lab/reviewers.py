"""Simulated reviewers: people with stated strengths and weaknesses, who see what the routing reveals.

How good people are is therefore an assumption that goes into a simulation, never a finding that comes out.
Every draw depends on the seed, the decision and the person's seat alone: the same decision meets the same
people under every policy that is tried, which makes two policies comparable case by case.
"""

from __future__ import annotations

import hashlib
import math
import struct

import msgspec

from app.domain.answers import MODIFY
from app.domain.events import DecisionSubmitted
from app.domain.resolution import HAND_ONS
from app.domain.terms import Terms

_FOUR = struct.Struct(">4Q")
_UNIT = 2.0**-53


class Reviewers(msgspec.Struct, frozen=True, kw_only=True):
    """How the simulated people answer. The defaults are people who are always right, at once.

    Shares in [0, 1].
    """

    sensitivity: float = 1.0
    """Share of the AI's errors that a person catches when the recommendation is withheld."""
    false_override: float = 0.0
    """Share of the AI's right answers that a person wrongly changes."""
    anchoring: float = 0.0
    """Share of the catches that are lost when the recommendation is shown."""
    delay_mean: float = 0.0
    """Mean number of decisions, of all types, that come between a decision and its label."""
    gold_rate: float | None = None
    """Share of reviews beside which an item with known truth is put; ``None``: as the policy says."""
    people: int = 5
    """How many they are. All are alike; two answers to one decision are two people's."""

    def catches(self, *, blind: bool) -> float:
        """The chance that an error of the AI is caught.

        >>> shown = Reviewers(sensitivity=0.9, anchoring=0.2)
        >>> round(shown.catches(blind=False), 2), shown.catches(blind=True)
        (0.72, 0.9)
        """
        return self.sensitivity if blind else self.sensitivity * (1.0 - self.anchoring)


class Luck(msgspec.Struct, frozen=True, gc=False):
    """Independent uniforms in [0, 1) of one person's answer to one decision."""

    verdict: float
    delay: float
    who: float


def luck(seed: bytes, decision_id: str, seat: int) -> Luck:
    """What chance holds for the answer of the person in ``seat`` (0: the first who is asked).

    >>> luck(b"s", "exp-001", 0) == luck(b"s", "exp-001", 0) != luck(b"s", "exp-001", 1)
    True
    """
    digest = hashlib.blake2b(decision_id.encode(), digest_size=32, key=seed, salt=bytes((seat,))).digest()
    a, b, c, _ = _FOUR.unpack(digest)
    return Luck((a >> 11) * _UNIT, (b >> 11) * _UNIT, (c >> 11) * _UNIT)


def answer(
    reviewers: Reviewers, decision: DecisionSubmitted, truth: str, terms: Terms, chance: float, *, blind: bool
) -> str:
    """The action that a person answers with.

    An error of the AI is caught, and the truth answered, or not, and the recommendation followed. A right
    recommendation is followed, or wrongly changed to the first other action.
    """
    advised = decision.recommendation.action
    if advised != truth:
        return truth if chance < reviewers.catches(blind=blind) else advised
    return another(decision, terms) if chance < reviewers.false_override else advised


def another(decision: DecisionSubmitted, terms: Terms) -> str:
    """What somebody decides who is wrongly against the recommendation: the AI's first alternative, else the
    type's first action that decides; the recommendation itself where there is no other."""
    advised = decision.recommendation.action
    for option in decision.alternatives:
        if option.action != advised:
            return option.action
    for action in terms.actions:
        if action not in HAND_ONS and action not in (advised, MODIFY):
            return action
    return advised


def delayed(mean: float, chance: float) -> int:
    """A geometric number of decisions with this mean: 0, 1, 2, ... with P(d) = p (1 - p)^d, p = 1/(1 + mean).

    Memoryless: how long a label has been awaited says nothing about when it comes.

    >>> [delayed(100, u) for u in (0.0, 0.5, 0.99)], delayed(0, 0.99)
    ([0, 69, 462], 0)
    """
    if mean <= 0.0:
        return 0
    return int(math.log1p(-chance) / math.log(mean / (1.0 + mean)))
