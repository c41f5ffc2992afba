"""A client that hangs ends its process. A machine that stood still is none: there the call returns."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.stream.errors import FatalStreamError
from app.stream.faust_app import create_app
from tests.unit.stream.clients import source_with


async def watched(*hung_for: float) -> None:
    """Seconds for which the present call hangs at each look; ``EOFError`` after the last one."""
    looks = iter(hung_for)

    def look() -> float:
        found = next(looks, None)
        if found is None:
            raise EOFError
        return found

    async def at_once(_seconds: float) -> None: ...

    client = SimpleNamespace(patience=SimpleNamespace(hung_for=look))
    source = source_with(client, create_app("t").work_channel())
    source.sleep = at_once  # type: ignore[assignment]
    await source._watch()


async def test_a_call_that_still_hangs_at_the_second_look_ends_the_process() -> None:
    with pytest.raises(FatalStreamError, match=r"did not return in 20 s"):
        await watched(0.0, 21.0, 22.0)


async def test_a_call_that_returns_after_a_standstill_does_not() -> None:
    with pytest.raises(EOFError):
        await watched(30.0, 0.0, 25.0, 0.0, 0.0)
