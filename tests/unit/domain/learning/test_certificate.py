"""What may be certified, when, and that nothing takes it back or lets it in early."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from app.domain.learning.bins import BINS, LOWER_EDGES
from app.domain.learning.boundary import DEEP, SHALLOW, boundary
from app.domain.learning.certificate import Certificate, Plan, catch_percent
from app.domain.learning.delta_ladder import delta_of, spent

PLAN = Plan(alpha=0.02, delta=0.09, planned=1800)


def counts(**bins):
    found = [0] * BINS
    for name, value in bins.items():
        found[int(name[1:])] = value
    return found


def fixed(first=90, deep=80):
    return Certificate(first=first, deep=deep)


def test_the_order_follows_from_the_first_scores_alone():
    luck = random.Random(3)
    scores = [luck.choice((-1, 40, 75, 80, 88, 92)) for _ in range(50)]
    certificate = Certificate()
    for n, score in enumerate(scores, 1):
        assert certificate.watch([score, 1, 0], 50) == (n == 50)
    masses = {k: sum(score >= k for score in scores) / 50 for k in range(BINS)}
    assert certificate.first == max(k for k in masses if masses[k] >= 0.20)
    assert certificate.deep == max(k for k in masses if masses[k] >= 0.60)
    assert not certificate.watch([10, 1000, 0], 50), "fixed for the whole epoch"


def test_where_hardly_any_score_has_a_bin_the_order_begins_at_the_bottom():
    certificate = Certificate()
    assert certificate.watch([-1, 45, 0, 80, 5, 0], 50)
    assert (certificate.first, certificate.deep) == (0, -1)


def test_nothing_is_tested_before_the_order_is_fixed():
    certificate = Certificate()
    certificate.test(counts(b92=5000), counts(), PLAN, 100)
    assert certificate.rejected == [0] * BINS
    assert certificate.threshold(counts(b92=5000), 100) > 1


@pytest.mark.parametrize(("errors", "enough"), list(enumerate(boundary(0.02, 0.09, 1800, SHALLOW)[:5])))
def test_a_region_is_certified_at_the_boundary_and_not_one_label_before(errors, enough):
    for labels, certified in ((enough - 1, False), (enough, True)):
        certificate = fixed()
        seen, wrong = counts(b90=labels), counts(b90=errors)
        certificate.test(seen, wrong, PLAN, 100)
        assert (certificate.threshold(seen, 100) == LOWER_EDGES[90]) == certified


def test_deep_regions_have_the_deep_boundary():
    needed = boundary(0.02, 0.09, 1800, DEEP)[0]
    certificate = fixed(first=90, deep=85)
    seen = counts(b90=needed - 2, b85=1)
    certificate.test(seen, counts(), PLAN, 100)
    assert certificate.threshold(seen, 100) == LOWER_EDGES[90]
    seen = counts(b90=needed - 1, b85=1)
    certificate.test(seen, counts(), PLAN, 100)
    assert certificate.threshold(seen, 100) == LOWER_EDGES[85]


def test_the_chain_must_be_unbroken():
    """Three errors keep the first region back; what lies deeper is rejected by itself and does not count."""
    certificate = fixed(first=90, deep=-1)
    certificate.rejected[84] = certificate.rejected[85] = 100
    assert certificate.threshold(counts(b84=1), 100) > 1
    for k in range(86, 91):
        certificate.rejected[k] = 100
    assert certificate.threshold(counts(b90=1, b84=1), 100) == LOWER_EDGES[84]


def test_what_is_certified_stays_whatever_comes():
    certificate = fixed()
    certificate.test(counts(b90=223), counts(), PLAN, 100)
    later, wrong = counts(b90=300), counts(b90=60)
    certificate.test(later, wrong, PLAN, 100)
    assert certificate.threshold(later, 100) == LOWER_EDGES[90]


def test_bins_without_labels_are_not_automated_by_the_way():
    certificate = fixed()
    seen = counts(b91=400, b88=1)
    certificate.test(seen, counts(), PLAN, 100)
    assert certificate.threshold(seen, 100) == LOWER_EDGES[88]


def test_a_lower_catch_rate_takes_back_what_only_a_higher_one_allowed():
    certificate = fixed()
    seen = counts(b90=223)
    certificate.test(seen, counts(), PLAN, 100)
    assert certificate.threshold(seen, 100) == LOWER_EDGES[90]
    assert certificate.threshold(seen, 80) > 1
    seen = counts(b90=boundary(0.016, 0.09, 1800, SHALLOW)[0])
    certificate.test(seen, counts(), PLAN, 80)
    assert certificate.threshold(seen, 80) == certificate.threshold(seen, 100) == LOWER_EDGES[90]


def test_what_is_missing_for_the_next_step_is_said():
    certificate = fixed()
    step = certificate.next_step(counts(b90=100), counts(b90=1), PLAN, 100)
    assert (step.threshold, step.labels, step.errors, step.needed) == (LOWER_EDGES[90], 100, 1, 313)
    hopeless = certificate.next_step(counts(b90=1700), counts(b90=60), PLAN, 100)
    assert hopeless.needed is None


def test_every_restart_has_less_and_all_together_have_delta():
    shares = [delta_of(j, 0.05) for j in range(50)]
    assert shares[0] == pytest.approx(0.045)
    assert all(a > b for a, b in pairwise(shares))
    assert spent(49, 0.05) == pytest.approx(0.05)
    assert spent(49, 0.05) <= 0.05 + 1e-12


@pytest.mark.parametrize(("share", "percent"), [(1.0, 100), (0.999, 95), (0.5, 50), (0.02, 5), (0.85, 85)])
def test_catch_rates_are_rounded_down(share, percent):
    assert catch_percent(share) == percent
