"""The exact sequential boundary against its published numbers, brute force and its own promise."""

from __future__ import annotations

import itertools
import random
from math import comb

import pytest

from app.domain.learning.boundary import DEEP, SHALLOW, boundary, crossing

PUBLISHED = {
    0.01: ((400, 573, 727, 871), (538, 673, 800, 921)),
    0.02: ((223, 313, 393, 468), (316, 390, 459, 525)),
    0.03: ((156, 218, 272, 323), (228, 280, 328, 374)),
    0.05: ((99, 136, 170, 200), (149, 181, 211, 240)),
}
"""First four N_j at delta .09 and 1800 planned labels: shallow, deep."""


@pytest.mark.parametrize(("rate", "expected"), PUBLISHED.items())
def test_the_published_numbers(rate, expected):
    assert boundary(rate, 0.09, 1800, SHALLOW)[:4] == expected[0]
    assert boundary(rate, 0.09, 1800, DEEP)[:4] == expected[1]


@pytest.mark.parametrize(("rate", "delta"), [(0.3, 0.2), (0.2, 0.1), (0.4, 0.05)])
@pytest.mark.parametrize("rho", [SHALLOW, DEEP])
def test_the_chance_of_crossing_equals_the_sum_over_all_sequences(rate, delta, rho):
    enough = boundary(rate, delta, 16, rho)
    assert enough
    total = 0.0
    for errors in itertools.product((0, 1), repeat=16):
        seen = list(itertools.accumulate(errors))
        if any(j < len(enough) and n >= enough[j] for n, j in enumerate(seen, 1)):
            total += rate ** seen[-1] * (1 - rate) ** (16 - seen[-1])
    assert crossing(enough, rate) == pytest.approx(total, abs=1e-12)
    assert total <= delta


@pytest.mark.parametrize("rate", [0.01, 0.016, 0.05, 0.1])
@pytest.mark.parametrize("delta", [0.09, 0.045, 0.0025, 1e-4])
@pytest.mark.parametrize("rho", [SHALLOW, DEEP])
def test_the_chance_is_used_up_and_never_exceeded(rate, delta, rho):
    enough = boundary(rate, delta, 1800, rho)
    assert 0.9 * delta < crossing(enough, rate) <= delta
    assert all(a < b for a, b in itertools.pairwise(enough))
    assert enough[-1] <= 1800
    shapes = [
        sum(comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in range(j + 1)) for j, n in enumerate(enough)
    ]
    g = max(p / (j + 1) ** rho for j, p in enumerate(shapes))
    assert all(p <= g * (j + 1) ** rho * (1 + 1e-9) for j, p in enumerate(shapes))


def test_crossing_at_the_limit_itself_happens_with_probability_delta():
    """3,000 simulated tests of a region that is wrong in exactly 2 % of cases, seen label by label."""
    rate, delta, runs = 0.02, 0.09, 3000
    enough = boundary(rate, delta, 1800, SHALLOW)
    luck = random.Random(11)
    crossed = 0
    for _ in range(runs):
        n = errors = 0
        while errors < len(enough):
            # labels until the next error, at once
            gap = next_error(luck, rate)
            if n + gap > enough[errors]:
                crossed += 1
                break
            n, errors = n + gap, errors + 1
    deviation = (delta * (1 - delta) / runs) ** 0.5
    assert abs(crossed / runs - delta) < 3.5 * deviation


def next_error(luck: random.Random, rate: float) -> int:
    count = 1
    while luck.random() >= rate:
        count += 1
    return count


@pytest.mark.parametrize("rho", [SHALLOW, DEEP])
def test_a_lower_limit_needs_more_labels_with_any_number_of_errors(rho):
    """What lets the catch rate be corrected while labels are counted."""
    for alpha, delta in ((0.05, 0.09), (0.02, 0.045), (0.01, 0.009)):
        for lower, higher in itertools.pairwise(range(5, 105, 5)):
            strict = boundary(alpha * lower / 100, delta, 1800, rho)
            loose = boundary(alpha * higher / 100, delta, 1800, rho)
            assert len(strict) <= len(loose)
            assert all(a >= b for a, b in zip(strict, loose, strict=False)), (alpha, lower, higher)


def test_impossible_plans_certify_nothing():
    assert boundary(0.001, 0.01, 1800, SHALLOW) == ()
