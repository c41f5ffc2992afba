"""Draws and thresholds: reproducible, independent, and only ever loosened by a certificate."""

from __future__ import annotations

import hmac
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.evidence import draws, evidence_probability, reviewed_probability
from app.domain.terms import EvidencePlan, Preset
from app.domain.thresholds import own_threshold, threshold_in_force
from tests.unit.domain.cases import TERMS, decision, drawn_for, routed, terms, update

MATRIX = terms(preset=Preset.MATRIX)


def test_draws_depend_on_the_secret_and_the_decision_only():
    assert draws(b"one", "d-1") == draws(b"one", "d-1")
    assert draws(b"one", "d-1") != draws(b"two", "d-1")
    assert draws(b"one", "d-1") != draws(b"one", "d-2")
    assert draws(b"", "\u00e9\u20ac").evidence < 1.0


@given(secret=st.binary(max_size=200), decision_id=st.text(max_size=80))
def test_draws_are_an_hmac_of_the_secret(secret: bytes, decision_id: str) -> None:
    first = int.from_bytes(hmac.digest(secret, decision_id.encode(), "sha256")[:8], "big")
    assert draws(secret, decision_id).evidence == (first >> 11) * 2.0**-53


def test_draws_are_uniform_and_independent():
    n = 20_000
    drawn = [msgspec.structs.astuple(drawn_for(f"d-{i}")) for i in range(n)]
    for a in range(4):
        mean = sum(d[a] for d in drawn) / n
        assert abs(mean - 0.5) < 4 / math.sqrt(12 * n)
        assert all(0.0 <= d[a] < 1.0 for d in drawn)
        for b in range(a):
            covariance = sum((d[a] - 0.5) * (d[b] - 0.5) for d in drawn) / n
            assert abs(covariance) < 4 / (12 * math.sqrt(n))


def test_the_evidence_share_falls_to_its_floor():
    plan = EvidencePlan(floor=0.03, initial=1.0, scale=500.0)
    shares = [evidence_probability(plan, n) for n in (0, 100, 500, 5000, 10**9)]
    assert shares[0] == 1.0
    assert shares == sorted(shares, reverse=True)
    assert shares[2] == pytest.approx(0.03 + math.exp(-1))
    assert shares[-1] == 0.03


def test_reviewed_probability():
    route = routed(decision(0.99)).route
    checked = msgspec.structs.replace(route, evidence_probability=0.05, audit_probability=0.1)
    assert reviewed_probability(checked) == pytest.approx(1 - 0.95 * 0.9)
    assert reviewed_probability(routed(decision(0.8)).route) == 1.0


# --- thresholds ---------------------------------------------------------------------------------


def test_without_a_learner_the_policys_own_threshold_is_in_force():
    flowchart, matrix = threshold_in_force(TERMS, None), threshold_in_force(MATRIX, None)
    assert (flowchart.threshold, matrix.threshold) == (0.9, 0.7)
    assert (flowchart.version, flowchart.epoch, flowchart.certified) == (0, 0, None)
    assert flowchart.evidence_probability == 1.0
    assert own_threshold(terms(threshold_floor=0.95)) == 0.95


@pytest.mark.parametrize(
    ("changes", "threshold"),
    [
        ({}, 0.90),
        ({"cap": 0.80}, 0.90),
        ({"cap": 0.95}, 0.95),
        ({"certified": 0.80}, 0.80),
        ({"certified": 0.60}, 0.70),  # the policy's floor
        ({"certified": 0.80, "cap": 0.85}, 0.85),
        ({"certified": 0.97}, 0.90),  # this policy needs no certificate for its own threshold
        ({"cap": 1.0}, 1.0),
        # A broken learner must not loosen anything.
        ({"cap": math.nan}, 1.0),
        ({"cap": -0.5}, 1.0),
        ({"certified": math.nan}, 1.0),
        ({"certified": -1.0}, 1.0),
        # What the update says about policy and outcome is not believed, only its parts.
        ({"threshold": 0.1, "floor": 0.1}, 0.90),
    ],
)
def test_tau_is_the_highest_of_certificate_cap_and_floor(changes, threshold):
    assert threshold_in_force(TERMS, update(**changes)).threshold == threshold


@pytest.mark.parametrize("q", [0.0, -1.0, 1.5, math.nan, math.inf])
def test_an_unusable_evidence_share_falls_back_to_the_plan(q):
    in_force = threshold_in_force(TERMS, update(evidence_probability=q, automated=800))
    assert in_force.evidence_probability == pytest.approx(0.015 + math.exp(-1))


def test_an_updates_version_and_words_are_carried():
    in_force = threshold_in_force(TERMS, update())
    assert (in_force.version, in_force.epoch, in_force.labels, in_force.evidence_probability) == (
        7,
        2,
        500,
        0.05,
    )
    assert in_force.reason == "the learner's words"
