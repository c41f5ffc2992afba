"""A source says when the agents have a batch, so that one that never comes back is seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from app.stream.batch import Aborted, Batch
from app.stream.faust_app import create_app
from app.stream.records import Incoming, Outgoing, Output
from app.stream.source import NoObserver
from app.stream.work import answer
from tests.unit.stream.clients import EndingClient, run_until_ended, source_with


class Client(EndingClient):
    """Two batches, of which the first is aborted; then it asks to stop."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 2

    def next_batch(self) -> Batch | None:
        if not self._left:
            self.end()
            return None
        records = [Incoming("in", 0, 0, b"k", b"v", [], 0)]
        return Batch(records, {("in", 0): 0}, {("in", 0): 1}, group=None, assignment=0)

    def commit(self, _batch: Batch, _outgoing: Sequence[Outgoing]) -> Aborted | None:  # type: ignore[override]
        self._left -= 1
        return Aborted("outage") if self._left else None


class Diary(NoObserver):
    """What a source says, in order."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def batch_begun(self, topics: Collection[str]) -> None:
        self.said.append(set(topics))

    def batch_ended(self) -> None:
        self.said.append("ended")

    def batch_aborted(self, reason: str) -> None:
        self.said.append(reason)


async def test_a_batch_is_said_to_be_in_hand_until_it_is_over() -> None:
    client, app, diary = Client(), create_app("t"), Diary()
    channel, seen = app.work_channel(), list[list[object]]()

    @app.agent(channel, name="drift")
    async def drift(stream: Any) -> None:
        async for work in stream:
            seen.append(list(diary.said))
            await answer(work, lambda _records: Output(), stage="drift")

    app.host_source(source_with(client, channel, "drift", observer=diary))
    await run_until_ended(app, client)
    assert diary.said == [{"in"}, "outage", "ended", {"in"}, "ended"]
    assert seen[0] == [{"in"}], "the agents did not have it yet"
