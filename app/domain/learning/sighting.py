"""What the detectors of patterns look for, what to do about each, and what they say."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Pattern(StrEnum):
    """Which detector."""

    HIGH_OVERRIDE = "high_override"
    """People often decide otherwise: the AI is not trained for this type."""
    RISING_OVERRIDE = "rising_override"
    """More often lately than usual: concept drift or a changed policy."""
    REVIEWER_OUTLIER = "reviewer_outlier"
    """One reviewer overrides much more or less than colleagues over the same mix of cases."""
    CONFIDENCE_BAND = "confidence_band"
    """More overrides in a band than its confidence announced: the threshold is miscalibrated."""
    INCONSISTENT = "inconsistent_reasoning"
    """Two people who judge the same decisions disagree: unclear policy or a training gap."""
    MISCALIBRATED = "miscalibrated"
    """Blind checks find more or fewer errors than the announced confidence says."""
    OVERRIDE_SHIFT = "override_shift"
    """The override rate is another one than it was, up or down (ADWIN)."""
    HANDLING_SHIFT = "handling_shift"
    """Reviews take longer or shorter than they did (ADWIN)."""
    TRAFFIC_SHIFT = "traffic_shift"
    """Other cases come in than did (ADWIN over the scores of the evidence sample)."""
    RETRAIN = "retrain"
    """One of the signs that the model is no longer the right one."""
    NEW_SCENARIO = "new_scenario"
    """People describe the same unforeseen case again and again (`hitl learnings scan`)."""
    NEW_REASON = "new_reason"
    """People write the same reason again and again where no code fits (`hitl learnings scan`)."""
    INCONSISTENT_REASONS = "inconsistent_reasons"
    """Two people decide alike and say why in different codes (`hitl learnings scan`)."""


ACTIONS = {
    Pattern.HIGH_OVERRIDE: "Add training data or create a rule for this case type.",
    Pattern.RISING_OVERRIDE: "Investigate what changed and update the model.",
    Pattern.REVIEWER_OUTLIER: "Review cases with this reviewer: a gap of the AI, or a habit of the person.",
    Pattern.CONFIDENCE_BAND: "Adjust the routing thresholds for this band.",
    Pattern.INCONSISTENT: "Clarify the guidelines and provide training.",
    Pattern.MISCALIBRATED: "Check the model and its inputs for a change; calibration follows the new labels.",
    Pattern.OVERRIDE_SHIFT: "Up: find what changed and update the model. Down: check that people still look.",
    Pattern.HANDLING_SHIFT: "See what changed: the cases, what is shown of them, or how they are read.",
    Pattern.TRAFFIC_SHIFT: "Check the producer and the model's inputs: other cases come in than before.",
    Pattern.RETRAIN: "Retrain: hitl export training; the new version earns its own certificate.",
    Pattern.NEW_SCENARIO: "Propose a standing rule for it, or train on it: hitl learnings reasons.",
    Pattern.NEW_REASON: "Add a reason code to the policy: hitl learnings reasons.",
    Pattern.INCONSISTENT_REASONS: "Say in the policy which reason means what, and provide training.",
}
"""What to do about each pattern."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one pattern in one segment. ``text`` is empty unless ``raised``."""

    pattern: Pattern
    segment: str
    value: float
    limit: float
    count: int
    raised: bool
    over: bool
    text: str = ""

    @property
    def name(self) -> str:
        """Identifies pattern and segment within a key."""
        return f"{self.pattern}:{self.segment}"
