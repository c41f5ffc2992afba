"""The same client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from app.client.flow import GRACE, Call, Flow, Flows, Pause, Reply, path_of
from app.client.place import client_settings, reply_of
from app.client.stream import EventReader
from app.client.values import Progress, Resolution

T = TypeVar("T")


class AsyncDecisions:
    """As ``Decisions``, with ``async with`` and ``await``; one is enough for many decisions at once."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        patience: float = 60.0,
        **http: Any,  # noqa: ANN401 - httpx's own
    ) -> None:
        self._client = httpx.AsyncClient(**client_settings(url, token), **http)
        self._flows = Flows(patience)

    async def submit(self, decision: Mapping[str, Any]) -> str:
        """Hand in a decision (docs/client.md has its fields); its id, once it is safely in the log.

        Repeat it freely with the same content. Raises ``DecisionInvalidError``, ``DecisionIdTakenError``."""
        return await self._run(self._flows.submit(decision))

    async def progress(self, decision_id: str) -> Progress:
        """Where a decision stands."""
        return await self._run(self._flows.progress(decision_id))

    async def resolution(self, decision_id: str, timeout: float | None = None) -> Resolution:
        """Wait for the answer, through restarts and outages; ``timeout`` seconds, as long as it takes
        unless given.

        Raises ``AnswerTimeoutError`` (wait again whenever you like) and ``DecisionWithdrawnError``."""
        return await self._run(self._flows.resolution(decision_id, timeout))

    async def decide(self, decision: Mapping[str, Any], timeout: float | None = None) -> Resolution:
        """``submit``, then ``resolution``. After a crash call it again with the same decision: it is decided
        once, and the answer waits."""
        return await self._run(self._flows.decide(decision, timeout))

    async def follow(self, decision_id: str) -> AsyncIterator[Progress]:
        """Each state of a decision as it comes, to the last; goes on by itself after a break."""
        reader, last = EventReader(), await self.progress(decision_id)
        yield last
        while not last.final:
            reader = EventReader(reader.last_event_id)
            try:
                async with self._client.stream(
                    "GET",
                    f"{path_of(decision_id)}/events",
                    headers={"Last-Event-ID": reader.last_event_id},
                    timeout=httpx.Timeout(GRACE, read=2 * GRACE),
                ) as answer:
                    async for line in answer.aiter_lines():
                        state = reader.feed(line)
                        if state is not None and state != last:
                            last = state
                            yield last
            except httpx.TransportError:
                pass
            if not last.final:
                await asyncio.sleep(1.0)
                state = await self.progress(decision_id)  # says what is wrong, waits out an outage
                if state != last:
                    last = state
                    yield last

    async def withdraw(self, decision_id: str, reason: str = "") -> None:
        """Take a decision back; open reviews end. Raises ``DecisionAlreadyResolvedError`` with the answer."""
        await self._run(self._flows.withdraw(decision_id, reason))

    async def inform(self, decision_id: str, information: str, lease_epoch: int | None = None) -> None:
        """Answer a reviewer's question (``Progress.question``)."""
        await self._run(self._flows.inform(decision_id, information, lease_epoch))

    async def observe(
        self,
        decision_id: str,
        kind: str,
        observed_at: datetime,
        correct_action: str | None = None,
        note: str = "",
    ) -> None:
        """Report what turned out later. ``kind``: confirmed_correct, ground_truth, downstream_error,
        customer_incident or audit_finding."""
        await self._run(self._flows.observe(decision_id, kind, observed_at, correct_action, note))

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = flow.send(None)
                else:
                    step = flow.send(await self._call(step))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _call(self, call: Call) -> Reply:
        try:
            answer = await self._client.request(
                call.method, call.path, content=call.body, headers=call.headers, timeout=call.timeout
            )
        except httpx.TransportError as error:
            return Reply(0, why=str(error) or type(error).__name__)
        return reply_of(answer)
