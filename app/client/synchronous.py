"""The client for programs that wait."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from app.client.flow import GRACE, Call, Flow, Flows, Pause, Reply, path_of
from app.client.place import client_settings, reply_of
from app.client.stream import EventReader
from app.client.values import Progress, Resolution

T = TypeVar("T")


class Decisions:
    """Hands in decisions and waits for their answers. Safe to use from several threads; close it, or use
    ``with``.

    ``url`` is the console's, ``token`` one of `hitl token create NAME --scope submit`;
    both come from ``HITL_CONSOLE_URL`` and ``HITL_TOKEN`` unless given. ``patience``: for how many seconds an
    outage is waited out before ``UnavailableError``. ``http`` is for what a company needs of httpx: proxies,
    certificates, ``transport``.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        patience: float = 60.0,
        **http: Any,  # noqa: ANN401 - httpx's own
    ) -> None:
        self._client = httpx.Client(**client_settings(url, token), **http)
        self._flows = Flows(patience)

    def submit(self, decision: Mapping[str, Any]) -> str:
        """Hand in a decision (docs/client.md has its fields); its id, once it is safely in the log.

        Repeat it freely with the same content. Raises ``DecisionInvalidError``, ``DecisionIdTakenError``."""
        return self._run(self._flows.submit(decision))

    def progress(self, decision_id: str) -> Progress:
        """Where a decision stands."""
        return self._run(self._flows.progress(decision_id))

    def resolution(self, decision_id: str, timeout: float | None = None) -> Resolution:
        """Wait for the answer, through restarts and outages; ``timeout`` seconds, as long as it takes
        unless given.

        Raises ``AnswerTimeoutError`` (wait again whenever you like) and ``DecisionWithdrawnError``."""
        return self._run(self._flows.resolution(decision_id, timeout))

    def decide(self, decision: Mapping[str, Any], timeout: float | None = None) -> Resolution:
        """``submit``, then ``resolution``. After a crash call it again with the same decision: it is decided
        once, and the answer waits."""
        return self._run(self._flows.decide(decision, timeout))

    def follow(self, decision_id: str) -> Iterator[Progress]:
        """Each state of a decision as it comes, to the last; goes on by itself after a break."""
        reader, last = EventReader(), self.progress(decision_id)
        yield last
        while not last.final:
            reader = EventReader(reader.last_event_id)
            try:
                with self._client.stream(
                    "GET",
                    f"{path_of(decision_id)}/events",
                    headers={"Last-Event-ID": reader.last_event_id},
                    timeout=httpx.Timeout(GRACE, read=2 * GRACE),
                ) as answer:
                    for line in answer.iter_lines():
                        state = reader.feed(line)
                        if state is not None and state != last:
                            last = state
                            yield last
            except httpx.TransportError:
                pass
            if not last.final:
                time.sleep(1.0)
                state = self.progress(decision_id)  # says what is wrong, waits out an outage
                if state != last:
                    last = state
                    yield last

    def withdraw(self, decision_id: str, reason: str = "") -> None:
        """Take a decision back; open reviews end. Raises ``DecisionAlreadyResolvedError`` with the answer."""
        self._run(self._flows.withdraw(decision_id, reason))

    def inform(self, decision_id: str, information: str, lease_epoch: int | None = None) -> None:
        """Answer a reviewer's question (``Progress.question``)."""
        self._run(self._flows.inform(decision_id, information, lease_epoch))

    def observe(
        self,
        decision_id: str,
        kind: str,
        observed_at: datetime,
        correct_action: str | None = None,
        note: str = "",
    ) -> None:
        """Report what turned out later. ``kind``: confirmed_correct, ground_truth, downstream_error,
        customer_incident or audit_finding."""
        self._run(self._flows.observe(decision_id, kind, observed_at, correct_action, note))

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = flow.send(None)
                else:
                    step = flow.send(self._call(step))
        except StopIteration as end:
            result: T = end.value
            return result

    def _call(self, call: Call) -> Reply:
        try:
            answer = self._client.request(
                call.method, call.path, content=call.body, headers=call.headers, timeout=call.timeout
            )
        except httpx.TransportError as error:
            return Reply(0, why=str(error) or type(error).__name__)
        return reply_of(answer)
