"""Where a consumer is in the partitions that it was given. A book without I/O, kept by its owner."""

from __future__ import annotations

from collections.abc import Mapping

from app.stream.errors import FatalStreamError
from app.stream.records import Partition


class Positions:
    """Which partitions are ours, since which assignment, and what has to come next from each.

    ``number`` counts the assignments: it is another one as soon as any partition came or went.

    >>> book, one = Positions(), ("in", 0)
    >>> book.assign({one}); book.number, book.kept(one, since=1)
    (1, True)
    >>> book.give_up({one}); book.assign({one}); book.number, book.kept(one, since=1)
    (3, False)
    """

    def __init__(self) -> None:
        self.assigned: set[Partition] = set()
        self.number = 0
        self._given_up: set[Partition] = set()
        self._moved_in: dict[Partition, int] = {}
        self._resume_at: dict[Partition, int] = {}
        self._expected: dict[Partition, int] = {}

    # --- whose they are -----------------------------------------------------------------------------

    def assign(self, partitions: set[Partition]) -> None:
        """Ours from now on."""
        self._moved(partitions)
        self.assigned |= partitions

    def give_up(self, partitions: set[Partition]) -> None:
        """No longer ours."""
        self._moved(partitions)
        self.assigned -= partitions
        self._given_up |= partitions

    def begin(self) -> None:
        """A batch is about to be taken: what was given up before does not concern it."""
        self._given_up.clear()

    def undisturbed(self, partition: Partition) -> bool:
        """Ours, and not given up since ``begin``, not even for a moment."""
        return partition in self.assigned and partition not in self._given_up

    def kept(self, partition: Partition, since: int) -> bool:
        """Ours without a break since assignment ``since``. One that went and came back starts at what is
        committed, which may be the work of another."""
        return partition in self.assigned and self._moved_in[partition] <= since

    def _moved(self, partitions: set[Partition]) -> None:
        if partitions:
            self.number += 1
        for partition in partitions:
            self._moved_in[partition] = self.number
            self._resume_at.pop(partition, None)
            self._expected.pop(partition, None)

    # --- where they are -----------------------------------------------------------------------------

    def go_back(self, partition: Partition, offset: int, *, exactly: bool = True) -> None:
        """The next record is the one at ``offset``. Not ``exactly``: or one behind it, where a
        transaction's marker may be."""
        self._expected.pop(partition, None)
        if exactly:
            self._resume_at[partition] = offset
        else:
            self._resume_at.pop(partition, None)

    def take(
        self, first: Mapping[Partition, int], after: Mapping[Partition, int]
    ) -> list[tuple[Partition, int, int]]:
        """A batch from ``first`` up to ``after`` was read. Returns the gaps before it: partition, offset
        expected, offset found; on a real broker those are transactions' markers.

        Raises ``FatalStreamError`` when a partition did not go back to where it was sent.
        """
        for partition, start in first.items():
            wanted = self._resume_at.pop(partition, start)
            if start != wanted:
                raise FatalStreamError(
                    f"{partition[0]}[{partition[1]}]: went back to {wanted} but got {start}",
                    hint="restart the worker: it goes on from the committed offset",
                )
        expected = {partition: self._expected.get(partition, start) for partition, start in first.items()}
        self._expected.update(after)
        return [(p, expected[p], start) for p, start in first.items() if start > expected[p]]
