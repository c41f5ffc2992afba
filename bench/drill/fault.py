"""What a fault of the drill is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bench.drill.site import Site

RATE = 20
Undo = Callable[[], None]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """``begin`` does it and returns how to undo it after ``seconds``. ``sure`` is the share the AI
    is sure of meanwhile, ``rightness`` how right it is, as a share of what it says, ``rate`` how many
    decisions come in a second. ``usual`` goes on for ``before`` seconds ahead of it, and is undone at its
    beginning: what the rules that compare weeks and months compare with."""

    name: str
    what: str
    begin: Callable[[Site], Undo]
    seconds: float
    sure: float = 0.8
    rightness: float = 1.0
    rate: int = RATE
    usual: Callable[[Site], Undo] | None = None
    before: float = 0.0


def nothing(site: Site) -> Undo:
    """People and the AI are the fault, or what is usual: see ``sure`` and ``rightness``."""
    del site
    return lambda: None
