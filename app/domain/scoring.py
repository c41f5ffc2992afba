"""DecisionSubmitted -> Assessment: how harmful would an error be, and how sure are we?"""

from __future__ import annotations

from app.domain import findings as codes
from app.domain.confidence import Calibration, assess_confidence
from app.domain.consequence import assess_consequence
from app.domain.events import Assessment, DecisionSubmitted, Finding
from app.domain.facts import missing_facts
from app.domain.resolution import HAND_ONS
from app.domain.terms import Context, Facts, Terms
from app.domain.words import duration, listed, moment


def assess(
    decision: DecisionSubmitted,
    facts: Facts,
    context: Context,
    received_at: int,
    terms: Terms,
    calibration: Calibration,
) -> Assessment:
    """Score one decision.

    ``context`` is ``build_context(decision, facts)``; ``received_at`` is when the broker took the
    decision, milliseconds UTC: the one clock of everything derived from here on. Never raises on bad
    input: what is wrong becomes a finding, and every finding but a notice sends the decision to a person.
    """
    findings: list[Finding] = []
    _check_times(decision, received_at, terms, findings)
    _check_actions(decision, terms, findings)
    missing = missing_facts(facts, terms.required_facts, terms.fact_types)
    if missing:
        findings.append(Finding(code=codes.MISSING_FACTS, text=f"missing or unusable: {listed(missing)}"))
    return Assessment(
        received_at=received_at,
        policy_version=terms.policy_version,
        consequence=assess_consequence(decision.factors, context, terms, findings),
        confidence=assess_confidence(decision, len(missing), terms, calibration, findings),
        missing_facts=missing,
        findings=findings,
    )


def _check_times(
    decision: DecisionSubmitted, received_at: int, terms: Terms, findings: list[Finding]
) -> None:
    age = received_at - decision.occurred_at
    if age < -terms.max_future:
        text = f"dated {duration(age)} ahead ({moment(decision.occurred_at)})"
        text += f"; at most {duration(terms.max_future)} is believed"
        findings.append(Finding(code=codes.FUTURE, text=text))
    elif age > terms.max_age:
        text = f"dated {duration(age)} ago ({moment(decision.occurred_at)})"
        text += f"; at most {duration(terms.max_age)} is believed"
        findings.append(Finding(code=codes.OLD, text=text))
    due = decision.due_at
    if due is None:
        return
    if due < decision.occurred_at:
        text = f"due {moment(due)}, before it came up at {moment(decision.occurred_at)}"
        findings.append(Finding(code=codes.DUE_BEFORE_OCCURRED, text=text))
    elif due <= received_at:
        text = f"was due {moment(due)}, {duration(received_at - due)} before it arrived"
        findings.append(Finding(code=codes.DUE_PASSED, text=text))


def _check_actions(decision: DecisionSubmitted, terms: Terms, findings: list[Finding]) -> None:
    action = decision.recommendation.action
    if action not in terms.actions or action in HAND_ONS:
        text = f"the AI recommends '{action}', which is none of the decisions {listed(terms.actions)}"
        findings.append(Finding(code=codes.UNKNOWN_ACTION, text=text))
    for option in decision.alternatives:
        if option.action not in terms.actions:
            text = f"the alternative '{option.action}' is none of {listed(terms.actions)}"
            findings.append(Finding(code=codes.UNKNOWN_ALTERNATIVE, text=text))
