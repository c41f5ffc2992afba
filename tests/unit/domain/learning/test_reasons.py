"""Sentences about thresholds: numbers as a manager reads them."""

from types import SimpleNamespace

from app.domain.learning.in_force import InForce
from app.domain.learning.reasons import Look
from app.domain.learning.terms import LearningTerms


def test_large_counts_have_separators():
    many = SimpleNamespace(from_threshold=lambda _: (12_345, 1_210), automated=2_000_000)
    before = InForce(version=1, own=1.01, certified=0.9, evidence_probability=0.2)
    look = Look(
        before=before,
        after=InForce(version=2, own=1.01, certified=0.9, evidence_probability=0.1),
        evidence=many,
        curve=lambda: [None] * 100,
        terms=LearningTerms(own_threshold=1.01, alpha=0.02, delta=0.05),
        catch=80,
        gold=(1_900, 2_000),
        step=None,
    )
    assert "2,000,000 were automated so far" in look.reason()
    assert "caught 1,900 of 2,000 known errors" in look.reason()
    assert look._judged(0.9) == "Of 12,345 blind checks from 0.90 up 1,210 found the AI wrong."
