"""Bytes per decision on the broker's disk, by topic: what the sizing page is made of."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from bench.drill.site import PREFIX, Site

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


def measure(site: Site, count: int) -> tuple[dict[str, float], int]:
    """Bytes per submitted decision by topic, and how many reviews people answered."""
    site.start(0)
    site.up(0)
    site.open_desks("ann", "bo")
    site.fed(site.feed(count, 1000))
    site.settle()
    while site.waiting():
        site.settle()
    sizes = on_disk(site.broker.data)
    return {name: size / count for name, size in sizes.most_common() if size}, len(site.decided())
