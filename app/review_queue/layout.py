"""Whether a store was filled by a version that laid its reviews out otherwise (``keys.VERSION``)."""

from __future__ import annotations

from collections.abc import Sequence

from app.review_queue import keys as names
from app.review_queue.keys import Keys
from app.review_queue.store import Client, reachable

ADVICE = "`hitl queue rebuild`, into an emptied store: docs/upgrading.md"
"""What an operator does about it."""


def laid_out_otherwise(client: Client, keys: Keys, pools: Sequence[str]) -> list[str]:
    """The pools with reviews of another layout: what counts and lists them may miss some. An empty pool is of
    this one. Raises ``StoreUnavailableError``."""
    pipe = client.pipeline(transaction=False)
    for pool in pools:
        pipe.execute_command("EXISTS", keys.pool(pool, names.ARRIVALS))
        pipe.execute_command("GET", keys.pool(pool, names.LAYOUT))
    with reachable:
        found = pipe.execute() if pools else []
    told = zip(pools, found[::2], found[1::2], strict=True)
    return [pool for pool, used, layout in told if used and layout != names.VERSION.encode()]


def told(pools: Sequence[str]) -> str:
    """What is wrong with these pools."""
    return f"another version laid out the reviews of {', '.join(pools)}: some may be missing in the counts"
