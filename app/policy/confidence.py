"""Where confidence counts as high and low, and what it is made of, in the policy file."""

from __future__ import annotations

from pydantic import ConfigDict, ValidationInfo, field_validator

from app.domain.terms import SignalAction
from app.policy.fields import Part, Probability, Share, Weight


class Bands(Part):
    """Where confidence counts as high and as low."""

    high: Probability = 0.90
    """Above: high confidence."""
    low: Probability = 0.70
    """Below: low confidence. Between the two: medium."""


class Signal(Part):
    """How much one confidence signal counts, and what a weak one asks for. In the file, what is not
    written keeps that signal's default."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema.pop("required", None))

    weight: Weight
    """Weight in the fusion (in log-odds); 0 leaves the signal to its action only."""
    prior: Probability = 0.5
    """Used when the signal is absent. Absence is never good news: keep it low."""
    below: Share
    """The signal is weak below this value; 0 switches its action off."""
    action: SignalAction
    """What a weak signal does: review, flag, expert, interpret or ask."""


class Signals(Part):
    """The five confidence signals. What is not written keeps its default."""

    model_probability: Signal = Signal(weight=0.5, below=0.70, action=SignalAction.REVIEW)
    """How certain the model is about its recommendation."""
    similarity: Signal = Signal(weight=0.15, below=0.50, action=SignalAction.FLAG)
    """How close this case is to what the model was trained on."""
    consensus: Signal = Signal(weight=0.15, below=0.60, action=SignalAction.EXPERT)
    """Whether several methods agree."""
    rule_clarity: Signal = Signal(weight=0.1, below=0.50, action=SignalAction.INTERPRET)
    """Whether the case clearly matches a rule."""
    completeness: Signal = Signal(weight=0.1, below=1.0, action=SignalAction.ASK)
    """Share of the required facts that is there (computed, never taken from the producer)."""

    @field_validator("*", mode="before")
    @classmethod
    def _keep_defaults(cls, value: object, info: ValidationInfo) -> object:
        default = cls.model_fields[str(info.field_name)].default
        return {**default.model_dump(), **value} if isinstance(value, dict) else value


SIGNAL_NAMES: tuple[str, ...] = tuple(Signals.model_fields)
