"""One blind judgement of a decision, small enough to remember hundreds of."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from app.domain.events import LearningLabel
from app.domain.labels import UNANSWERED, UNASKED, WITHDRAWN
from app.domain.learning.digests import digest

_ERROR, _EVIDENCE, _AUTOMATED, _TRUTH, _PAIRED, _MISSED, _DOUBTED = 1, 2, 4, 8, 16, 32, 64


class Judgement(NamedTuple):
    """What must be known of a counted label to correct it later; small integers, to serialise tightly."""

    clock: int
    """The key's decisions so far, when it was counted: gives its weight."""
    score_bin: int
    raw_bin: int
    announced: int
    """Announced error probability, in units of 1e-4."""
    inverse: int
    """1 / q, with q the inclusion probability, in units of 1/256: as exact as its q needs it."""
    flags: int
    reviewer: int
    """16 bits of a digest of the reviewer's name, and above them those of a second one."""

    @property
    def error(self) -> bool:
        """What is counted at the moment."""
        return bool(self.flags & _ERROR)

    @property
    def evidence(self) -> bool:
        """Counted in calibration, cap and estimate."""
        return bool(self.flags & _EVIDENCE)

    @property
    def automated(self) -> bool:
        """The AI's action was executed."""
        return bool(self.flags & _AUTOMATED)

    @property
    def final(self) -> bool:
        """A truth has spoken: it was wrong."""
        return bool(self.flags & _TRUTH)

    @property
    def paired(self) -> bool:
        """A second person has answered, or will not be asked."""
        return bool(self.flags & _PAIRED)

    @property
    def doubted(self) -> bool:
        """The evidence judgement found an error and the second person did not: a third one may decide."""
        return bool(self.flags & _DOUBTED)

    @property
    def unconfirmed(self) -> bool:
        """Evidence of an error that nobody else has judged."""
        return self.flags & (_ERROR | _EVIDENCE | _TRUTH | _PAIRED | _MISSED) == _ERROR | _EVIDENCE

    def by(self, reviewer: int) -> bool:
        """Whether this person's judgement is in it."""
        return reviewer in (self.reviewer & 0xFFFF, self.reviewer >> 16 or self.reviewer)

    @property
    def missed(self) -> bool:
        """Nobody has answered, in time or at all; it counts as an error for the certificate, and for nothing
        else."""
        return bool(self.flags & _MISSED)

    @property
    def awaited(self) -> bool:
        """Missed, and somebody may still answer it."""
        return self.flags & (_MISSED | _PAIRED) == _MISSED

    @property
    def probability(self) -> float:
        """Announced error probability, as it was counted."""
        return self.announced * 1e-4

    @property
    def weight(self) -> float:
        """1/q, as it was counted."""
        return self.inverse / 256

    def corrected(self, error: bool, *, truth: bool) -> Judgement:
        """After a truth, or after a second person's judgement."""
        flags = self.flags & ~_ERROR | (_ERROR if error else 0) | (_TRUTH if truth else _PAIRED)
        return self._replace(flags=flags)

    def joined(self, other: Judgement, *, doubted: bool) -> Judgement:
        """With a second person's judgement in it."""
        flags = self.flags | _DOUBTED if doubted else self.flags & ~_DOUBTED
        return self._replace(flags=flags, reviewer=self.reviewer & 0xFFFF | other.reviewer << 16)

    def promoted(self, evidence: Judgement) -> Judgement:
        """An evidence label of a decision that was judged before without being counted."""
        return evidence._replace(flags=self.flags | _EVIDENCE, reviewer=self.reviewer)


def judgement(
    label: LearningLabel, *, clock: int, score_bin: int, raw_bin: int, announced: float
) -> Judgement:
    """The judgement of a label; ``announced`` is the error probability announced for it."""
    return Judgement(
        clock=clock,
        score_bin=score_bin,
        raw_bin=raw_bin,
        announced=min(max(round(announced * 1e4), 1), 9999),
        inverse=round(256 / max(label.inclusion_probability, 1e-6)),
        flags=(
            (_ERROR if label.error else 0)
            | (_EVIDENCE if label.evidence else 0)
            | (_AUTOMATED if label.automated else 0)
            | (_MISSED if label.source in UNANSWERED else 0)
            | (_PAIRED if label.source in (UNASKED, WITHDRAWN) else 0)
        ),
        reviewer=_short(label.reviewer),
    )


@lru_cache(maxsize=1024)
def _short(reviewer: str) -> int:
    return digest(reviewer, 2)
