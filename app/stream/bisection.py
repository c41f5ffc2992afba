"""A record fails alone: find it by halving, in memory, before any transaction was begun."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Sequence

from app.stream.records import DeadLetter, Incoming, Output
from app.stream.work import StageError

Ask = Callable[[list[Incoming]], Awaitable[Output]]


async def isolate(records: Sequence[Incoming], ask: Ask) -> Output:
    """Answer a batch; records that make ``ask`` raise ``StageError`` become dead letters, one each.

    Order of the outputs follows the order of the records. A bad record among n costs about
    2 log2(n) further calls. Everything but ``StageError`` (an outage above all) passes through: then
    nothing of the batch counts and it is asked again, whole.
    """
    try:
        return await ask(list(records))
    except StageError as error:
        if len(records) == 1:
            return Output(dead=[_dead_letter(records[0], error)])
    middle = len(records) // 2
    return await isolate(records[:middle], ask) + await isolate(records[middle:], ask)


def _dead_letter(record: Incoming, error: StageError) -> DeadLetter:
    cause = error.cause
    reason = getattr(cause, "reason", None)
    last_line = traceback.format_exception_only(cause)[-1].strip()
    frames = traceback.extract_tb(cause.__traceback__)
    where = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
    return DeadLetter(
        record,
        error.stage,
        reason if isinstance(reason, str) else type(cause).__name__,
        last_line + where,
    )
