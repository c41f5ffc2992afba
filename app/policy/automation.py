"""What a type's fields about automation mean together, and what is allowed there but should be known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from app.domain.learning.bins import LOWER_EDGES
from app.domain.learning.boundary import SHALLOW, boundary
from app.domain.learning.certificate import catch_percent
from app.domain.learning.delta_ladder import delta_of
from app.domain.terms import LearningPlan, Preset, confirms_errors
from app.policy.learning import AutomationBasis, ExpansionMode
from app.policy.model import RISK_DEFAULTS, DecisionType, PolicyContent
from app.policy.patterns import pattern_terms, scan_terms

SMALL, SMALL_FIRST_MASS = 5000, 0.40
"""Below so many expected decisions of a key the tests start at the upper 40 % of the traffic."""
TWO_LOOKS_BELOW = 0.015
"""Below this alpha a third look brings more false errors than true ones (docs/learning.md)."""

_SCORING = {
    "required_facts",
    "fact_types",
    "consequence",
    "signals",
    "rules",
    "adjustments",
    "levels",
    "certainty_limit",
}
"""What makes the scores of a type, and which of its decisions nothing but the score decides."""


def learning_plan(t: DecisionType) -> LearningPlan:
    """The type's plan as the domain needs it."""
    said = t.learning
    return LearningPlan(
        planned=said.planned_labels,
        catch_rate=said.catch_rate,
        catch_items=said.gold_items,
        confirm=said.expansion is ExpansionMode.CONFIRM,
        canary_share=said.canary.share,
        canary_size=said.canary.size,
        cooldown=said.cooldown,
        segment=said.segment,
        keys=said.keys,
        first_mass=SMALL_FIRST_MASS if is_small(t) else LearningPlan().first_mass,
        confirm_errors=said.confirm_errors,
        looks=said.looks or (2 if tolerance(t)[0] < TWO_LOOKS_BELOW else 3),
        false_alarm=said.monitors.false_alarm,
        suspicion=said.monitors.suspicion,
        hope=said.monitors.hope,
        suspicion_share=said.monitors.suspicion_share,
        recheck_share=said.monitors.recheck_share,
        recheck_decisions=said.monitors.recheck_decisions,
        better_checks=said.monitors.better_checks,
        patterns=pattern_terms(t.patterns),
        scan=scan_terms(t.patterns),
    )


def is_small(t: DecisionType) -> bool:
    """Whether its learning keys are expected to see few decisions."""
    expected = t.learning.expected_decisions
    return expected is not None and expected < SMALL


def threshold_floor(t: DecisionType) -> float:
    """Where nothing is written: the certificate decides. A matrix on its own threshold has no other."""
    if t.threshold_floor is not None:
        return t.threshold_floor
    if t.automation is AutomationBasis.POLICY_THRESHOLD and t.preset is Preset.MATRIX:
        return t.bands.low
    return LOWER_EDGES[0]


def tolerance(t: DecisionType) -> tuple[float, float]:
    """alpha and delta, by risk unless written."""
    alpha, delta, _, _ = RISK_DEFAULTS[t.risk]
    return (alpha if t.alpha is None else t.alpha), (delta if t.delta is None else t.delta)


def scoring_digest(t: DecisionType) -> str:
    """Stands for everything that makes a score or an eligible decision of this type."""
    said = json.dumps(t.model_dump(mode="json", include=_SCORING), sort_keys=True)
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def warnings(content: PolicyContent) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is allowed and should be known: place and words."""
    for name, t in content.decision_types.items():
        at = ("decision_types", name)
        if t.automation is AutomationBasis.POLICY_THRESHOLD:
            yield (
                (*at, "automation"),
                "runs on its own threshold without a guarantee: nothing bounds its error until evidence is "
                "in; automation: certificate lets people decide until then",
            )
        alpha, delta = tolerance(t)
        once = t.learning.catch_rate
        caught = once * once if confirms_errors(t.learning.confirm_errors, t.gold_share) else once
        rate = alpha * catch_percent(caught) / 100
        delta_first = delta_of(0, delta / t.learning.keys)
        enough = boundary(rate, delta_first, t.learning.planned_labels, SHALLOW)
        if not enough:
            yield (
                (*at, "learning", "planned_labels"),
                f"{t.learning.planned_labels} blind checks can never show that fewer than {rate:.3g} are "
                "wrong: nothing will be certified; plan more of them, or tolerate more",
            )
        expected = t.learning.expected_decisions
        if enough and expected is not None and expected * learning_plan(t).first_mass < enough[0]:
            yield (
                (*at, "learning", "expected_decisions"),
                f"with {expected} decisions of a key nothing will be certified: {enough[0]} blind "
                "checks of its first region are needed; tolerate more, or let segments learn as one key",
            )
