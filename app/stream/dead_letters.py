"""Records that could not be processed, kept byte for byte, with why, where and how often.

A letter on topic ``deadletter`` is the original record plus ``dlq_*`` headers. It is open until a
marker on the same partition says otherwise: a record without a value whose ``dlq_marker`` is
``replayed`` or ``discarded`` and whose ``dlq_marks`` is the letter's offset. Nothing is ever edited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from app.stream.records import ORIGIN, DeadLetter, Headers, Incoming, Outgoing
from app.stream.seals import Seal, Sealed, origin_headers, origin_of

TOPIC = "deadletter"

Mark = Literal["replayed", "discarded"]


class DeadLetters:
    """Turns ``DeadLetter`` into records. ``clock`` gives ms since the epoch, ``app_version`` is written
    on each, so that a fix can be told from a repeat."""

    def __init__(self, clock: Callable[[], int], app_version: str) -> None:
        self._clock = clock
        self._app_version = app_version

    def outgoing(
        self, letter: DeadLetter, *, too_large: Callable[[Outgoing], bool] = lambda _record: False
    ) -> Outgoing:
        """The record of a letter: key, value and headers as they came, then ours.

        Attempts and the time of the first failure go on counting over replays. A value that the broker
        refuses on this topic is left out (``dlq_value_omitted`` gives its size): it is still in its
        source topic, at the position in the headers, and replay takes it from there.
        """
        record = letter.record
        earlier = dict(record.headers)
        attempts = letter.attempts + _number(earlier.get("replay_attempts"))
        failed_at = _number(earlier.get("replay_first_failed_at")) or self._clock()
        headers: Headers = [
            *record.headers,
            ("dlq_reason", letter.reason.encode()),
            ("dlq_stage", letter.stage.encode()),
            ("dlq_message", letter.message[:2000].encode()),
            ("dlq_source_topic", record.topic.encode()),
            ("dlq_source_partition", b"%d" % record.partition),
            ("dlq_source_offset", b"%d" % record.offset),
            ("dlq_attempts", b"%d" % attempts),
            ("dlq_first_failed_at", b"%d" % failed_at),
            ("dlq_app_version", self._app_version.encode()),
        ]
        if record.key is None:
            headers.append(("dlq_key_was_null", b"1"))
        if record.value is None:
            headers.append(("dlq_value_was_null", b"1"))
        whole = Outgoing(TOPIC, record.key, record.value, headers)  # type: ignore[arg-type]
        if not too_large(whole):
            return whole
        omitted = [*headers, ("dlq_value_omitted", b"%d" % len(record.value or b""))]
        return Outgoing(TOPIC, record.key, None, omitted)  # type: ignore[arg-type]


class Letter(msgspec.Struct, frozen=True):
    """A dead letter as it is kept. ``record`` is the one on topic ``deadletter``."""

    record: Incoming
    reason: str
    stage: str
    message: str
    source_topic: str
    source_partition: int
    source_offset: int
    attempts: int
    first_failed_at: int
    app_version: str
    value_omitted: int | None
    """Bytes that were left out because the broker did not take them here; ``None``: nothing was."""

    @property
    def position(self) -> str:
        """Where the letter is; what ``hitl dlq show`` takes."""
        return self.record.position

    @property
    def source(self) -> str:
        """Where the record failed."""
        return f"{self.source_topic}[{self.source_partition}]@{self.source_offset}"

    def replay(self, value: bytes | None, seal: Seal, sealed: Sealed) -> Outgoing:
        """The original record for its source topic: same key, ``value`` (the original one), headers
        without ours, and how often it was tried so far for the next letter's count. Its origin stays the
        position at which it was first read, however often it is replayed: it is no duplicate of itself. An
        origin that we did not write counts for nothing: such a record is one of its own."""
        ours = ("dlq_", "replay_", ORIGIN)  # ORIGIN_SEAL begins with ORIGIN
        headers = [h for h in self.record.headers if not h[0].startswith(ours)]
        headers += [
            ("replay_attempts", b"%d" % self.attempts),
            ("replay_first_failed_at", b"%d" % self.first_failed_at),
        ]
        again = Outgoing(self.source_topic, self.record.key, value, headers)  # type: ignore[arg-type]
        headers += origin_headers(again, origin_of(self._as_it_failed(value), sealed), seal)
        return again

    def _as_it_failed(self, value: bytes | None) -> Incoming:
        record = self.record
        place = (self.source_topic, self.source_partition, self.source_offset)
        return Incoming(*place, record.key, value, record.headers, record.timestamp)

    def mark(self, mark: Mark, at: int, why: str) -> Outgoing:
        """The marker that closes this letter; ``at`` in ms."""
        headers: Headers = [
            ("dlq_marker", mark.encode()),
            ("dlq_marks", b"%d" % self.record.offset),
            ("dlq_marked_at", b"%d" % at),
            ("dlq_marked_why", why.encode()),
        ]
        return Outgoing(TOPIC, self.record.key, None, headers, self.record.partition)  # type: ignore[arg-type]


def open_letters(records: Iterable[Incoming]) -> list[Letter]:
    """Letters of topic ``deadletter`` (in order of each partition) that no marker closed."""
    letters: dict[tuple[int, int], Letter] = {}
    for record in records:
        headers = dict(record.headers)
        if "dlq_reason" in headers:  # first: a poison record may carry a marker's headers itself
            letters[record.partition, record.offset] = _letter(record, headers)
        elif "dlq_marker" in headers:
            letters.pop((record.partition, _number(headers.get("dlq_marks"))), None)
    return sorted(letters.values(), key=lambda letter: (letter.first_failed_at, letter.position))


def _letter(record: Incoming, headers: dict[str, bytes]) -> Letter:
    omitted = headers.get("dlq_value_omitted")
    return Letter(
        record=record,
        reason=_text(headers, "dlq_reason"),
        stage=_text(headers, "dlq_stage"),
        message=_text(headers, "dlq_message"),
        source_topic=_text(headers, "dlq_source_topic"),
        source_partition=_number(headers.get("dlq_source_partition")),
        source_offset=_number(headers.get("dlq_source_offset")),
        attempts=_number(headers.get("dlq_attempts")),
        first_failed_at=_number(headers.get("dlq_first_failed_at")),
        app_version=_text(headers, "dlq_app_version"),
        value_omitted=None if omitted is None else _number(omitted),
    )


def _text(headers: dict[str, bytes], name: str) -> str:
    return headers.get(name, b"").decode(errors="replace")


def _number(value: bytes | None) -> int:
    return int(value) if value is not None and value.isdigit() else 0
