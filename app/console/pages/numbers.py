"""The read model behind the numbers, as pages ask for it."""

from __future__ import annotations

from app.console.parts import ConsoleParts
from app.domain.people import Profile, Role
from app.domain.quality.snapshot import Snapshot


def snapshot_of(parts: ConsoleParts) -> Snapshot:
    """Everything at this moment; an empty one where no read model runs."""
    if parts.ledger is None:
        return Snapshot()
    snapshot: Snapshot = parts.ledger.snapshot()
    return snapshot


def led_pools(parts: ConsoleParts, who: Profile) -> list[str]:
    """The pools of which this person sees how others do, in the policy's order."""
    everything = Role.AUDITOR in who.roles
    return [pool.name for pool in parts.policy.pools if everything or pool.name in who.supervises]
