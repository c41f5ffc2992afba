"""ADWIN: has the mean of a stream changed, when nobody says what it should be?

For signals without a reference: override rate, handling time, traffic mix.
"""

from __future__ import annotations

import math

import msgspec

PER_ROW = 4
"""Buckets of one size before two of them become one of twice the size."""
LONGEST = 8192
"""Values that a window holds: older ones say little about now, and saved state stays small."""


class Adwin(msgspec.Struct, array_like=True):
    """Adaptive window: keeps what agrees with the latest values, forgets what is older.

    The window is cut in two wherever a bucket ends; when the means of the parts differ by more than chance
    explains, the older part is dropped. Buckets grow with age, so memory is O(log n). With n0, n1 values in
    the parts, m = 1 / (1/n0 + 1/n1), variance v of the window and d = ln(2 ln(n) / delta), a cut is where
    |mean0 - mean1| > sqrt(2 v d / m) + 2 d / (3 m).

    Parameters
    ----------
    Values in [0, 1]; ``delta`` in (0, 1) bounds, for each look, the chance of a cut without a change.

    A. Bifet and R. Gavalda, Learning from time-changing data with adaptive windowing, SDM 2007 (ADWIN2).

    Examples
    --------
    >>> window = Adwin()
    >>> steady = [window.update(0.2 + 0.1 * (i % 3), delta=0.002) for i in range(600)]
    >>> any(steady), round(window.mean, 2), window.width
    (False, 0.3, 600)
    >>> jumped = [window.update(0.5 + 0.1 * (i % 3), delta=0.002) for i in range(100)]
    >>> any(jumped), round(window.mean, 2), round(window.before, 2)
    (True, 0.58, 0.3)
    """

    rows: list[list[float]] = msgspec.field(default_factory=list)
    """Row i holds buckets of 2^i values, the newest last, as (sum, sum of squared deviations) in pairs."""
    width: int = 0
    """Values in the window."""
    total: float = 0.0
    deviation: float = 0.0
    """Sum of squared deviations from the mean, over the window."""
    before: float = 0.0
    """Mean of what the last cut dropped; of no meaning without a cut."""
    cuts: int = 0
    calm: int = 0
    """Values to come before which no cut can hold ..."""
    room: float = 0.0
    """... as long as the distances from the mean at which they lie add up to less than this."""

    @property
    def mean(self) -> float:
        """Mean of the window; 0 without values."""
        return self.total / self.width if self.width else 0.0

    def update(self, value: float, *, delta: float, fewest: int = 32) -> bool:
        """Take a value; True if the window was cut: the mean is another one than it was.

        ``fewest`` is the least number of values on each side of a cut. It and ``delta`` stay the same for as
        long as a window lives.
        """
        width = self.width
        if width:
            apart = value - self.total / width
            self.deviation += apart**2 * width / (width + 1)
            self.calm -= 1
            self.room -= abs(apart)
        self.width += 1
        self.total += value
        self._insert(value)
        while self.width > LONGEST:
            self._drop()
            self.calm = 0
        if self.calm > 0 and self.room > 0.0:
            return False
        dropped = [0.0, 0.0]
        while (size := self._cut(delta, fewest)) > 0:
            for _ in range(size):
                count, bucket = self._drop()
                dropped[0] += count
                dropped[1] += bucket
        if dropped[0]:
            self.before = dropped[1] / dropped[0]
            self.cuts += 1
        return dropped[0] > 0

    def _insert(self, value: float) -> None:
        if not self.rows:
            self.rows.append([])
        self.rows[0] += [value, 0.0]
        for level, row in enumerate(self.rows):
            if len(row) <= 2 * PER_ROW:
                break
            if level + 1 == len(self.rows):
                self.rows.append([])
            size = 2.0**level
            one, one_deviation, other, other_deviation = row[:4]
            del row[:4]
            apart = (one - other) / size
            self.rows[level + 1] += [
                one + other,
                one_deviation + other_deviation + apart * apart * size / 2,
            ]
            # Only the list that ``enumerate`` walks has grown; the next level is looked at next.

    def _cut(self, delta: float, fewest: int) -> int:
        """How many of the oldest buckets to drop: those before the last cut that holds; 0 if none does.

        With it comes how long none can (``calm``, ``room``). At a cut with n0 older values of sum S0,
        |S0 - n0 mean| has to exceed sqrt(2 v d m) + 2 d / 3. A further value moves the left side by no more
        than its own distance from the mean, and k of them divide the root by no more than (n + k) / n. Cuts
        beside values to come have too few newer ones until ``fewest`` have come."""
        if self.width < 2 * fewest:
            self.calm = 0
            return 0
        width, mean = self.width, self.total / self.width
        d = math.log(2 * math.log(width) / delta)
        spread = 2 * self.deviation / width * d
        total, sure = self.total, 2 / 3 * d * (1 - 1e-9)
        later = spread * width / (width + fewest) ** 2
        old, old_sum, passed, cut, room = 0, 0.0, 0, 0, float(fewest)
        for level in range(len(self.rows) - 1, -1, -1):
            row, size = self.rows[level], 1 << level
            for i in range(0, len(row), 2):
                old += size
                old_sum += row[i]
                passed += 1
                new = width - old
                # the difference of the means, times m
                left = abs(old_sum - old * mean)
                # mostly too small at a glance
                if left > sure and old >= fewest and new >= fewest:
                    inverse = 1 / old + 1 / new
                    if (
                        abs(old_sum / old - (total - old_sum) / new)
                        > math.sqrt(spread * inverse) + 2 / 3 * d * inverse
                    ):
                        cut = passed
                if left > sure - room:
                    room = min(room, sure + math.sqrt(later * old * max(new, fewest)) - left)
        self.calm, self.room = fewest, room
        return cut

    def _drop(self) -> tuple[int, float]:
        while not self.rows[-1]:
            self.rows.pop()
        row, size = self.rows[-1], 1 << (len(self.rows) - 1)
        bucket, inner = row[0], row[1]
        del row[:2]
        self.width -= size
        self.total -= bucket
        apart = bucket / size - self.mean
        self.deviation = max(
            0.0,
            self.deviation - inner - apart * apart * size * self.width / (size + self.width),
        )
        while self.rows and not self.rows[-1]:
            self.rows.pop()
        return size, bucket
