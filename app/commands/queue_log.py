"""The log as ``hitl queue rebuild`` and ``verify`` believe it: without what bears no seal of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

from app.commands.output import errors
from app.domain.events import Record
from app.domain.evidence_chain import SEALED
from app.errors import HitlError
from app.review_queue.rebuild import LogRecord
from app.stream.errors import DecodeError
from app.stream.records import Incoming
from app.stream.seals import Sealed, is_ours

WHERE = "hitl dlq list --reason unsealed_answer; docs/evidence.md"
"""Where somebody finds out what such a record is."""


class Unsealed(StrEnum):
    """What becomes of steps, answers and safe defaults without a seal of ours."""

    LEAVE_OUT = "leave-out"
    BELIEVE = "believe"


class NothingSealedError(HitlError):
    """Not one step or answer bears our seal: rather the secret has changed than every record of the log."""

    def __init__(self, unsealed: int, first: str) -> None:
        super().__init__(
            f"no step or answer in the log bears our seal: {unsealed} without, the first at {first}",
            hint="set HITL_SECRET_FILE to the workers' secret, HITL_PREVIOUS_SECRET_FILE to the one before. "
            "If it is lost: `--unsealed believe` takes them as they are, `--unsealed leave-out` asks again",
        )


class QueueLog:
    """The records, decoded, once. ``choice`` is what the operator says about unsealed ones: ``None`` leaves
    them out, too, as long as others bear our seal. The outcome agent makes them dead letters; whoever
    believed them here would have them sealed by the relay, as if people had answered."""

    def __init__(
        self,
        records: Iterable[Incoming],
        decode: Callable[[bytes | None], Record],
        sealed: Sealed,
        choice: Unsealed | None = None,
    ) -> None:
        self._records = records
        self._decode = decode
        self._is_sealed = sealed
        self._choice = choice
        self._sealed = 0
        self._first = ""
        self.unsealed = 0
        """Steps, answers and safe defaults so far that bear no seal of ours."""

    def __iter__(self) -> Iterator[LogRecord]:
        """Each record that may be believed. What can not be decoded is named and left out. Raises
        ``NothingSealedError`` at the end, where ``choice`` is needed and missing."""
        for record in self._records:
            try:
                event = self._decode(record.value)
            except DecodeError as error:  # a dead letter of its reader: nothing of it is in the queue
                errors.print(f"{record.position}: left out: {error}", markup=False, highlight=False)
                continue
            if self._believes(event, record):
                yield record.topic, event, record
        if self._choice is None and self.unsealed and not self._sealed:
            raise NothingSealedError(self.unsealed, self._first)

    def told(self) -> str:
        """What became of unsealed records, for the operator; nothing where there were none."""
        if not self.unsealed:
            return ""
        count = "1 record bears" if self.unsealed == 1 else f"{self.unsealed} records bear"
        which = f"{count} no seal of ours, the first at {self._first}"
        if self._choice is Unsealed.BELIEVE:
            return f"{which}: believed, as you said"
        return (
            f"{which}: left out ({WHERE}). If an earlier secret sealed any, reviews that were answered wait "
            "again: set HITL_PREVIOUS_SECRET_FILE and rebuild into an emptied store"
        )

    def _believes(self, event: Record, record: Incoming) -> bool:
        if not isinstance(event, SEALED):
            return True
        if is_ours(record, self._is_sealed):
            self._sealed += 1
            return True
        self.unsealed += 1
        self._first = self._first or record.position
        return self._choice is Unsealed.BELIEVE
