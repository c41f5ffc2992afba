"""How a certified threshold comes into force: at once, or only where people and the policy let it.

Tightening always is at once. Each restraint here only leaves decisions with people that a certificate would
release, so none of them can break the promise:

- **canary**: at first only a drawn share of the newly eligible decisions runs alone. Those that run are a
  mixture of {score >= old} and {score >= new}, both certified, so their error is one of alpha at most;
- **cooldown**: so many decisions between two expansions;
- **confirm**: an expansion waits until a person says yes;
- **freeze**: nothing expands until it is lifted; **rollback** also goes back one expansion, and until it is
  lifted the policy's own threshold does not stand in for a certificate.
"""

from __future__ import annotations

import msgspec

from app.domain.learning.bins import REVIEW_EVERYTHING
from app.domain.learning.terms import LearningTerms

_REMEMBERED = 16


class Expansion(msgspec.Struct):
    """The certified threshold in force, and what restrains the next one."""

    in_force: float = REVIEW_EVERYTHING
    before: list[float] = msgspec.field(default_factory=list)
    """Thresholds before the last expansions, the last one last: where rollbacks lead."""
    frozen: bool = False
    rolled_back: bool = False
    """Until it is lifted nothing runs alone without a certificate, whatever the policy says."""
    awaiting: float = 0.0
    """A certified threshold that waits for a person's yes; 0 for none."""
    canary_above: float = 0.0
    """While a canary runs, what is not drawn for it still needs this score; 0 for no canary."""
    canary_left: int = 0
    """Decisions that have to run alone by the canary before it is over."""
    expanded_at: int = -1
    """The key's decisions at the last expansion; -1: never."""

    @property
    def settled(self) -> float:
        """What a decision needs that is not drawn for the canary."""
        return max(self.canary_above, self.in_force)

    def settle(self, allowed: float, clock: int, terms: LearningTerms) -> None:
        """Go to what is certified now, as far as that is let.

        Examples
        --------
        >>> expansion, terms = Expansion(), LearningTerms(own_threshold=0.9, canary_share=0.2, canary_size=40)
        >>> expansion.settle(0.93, 1000, terms)
        >>> expansion.in_force, expansion.settled
        (0.93, 1.01)
        >>> expansion.count(40)
        >>> expansion.settled
        0.93
        """
        if allowed >= self.in_force:
            self.awaiting = 0.0
            self.in_force = allowed
            if self.canary_above and self.canary_above <= allowed:
                self.canary_above, self.canary_left = 0.0, 0
            return
        if self.frozen or self.canary_above:
            return
        if terms.confirm:
            self.awaiting = allowed
            return
        if self.expanded_at < 0 or clock - self.expanded_at >= terms.cooldown:
            self._expand(allowed, clock, terms)

    def count(self, alone: int) -> None:
        """So many decisions ran alone by the canary."""
        if self.canary_above:
            self.canary_left -= alone
            if self.canary_left <= 0:
                self.canary_above, self.canary_left = 0.0, 0

    def confirm(self, clock: int, terms: LearningTerms) -> bool:
        """A person says yes to what waits; whether anything did."""
        if not self.awaiting or self.frozen:
            return False
        self._expand(self.awaiting, clock, terms)
        self.awaiting = 0.0
        return True

    def roll_back(self) -> None:
        """Back to before the last expansion, and no further one until it is lifted."""
        self.in_force = max(self.before.pop() if self.before else REVIEW_EVERYTHING, self.in_force)
        self.canary_above, self.canary_left, self.awaiting = 0.0, 0, 0.0
        self.frozen = self.rolled_back = True

    def lift(self) -> None:
        """No freeze and no rollback any more."""
        self.frozen = self.rolled_back = False

    def forget(self) -> None:
        """Nothing is certified any more; a freeze stays."""
        self.in_force, self.before, self.awaiting = REVIEW_EVERYTHING, [], 0.0
        self.canary_above, self.canary_left, self.expanded_at = 0.0, 0, -1

    def _expand(self, allowed: float, clock: int, terms: LearningTerms) -> None:
        self.before = [*self.before[-_REMEMBERED + 1 :], self.in_force]
        if terms.canary_share < 1 and terms.canary_size > 0:
            self.canary_above, self.canary_left = self.in_force, terms.canary_size
        self.in_force, self.expanded_at = allowed, clock
