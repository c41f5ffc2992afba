"""The judge of a chaos run: what was submitted against what a read_committed reader finds afterwards."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from app.stream.records import Incoming


@dataclass(frozen=True)
class Report:
    """What a reader sees of the submitted ids. ``ok`` means: each exactly once, in order."""

    submitted: int
    seen: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.lost or self.doubled or self.foreign or self.out_of_order)

    def __str__(self) -> str:
        def some(ids: list[str]) -> str:
            return f"{len(ids)}" + (f" ({', '.join(ids[:5])} ...)" if ids else "")

        return (
            f"{self.submitted} submitted, {self.seen} seen, lost {some(self.lost)}, doubled "
            f"{some(self.doubled)}, foreign {some(self.foreign)}, out of order {some(self.out_of_order)}"
        )


def check(
    submitted_ids: Iterable[str],
    read_all: Iterable[Incoming],
    *,
    id_of: Callable[[Incoming], str] = lambda record: (record.key or b"").decode(),
    order_of: Mapping[str, tuple[object, int]] | None = None,
) -> Report:
    """Compare. ``order_of`` maps an id to (order group, number): within a group the numbers must come
    out rising within each partition; leave it out where order does not matter."""
    submitted = list(submitted_ids)
    counts: Counter[str] = Counter()
    last: dict[tuple[object, str, int], int] = defaultdict(lambda: -1)
    disordered = []
    for record in read_all:
        name = id_of(record)
        counts[name] += 1
        if order_of is not None and name in order_of:
            group, number = order_of[name]
            where = (group, record.topic, record.partition)
            if number < last[where]:
                disordered.append(name)
            last[where] = max(last[where], number)
    wanted = set(submitted)
    return Report(
        submitted=len(submitted),
        seen=counts.total(),
        lost=[name for name in submitted if name not in counts],
        doubled=[name for name, count in counts.items() if count > 1 and name in wanted],
        foreign=[name for name in counts if name not in wanted],
        out_of_order=disordered,
    )
