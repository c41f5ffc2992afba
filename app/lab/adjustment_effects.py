"""What each contextual adjustment changes, and how wrong the AI is there: is it worth what it costs?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from app.lab.beside import Again
from app.lab.estimate import Estimate, estimate


class AdjustmentEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One adjustment, beside the same policy without it. Only decisions that it moves tell whether it is
    right: a stricter one should send what is often wrong to people, a looser one let run what is not."""

    name: str
    """Decision type and the adjustment's own name."""
    decisions: int
    """Whose score it shifted."""
    to_people: int
    """Would run alone without it."""
    to_people_error: Estimate
    """How often the AI is wrong about these."""
    alone: int
    """Run alone because of it."""
    alone_error: Estimate


def adjustment_effects(found: Iterable[Again]) -> list[AdjustmentEffect]:
    """By name, of all that shifted any score."""
    shifted: dict[str, list[tuple[Again, bool]]] = defaultdict(list)
    for each in found:
        for name, alone_without in each.adjusted:
            shifted[name].append((each, alone_without))
    return [_effect(name, shifted[name]) for name in sorted(shifted)]


def _effect(name: str, shifted: list[tuple[Again, bool]]) -> AdjustmentEffect:
    to_people = [each for each, alone_without in shifted if alone_without and not each.alone]
    alone = [each for each, alone_without in shifted if each.alone and not alone_without]
    return AdjustmentEffect(
        name=name,
        decisions=len(shifted),
        to_people=len(to_people),
        to_people_error=estimate(each.blind for each in to_people),
        alone=len(alone),
        alone_error=estimate(each.blind for each in alone),
    )
