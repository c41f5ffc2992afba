"""How far a consumer is behind, in records and in seconds, from the client's own statistics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import msgspec

from app.stream.records import Partition

INTERVAL_MS = 5000
"""How often the client says how it stands."""


class _Place(msgspec.Struct):
    """Where the client is in one partition; negative where it does not know. ``fetchq_cnt`` is about the one
    queue that all partitions share; ``app_offset`` follows the last record that was handed out."""

    fetchq_cnt: int = 0
    next_offset: int = -1
    app_offset: int = -1
    committed_offset: int = -1
    lo_offset: int = -1
    ls_offset: int = -1


class _Topic(msgspec.Struct):
    partitions: dict[str, _Place] = {}


class _Statistics(msgspec.Struct):
    topics: dict[str, _Topic] = {}


_decode = msgspec.json.Decoder(_Statistics).decode


class Lag:
    """Of one consumer. ``logical`` gives our name of a broker's topic, ``clock`` ms UTC."""

    def __init__(self, logical: Callable[[str], str], clock: Callable[[], int]) -> None:
        self._logical = logical
        self._clock = clock
        self._read: dict[Partition, tuple[int, int]] = {}
        self._since: dict[Partition, int] = {}

    def read(self, written: Mapping[Partition, int]) -> None:
        """A batch was taken; when the last record of each partition was written (ms) says how old those
        behind it are."""
        now = self._clock()
        self._read.update({partition: (now, timestamp) for partition, timestamp in written.items()})

    def behind(self, statistics: str, assigned: Collection[Partition]) -> Mapping[str, tuple[int, float]]:
        """By topic: records that wait in the assigned partitions, and for how long the oldest has (s)."""
        now = self._clock()
        found: dict[str, tuple[int, float]] = {}
        for name, topic in _decode(statistics).topics.items():
            logical = self._logical(name)
            records, seconds = 0, 0.0
            for number, place in topic.partitions.items():
                partition = (logical, int(number))
                if partition in assigned:
                    waiting = _waiting(place)
                    records += waiting
                    seconds = max(seconds, self._age(partition, waiting, now))
            found[logical] = (records, seconds)
        return found

    def _age(self, partition: Partition, waiting: int, now: int) -> float:
        """What waits is younger than what was read last, and older than our first sight of it. The former
        is close while records are read, the latter while they are not."""
        if not waiting:
            self._since.pop(partition, None)
            return 0.0
        since = self._since.setdefault(partition, now)
        read_at, timestamp = self._read.get(partition, (0, 0))
        return max(0, now - (timestamp if read_at >= since else since)) / 1000


def _waiting(place: _Place) -> int:
    """Offsets between the reader and the end: records, and the marks that transactions leave. At the end
    only such marks are left, and nothing waits."""
    if place.ls_offset < 0 or (place.next_offset >= place.ls_offset and not place.fetchq_cnt):
        return 0
    return max(0, place.ls_offset - max(place.app_offset, place.committed_offset, place.lo_offset, 0))
