"""Bytes per decision on the broker's disk, by topic: what the sizing page is made of."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import msgspec

from app.review_queue.store import open_client
from bench.drill.site import PREFIX, Site

PATIENCE = 600.0
"""Seconds in which all reviews have to be answered."""

_PARTITION = re.compile(r"(.+)-\d+")


def on_disk(data: Path) -> Counter[str]:
    """Bytes of the log segments, by topic; indexes are left out (Kafka allocates them ahead)."""
    found: Counter[str] = Counter()
    for directory in data.iterdir():
        match = _PARTITION.fullmatch(directory.name)
        if match is None or not directory.is_dir():
            continue
        name = match[1].removeprefix(PREFIX)
        found[name] += sum(segment.stat().st_size for segment in directory.glob("*.log"))
    return found


class Sizes(msgspec.Struct, frozen=True):
    """Bytes per submitted decision, once all reviews are over: by topic on the broker's disk, and in the
    store, which remembers decisions for a while. ``reviews`` were answered."""

    topics: dict[str, float]
    store: float
    reviews: int


def measure(site: Site, count: int) -> Sizes:
    """Submit so many decisions, answer all reviews, and look. Raises ``TimeoutError``."""
    empty = _memory(site)
    site.start(0)
    site.up(0)
    site.open_desks("ann", "bo")
    site.fed(site.feed(count, 1000))
    site.settle()
    deadline = time.monotonic() + PATIENCE
    while waiting := site.waiting():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(waiting)} reviews still wait for two people; submit fewer (--count)")
        site.settle()
    sizes = on_disk(site.broker.data)
    return Sizes(
        topics={name: size / count for name, size in sizes.most_common() if size},
        store=(_memory(site) - empty) / count,
        reviews=len(site.decided()),
    )


def _memory(site: Site) -> int:
    info = open_client(site.store.url).execute_command("INFO", "memory")
    return int(info["used_memory"])
