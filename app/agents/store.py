"""How agents call the store: off the event loop, its outages as what a source waits out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from app.review_queue.errors import StoreUnavailableError
from app.stream.errors import TransientError

P = ParamSpec("P")
R = TypeVar("R")


async def ask_store(call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """``call`` in a thread. An outage becomes ``TransientError``: the batch is retried, not lost."""
    try:
        return await asyncio.to_thread(call, *arguments, **named)
    except StoreUnavailableError as outage:
        raise TransientError(str(outage), hint=outage.hint) from outage
