from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stream.bisection import isolate
from app.stream.errors import DecodeError, TransientError
from app.stream.records import Incoming, Outgoing, Output
from app.stream.work import StageError


def _records(count: int) -> list[Incoming]:
    return [Incoming("in", 0, n, b"%d" % n, b"v", [], 0) for n in range(count)]


class _Agent:
    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.calls = 0

    async def __call__(self, records: list[Incoming]) -> Output:
        self.calls += 1
        for record in records:
            if record.offset in self.bad:
                try:
                    raise ValueError(f"number {record.offset}")
                except ValueError as error:
                    raise StageError("scoring", error) from error
        return Output([Outgoing("out", r.key or b"", r.value, []) for r in records])


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
async def test_the_bad_ones_die_alone_and_the_rest_go_on_in_order(case: tuple[int, set[int]]) -> None:
    count, bad = case
    output = await isolate(_records(count), _Agent(bad))
    assert [int(o.key) for o in output.outgoing] == [n for n in range(count) if n not in bad]
    assert [d.record.offset for d in output.dead] == sorted(bad)
    assert {(d.stage, d.reason) for d in output.dead} <= {("scoring", "ValueError")}


async def test_one_bad_record_costs_a_logarithm_of_calls() -> None:
    agent = _Agent({1234})
    await isolate(_records(2000), agent)
    assert agent.calls <= 2 * math.ceil(math.log2(2000)) + 1


async def test_a_good_batch_is_asked_once() -> None:
    agent = _Agent(set())
    await isolate(_records(2000), agent)
    assert agent.calls == 1


async def test_the_letter_says_what_was_raised_and_where() -> None:
    output = await isolate(_records(1), _Agent({0}))
    assert output.dead[0].message.startswith("ValueError: number 0 (test_bisection.py:")


async def test_a_named_reason_is_kept() -> None:
    async def agent(_records: list[Incoming]) -> Output:
        raise StageError("scoring", DecodeError("malformed", "byte 17"))

    output = await isolate(_records(1), agent)
    assert output.dead[0].reason == "malformed"


async def test_an_outage_is_nobodys_fault() -> None:
    async def agent(records: list[Incoming]) -> Output:
        if len(records) < 4:
            raise TransientError("the store is away")
        raise StageError("scoring", ValueError())

    with pytest.raises(TransientError):
        await isolate(_records(4), agent)
