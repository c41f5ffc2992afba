"""How much of what was routed: the traffic that labels are a sample of."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.events import DecisionRouted, ScoreTally
from app.domain.learning.bins import bin_of
from app.domain.routing import eligible
from app.domain.terms import Terms
from app.domain.thresholds import own_threshold


class Traffic:
    """Counts a batch's decisions by learning key, epoch and score bin: what labels are a sample of.

    Only those are counted about which nothing but the score decided: the threshold's own population."""

    def __init__(self) -> None:
        self._bins: dict[tuple[str, int], dict[int, list[int]]] = {}
        self._latest: dict[tuple[str, int], tuple[int, Terms]] = {}

    def count(self, routed: DecisionRouted, terms: Terms) -> None:
        """Add one decision."""
        if not eligible(routed):
            return
        route = routed.route
        key = (route.learning_key, route.epoch)
        bins = self._bins.get(key)
        if bins is None:
            bins = self._bins[key] = {}
        score_bin = bin_of(route.score)
        counts = bins.get(score_bin)
        if counts is None:
            counts = bins[score_bin] = [0, 0]
        counts[0] += 1
        counts[1] += route.action is not None
        at = routed.scored.assessment.received_at
        latest = self._latest.get(key)
        if latest is None or at > latest[0]:
            self._latest[key] = (at, terms)

    def tallies(self) -> Iterable[ScoreTally]:
        """One record for each key and epoch, bins in order."""
        for (key, epoch), bins in self._bins.items():
            at, terms = self._latest[key, epoch]
            yield ScoreTally(
                learning_key=key,
                epoch=epoch,
                bins=[number for index in sorted(bins) for number in (index, *bins[index])],
                policy_threshold=own_threshold(terms),
                routed_at=at,
            )
