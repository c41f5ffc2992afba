"""How far the AI may go and on what evidence, why that changed, and whether feedback arrives and counts."""

from __future__ import annotations

from app.telemetry import catalogue as c
from app.telemetry.catalogue import Metric
from grafana.board import DECISION_TYPE, Board, Row
from grafana.panels import PLAIN, SCOPE, Bands, Column, Panel, Query, at_least, at_most, bars, curves, rows_of
from grafana.targets import BY_NAME, bands_of, course

TYPE = 'decision_type=~"$decision_type"'
CALIBRATION = Bands((("green", None), ("yellow", 0.05), ("red", 0.1)))
KEY = "{{learning_key}}"


def board() -> Board:
    """The learning targets over a month."""
    return Board(
        uid="hitl-learning",
        title="Learning",
        about="How far the AI may go and on what evidence, why that changed, and whether feedback counts.",
        since="30d",
        filters=(DECISION_TYPE,),
        rows=(
            Row("How far may the AI go, and on what evidence?", 6, ((24, _keys()),)),
            Row("Why did automation fall or rise? (lines: threshold, policy or model changed)", 9, _why()),
            Row("Is the AI as sure as it may be?", 9, _calibration()),
            Row("Does it get better?", 7, _better()),
            Row("Does feedback arrive?", 7, _feedback()),
        ),
    )


def _of_key(metric: Metric) -> str:
    """A gauge of a learning key, which every worker knows."""
    return f"max by (learning_key) ({metric.name}{{{SCOPE}, {TYPE}}})"


def _keys() -> Panel:
    error = _of_key(c.ERROR_ESTIMATE)
    columns = [
        Column("In force from", _of_key(c.THRESHOLD), "percentunit", decimals=1),
        Column("Certified from", _of_key(c.CERTIFIED), "percentunit", decimals=1),
        Column("Fast cap", _of_key(c.CAP), "percentunit", decimals=1),
        Column("Error of automation", error, "percentunit", at_most(0.05, warn=0.02), 1),
        Column("Evidence: labels", _of_key(c.LABELS), "locale", decimals=0),
        Column("Labels to the next step", _of_key(c.LABELS_NEEDED), "locale", decimals=0),
        Column("Changes so far", _of_key(c.THRESHOLD_VERSION), "short", decimals=0),
    ]
    about = (
        "For each learning key (type, model, segment): the score from which the AI decides alone, what blind"
        " checks have certified, what the fast cap asks for since errors appeared, and how much evidence is"
        " still missing. Above 100 % nothing is automated. The error is yellow from 2 %, red from 5 %: what"
        " is tolerated at medium and at low risk, unless the policy says otherwise (alpha)."
    )
    keys = {"learning_key": "Learning key"}
    return rows_of("Threshold and evidence by learning key", about, keys, columns, first=240)


def _why() -> tuple[tuple[int, Panel], ...]:
    thresholds = curves(
        "Threshold in force",
        "The AI decides alone from this score on: higher is less automation. It rises with the fast cap,"
        " falls with a certificate.",
        [Query(_of_key(c.THRESHOLD), KEY)],
        "percentunit",
        PLAIN,
        least=None,
        stepped=True,
    )
    errors = curves(
        "Estimated error of automation",
        "From blind checks. When it rises, the cap tightens before a certificate is lost.",
        [Query(_of_key(c.ERROR_ESTIMATE), KEY)],
        "percentunit",
        at_most(0.05, warn=0.02),
    )
    return ((8, course("automation_rate", most=1)), (8, thresholds), (8, errors))


def _calibration() -> tuple[tuple[int, Panel], ...]:
    error = curves(
        "Calibration error: how far confidence is from what turns out right",
        "Mean distance over tenths of confidence, 7 days. 5 % is a usual size; above, thresholds mean"
        " less than they say.",
        [Query(f"decision_type:hitl_calibration_error:ratio_rate7d{{{TYPE}}}", "{{decision_type}}")],
        "percentunit",
        CALIBRATION,
    )
    said = f"decision_type_bin:hitl_calibration_confidence:ratio_rate30d{{{TYPE}}}"
    right = f"decision_type_bin:hitl_calibration_correct:ratio_rate30d{{{TYPE}}}"
    labels = (
        f"sum by (decision_type, bin) (increase({c.CALIBRATION_LABELS.name}{{{SCOPE}, {TYPE}}}[30d])) > 0"
    )
    gap = Bands((("yellow", None), ("green", -0.05), ("yellow", 0.05), ("red", 0.1)))
    table = rows_of(
        "What the AI said, and what was right",
        "By tenth of confidence, 30 days. A positive difference: more sure than it may be.",
        {"decision_type": "Decision type", "bin": "Confidence from"},
        [
            Column("Too sure by", f"{said} - {right}", "percentunit", gap, 1),
            Column("Said", said, "percentunit", decimals=0),
            Column("Right", right, "percentunit", decimals=0),
            Column("Labels", labels, "locale", decimals=0),
        ],
        sort_by="Too sure by",
    )
    return ((12, error), (12, table))


def _better() -> tuple[tuple[int, Panel], ...]:
    target = BY_NAME["model_improvement"]
    change = curves(
        "Model improvement: automation and accuracy, against a month ago",
        f"Percentage points. Target: {target.says}. Alert: {target.alert}.",
        [
            Query(
                f"decision_type:hitl_automation_change:delta30d{{{TYPE}}}", "{{decision_type}}, automation"
            ),
            Query(f"decision_type:hitl_accuracy_change:delta30d{{{TYPE}}}", "{{decision_type}}, accuracy"),
        ],
        "percentunit",
        bands_of(target),
        least=None,
        area=True,
    )
    found = bars(
        "Patterns found in the time shown",
        "What the detectors point out, each a work item on the console's pages; docs/patterns.md says"
        " what to do.",
        Query(
            f"sum by (decision_type, pattern) (increase({c.PATTERNS.name}{{{SCOPE}, {TYPE}}}[$__range])) > 0",
            "{{pattern}}, {{decision_type}}",
        ),
        "short",
    )
    return ((10, change), (7, course("new_scenarios")), (7, found))


def _feedback() -> tuple[tuple[int, Panel], ...]:
    pending = curves(
        "Oldest feedback that waits for somebody",
        "What never arrives is in no latency; so this is watched beside it. Limit: a week. Alert:"
        " HitlFeedbackSlow.",
        [Query(f"max by (decision_type) ({c.FEEDBACK_OLDEST.name}{{{SCOPE}, {TYPE}}})", "{{decision_type}}")],
        "s",
        bands_of(BY_NAME["feedback_latency"]),
        shown=(None, 8 * c.DAY),
        area=True,
    )
    week = curves(
        "Feedback that arrives within a week",
        "Share of what arrived in 30 days.",
        [Query(f"decision_type:hitl_feedback_within_week:ratio_rate30d{{{TYPE}}}", "{{decision_type}}")],
        "percentunit",
        at_least(0.95),
        least=None,
        most=1,
        shown=(0.9, None),
    )
    return ((8, course("reasons_captured", most=1)), (8, pending), (8, week))
