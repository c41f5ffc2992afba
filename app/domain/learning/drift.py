"""What one learning key has learned, as a value: records in, changed thresholds and patterns out.

Who may speak about what (docs/learning.md):

- **tallies** give the traffic that labels are a sample of, the clock of the decay, and A, the automated
  decisions that lower the evidence probability; the first of an epoch fix the order of its tests;
- **evidence labels** - the uniform blind sample - alone feed certificate, monitors, calibration, cap and the
  automated error; those of an earlier epoch only calibration and cap;
- **answers to gold items** on which the AI was wrong give the reviewers' catch rate;
- **every other answer** of a reviewer feeds override rates: shown and blind apart;
- **orders** - freeze, unfreeze, rollback, confirm, restart - are people's, in line with the labels;
- **second looks and later truths** only correct a judgement that was counted. A truth on its own is not
  counted: errors are reported, successes are not.

Everything that happens "every so often" counts records, never batches or time: the same records in the
same order give the same bytes, however they are cut into batches and wherever state is saved between.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from app.domain.events import (
    CalibrationUpdated,
    LearningLabel,
    PatternDetected,
    ReviewKind,
    ScoreTally,
    ThresholdOrder,
    ThresholdOrdered,
    ThresholdUpdated,
)
from app.domain.ids import derived_id
from app.domain.labels import CONFIRMATION, UNANSWERED
from app.domain.learning.announcement import NEW_SCORES, NEWS, ordered, threshold_updated
from app.domain.learning.automation import Automation
from app.domain.learning.bins import BINS, bin_of
from app.domain.learning.calibration import PlattFit
from app.domain.learning.digests import digest
from app.domain.learning.estimates import AutomatedError
from app.domain.learning.evidence_counts import EvidenceCounts
from app.domain.learning.in_force import InForce
from app.domain.learning.judgements import (
    OBSERVATION,
    Ignored,
    StandingJudgements,
    count_late,
    label_digest,
)
from app.domain.learning.odds_shift import Found, Monitors, Shift
from app.domain.learning.override_rates import OverrideRates
from app.domain.learning.patterns import ACTIONS, sightings
from app.domain.learning.records import LearningRecordError, Told, check_bins
from app.domain.learning.shift_patterns import got_worse
from app.domain.learning.sighting import Sighting
from app.domain.learning.terms import LearningTerms
from app.domain.learning.threshold_rule import propose, quantised_probability
from app.errors import HitlError

FORMAT = 3
_NEAR, _ROUNDING = 1e-9, 1e-4
"""Precision of a fit that only says whether there is news, and more than that moves a confidence."""

_NO_JUDGEMENT = frozenset({ReviewKind.GOLD, ReviewKind.CALIBRATION, ReviewKind.HUMAN_ONLY})
Change = ThresholdUpdated | CalibrationUpdated | PatternDetected


class LearningStateError(HitlError):
    """Saved learning state that can not be read."""


class KeyState(msgspec.Struct, kw_only=True):
    """Everything remembered of one learning key; about 24 kB saved. Change it only by ``apply``."""

    learning_key: str
    format: int = FORMAT
    epoch: int = 0
    decision_type: str = ""
    latest: int = 0
    """Latest time on any record, ms UTC: the time of every change that follows from it."""
    evidence: EvidenceCounts = msgspec.field(default_factory=EvidenceCounts)
    overrides: OverrideRates = msgspec.field(default_factory=OverrideRates)
    automation: Automation = msgspec.field(default_factory=Automation)
    judgements: StandingJudgements = msgspec.field(default_factory=StandingJudgements)
    seen: dict[int, bool] = msgspec.field(default_factory=dict)
    in_force: InForce = msgspec.field(default_factory=InForce)
    calibration: PlattFit = msgspec.field(default_factory=PlattFit)
    calibration_version: int = 0
    raised: list[str] = msgspec.field(default_factory=list)
    """Patterns that are reported and not over."""
    sighted: int = 0
    """Patterns ever reported."""
    ignored: Ignored = msgspec.field(default_factory=Ignored)
    labels_waiting: int = 0
    decisions_waiting: int = 0
    looked_with: tuple[float, ...] = ()
    """The terms that change a threshold by themselves, at the last look."""

    def apply(self, record: Told, terms: LearningTerms) -> list[Change]:
        """Count one record. Raises ``LearningRecordError`` before anything is counted."""
        if isinstance(record, ScoreTally):
            return self.apply_tally(record, terms)
        if isinstance(record, LearningLabel):
            return self.apply_label(record, terms)
        return self.apply_order(record, terms)

    def apply_tally(self, tally: ScoreTally, terms: LearningTerms) -> list[Change]:
        """Count routed traffic. Raises ``LearningRecordError`` before anything is counted."""
        self._check(tally.learning_key)
        check_bins(tally)
        self.latest = max(self.latest, tally.routed_at)
        changes = self._enter(tally.epoch, terms)
        if tally.epoch < self.epoch:
            self.ignored.late_tallies += 1
            return changes
        drawn = (
            self.in_force.evidence_probability if self.in_force.version else quantised_probability(terms, 0)
        )
        self.automation.expansion.count(self._by_canary(tally))
        self.decisions_waiting += self.evidence.count_traffic(tally.bins, drawn)
        self.automation.refresh(self.evidence, terms, self.judgements.pending)
        if self.automation.certificate.watch(tally.bins, terms.order_scores, terms.first_mass):
            self._count_from_here(self.epoch + 1)
        return changes + self._look(terms)

    def apply_label(self, label: LearningLabel, terms: LearningTerms) -> list[Change]:
        """Count a label once. Raises ``LearningRecordError`` before anything is counted."""
        self._check(label.learning_key)
        changes = self._enter(label.epoch, terms)
        if not self._first_time(label_digest(label), terms.duplicates):
            self.ignored.duplicates += 1
            return changes
        self.latest = max(self.latest, label.labelled_at)
        self.decision_type = label.decision_type
        if label.source == OBSERVATION:
            self.judgements.correct_by_truth(label, self.evidence, self.ignored)
        elif label.kind is ReviewKind.GOLD:
            if (
                label.blind
            ):  # as evidence is: what is caught with the AI's answer in sight says nothing about it
                self.automation.count_gold(caught=label.error)
        else:
            # a confirmation is asked for where somebody disagreed: no sample of anything
            if label.source not in UNANSWERED and label.source != CONFIRMATION:
                self.overrides.add(label, self.calibration, terms)
            self._judge(label, terms)
        self.labels_waiting += 1
        changes += self._hear(terms)
        return changes + self._look(terms)

    def apply_order(self, order: ThresholdOrdered, terms: LearningTerms) -> list[Change]:
        """Do what a person asked for, once. What can not be done is announced as such."""
        self._check(order.learning_key)
        changes = self._enter(self.epoch, terms)
        if not self._first_time(digest(f"order\n{order.order_id}", 8), terms.duplicates):
            self.ignored.duplicates += 1
            return changes
        self.latest = max(self.latest, order.ordered_at)
        expansion, done = self.automation.expansion, True
        if order.order is ThresholdOrder.FREEZE:
            expansion.frozen = True
        elif order.order is ThresholdOrder.UNFREEZE:
            expansion.lift()
        elif order.order is ThresholdOrder.ROLLBACK:
            expansion.roll_back()
        elif order.order is ThresholdOrder.CONFIRM:
            done = expansion.confirm(self.evidence.clock, terms)
        else:
            self._restart(None, terms)
            self.automation.restarts = 0
        words = ordered(order, done=done)
        return changes + self._rethreshold(terms, cause=words, actor=order.actor)

    def automated_error(self, terms: LearningTerms) -> AutomatedError | None:
        """How often automation is wrong; ``None`` without an audit."""
        evidence = self.evidence
        return evidence.audits.estimate(evidence.automated_traffic, terms.stratum_labels, terms.delta)

    def copy(self) -> KeyState:
        """An independent copy."""
        return KeyState.from_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Saved state (MessagePack)."""
        return msgspec.msgpack.encode(self)

    @staticmethod
    def from_bytes(saved: bytes) -> KeyState:
        """The state that was saved. Raises ``LearningStateError``."""
        try:
            state = _DECODER.decode(saved)
        except msgspec.MsgspecError as error:
            raise LearningStateError(
                f"learning state of {len(saved)} bytes can not be read: {error}",
                hint="delete the key's record in learning.state to learn anew from learning.cases",
            ) from error
        if state.format > FORMAT:
            raise LearningStateError(
                f"learning state of {state.learning_key} has format {state.format}, this version reads "
                f"{FORMAT} and older ones",
                hint="run the version that wrote it, or delete the record to learn anew",
            )
        # Format 1 knew no certificate: it begins as new, with what was known of traffic, errors and people.
        if state.format < FORMAT:
            # Format 2 knew other references and judgements: monitors listen again once there is one, and
            # what a later truth would correct stays as it was judged.
            state.automation.monitors = Monitors()
            state.judgements = StandingJudgements()
        state.format = FORMAT
        return state

    def _check(self, learning_key: str) -> None:
        if learning_key != self.learning_key:
            raise LearningRecordError(
                f"a record of {learning_key} was given to the state of {self.learning_key}",
                hint="learning.cases must be keyed by learning_key",
            )

    def _enter(self, epoch: int, terms: LearningTerms) -> list[Change]:
        self.evidence.keep_half_life(terms.half_life)
        automation = self.automation
        if automation.scoring != terms.scoring:
            known, automation.scoring = automation.scoring, terms.scoring
            if known:
                self._restart(None, terms)
                return self._rethreshold(terms, cause=NEW_SCORES)
        if epoch > self.epoch:
            # Somebody announced this epoch for us and we do not remember: nothing is known of it.
            self._restart(None, terms)
            self.epoch = epoch
        return []

    def _restart(self, found: Found | None, terms: LearningTerms) -> None:
        self.automation.restart(self.evidence, found, terms)
        self.judgements = StandingJudgements()
        self.epoch += 1

    def _count_from_here(self, epoch: int) -> None:
        """The order is fixed: labels of decisions from here on count for the certificate."""
        self.epoch = epoch
        self.evidence.begin_counting()
        self.judgements = StandingJudgements()
        self.looked_with = ()

    def _by_canary(self, tally: ScoreTally) -> int:
        """Decisions of a tally that ran alone below the threshold for all."""
        if not self.automation.expansion.canary_above:
            return 0
        below = bin_of(min(self.in_force.threshold, 1.0)) if self.in_force.threshold <= 1 else BINS
        return sum(tally.bins[i + 2] for i in range(0, len(tally.bins), 3) if tally.bins[i] < below)

    def _hear(self, terms: LearningTerms) -> list[Change]:
        """Do the monitors ask for a restart?"""
        automation = self.automation
        if automation.monitors.calm(terms):
            return []
        found = automation.found(self.evidence, self.in_force.canary, terms)
        if found is None:
            # Suspicion is acted on at once; that it is over is seen at the next look.
            if automation.suspicious or not automation.monitors.suspicious(terms):
                return []
            return self._rethreshold(terms)
        labels = automation.monitors.heard
        self._restart(found, terms)
        changes = self._rethreshold(terms, cause=NEWS[found.shift])
        if found.shift is Shift.WORSE:
            changes.append(self._reported(got_worse(found, labels, self.decision_type)))
        return changes

    def _first_time(self, digest: int, memory: int) -> bool:
        if digest in self.seen:
            return False
        while len(self.seen) >= max(memory, 1):
            del self.seen[next(iter(self.seen))]
        self.seen[digest] = True
        return True

    def _judge(self, label: LearningLabel, terms: LearningTerms) -> None:
        """A blind judgement of this epoch may be evidence, or the second opinion on one that was."""
        if label.kind in _NO_JUDGEMENT:
            return
        if not label.blind and not label.evidence:
            self._hear_shown(label, terms)
        elif not label.blind or not 0 < label.inclusion_probability <= 1:
            self.ignored.unusable += label.evidence
        elif label.epoch < self.epoch:
            self.ignored.late_labels += 1
            if label.evidence and label.source not in UNANSWERED:
                count_late(label, self.evidence, self.calibration)
        else:
            self.automation.confirmed |= label.source == CONFIRMATION
            pair, counted = self.judgements.judge(label, self.evidence, self.calibration, self.ignored, terms)
            if counted is not None:
                self.automation.monitor(counted)
                if label.source == CONFIRMATION:
                    self.automation.settled(upheld=counted.error)
            if pair is not None and label.source != CONFIRMATION:
                self.overrides.add_pair(label.score, agreed=pair, half_life=terms.patterns.half_life)

    def _hear_shown(self, label: LearningLabel, terms: LearningTerms) -> None:
        """What people answer with the recommendation in sight: the monitors watch it for a change, once for
        each decision; nothing else learns from it."""
        if label.epoch < self.epoch or not self._first_time(
            digest(f"shown\n{label.decision_id}", 8), terms.duplicates
        ):
            return
        score_bin = bin_of(label.score)
        self.evidence.count_shown(score_bin, label.error)
        self.automation.monitor_shown(score_bin, label.error)

    def _look(self, terms: LearningTerms) -> list[Change]:
        """What has changed, if it is time to look."""
        watched = terms.watched
        if (
            self.labels_waiting < terms.refresh_labels
            and self.decisions_waiting < terms.refresh_decisions
            and self.looked_with == watched
        ):
            return []
        new_labels = self.labels_waiting > 0
        self.labels_waiting = self.decisions_waiting = 0
        self.looked_with = watched
        changes: list[Change] = []
        if new_labels:
            changes += self._recalibrate(terms)
            self.automation.test(self.evidence, terms)
        changes += self._rethreshold(terms)
        if new_labels:
            changes += self._sight(terms)
        return changes

    def _recalibrate(self, terms: LearningTerms) -> list[Change]:
        if self.evidence.calibrated < terms.calibration_labels:
            return []
        # From the one in force it is near, so that most looks end here; rounding is far below the margin.
        near = self.evidence.fit_by_raw(terms.ridge, self.calibration, _NEAR)
        if near.distance(self.calibration) < terms.calibration_step - _ROUNDING:
            return []
        fitted = self.evidence.fit_by_raw(terms.ridge)
        if fitted.distance(self.calibration) < terms.calibration_step:
            return []
        self.calibration = fitted
        self.calibration_version += 1
        return [
            CalibrationUpdated(
                learning_key=self.learning_key,
                version=self.calibration_version,
                slope=fitted.slope,
                intercept=fitted.intercept,
                labels=self.evidence.calibrated,
                updated_at=self.latest,
            )
        ]

    def _rethreshold(self, terms: LearningTerms, *, cause: str = "", actor: str = "") -> list[Change]:
        before, automation, evidence = self.in_force, self.automation, self.evidence
        proposal = propose(evidence, automation, before, terms, epoch=self.epoch, cause=cause)
        if proposal is None:
            return []
        self.in_force = proposal.in_force
        return [
            threshold_updated(
                self.learning_key,
                before,
                proposal,
                automation,
                terms,
                automated=max(evidence.automated, 0),
                estimated=evidence.audits.share(evidence.automated_traffic, terms.stratum_labels),
                at=self.latest,
                actor=actor,
            )
        ]

    def _sight(self, terms: LearningTerms) -> list[Change]:
        changes: list[Change] = []
        raised: list[str] = []
        evidence = self.evidence
        for seen in sightings(
            self.overrides, evidence.quality, evidence.calibrated, self.decision_type, terms.patterns
        ):
            name = seen.name
            if name in self.raised:
                if not seen.over:
                    raised.append(name)
            elif seen.raised:
                raised.append(name)
                changes.append(self._reported(seen))
        self.raised = raised
        return changes

    def _reported(self, seen: Sighting) -> PatternDetected:
        self.sighted += 1
        return PatternDetected(
            pattern_id=derived_id(self.learning_key, f"{seen.name}\n{self.sighted}"),
            pattern=seen.pattern,
            learning_key=self.learning_key,
            segment=seen.segment,
            value=seen.value,
            limit=seen.limit,
            count=seen.count,
            text=seen.text,
            action=ACTIONS[seen.pattern],
            detected_at=self.latest,
        )


_DECODER = msgspec.msgpack.Decoder(KeyState)


def learn(state: KeyState, records: Iterable[Told], terms: LearningTerms) -> tuple[KeyState, list[Change]]:
    """Apply a batch all or nothing: ``state`` stays as it was, the new one is returned.

    Examples
    --------
    >>> tally = ScoreTally(
    ...     learning_key="k", epoch=0, bins=[80, 10, 10], policy_threshold=0.9, routed_at=1
    ... )
    >>> state, changes = learn(KeyState(learning_key="k"), [tally], LearningTerms(own_threshold=0.9))
    >>> state.evidence.automated, changes[0].threshold, changes[0].certified
    (10, 1.01, None)
    >>> changes[0].reason[:73]
    'People decide everything. Not enough evidence: scores are watched first, '
    """
    after = state.copy()
    changes: list[Change] = []
    for record in records:
        changes += after.apply(record, terms)
    return after, changes
