"""What one key's automation rests on: certificate, restarts, monitors, gold answers, people's orders.

The rule of docs/learning.md, section "The rule". Only the certificate can let automation begin or widen;
the fast cap, the monitors and people can only hold it back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from app.domain.learning.bins import LOWER_EDGES, REVIEW_EVERYTHING
from app.domain.learning.certificate import Certificate, NextStep, Plan, catch_percent
from app.domain.learning.delta_ladder import delta_of, spent
from app.domain.learning.evidence_counts import EvidenceCounts
from app.domain.learning.expansion import Expansion
from app.domain.learning.fast_cap import error_by_bin
from app.domain.learning.judgement import Judgement
from app.domain.learning.odds_shift import Found, Monitors, Shift
from app.domain.learning.terms import LearningTerms
from app.domain.quality.gold_catch import lower_bound


class Automation(msgspec.Struct):
    """State of the rule, beside the counts of :class:`EvidenceCounts`."""

    certificate: Certificate = msgspec.field(default_factory=Certificate)
    monitors: Monitors = msgspec.field(default_factory=Monitors)
    expansion: Expansion = msgspec.field(default_factory=Expansion)
    restarts: int = 0
    """Steps down the delta ladder."""
    certified_before: float = REVIEW_EVERYTHING
    """Certified before the last restart; 1.01 for nothing."""
    recheck_until: int = -1
    """The key's decisions up to which more is checked, after a change for the worse."""
    usual_probability: float = 1.0
    """The evidence probability as announced, less what a monitor's suspicion adds to it."""
    suspicious: bool = False
    """Whether a monitor's suspicion was heard at the last look."""
    gold_shown: int = 0
    gold_caught: int = 0
    gold_lower: float = 0.0
    """Lower bound (95 %) of the catch rate that the gold answers show."""
    scoring: str = ""
    """What scores are made of, as the policy said when the epoch began."""
    confirmed: bool = False
    """Whether second persons were asked about findings of this epoch: its labels stay what two people found,
    whatever the policy says later."""
    findings: int = 0
    """Findings about which a second person was asked and has answered ..."""
    upheld: int = 0
    """... and those that were confirmed."""

    def catch(self, terms: LearningTerms) -> int:
        """The catch rate in force, in percent, of one blind check with all that follows it: a lower bound
        (95 %) once enough gold items were answered, what the policy assumes before.

        An item is answered by one person. Where a second one has to confirm what the first one found, both
        have to catch it; a third one only adds, and is left out of account."""
        measured = self.gold_shown >= terms.catch_items
        once = self.gold_lower if measured else terms.catch_rate
        if terms.confirm_errors or self.confirmed:
            return catch_percent(once * once)
        return catch_percent(once * (1 - terms.second_look_share * (1 - once)) if measured else once)

    def count_gold(self, *, caught: bool) -> None:
        """An answer to a gold item on which the AI was wrong."""
        self.gold_shown += 1
        self.gold_caught += caught
        self.gold_lower = lower_bound(self.gold_caught, self.gold_shown)

    def plan(self, terms: LearningTerms) -> Plan:
        """What this epoch tests."""
        return Plan(terms.alpha, delta_of(self.restarts, terms.delta), terms.planned)

    def spent(self, terms: LearningTerms) -> float:
        """The chance of a false statement that this and all earlier epochs may have used."""
        return spent(self.restarts, terms.delta)

    def test(self, evidence: EvidenceCounts, terms: LearningTerms) -> None:
        """Look whether the epoch's labels certify more."""
        self.certificate.test(evidence.labels, evidence.errors, self.plan(terms), self.catch(terms))

    def certified(self, evidence: EvidenceCounts, terms: LearningTerms) -> float:
        """Certified in this epoch; 1.01 for nothing."""
        return self.certificate.threshold(evidence.labels, self.catch(terms))

    def allowed(self, evidence: EvidenceCounts, comfortable: float, terms: LearningTerms) -> float:
        """The lowest threshold that certificates allow: this epoch's, or the one before a restart as far
        as the fast cap's ``comfortable`` threshold agrees."""
        return min(self.certified(evidence, terms), max(self.certified_before, comfortable))

    def next_step(self, evidence: EvidenceCounts, terms: LearningTerms) -> NextStep | None:
        """What the next lower threshold needs."""
        return self.certificate.next_step(
            evidence.labels, evidence.errors, self.plan(terms), self.catch(terms)
        )

    @property
    def top(self) -> float:
        """The threshold of k0, above which nothing is tested; 1 while the order is not fixed."""
        return LOWER_EDGES[self.certificate.first] if self.certificate.fixed else 1.0

    # --- monitors -----------------------------------------------------------------------------------

    def monitor(self, judged: Judgement) -> None:
        """A counted label passes the monitors."""
        self.monitors.update(judged.score_bin, judged.error, audit=judged.automated)

    def monitor_shown(self, score_bin: int, error: bool) -> None:
        """An answer to a shown recommendation passes the monitors, against a reference of its own."""
        self.monitors.update(score_bin, error, audit=False, shown=True)

    def settled(self, *, upheld: bool) -> None:
        """A second person has answered about a finding."""
        self.findings += 1
        self.upheld += upheld

    def refresh(
        self, evidence: EvidenceCounts, terms: LearningTerms, pending: Callable[[], Sequence[Judgement]]
    ) -> None:
        """Renew what the monitors compare with, when it is time. They hear of a finding once it is settled:
        what is ``pending`` counts as far as findings were upheld so far."""

        def known() -> tuple[Sequence[float], float]:
            upheld = (self.upheld + 1) / (self.findings + 2)
            waiting = pending() if terms.confirm_errors else ()
            counts, wrong, platt = evidence.fit_of_epoch(terms.ridge, waiting, upheld)
            return error_by_bin(counts, wrong, platt, terms.prior_labels), sum(wrong)

        def known_of_shown() -> tuple[Sequence[float], float]:
            counts, wrong, platt = evidence.fit_of_shown(terms.ridge)
            return error_by_bin(counts, wrong, platt, terms.prior_labels), sum(wrong)

        if self.certificate.fixed:
            self.monitors.refresh(evidence.clock, sum(evidence.labels), known, known_of_shown, terms)

    def found(self, evidence: EvidenceCounts, threshold: float, terms: LearningTerms) -> Found | None:
        """What the monitors found; ``threshold`` is the one in force."""
        q = self.usual_probability
        if self.monitors.quiet(q, terms):
            return None
        total = math.fsum(evidence.traffic)
        alone = math.fsum(
            t for t, edge in zip(evidence.traffic, LOWER_EDGES, strict=True) if edge >= threshold
        )
        share = alone / total if total > 0 else 0.0
        # Whatever is reviewed is answered, blind or not; what runs alone is checked with probability q.
        return self.monitors.found(evidence.clock, 1 - share + q * share, q * share, terms)

    # --- epochs -------------------------------------------------------------------------------------

    def restart(self, evidence: EvidenceCounts, found: Found | None, terms: LearningTerms) -> None:
        """Count anew with the next delta. What was certified so far holds only as far as the fast cap
        agrees, and the cap's errors of before are moved by what was found. Without that scores mean something
        else now, and nothing holds."""
        certified = self.certified(evidence, terms)
        self.restarts += 1
        self.certificate = Certificate()
        self.monitors = Monitors()
        self.confirmed = False
        self.recheck_until = -1
        self.suspicious = False
        evidence.begin_epoch(terms.restart_weight, moved(evidence, found.odds, terms) if found else None)
        if found is None:
            self.certified_before = REVIEW_EVERYTHING
            self.expansion.forget()
            return
        if certified < REVIEW_EVERYTHING:
            self.certified_before = certified
        if found.shift is Shift.WORSE:
            evidence.automated = round(terms.evidence.scale)
            self.recheck_until = evidence.clock + terms.recheck_decisions
        else:
            evidence.automated = -round(terms.evidence.scale * math.log(terms.better_checks))


def moved(evidence: EvidenceCounts, odds: float, terms: LearningTerms) -> list[float]:
    """Error probability of each bin, shape (94,), had the log-odds of what was known moved by ``odds``."""
    counts, wrong, platt = evidence.fit_by_score(terms.ridge)
    factor = math.exp(odds)
    known = error_by_bin(counts, wrong, platt, terms.prior_labels)
    return [p * factor / (1 - p + p * factor) for p in known]
