"""The random parts of a route: who checks it afterwards, and what a reviewer is shown.

The evidence coin falls for every decision of a key, whatever its route, with one probability q at a time
(docs/routing.md). The spot check of level 2 is a separate draw that never enters a certificate. Gold items
are injected beside real work, never drawn on a real decision: the route only says that one is due.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from app.domain.events import Arm, Reason, ReviewKind
from app.domain.evidence import Draws
from app.domain.terms import Preset, Terms
from app.domain.words import percent

KINDS = {3: ReviewKind.REVIEW, 4: ReviewKind.DECIDE, 5: ReviewKind.HUMAN_ONLY}
"""The review whose answer is acted on, by level."""


class Drawn(msgspec.Struct, frozen=True, gc=False):
    """What the draws decided for one route, each with the probability it had."""

    level: int
    evidence: bool
    audit: bool
    audit_probability: float
    arm: Arm
    arm_probability: float
    kinds: list[ReviewKind]


def draw(level: int, terms: Terms, q: float, draws: Draws, reasons: list[Reason]) -> Drawn:
    """Apply the draws to a decided level. Appends to ``reasons``.

    Arm probabilities, with b = blind share, s = second look share (0 for audits):
    second look s; blind (1 - s)(1 - (1 - q)(1 - b)); shown (1 - s)(1 - q)(1 - b). With a human-only share h,
    outside the evidence sample: human only (1 - s)(1 - q) h, and b and its complement get what is left.
    """
    evidence = draws.evidence < q
    if level > 2:
        return _reviewed(level, evidence=evidence, terms=terms, q=q, draws=draws, reasons=reasons)
    # The flowchart's automated decisions are level 1, or level 2 by the audit rate; the matrix's own
    # level 1 has no spot checks.
    rate = terms.audit_rate if level == 2 or terms.preset is Preset.FLOWCHART else 0.0
    audit = draws.audit < rate
    if audit and level == 1:
        level = 2
        reasons.append(
            _reason("audit", "drawn for a spot check afterwards ({} of automated decisions)", rate)
        )
    if not (evidence or audit):
        return Drawn(level, False, False, rate, Arm.SHOWN, 1.0, [])
    shown = (1.0 - q) * (1.0 - terms.blind_share)
    blind = evidence or draws.arm < terms.blind_share
    if evidence:
        reasons.append(_evidence_reason(q))
    arm, probability = (Arm.BLIND, 1.0 - shown) if blind else (Arm.SHOWN, shown)
    return Drawn(level, evidence, audit, rate, arm, probability, [ReviewKind.AUDIT])


def _reviewed(
    level: int, *, evidence: bool, terms: Terms, q: float, draws: Draws, reasons: list[Reason]
) -> Drawn:
    share = terms.second_look_share
    kinds = [KINDS[level]]
    if evidence:
        reasons.append(_evidence_reason(q))
    if terms.gold_share > 0.0 and draws.second >= 1.0 - terms.gold_share:
        text = "an item with known truth is due beside this one ({} of reviews)"
        reasons.append(_reason("gold", text, terms.gold_share))
    if draws.second < share:
        kinds.append(ReviewKind.SECOND_LOOK)
        reasons.append(
            _reason("second_look", "drawn for an independent second answer ({} of reviews)", share)
        )
        return Drawn(level, evidence, False, 0.0, Arm.SECOND_LOOK, share, kinds)
    if level == 5:
        return Drawn(level, evidence, False, 0.0, Arm.BLIND, 1.0 - share, kinds)
    alone = terms.human_only_share
    if not evidence and draws.audit < alone:
        text = "drawn to be decided without any AI content ({} of reviews)"
        reasons.append(_reason("human_only", text, alone))
        probability = (1.0 - share) * (1.0 - q) * alone
        return Drawn(level, evidence, False, 0.0, Arm.BLIND, probability, [ReviewKind.HUMAN_ONLY])
    guided = (1.0 - share) * (1.0 - q) * (1.0 - alone)
    shown = guided * (1.0 - terms.blind_share)
    if evidence or draws.arm < terms.blind_share:
        if not evidence:
            text = "drawn to answer before the recommendation is shown ({} of reviews)"
            reasons.append(_reason("blind", text, terms.blind_share))
        blind = (1.0 - share) * q + guided * terms.blind_share
        return Drawn(level, evidence, False, 0.0, Arm.BLIND, blind, kinds)
    return Drawn(level, evidence, False, 0.0, Arm.SHOWN, shown, kinds)


@lru_cache(maxsize=256)
def _reason(code: str, text: str, share: float) -> Reason:
    """One for all decisions with this share, which goes into the text in percent."""
    return Reason(step="arm", code=code, text=text.format(percent(share)), limit=share)


def _evidence_reason(q: float) -> Reason:
    return _reason("evidence", "drawn into the blind evidence sample ({} of all such decisions)", q)
