"""The only module that touches scikit-learn: candidates, folds, calibration, neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]


def in_one_thread() -> Any:  # noqa: ANN401
    """A context in which linear algebra keeps to one thread: so little data gains nothing from more, and
    waits for them where the machine is busy."""
    return threadpool_limits(1)


def candidates(seed: int) -> dict[str, Any]:
    """The models that compete to recommend."""
    return {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(C=0.3)),
        "gradient boosting": GradientBoostingClassifier(
            n_estimators=60, max_depth=2, learning_rate=0.07, subsample=0.7, random_state=seed % 2**31
        ),
    }


def third_voter() -> Any:  # noqa: ANN401
    """A model of another family, for the vote only."""
    return make_pipeline(StandardScaler(), GaussianNB(var_smoothing=0.1))


def folds(seed: int) -> Any:  # noqa: ANN401
    """Five stratified folds."""
    return StratifiedKFold(5, shuffle=True, random_state=seed % 2**31)


def fit(model: Any, matrix: Matrix, labels: Labels, weights: Matrix) -> Any:  # noqa: ANN401
    """The model, trained; a row counts as often as its weight says."""
    step = f"{model.steps[-1][0]}__" if hasattr(model, "steps") else ""
    return model.fit(matrix, labels, **{f"{step}sample_weight": weights})


def out_of_fold(model: Any, matrix: Matrix, labels: Labels, weights: Matrix, split: Any) -> Matrix:  # noqa: ANN401
    """Log-odds of each row from a model that did not see it."""
    odds = np.empty(len(labels))
    for learn, judge in split.split(matrix, labels):
        fitted = fit(clone(model), matrix[learn], labels[learn], weights[learn])
        probability = fitted.predict_proba(matrix[judge])[:, 1]
        cut = np.clip(probability, 1e-4, 1 - 1e-4)
        odds[judge] = np.log(cut / (1 - cut))
    return odds


def platt(odds: Matrix, labels: Labels, weights: Matrix) -> tuple[float, float]:
    """Slope and intercept that turn a model's log-odds into calibrated ones."""
    fitted = LogisticRegression(C=1e6).fit(odds[:, None], labels, sample_weight=weights)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def neighbours(matrix: Matrix) -> Any:  # noqa: ANN401
    """Nearest-neighbour search over the training rows (standardised)."""
    return NearestNeighbors().fit(matrix)
