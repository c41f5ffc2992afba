"""What is announced for a learning key, and so in force, until the next announcement."""

from __future__ import annotations

import msgspec


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """What was last announced for a key. Version 0: nothing yet."""

    version: int = 0
    own: float = 0.0
    cap: float = 0.0
    """0 where the evidence asks for nothing beyond the policy."""
    evidence_probability: float = 1.0
    enough: bool = False
    """Once there was enough evidence for a cap it stays in charge, also after a restart."""

    @property
    def threshold(self) -> float:
        """What a routing score must reach to be automated."""
        return max(self.own, self.cap)
