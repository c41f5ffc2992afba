"""Whether decisions are right, whether people agree with the AI, and what errors cost."""

from __future__ import annotations

from app.telemetry import catalogue as c
from app.telemetry.labels import JUDGED
from grafana.board import DECISION_TYPE, Board, Row
from grafana.panels import SCOPE, Bands, Column, Panel, Query, bars, curves, rows_of
from grafana.targets import BY_NAME, bands_of, change, course

TYPE = 'decision_type=~"$decision_type"'
GAP = Bands((("green", None), ("yellow", 0.05), ("red", 0.15)))


def board() -> Board:
    """The quality targets over a month."""
    return Board(
        uid="hitl-quality",
        title="Quality",
        about="Whether decisions are right, whether people agree with the AI, and what errors cost.",
        since="30d",
        filters=(DECISION_TYPE,),
        rows=(
            Row("Are decisions right?", 9, _accuracy()),
            Row("Do people agree with the AI?", 8, _overrides()),
            Row("Do people look before they agree?", 8, _bias()),
            Row("What did errors cost?", 7, _cost()),
            Row("What do audits find?", 7, _audits()),
        ),
    )


def _accuracy() -> tuple[tuple[int, Panel], ...]:
    apart = curves(
        "Decision accuracy, the AI's and people's",
        "Of verified decisions of the last 30 days, those that were right, by who decided. Alert:"
        " HitlAccuracyLow.",
        [
            Query(
                f"decision_type_decided_by:hitl_accuracy:ratio_rate30d{{{TYPE}}}",
                "{{decision_type}}, decided by {{decided_by}}",
            )
        ],
        "percentunit",
        bands_of(BY_NAME["accuracy"]),
        least=None,
        shown=(0.97, None),
        area=True,
    )
    outcomes = f"{c.OUTCOMES.name}{{{SCOPE}, {TYPE}}}"
    wrong = f'{c.OUTCOMES.name}{{{SCOPE}, {TYPE}, result="incorrect"}}'
    by = "sum by (decision_type, decided_by)"
    evidence = rows_of(
        "What the accuracy rests on, in the time shown",
        "Below about 150 verified decisions an accuracy says little; the alert waits for as many.",
        {"decision_type": "Decision type", "decided_by": "Decided by"},
        [
            Column("Verified", f"{by} (increase({outcomes}[$__range])) > 0", "locale", decimals=0),
            Column("Wrong", f"{by} (increase({wrong}[$__range]))", "locale", decimals=0),
        ],
        sort_by="Wrong",
    )
    return ((15, apart), (9, evidence))


def _overrides() -> tuple[tuple[int, Panel], ...]:
    why = curves(
        "Overrides in a week, by why",
        "ai_error: the AI was wrong, and learns from it. edge_case: an exception that the rules do not"
        " foresee. policy_change: the rules have changed. human_error: a person's earlier mistake.",
        [
            Query(
                f"sum by (category) (decision_type_category:hitl_overrides:increase7d{{{TYPE}}})",
                "{{category}}",
            )
        ],
        "short",
        stacked=True,
    )
    return ((14, course("override_rate", most=0.6)), (10, why))


def _bias() -> tuple[tuple[int, Panel], ...]:
    gap = curves(
        "Automation bias: overrides when the AI's answer is hidden, less overrides when it is shown",
        "Percentage points over 30 days. Well above 0: people agree with what they would not have decided"
        " themselves, so the override rate flatters the AI.",
        [Query(f"decision_type:hitl_automation_bias_gap:ratio_rate30d{{{TYPE}}}", "{{decision_type}}")],
        "percentunit",
        GAP,
        least=None,
    )
    judged = f'{c.REVIEWS.name}{{{SCOPE}, {TYPE}, outcome=~"{"|".join(JUDGED)}"}}'
    asked = bars(
        "Answers in the time shown, AI hidden (blind) or shown",
        "A gap needs both. Blind answers never enter the override rate.",
        Query(
            f"label_replace(label_replace(sum by (decision_type, blind) (increase({judged}[$__range])),"
            ' "ai", "hidden", "blind", "true"), "ai", "shown", "blind", "false")',
            "{{decision_type}}, AI {{ai}}",
        ),
        "locale",
    )
    return ((14, gap), (10, asked))


def _cost() -> tuple[tuple[int, Panel], ...]:
    incidents = curves(
        "Customer incidents in a week",
        "Target: none. Alert: HitlCustomerIncident, which pages at once.",
        [Query(f"decision_type:hitl_customer_incidents:increase7d{{{TYPE}}}", "{{decision_type}}")],
        "short",
        bands_of(BY_NAME["customer_incidents"]),
        stepped=True,
        shown=(None, 3),
        area=True,
    )
    return (
        (8, course("downstream_errors")),
        (8, change("downstream_errors", "Downstream errors, against the week before")),
        (8, incidents),
    )


def _audits() -> tuple[tuple[int, Panel], ...]:
    done = bars(
        "Audits in the time shown",
        "Checks after the fact. Few audits: the share of findings says little.",
        Query(
            f"sum by (decision_type) (increase({c.AUDITS.name}{{{SCOPE}, {TYPE}}}[$__range]))",
            "{{decision_type}}",
        ),
        "locale",
    )
    return (
        (8, course("audit_findings")),
        (8, change("audit_findings", "Audit findings, against the month before")),
        (8, done),
    )
