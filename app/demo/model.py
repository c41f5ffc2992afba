"""The demo's AI: a small model that learns what lenders did with one part of the applications.

Two candidates are compared by cross-validated log-loss, the better one is calibrated (Platt, on
out-of-fold predictions) and recommends. Two more small models only vote, for the signal
``consensus``. Everything is seeded; nothing here sees what lenders did with the other part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.demo.lending import APPROVE, REJECT, Application, DemoDataError
from app.demo.underwriting import rule_clarity
from app.domain.terms import Fact

Matrix = NDArray[np.float64]

NEIGHBOURS = 5
FOLDS = 5


FACTS = (
    "payment_to_income",
    "housing_to_income",
    "loan_to_value",
    "consumer_credit",
    "mortgage_credit",
    "public_bad_credit",
    "industry_unemployment",
    "self_employed",
    "condominium",
    "high_school",
)

CUT_AT_ONE = frozenset({"payment_to_income", "housing_to_income"})
"""Ratios of which all that is above 1 is alike."""

WORDS = {
    "payment_to_income": "all debt payments are {:.0%} of income",
    "housing_to_income": "housing costs are {:.0%} of income",
    "loan_to_value": "the loan is {:.0%} of the property's value",
    "consumer_credit": "consumer credit history {} on a scale from 1 (clean) to 6",
    "mortgage_credit": "mortgage payment history {} on a scale from 1 (never late) to 4",
    "industry_unemployment": "{:.1f} % unemployment in the applicant's industry",
}
YES_NO = {
    "public_bad_credit": ("a public record of bad credit", "no public record of bad credit"),
    "self_employed": ("self-employed", "employed"),
    "condominium": ("a condominium", "not a condominium"),
    "high_school": ("a high school diploma", "no high school diploma"),
}


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the model before it recommends anything."""

    chosen: str
    trained_on: int
    log_loss: dict[str, float]
    """Cross-validated log-loss of each candidate after calibration, in nats; lower is better."""
    accuracy: float
    """Cross-validated share of training applications on which the chosen model agrees with the lender."""
    base_rate: float
    """Share of training applications that were approved: what "always approve" would reach."""


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What the model would do with one application, how sure it is and why. Shares in [0, 1]."""

    action: str
    probability: float
    rationale: str
    second: str
    second_probability: float
    second_rationale: str
    similarity: float
    consensus: float
    rule_clarity: float | None


class Lesson(msgspec.Struct, frozen=True):
    """One case to learn from: its facts, the action that was right, and how many cases it stands for."""

    facts: Mapping[str, Fact]
    action: str
    weight: float = 1.0

    @staticmethod
    def of(applications: Sequence[Application]) -> list[Lesson]:
        """What lenders did."""
        return [Lesson(application.facts, application.lender) for application in applications]


class LendingModel:
    """A trained, calibrated model with its voters and its memory of the training applications."""

    def __init__(self, training: Sequence[Lesson], seed: int, sees: Sequence[str] = FACTS) -> None:
        """Train on the facts ``sees`` of ``training``. Raises ``DemoDataError`` when scikit-learn is missing
        or when there are too few cases of either kind to cross-validate."""
        learn = _scikit_learn()
        self._sees = tuple(sees)
        matrix = features([lesson.facts for lesson in training], self._sees)
        approved = np.array([lesson.action == APPROVE for lesson in training], dtype=np.int64)
        weights = np.array([lesson.weight for lesson in training], dtype=np.float64)
        if min(approved.sum(), (1 - approved).sum()) < 2 * FOLDS:
            raise DemoDataError(
                f"{len(training)} applications are too few to train on", hint="leave more for training"
            )
        with learn.in_one_thread():
            self._train(learn, matrix, approved, weights, seed)

    def _train(
        self,
        learn: Any,  # noqa: ANN401
        matrix: Matrix,
        approved: NDArray[np.int64],
        weights: Matrix,
        seed: int,
    ) -> None:
        candidates = learn.candidates(seed)
        folds = learn.folds(seed)
        out_of_fold = {
            name: learn.out_of_fold(model, matrix, approved, weights, folds)
            for name, model in candidates.items()
        }
        platt = {name: learn.platt(odds, approved, weights) for name, odds in out_of_fold.items()}
        calibrated = {name: _sigmoid(_linear(odds, platt[name])) for name, odds in out_of_fold.items()}
        losses = {name: log_loss(p, approved, weights) for name, p in calibrated.items()}
        chosen = min(losses, key=lambda name: losses[name])
        self.measured = Measured(
            chosen=chosen,
            trained_on=len(matrix),
            log_loss={name: round(loss, 4) for name, loss in losses.items()},
            accuracy=_mean((calibrated[chosen] >= 0.5) == (approved == 1), weights),
            base_rate=_mean(approved, weights),
        )
        self._platt = platt[chosen]
        self._voters = [*candidates.values(), learn.third_voter()]
        for voter in self._voters:
            learn.fit(voter, matrix, approved, weights)
        self._model = candidates[chosen]
        self._typical = np.median(matrix, axis=0)
        self._centre, self._scale = matrix.mean(axis=0), matrix.std(axis=0) + 1e-9
        self._memory = learn.neighbours(self._standardised(matrix))
        own, _ = self._memory.kneighbors(self._standardised(matrix), NEIGHBOURS + 1)
        self._usual_distance = np.sort(own[:, -1])

    def approval(self, facts: Sequence[Mapping[str, Fact]]) -> Matrix:
        """Calibrated probability, shape (cases,), that approving each case is right."""
        return _sigmoid(self._log_odds(features(facts, self._sees)))

    def recommend(self, applications: Sequence[Application]) -> list[Recommendation]:
        """One recommendation per application, in the same order."""
        matrix = features([application.facts for application in applications], self._sees)
        odds = self._log_odds(matrix)
        speaks = self._contributions(matrix, odds)
        votes = np.stack([voter.predict(matrix) for voter in self._voters])
        distance, _ = self._memory.kneighbors(self._standardised(matrix), NEIGHBOURS)
        stranger = np.searchsorted(self._usual_distance, distance[:, -1]) / len(self._usual_distance)
        return [
            self._one(application, float(odds[i]), speaks[i], votes[:, i], float(stranger[i]))
            for i, application in enumerate(applications)
        ]

    def _one(
        self, application: Application, odds: float, speaks: Matrix, votes: NDArray[Any], stranger: float
    ) -> Recommendation:
        approve = odds >= 0
        probability = float(_sigmoid(np.array([abs(odds)]))[0])
        action, second = (APPROVE, REJECT) if approve else (REJECT, APPROVE)
        towards = speaks if approve else -speaks
        facts = application.facts
        return Recommendation(
            action=action,
            probability=round(probability, 4),
            rationale=self._because(facts, towards),
            second=second,
            second_probability=round(1 - probability, 4),
            second_rationale=self._because(facts, -towards),
            similarity=round(similarity(stranger), 4),
            consensus=round(float(np.mean(votes == int(approve))), 4),
            rule_clarity=rule_clarity(facts, action),
        )

    def _because(self, facts: Mapping[str, Fact], towards: Matrix) -> str:
        order = np.argsort(-towards)
        for_it = [self._sees[i] for i in order[:2] if towards[i] > 0.02]
        against = self._sees[order[-1]] if towards[order[-1]] < -0.02 else None
        pros = " and ".join(describe(fact, facts[fact]) for fact in for_it)
        text = f"for it: {pros}" if pros else "nothing unusual"
        return f"{text}; against it: {describe(against, facts[against])}" if against else text

    def _log_odds(self, matrix: Matrix) -> Matrix:
        return _linear(_odds(self._model.predict_proba(matrix)[:, 1]), self._platt)

    def _contributions(self, matrix: Matrix, odds: Matrix) -> Matrix:
        """How far each fact moves the log-odds of approval away from those with its typical value."""
        moved = np.empty_like(matrix)
        for column in range(matrix.shape[1]):
            typical = matrix.copy()
            typical[:, column] = self._typical[column]
            moved[:, column] = odds - self._log_odds(typical)
        return moved

    def _standardised(self, matrix: Matrix) -> Matrix:
        return np.asarray((matrix - self._centre) / self._scale)


def features(facts: Sequence[Mapping[str, Fact]], names: Sequence[str] = FACTS) -> Matrix:
    """Facts as a matrix, one row each, columns in the order of ``names``; debt ratios cut at 1."""
    matrix = np.array([[float(row[name] or 0) for name in names] for row in facts], dtype=np.float64)
    cut = [column for column, name in enumerate(names) if name in CUT_AT_ONE]
    matrix[:, cut] = np.minimum(matrix[:, cut], 1.0)
    return matrix


def similarity(stranger: float) -> float:
    """From the share of training applications that lie closer to their neighbours, to [0, 1].

    The nearer half counts as fully familiar; only the farthest few approach 0.

    >>> similarity(0.3), similarity(0.75), similarity(1.0)
    (1.0, 0.75, 0.0)
    """
    return 1.0 if stranger <= 0.5 else 1 - (2 * stranger - 1) ** 2


def describe(fact: str, value: Fact) -> str:
    """A fact in words.

    >>> describe("loan_to_value", 0.8), describe("self_employed", True)
    ("the loan is 80% of the property's value", 'self-employed')
    """
    if fact in YES_NO:
        return YES_NO[fact][0 if value else 1]
    return WORDS[fact].format(value)


def _odds(probability: Matrix) -> Matrix:
    cut = np.clip(probability, 1e-4, 1 - 1e-4)
    return np.log(cut / (1 - cut))


def _linear(odds: Matrix, platt: tuple[float, float]) -> Matrix:
    return platt[0] * odds + platt[1]


def _sigmoid(odds: Matrix) -> Matrix:
    return np.asarray(1 / (1 + np.exp(-odds)))


def log_loss(probability: Matrix, happened: NDArray[np.int64], weights: Matrix) -> float:
    """Weighted mean of -log P(what happened), in nats; lower is better."""
    return float(-np.average(np.log(np.where(happened == 1, probability, 1 - probability)), weights=weights))


def _mean(values: NDArray[Any], weights: Matrix) -> float:
    return round(float(np.average(values, weights=weights)), 4)


def _scikit_learn() -> Any:  # noqa: ANN401 - an untyped module behind the demo extra
    try:
        from app.demo import learners  # noqa: PLC0415 - scikit-learn takes a second to import
    except ImportError as error:
        raise DemoDataError(
            f"the demo's model needs scikit-learn ({error.name} is missing)",
            hint="pip install 'hitl-stream[demo]' (or `make demo`, which does it for you)",
        ) from error
    return learners
