"""What goes in and out of the Kafka edge: plain values, no client objects."""

from __future__ import annotations

import msgspec

Headers = list[tuple[str, bytes]]

Partition = tuple[str, int]
"""Topic, by its logical name unless something else is said, and partition number."""

ORIGIN = "hitl_origin"
"""Header of a replayed dead letter: the position at which its record was first read."""
ORIGIN_SEAL = "hitl_origin_seal"
"""Header beside it: our seal of that position, with the record's topic, key and value. Without it the
position is anybody's word."""


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One record as it was read. ``topic`` is the logical name, prefix stripped; ``timestamp`` is the
    broker's or producer's, in ms since the epoch."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int

    @property
    def position(self) -> str:
        """Where it was read, as messages and logs name it.

        >>> Incoming("decisions.submitted", 3, 17, None, None, [], 0).position
        'decisions.submitted[3]@17'
        """
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """One record to write. ``topic`` is the logical name; ``partition`` is chosen from the key unless
    given; a ``None`` value deletes the key from a compacted topic."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers
    partition: int | None = None


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """A record that could not be processed: where it failed, a stable short reason, and the words."""

    record: Incoming
    stage: str
    reason: str
    message: str
    attempts: int = 1


class Output(msgspec.Struct, frozen=True, gc=False):
    """What a batch became; written in the transaction that commits the batch's offsets."""

    outgoing: list[Outgoing] = msgspec.field(default_factory=list)
    dead: list[DeadLetter] = msgspec.field(default_factory=list)
    events: list[object] = msgspec.field(default_factory=list)
    """What happened, as values, for whoever counts it once it is committed; never written anywhere."""

    def __add__(self, other: Output) -> Output:
        """This part of the batch, then the other."""
        return Output(self.outgoing + other.outgoing, self.dead + other.dead, self.events + other.events)
