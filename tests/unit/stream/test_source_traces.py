"""A source records spans for what was committed, and for nothing else."""

from types import SimpleNamespace

import pytest

from app.stream.batch import Aborted, Batch
from app.stream.connection import Connection
from app.stream.dead_letters import DeadLetters
from app.stream.records import Output
from app.stream.source import TransactionalSource
from app.stream.topics import Topic
from app.stream.tracing import Tracing
from tests.unit.stream.test_tracing import CODEC, Kept, chain


class Broker:
    """Takes a transaction, or does not."""

    def __init__(self, answer):
        self.answer = answer
        self.written = []
        self.limits = SimpleNamespace(too_large=lambda _record: False)

    def commit(self, _batch, records):
        self.written += records
        return self.answer


class Agents:
    async def put(self, work):
        work.done.set_result(Output(chain()))


def a_source(answer, tracing):
    source = TransactionalSource(
        Connection(bootstrap_servers="nowhere", prefix=""),
        app="hitl",
        name="decide",
        slot="0",
        topics=[Topic.DECISIONS_SUBMITTED],
        channel=Agents(),
        dead_letters=DeadLetters(lambda: 0, "0"),
        tracing=tracing,
    )
    source.client = Broker(answer)
    return source


@pytest.mark.parametrize(("answer", "spans"), [(None, 2), (Aborted("the broker said no"), 0)])
async def test_only_what_was_committed_is_recorded(answer, spans):
    kept = Kept()
    source = a_source(answer, Tracing(kept, CODEC, lambda: 1_000))
    source._kafka.start()
    await source._process(Batch(records=[], first={}, next={}, group=None, assignment=0))
    source._kafka.end()
    assert len(kept.spans) == spans
    written = [dict(record.headers)["traceparent"] for record in source.client.written]
    assert [header.endswith(b"-01") for header in written] == [True, True]


async def test_without_traces_records_are_written_as_they_are():
    source = a_source(None, None)
    source._kafka.start()
    await source._process(Batch(records=[], first={}, next={}, group=None, assignment=0))
    source._kafka.end()
    assert source.client.written == chain()
