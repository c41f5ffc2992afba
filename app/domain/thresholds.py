"""The threshold in force for a learning key: what a routing score must reach to run without a person.

    tau = max(certified, fast cap, floor)

Without a certificate people decide everything. Only where the policy says ``automation: policy_threshold``
does a type run on its *own threshold* before, without a guarantee; a certificate may then lead below it:
what the preset asks for is the high band for ``flowchart``, the floor for ``matrix`` (whose low-confidence,
low-consequence cell is automated by design). The fast cap can only raise tau. A tau of 1 suspends
automation: no score reaches it. While a *canary* runs, tau holds for a drawn share of decisions only.
"""

from __future__ import annotations

import msgspec

from app.domain.events import ThresholdUpdated
from app.domain.evidence import evidence_probability
from app.domain.terms import Preset, Terms

SUSPENDED = 1.0
"""At this threshold nothing runs without a person."""


class ThresholdInForce(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What routing needs to know of a learning key, for as long as no newer update arrives."""

    threshold: float
    """tau: automation needs a score of at least this."""
    own: float
    """The policy's own threshold; counts only where the policy needs no certificate."""
    cap: float
    """The learner's fast cap, which may only tighten; 0 for none."""
    floor: float
    """No certificate leads below this."""
    certified: float | None
    """Threshold in force by certificate; ``None`` while there is none."""
    version: int
    """Version of the update behind it; 0 for the policy alone."""
    epoch: int
    evidence_probability: float
    """q: share of all decisions of the key drawn into the blind evidence sample."""
    labels: int
    labels_needed: int
    reason: str
    """The learner's own words for its last change."""
    canary: float
    """What a score needs that is drawn for the canary; ``threshold`` while no canary runs."""
    canary_share: float
    """Share of decisions that is drawn for it."""

    @property
    def loosest(self) -> float:
        """Below this unshifted score no contextual adjustment can make a decision run alone."""
        return max(self.floor, self.cap, self.certified or 0.0)


def own_threshold(terms: Terms) -> float:
    """The threshold of the policy without any learning; also ``ScoreTally.policy_threshold``."""
    if terms.preset is Preset.FLOWCHART:
        return max(terms.high_confidence, terms.threshold_floor)
    return terms.threshold_floor


def threshold_in_force(terms: Terms, update: ThresholdUpdated | None) -> ThresholdInForce:
    """The policy's thresholds joined with the last update of the key, if there was one.

    Numbers of an update that are no probabilities suspend automation: a broken learner must not
    loosen anything. Cheap, but meant to be kept for a batch.
    """
    own, floor = own_threshold(terms), terms.threshold_floor
    without = SUSPENDED if terms.guaranteed else own
    if update is None:
        return ThresholdInForce(
            threshold=max(without, floor),
            own=own,
            cap=0.0,
            floor=floor,
            certified=None,
            version=0,
            epoch=0,
            evidence_probability=evidence_probability(terms.evidence, 0),
            labels=0,
            labels_needed=0,
            reason="",
            canary=max(without, floor),
            canary_share=0.0,
        )
    cap = update.cap if 0.0 <= update.cap <= 1.0 else SUSPENDED
    certified = update.certified
    if certified is not None and not 0.0 <= certified <= 1.0:
        certified = cap = SUSPENDED
    q = update.evidence_probability
    if not 0.0 < q <= 1.0:
        q = evidence_probability(terms.evidence, update.automated)
    lowest = without if certified is None else min(without, certified)
    above, share = update.canary_above, update.canary_share
    if above is None or not 0.0 <= share < 1.0:
        above = lowest
    return ThresholdInForce(
        threshold=max(lowest, min(above, without), cap, floor),
        own=own,
        cap=cap,
        floor=floor,
        certified=certified,
        version=update.version,
        epoch=update.epoch,
        evidence_probability=q,
        labels=update.labels,
        labels_needed=update.labels_needed,
        reason=update.reason,
        canary=max(lowest, cap, floor),
        canary_share=share,
    )
