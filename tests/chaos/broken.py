"""A worker that commits before it produces: the oracle must catch it, or it proves nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition

from app.cli import main
from app.stream.batch import Aborted, Batch
from app.stream.records import Outgoing
from app.stream.transactions import TransactionalClient


def _commit_first(self: TransactionalClient, batch: Batch, outgoing: Sequence[Outgoing]) -> Aborted | None:
    offsets = [
        TopicPartition(self._connection.topic(topic), partition, offset)
        for (topic, partition), offset in batch.next.items()
    ]
    try:
        self._consumer.commit(offsets=offsets, asynchronous=False)
    except KafkaException as refused:  # a rebalance came first: as the real one, read them again
        self.rewind(batch)
        return Aborted(str(refused))
    # The gap in which a kill loses the batch. Where one is wanted it waits for it, so that it falls into it.
    gaps = Path(os.environ["CHAOS_GAPS"])
    wanted = gaps / f"{os.getpid()}.wanted"
    if self.group.endswith("-decide") and wanted.exists():
        (gaps / str(os.getpid())).touch()
        while wanted.exists():
            time.sleep(0.01)
    self._producer.begin_transaction()
    for record in outgoing:
        self._produce(record)
    self._producer.commit_transaction()
    if self._listener is not None:
        self._listener.committed()
    return None


if __name__ == "__main__":
    TransactionalClient.commit = _commit_first  # type: ignore[method-assign]
    main()
