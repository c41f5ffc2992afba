"""What a page says after something was done: fixed words by name, so that no address can put words into
the console's mouth."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Notice(msgspec.Struct, frozen=True):
    """A line at the top of a page; ``look`` is ``good``, ``warn`` or ``tint``."""

    look: str
    text: str


NOTICES: Mapping[str, Notice] = {
    "none": Notice(
        "tint", "Nothing is waiting that you may take right now. This page tells you when there is."
    ),
    "released": Notice("good", "✓ You gave the case back. It is open for others again."),
    "asked": Notice(
        "good", "✓ Your question is on its way. The deadline stands still until the answer is there."
    ),
    "escalated": Notice("good", "✓ Escalated: the supervisors of the pool take it from here."),
    "withdrawn": Notice("good", "✓ Withdrawn: nobody has to answer this case any more."),
    "delegated": Notice("good", "✓ Handed over. The case is offered to your colleague now."),
    "informed": Notice("good", "✓ The information is added and the case goes on."),
    "reassigned": Notice("good", "✓ Reassigned."),
    "opened": Notice("good", "✓ The session is open."),
    "closed": Notice("good", "✓ The session is closed; everybody in it may see the answers now."),
    "proposed": Notice("good", "✓ Proposed. The rule does nothing until somebody else approves it."),
    "rule-approve": Notice("good", "✓ Approved: the rule holds from now on."),
    "rule-reject": Notice("good", "✓ Rejected."),
    "rule-revoke": Notice("good", "✓ Revoked: the rule has no effect any more."),
    "undone": Notice(
        "good", "✓ You took your answer back. The form holds what you said: change it and answer again."
    ),
    "kept": Notice("good", "✓ Your answer is kept."),
}


def notice_of(name: str | None) -> Notice | None:
    """The notice of a name in an address; ``None`` for any other text."""
    return NOTICES.get(name or "")
