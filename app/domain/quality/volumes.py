"""How much comes in, hour by hour and type by type, from the tallies that routing writes for learning: one
small record for each batch and key, where the decisions themselves would be thousands."""

from __future__ import annotations

from collections import deque

import msgspec

from app.domain.events import ScoreTally
from app.domain.quality.figures import HourCount, VolumeFigures
from app.domain.quality.reviewer_record import RECENT, Times, handling

HOUR = 3_600_000
HOURS = 28 * 24
"""Hours that are kept: four weeks, what a forecast looks back on."""
MOST_TYPES = 500


class _Hour(msgspec.Struct):
    routed: int = 0
    automated: int = 0
    answered: int = 0


class _Volume(msgspec.Struct):
    hours: dict[int, _Hour] = msgspec.field(default_factory=dict)
    times: Times = msgspec.field(default_factory=lambda: deque(maxlen=RECENT))


def type_of(learning_key: str) -> str:
    """The decision type of a learning key.

    >>> type_of("expense.approval|expenses:3")
    'expense.approval'
    """
    return learning_key.partition("|")[0]


class Volumes:
    """Counts by type and hour; hours older than four weeks before the newest go."""

    def __init__(self) -> None:
        self._types: dict[str, _Volume] = {}
        self._made: dict[str, VolumeFigures] = {}

    def tally(self, tally: ScoreTally) -> None:
        """Count a batch of routed decisions."""
        hour = self._hour(type_of(tally.learning_key), tally.routed_at)
        if hour is not None:
            hour.routed += sum(tally.bins[1::3])
            hour.automated += sum(tally.bins[2::3])

    def answered(self, decision_type: str, at: int, length: int, under_floor: bool) -> None:
        """Count an answer to real work that took ``length`` ms."""
        hour = self._hour(decision_type, at)
        if hour is not None:
            hour.answered += 1
            self._types[decision_type].times.append((length, under_floor))

    def _hour(self, decision_type: str, at: int) -> _Hour | None:
        volume = self._types.get(decision_type)
        if volume is None:
            if len(self._types) >= MOST_TYPES:
                return None
            volume = self._types[decision_type] = _Volume()
        self._made.pop(decision_type, None)
        start = at - at % HOUR
        found = volume.hours.get(start)
        if found is None:
            newest = max(volume.hours, default=start)
            if start <= newest - HOURS * HOUR:
                return None
            found = volume.hours[start] = _Hour()
            for old in [one for one in volume.hours if one <= start - HOURS * HOUR]:
                del volume.hours[old]
        return found

    def figures(self) -> dict[str, VolumeFigures]:
        """Every type, by name; made anew where something was counted since."""
        for name in self._types.keys() - self._made.keys():
            self._made[name] = _figures(name, self._types[name])
        return {name: self._made[name] for name in sorted(self._made)}


def _figures(name: str, volume: _Volume) -> VolumeFigures:
    hours = tuple(
        HourCount(hour=at, routed=hour.routed, automated=hour.automated, answered=hour.answered)
        for at, hour in sorted(volume.hours.items())
    )
    routed, automated = sum(one.routed for one in hours), sum(one.automated for one in hours)
    return VolumeFigures(
        decision_type=name,
        hours=hours,
        routed=routed,
        automated=automated,
        answered=sum(one.answered for one in hours),
        automation_rate=automated / routed if routed else None,
        handling=handling(volume.times),
    )
