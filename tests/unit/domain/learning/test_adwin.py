"""ADWIN against a window that tries every cut, and against its own promise by simulation."""

from __future__ import annotations

import math
import random
from statistics import fmean

import msgspec
import pytest

from app.domain.learning.adwin import LONGEST, Adwin
from app.domain.learning.pattern_terms import ShiftTerms
from app.domain.learning.shifts import SignalShift


def exact_cut(values: list[float], delta: float, fewest: int) -> bool:
    """Whether any cut of these values holds, from the formula alone."""
    n, total = len(values), fmean(values)
    variance = fmean((v - total) ** 2 for v in values)
    d = math.log(2 * math.log(n) / delta)
    for cut in range(fewest, n - fewest + 1):
        inverse = 1 / cut + 1 / (n - cut)
        limit = math.sqrt(2 * variance * d * inverse) + 2 / 3 * d * inverse
        if abs(fmean(values[:cut]) - fmean(values[cut:])) > limit:
            return True
    return False


@pytest.mark.parametrize("seed", range(4))
def test_a_window_is_cut_only_where_an_exact_one_would_be_and_hardly_later(seed):
    """The buckets leave out most cuts: what they find, trying every cut has found a little sooner."""
    chance = random.Random(seed)
    window, seen, first, exact = Adwin(), [], None, None
    for i in range(900):
        value = float(chance.random() < (0.1 if i < 400 else 0.4))
        seen.append(value)
        if exact is None and i >= 64 and i % 4 == 0 and exact_cut(seen, 0.002, 32):
            exact = i
        if window.update(value, delta=0.002) and first is None:
            first = i
    assert exact is not None and first is not None
    assert exact - 4 <= first <= exact + 60


@pytest.mark.parametrize("seed", range(3))
def test_sums_are_those_of_the_values_in_the_window(seed):
    chance = random.Random(seed)
    window, values = Adwin(), []
    for i in range(3000):
        values.append(chance.betavariate(2, 5) if i < 2000 else chance.betavariate(5, 2))
        window.update(values[-1], delta=0.002)
        kept = values[len(values) - window.width :]
        if i % 250 == 0:
            assert window.mean == pytest.approx(fmean(kept))
            assert window.deviation == pytest.approx(sum((v - window.mean) ** 2 for v in kept), abs=1e-6)
    assert window.width < 1100


@pytest.mark.parametrize("seed", range(6))
def test_looks_that_are_left_out_would_have_found_nothing(seed):
    """The same cuts at the same values as a window that looks at every value."""
    chance, rate = random.Random(seed), 0.1
    lazy, eager = Adwin(), Adwin()
    for _ in range(3000 if seed else LONGEST + 1500):
        if chance.random() < 0.004:
            rate = chance.choice((0.0, 0.02, 0.1, 0.2, 0.5, 1.0))
        value = float(chance.random() < rate) if seed % 2 else chance.betavariate(12, 1 + 5 * rate)
        eager.calm = 0
        assert lazy.update(value, delta=0.02) == eager.update(value, delta=0.02)
        assert (lazy.rows, lazy.deviation, lazy.before) == (eager.rows, eager.deviation, eager.before)
    assert lazy.cuts > 2 and lazy.calm >= 0


def test_nothing_is_reported_where_nothing_changes():
    """delta bounds the chance at each look; over 150,000 of them no more than a cut or two."""
    cuts = 0
    for seed, rate in enumerate((0.02, 0.1, 0.3, 0.5, 0.9)):
        chance = random.Random(seed)
        for _ in range(10):
            window = Adwin()
            cuts += sum(window.update(float(chance.random() < rate), delta=0.002) for _ in range(3000))
    assert cuts <= 2


RIVER = (247, 311, 183, 311, 343, 119, 375, 215, 247, 983, 247, 183, 375, 215, 247, 183, 567, 183, 407, 375)
"""When ADWIN of river 0.26.1 (delta .002, a look at every 32nd value) found the change in the same lives."""


def test_a_doubled_rate_is_found_in_every_life_when_river_finds_it():
    delays = []
    for seed in range(20):
        chance, window = random.Random(seed), Adwin()
        for _ in range(1000):
            window.update(float(chance.random() < 0.15), delta=0.002)
        for i in range(1500):
            if window.update(float(chance.random() < 0.30), delta=0.002):
                delays.append(i)
                break
    assert len(delays) == 20
    # river looks less often and leaves out other cuts: a few values earlier, or some looks later
    assert all(-8 <= theirs - ours <= 128 for ours, theirs in zip(delays, RIVER, strict=True))
    assert sorted(delays)[10] < 300


def test_the_window_and_its_saved_state_stay_small():
    chance, window = random.Random(1), Adwin()
    for _ in range(LONGEST + 2000):
        window.update(chance.random(), delta=1e-9)
    assert window.width <= LONGEST
    assert len(msgspec.msgpack.encode(window)) < 1200


def test_a_slow_change_is_told_from_where_it_began():
    terms, shift, chance = ShiftTerms(recent=1500), SignalShift(), random.Random(2)
    for i in range(2400):
        rate = 0.1 if i < 1000 else min(0.5, 0.1 + (i - 1000) / 2000)
        shift.update(float(chance.random() < rate), terms)
    assert shift.window.cuts > 1
    assert shift.origin < 0.2
    assert shift.change > 0.15
