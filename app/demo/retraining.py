"""The retraining loop: people's answers -> training set -> better model -> shadow -> certified -> in charge.

The first version is held back on purpose: it learned from few applications and sees only the house and what
it costs, as where the credit files are not connected yet. People saw everything; their answers carry it into
the training set, and so into the second version.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from app.composition.parts import load_compiled_policy
from app.demo.chapter import Chapter, TrainingSet, Version
from app.demo.embedded import demo_settings
from app.demo.lending import APPROVE, DECISION_TYPE, REJECT, load_applications, shuffled
from app.demo.log import Log
from app.demo.model import FACTS, LendingModel, Lesson, log_loss
from app.demo.progress import Progress
from app.demo.run import Course, run_demo
from app.demo.succession import Contest, assumed
from app.domain.terms import Fact
from app.domain.training_card import described
from app.domain.training_set import SINKS_IN_ORDER, Plan
from app.settings import Settings
from app.training.tables import Format
from app.training.write import Told, write_training_set

FIRST_VERSION = Course(
    training=300, decisions=1_000, sees=("housing_to_income", "loan_to_value", "condominium")
)
FACT = "fact_"


def run_retraining(settings: Settings, *, seed: int, progress: Progress) -> Chapter:
    """The first version decides with people on the stream, their answers teach the second, and the second
    earns its place on applications that neither has seen. Raises as ``run_demo`` does."""
    settings = demo_settings(settings, seed)
    logs: list[Log] = []
    run_demo(settings, seed=seed, progress=progress, course=FIRST_VERSION, keep=logs.append)
    applications = shuffled(load_applications(), seed)
    taught = FIRST_VERSION.training + FIRST_VERSION.decisions
    with tempfile.TemporaryDirectory(prefix="hitl-demo-") as folder, progress.step("training set written"):
        rows = training_rows(logs[0], settings.secret, Path(folder))
    with progress.step("second version trained"):
        first = LendingModel(Lesson.of(applications[: FIRST_VERSION.training]), seed, FIRST_VERSION.sees)
        second = LendingModel(lessons(rows, "train"), seed)
    held_out = applications[taught:]
    # The rules of the stream, but nothing runs alone before the evidence is in.
    terms = replace(load_compiled_policy(settings).terms[DECISION_TYPE], guaranteed=True)
    with progress.step("shadow, certificate and takeover"):
        found = Contest(terms, held_out, first, second, seed).run()
    tests = lessons(rows, "test")
    return Chapter(
        seed=seed,
        alpha=terms.alpha,
        delta=terms.delta,
        answered=len(logs[0].routed),
        training_set=_described(rows),
        first=_version("1", first, len(FIRST_VERSION.sees), tests),
        second=_version("2", second, len(FACTS), tests),
        held_out=len(held_out),
        shadowed=found.shadowed,
        first_certified_after=found.first_certified_after,
        second_certified_after=found.second_certified_after,
        before=found.before,
        after=found.after,
        evidence_first=found.evidence_first,
        evidence_second=found.evidence_second,
        steps=found.steps,
        simulated=assumed(len(held_out)),
        elapsed_s=round(progress.elapsed, 2),
    )


def training_rows(log: Log, secret: bytes, folder: Path) -> list[dict[str, str]]:
    """Every answer of the stream as `hitl export training --all` writes it, read back from the file."""
    answers: list[Told] = [((topic, 0), offset, event) for offset, (topic, event) in enumerate(log.feedback)]
    truths = {
        outcome.decision_id: outcome.correct_action
        for outcome in log.observed
        if outcome.correct_action is not None
    }
    written = write_training_set(
        folder,
        Format.CSV,
        Plan(secret=secret),
        described(SINKS_IN_ORDER, DECISION_TYPE),
        lambda _start: answers,
        lambda: truths,
    )
    with written.table.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def lessons(rows: Sequence[Mapping[str, str]], split: str) -> list[Lesson]:
    """One lesson for each decision of a side, the last answer standing, where all facts are known."""
    last = {row["decision_id"]: row for row in rows if row["split"] == split}
    return [
        Lesson(facts, row["label"], float(row["weight"] or 1))
        for row in last.values()
        if row["label"] in (APPROVE, REJECT) and None not in (facts := _facts(row)).values()
    ]


def _facts(row: Mapping[str, str]) -> dict[str, Fact]:
    return {name: _fact(row.get(FACT + name, "")) for name in FACTS}


def _fact(text: str) -> Fact:
    return {"": None, "true": True, "false": False}[text] if text in ("", "true", "false") else float(text)


def _described(rows: Sequence[Mapping[str, str]]) -> TrainingSet:
    last = {row["decision_id"]: row for row in rows}
    train = len(lessons(rows, "train"))
    return TrainingSet(
        rows=len(rows),
        decisions=len(last),
        changed=sum(row["ai_right"] == "false" for row in last.values()),
        train=train,
        test=len(lessons(rows, "test")),
        largest_weight=round(max(float(row["weight"] or 1) for row in last.values()), 1),
    )


def _version(name: str, model: LendingModel, facts: int, tests: Sequence[Lesson]) -> Version:
    approved = np.array([lesson.action == APPROVE for lesson in tests], dtype=np.int64)
    weights = np.array([lesson.weight for lesson in tests], dtype=np.float64)
    stated = model.approval([lesson.facts for lesson in tests])
    return Version(
        name=name,
        facts=facts,
        trained_on=model.measured.trained_on,
        log_loss=round(log_loss(stated, approved, weights), 4),
    )
