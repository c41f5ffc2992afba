"""Policies on their way into force where two people must want them. Pure.

A proposal is judged against the policy in force when it was made: once another one is in force, what its
confirmer would have to look at is another change, and it has to be proposed anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.events import PolicyProposed

PROPOSED, CONFIRMED, REJECTED = "proposed", "confirmed", "rejected"


def latest(events: Iterable[PolicyProposed]) -> dict[str, PolicyProposed]:
    """The last step of each proposal; one that is over stays over, in whatever order steps are heard."""
    known: dict[str, PolicyProposed] = {}
    for event in events:
        before = known.get(event.proposal_id)
        if before is None or before.step == PROPOSED:
            known[event.proposal_id] = event
    return known


def standing(proposal: PolicyProposed, in_force: str) -> str:
    """Where a proposal stands when ``in_force`` is the version in force.

    >>> one = PolicyProposed(proposal_id="p-1", step="proposed", policy_version="b", policy="", actor="ann",
    ...     base_version="a", proposed_by="ann", proposed_at=1, at=1, reason="")
    >>> standing(one, "a"), standing(one, "c"), standing(one, "b")
    ('waits for another admin', 'outdated', 'in force')
    """
    if proposal.step != PROPOSED:
        return proposal.step
    if proposal.policy_version == in_force:
        return "in force"
    return "waits for another admin" if proposal.base_version == in_force else "outdated"
