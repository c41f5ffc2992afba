"""What a policy says about certificates: when automation may begin, and how it widens."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.policy.fields import FactName, Part


class AutomationBasis(StrEnum):
    """What lets decisions of a type run without a person."""

    CERTIFICATE = "certificate"
    """Blind evidence: people decide everything until it is in."""
    POLICY_THRESHOLD = "policy_threshold"
    """The type's own threshold, from the first decision on. Nothing is guaranteed."""


class ExpansionMode(StrEnum):
    """How a certified threshold comes into force."""

    AUTOMATIC = "automatic"
    """By itself."""
    CONFIRM = "confirm"
    """After a person's yes: `hitl thresholds confirm`."""


class Canary(Part):
    """Which part of the newly eligible decisions runs alone first."""

    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share that runs alone at first; 1: all at once."""
    size: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """So many have to run alone before the others follow."""


class Monitors(Part):
    """When a change of the error counts as one, and what is checked then."""

    false_alarm: Annotated[int, Field(ge=500, le=10_000_000)] = 7000
    """Decisions between two false alarms, at least on average. Fewer: changes are found sooner, and evidence
    is counted anew without a reason more often."""
    suspicion: Annotated[float, Field(gt=1, le=1_000_000)] = 3.0
    """Likelihood ratio for more errors from which on at least ``suspicion_share`` is checked."""
    hope: Annotated[float, Field(gt=1, le=1_000_000)] = 8.0
    """The same for fewer errors."""
    suspicion_share: Annotated[float, Field(gt=0, le=1)] = 0.15
    """Share that is checked blind while a change is suspected; .3 finds it sooner, for high consequence."""
    recheck_share: Annotated[float, Field(gt=0, le=1)] = 0.15
    """Share that is checked at least after a change for the worse ..."""
    recheck_decisions: Annotated[int, Field(ge=0, le=10_000_000)] = 1500
    """... for so many decisions."""
    better_checks: Annotated[float, Field(ge=1, le=10)] = 2.0
    """After a change for the better so many times as many are checked as at the start."""


class Learning(Part):
    """How evidence turns into automation."""

    planned_labels: Annotated[int, Field(ge=50, le=10_000)] = 1800
    """Blind checks over which the chance of a false certificate is spread. More find a little more, later."""
    catch_rate: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the AI's errors that reviewers are assumed to catch, while few gold items say more."""
    gold_items: Annotated[int, Field(ge=1, le=10_000)] = 30
    """Answers to gold items with a wrong recommendation from which on what they show counts instead."""
    expansion: ExpansionMode = ExpansionMode.AUTOMATIC
    """automatic, or confirm: a person has to say yes to each step."""
    canary: Canary = Canary()
    """Whether a part of the newly eligible decisions runs alone before the others."""
    cooldown: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """Decisions between two expansions."""
    expected_decisions: Annotated[int, Field(ge=1)] | None = None
    """Decisions of a learning key that are expected while a model version lives. With fewer than 5,000 the
    tests start with the upper 40 % of the traffic instead of 20 %, for which the evidence is in sooner."""
    looks: Annotated[int, Field(ge=2, le=3)] | None = None
    """People who judge one decision at most. With 2 the second has to confirm an error, with 3 one of the
    next two. Unless given 3, and 2 where alpha is below .015: rare errors suffer more from false ones."""
    confirm_errors: bool | None = None
    """Each error that a blind check finds is asked again of a second person, who has to find it as well:
    false findings then count for nothing. Unless given, where ``gold_share`` is above 0: the share of errors
    that both catch has to be measured."""
    monitors: Monitors = Monitors()
    """When a change of the error counts as one."""
    segment: FactName | None = None
    """A fact with few values: each value learns, and is certified, on its own."""
    keys: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Learning keys (model versions, segments) that share delta. With 1 each key has the whole: then of many
    keys about that share may be wrong."""
