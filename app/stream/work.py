"""One batch on its way through a chain of agents, and how an agent answers it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from app.errors import HitlError
from app.stream.errors import TransientError
from app.stream.records import Incoming, Output


class Work(msgspec.Struct):
    """A batch for an agent. ``done`` resolves to everything the batch became; ``carried`` is what the
    stage before handed on in memory, ``output`` what earlier stages already want published."""

    records: list[Incoming]
    done: asyncio.Future[Output]
    carried: Any = None
    output: Output = msgspec.field(default_factory=Output)

    @property
    def items(self) -> Any:  # noqa: ANN401 - each stage knows what the one before carries
        """What the agent works on: what the stage before carried over, else the records."""
        return self.records if self.carried is None else self.carried

    def take(self) -> Work:
        """All of it, out of this: Faust keeps the last value of a channel until the next one comes, and so
        would a batch that is over stay in memory beside the one that is worked on."""
        taken = msgspec.structs.replace(self)
        del self.records, self.done, self.carried, self.output
        return taken


class Channel(Protocol):
    """What we need of a Faust channel."""

    async def put(self, value: Any) -> None:  # noqa: ANN401 - as Faust has it
        """Wait until the agent that reads this channel has room."""


class StageError(HitlError):
    """An agent raised something that is not an outage: a bug, or a record that our code can not take.

    ``stage`` is the agent's name, ``cause`` what it raised.
    """

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"{stage}: {type(cause).__name__}: {cause}")
        self.stage = stage
        self.cause = cause


async def answer(work: Work, handler: Callable[[Any], Output | Awaitable[Output]], *, stage: str) -> None:
    """End of a chain: run ``handler`` on the work's items and resolve the batch with its output, after
    that of the earlier stages.

    Never raises, whatever the handler does: the agent lives on and the source hears of it. Leaves nothing
    in the ``work`` that was given.
    """
    work = work.take()
    try:
        output = handler(work.items)
        if inspect.isawaitable(output):
            output = await output
    except Exception as error:
        _fail(work, stage, error)
        return
    if not work.done.done():
        work.done.set_result(_joined(work.output, output))


async def hand_on(
    work: Work,
    handler: Callable[[Any], tuple[Output, Any] | Awaitable[tuple[Output, Any]]],
    channel: Channel,
    *,
    stage: str,
) -> None:
    """Middle of a chain: ``handler`` gives (what to publish, what to carry) and the next agent gets
    the batch through ``channel``, within the same transaction. Never raises and leaves nothing, as
    ``answer``."""
    work = work.take()
    try:
        result = handler(work.items)
        output, carried = await result if inspect.isawaitable(result) else result
        await channel.put(Work(work.records, work.done, carried, _joined(work.output, output)))
    except Exception as error:
        _fail(work, stage, error)


def _fail(work: Work, stage: str, error: Exception) -> None:
    if work.done.done():
        return
    if isinstance(error, TransientError):
        work.done.set_exception(error)
    else:
        work.done.set_exception(StageError(stage, error))


def _joined(first: Output, second: Output) -> Output:
    return first + second if first.outgoing or first.dead else second
