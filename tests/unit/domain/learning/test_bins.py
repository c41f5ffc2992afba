from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.learning.bins import BINS, EDGES, LOWER_EDGES, MIDPOINTS, REVIEW_EVERYTHING, bin_of


def test_the_grid_is_the_one_of_the_certificate():
    widths = [round(b - a, 4) for a, b in pairwise(EDGES)]
    assert BINS == 94
    assert widths == [0.005] * 80 + [0.01] * 9 + [0.0025] * 3 + [0.0015, 0.001]


@pytest.mark.parametrize("index", range(BINS))
def test_a_bin_contains_its_lower_edge_and_nothing_below(index):
    edge = LOWER_EDGES[index]
    assert bin_of(edge) == index
    assert bin_of(math.nextafter(edge, 0.0)) == index - 1
    assert bin_of(MIDPOINTS[index]) == index


def test_decimal_scores_hit_their_edge():
    assert [bin_of(float(text)) for text in ("0.505", "0.655", "0.9", "0.97", "0.9925")] == [
        1,
        31,
        80,
        87,
        90,
    ]


@pytest.mark.parametrize("score", [-1.0, 0.0, 0.49999, 1.0000001, math.inf, -math.inf, math.nan])
def test_what_is_never_automated_has_no_bin(score):
    assert bin_of(score) == -1


@given(st.floats(0.5, 1.0), st.integers(0, BINS - 1))
@settings(deadline=None)
def test_bins_and_thresholds_cut_alike(score, k):
    assert (bin_of(score) >= k) == (score >= LOWER_EDGES[k])


def test_no_score_reaches_review_of_everything():
    assert REVIEW_EVERYTHING > 1.0
