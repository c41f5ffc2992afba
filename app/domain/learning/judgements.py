"""Blind judgements of decisions that a second look or a later truth may still correct.

A label is counted once for each decision. The rule of what counts as an error:
- the first blind judgement counts as given;
- a second blind judgement by another person has to confirm a disagreement: error = both say so;
- where three may look and the second one does not confirm it, the third one's word counts;
- a later truth (``source == "observation"``) that says that the AI was wrong replaces both, for ever. One
  that says that it was right changes nothing: whoever submits decisions may report it, and nobody clears
  himself.
"""

from __future__ import annotations

import msgspec

from app.domain.events import LearningLabel
from app.domain.learning.bins import bin_of
from app.domain.learning.calibration import PlattFit
from app.domain.learning.digests import digest
from app.domain.learning.evidence_counts import EvidenceCounts
from app.domain.learning.judgement import Judgement, judgement
from app.domain.learning.terms import LearningTerms

OBSERVATION = "observation"


class Ignored(msgspec.Struct):
    """Records that were not counted, and why: each should stay near 0."""

    duplicates: int = 0
    """Labels seen before."""
    late_labels: int = 0
    """Labels of an epoch that is over; they still count in override rates."""
    late_tallies: int = 0
    unusable: int = 0
    """Evidence labels without a usable inclusion probability, or not blind."""
    repeated: int = 0
    """Further evidence labels of a decision that was counted."""
    unmatched_truths: int = 0
    """Truths of decisions without a remembered blind judgement: most are, by design."""


class StandingJudgements(msgspec.Struct):
    """The judgements that stand, by digest of the decision; the oldest that waits for no answer and no
    confirmation is forgotten first."""

    standing: dict[int, Judgement] = msgspec.field(default_factory=dict)

    def judge(
        self,
        label: LearningLabel,
        evidence: EvidenceCounts,
        calibration: PlattFit,
        ignored: Ignored,
        terms: LearningTerms,
    ) -> tuple[bool | None, Judgement | None]:
        """Count a usable blind judgement, or let it confirm one.

        Returns whether two people agreed, ``None`` if this is not the second of a pair; and what the monitors
        should hear of now: what was newly counted as evidence or, where findings are confirmed, settled.
        """
        decision = digest(label.decision_id, 8)
        known = self.standing.get(decision)
        judged = _judged(label, evidence, calibration)
        agreed: bool | None = None
        heard: Judgement | None = None
        if known is not None and (known.missed or (judged.missed and known.evidence)):
            return None, _settled(self._answered_late(decision, known, judged, evidence), terms)
        if known is not None and judged.missed:  # only a second look has been answered
            judged = judged.corrected(True, truth=True) if known.final else judged
        elif known is not None:
            if not known.by(judged.reviewer) and not known.paired:
                agreed = None if known.final else known.error == label.error
                waited = terms.confirm_errors and known.unconfirmed
                known = self._joined(decision, known, judged, evidence)
                heard = known if waited else None
            elif not known.by(judged.reviewer) and known.doubted and not known.final and terms.looks > 2:
                known = self._settle(decision, known, judged.error, evidence, truth=False)
                self.standing[decision] = known = known.joined(judged, doubted=False)
            if known.evidence or not label.evidence:
                ignored.repeated += label.evidence
                return agreed, heard
            judged = known.promoted(judged)
        self.standing.pop(decision, None)
        while len(self.standing) >= max(terms.memory, 1):
            self._forget_one(terms)
        self.standing[decision] = judged
        if not label.evidence:
            return agreed, None
        if judged.missed:
            evidence.count_missed(judged)
            return None, None
        evidence.count(judged)
        return agreed, _settled(judged, terms)

    def pending(self) -> list[Judgement]:
        """Findings that nobody has confirmed."""
        return [known for known in self.standing.values() if known.unconfirmed]

    def _forget_one(self, terms: LearningTerms) -> None:
        del self.standing[self._least_needed(terms)]

    def _least_needed(self, terms: LearningTerms) -> int:
        """The oldest that nobody is still to answer or to confirm. Of checks that were missed no more are
        kept than half of all: there has to be room for what is judged."""
        missed: list[int] = []
        for name, known in self.standing.items():
            if known.awaited:
                missed.append(name)
                if len(missed) > terms.memory // 2:
                    return missed[0]
            elif not (terms.confirm_errors and known.unconfirmed):
                return name
        return next(iter(self.standing))

    def _joined(
        self, decision: int, known: Judgement, judged: Judgement, evidence: EvidenceCounts
    ) -> Judgement:
        """A second person's judgement confirms an error or casts doubt on it, in whatever order."""
        first, second = (judged, known) if judged.evidence and not known.evidence else (known, judged)
        error = known.error if known.final else known.error and judged.error
        doubted = first.error and not second.error
        settled = self._settle(decision, known, error, evidence, truth=False).joined(judged, doubted=doubted)
        self.standing[decision] = settled
        return settled

    def _answered_late(
        self, decision: int, known: Judgement, judged: Judgement, evidence: EvidenceCounts
    ) -> Judgement | None:
        """A check was missed and is answered now; what was answered is not missed, and a second look alone
        does not answer it."""
        if judged.missed and known.missed:  # and then withdrawn: nobody will answer it any more
            self.standing[decision] = known._replace(flags=known.flags | judged.flags)
        if judged.missed or not judged.evidence:
            return None
        if known.final:
            judged = judged.corrected(True, truth=True)
        evidence.correct_missed(judged)
        self.standing[decision] = judged
        return judged

    def correct_by_truth(self, label: LearningLabel, evidence: EvidenceCounts, ignored: Ignored) -> None:
        """A later truth makes an error of a judgement that stands, and never takes one back; alone it is not
        counted."""
        decision = digest(label.decision_id, 8)
        known = self.standing.get(decision)
        if known is None:
            ignored.unmatched_truths += 1
        elif label.error:
            self._settle(decision, known, error=True, evidence=evidence, truth=True)

    def _settle(
        self, decision: int, known: Judgement, error: bool, evidence: EvidenceCounts, *, truth: bool
    ) -> Judgement:
        if known.evidence:
            evidence.correct(known, error)
        self.standing[decision] = settled = known.corrected(error, truth=truth)
        return settled


def _settled(judged: Judgement | None, terms: LearningTerms) -> Judgement | None:
    """The judgement, unless somebody is still to confirm it."""
    return None if judged is not None and terms.confirm_errors and judged.unconfirmed else judged


def count_late(label: LearningLabel, evidence: EvidenceCounts, calibration: PlattFit) -> None:
    """An evidence label of an earlier epoch speaks about calibration and cap, not for a certificate."""
    evidence.count_for_cap(_judged(label, evidence, calibration), late=True)


def _judged(label: LearningLabel, evidence: EvidenceCounts, calibration: PlattFit) -> Judgement:
    return judgement(
        label,
        clock=evidence.clock,
        score_bin=bin_of(label.score),
        raw_bin=bin_of(label.raw),
        announced=1 - calibration.probability(label.raw),
    )


def label_digest(label: LearningLabel) -> int:
    """Stands for one person's, or one observation's, label of a decision."""
    what = label.label_id if label.source == OBSERVATION else label.reviewer
    return digest("\n".join((label.decision_id, label.source, label.kind, what)), 8)
