"""A source records spans for what was committed, and for nothing else."""

from types import SimpleNamespace

import pytest

from app.stream.batch import Aborted, Batch
from app.stream.records import Output
from app.stream.tracing import Tracing
from tests.unit.stream.clients import source_with
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


@pytest.mark.parametrize(("answer", "spans"), [(None, 2), (Aborted("the broker said no"), 0)])
async def test_only_what_was_committed_is_recorded(answer, spans):
    kept = Kept()
    source = source_with(Broker(answer), Agents(), tracing=Tracing(kept, CODEC, lambda: 1_000))
    source._kafka.start()
    await source._process(Batch(records=[], first={}, next={}, group=None, assignment=0))
    source._kafka.end()
    assert len(kept.spans) == spans
    written = [dict(record.headers)["traceparent"] for record in source.client.written]
    assert [header.endswith(b"-01") for header in written] == [True, True]


async def test_without_traces_records_are_written_as_they_are():
    source = source_with(Broker(None), Agents())
    source._kafka.start()
    await source._process(Batch(records=[], first={}, next={}, group=None, assignment=0))
    source._kafka.end()
    assert source.client.written == chain()
