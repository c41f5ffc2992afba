"""What is announced for a learning key, and so in force, until the next announcement."""

from __future__ import annotations

import msgspec

from app.domain.learning.bins import REVIEW_EVERYTHING


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """What was last announced for a key. Version 0: nothing yet."""

    version: int = 0
    epoch: int = 0
    own: float = 0.0
    """The policy's own threshold; 1.01 where nothing runs alone without a certificate."""
    floor: float = 0.0
    certified: float = REVIEW_EVERYTHING
    """The certified threshold in force; 1.01 for none."""
    canary_above: float = 0.0
    """While a canary runs, what is not drawn for it needs this score."""
    canary_share: float = 1.0
    cap: float = 0.0
    """0 where the evidence asks for nothing beyond."""
    evidence_probability: float = 1.0
    enough: bool = False
    """For a policy's own threshold: once there was enough evidence for a cap it stays in charge."""
    frozen: bool = False
    awaiting: float = 0.0
    """A certified threshold that waits for a person's yes; 0 for none."""

    progress: int = 0
    """While nothing is certified: tenths of the labels that the first certificate needs."""

    @property
    def threshold(self) -> float:
        """What a routing score must reach to be automated."""
        return max(min(self.own, max(self.certified, self.canary_above)), self.cap, self.floor)

    @property
    def canary(self) -> float:
        """What a score drawn for the canary must reach; the threshold itself where no canary runs."""
        return max(min(self.own, self.certified), self.cap, self.floor)
