"""Topic ``deadletter`` for operators: what is open, and closing letters exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from confluent_kafka import KafkaException, Producer

from app.errors import HitlError
from app.stream.connection import ANY_PARTITION, MAX_MESSAGE_BYTES, PARTITIONER, Connection
from app.stream.dead_letters import TOPIC, Letter, open_letters
from app.stream.errors import BrokerUnreachableError
from app.stream.reader import LogReader
from app.stream.records import Outgoing
from app.stream.seals import Seal, Sealed

R = TypeVar("R")


class Closed(msgspec.Struct, frozen=True):
    """What a run did: letters closed, and letters whose original is gone from its source topic."""

    closed: list[Letter]
    gone: list[Letter]


class LetterBox:
    """Reads, replays and discards dead letters.

    Closing is exactly-once: one transactional id for all operators means that opening the box to write
    ends whatever an earlier run left open and fences that run; the letters are listed only then; and a
    replayed record and its mark are written in one transaction. Two runs at once: the older one stops.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Callable[[], int],
        seal: Seal,
        sealed: Sealed,
        *,
        timeout: float = 30.0,
        chunk: int = 500,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._seal = seal
        self._sealed = sealed
        self._timeout = timeout
        self._chunk = chunk
        self._reader = LogReader(connection, silence=timeout)

    def letters(self) -> list[Letter]:
        """Every open letter, oldest first."""
        return open_letters(self._reader.read_all([TOPIC]))

    def replay(self, wanted: Callable[[Letter], bool], why: str = "") -> Closed:
        """Send originals back to their source topics, each with its mark in the same transaction."""
        return self._close(wanted, lambda letter: self._replayed(letter, why))

    def discard(self, wanted: Callable[[Letter], bool], why: str) -> Closed:
        """Mark letters as discarded; they stay readable until the topic's retention ends."""
        return self._close(wanted, lambda letter: [letter.mark("discarded", self._clock(), why)])

    def _replayed(self, letter: Letter, why: str) -> list[Outgoing] | None:
        value = letter.record.value
        if letter.value_omitted is not None:
            source = (letter.source_topic, letter.source_partition)
            original = next(self._reader.read_from(source, letter.source_offset), None)
            if original is None or original.offset != letter.source_offset:
                return None
            value = original.value
        return [letter.replay(value, self._seal, self._sealed), letter.mark("replayed", self._clock(), why)]

    def _close(
        self, wanted: Callable[[Letter], bool], records: Callable[[Letter], list[Outgoing] | None]
    ) -> Closed:
        producer = Producer(
            self._connection.client(
                "hitl-dlq",
                {
                    "transactional.id": f"{self._connection.prefix}hitl-dlq",
                    "transaction.timeout.ms": 15_000,
                    "message.timeout.ms": 15_000,
                    "message.max.bytes": MAX_MESSAGE_BYTES,
                    "partitioner": PARTITIONER,
                },
            )
        )
        try:
            # 1. Earlier runs are over: what they did is committed or aborted, and they are fenced.
            self._until_done(producer.init_transactions)
            # 2. Only now does the list say what is still open.
            letters = [letter for letter in self.letters() if wanted(letter)]
            closed: list[Letter] = []
            gone: list[Letter] = []
            for start in range(0, len(letters), self._chunk):
                # 3. Replays and marks become visible together, or not at all.
                outgoing: list[Outgoing] = []
                done: list[Letter] = []
                for letter in letters[start : start + self._chunk]:
                    found = records(letter)
                    if found is None:
                        gone.append(letter)
                    else:
                        outgoing += found
                        done.append(letter)
                self._commit(producer, outgoing)
                closed += done
            return Closed(closed, gone)
        finally:
            producer.close()

    def _commit(self, producer: Producer, outgoing: Sequence[Outgoing]) -> None:
        producer.begin_transaction()
        try:
            for record in outgoing:
                producer.produce(
                    self._connection.topic(record.topic),
                    record.value,
                    record.key,
                    ANY_PARTITION if record.partition is None else record.partition,
                    headers=record.headers or None,  # type: ignore[arg-type]  # the stub's list is invariant
                )
            self._until_done(producer.commit_transaction)
        except KafkaException as failure:
            error = failure.args[0]
            if error.fatal():
                raise HitlError(
                    "another `hitl dlq` run took over; this one stopped",
                    hint="letters that it had closed by then stay closed: list what is left",
                ) from failure
            producer.flush(self._timeout)
            producer.abort_transaction(self._timeout)
            raise HitlError(f"nothing of this step was replayed or marked: {error.str()}") from failure

    def _until_done(self, call: Callable[[float], R]) -> R:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return call(2.0)
            except KafkaException as failure:
                error = failure.args[0]
                if error.fatal() or error.txn_requires_abort() or not error.retriable():
                    raise
                if time.monotonic() > deadline:
                    raise BrokerUnreachableError(
                        f"the broker at {self._connection.bootstrap_servers} does not answer: {error.str()}",
                        hint="run the same command again: what was closed stays closed",
                    ) from failure
