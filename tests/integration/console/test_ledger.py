"""The read model follows the topics: what was there, what comes, and what this process has just written."""

from __future__ import annotations

import time

import pytest

from app.console.ledger import TOPICS, Ledger
from app.console.session_room import SessionRoom
from app.domain.quality.session_figures import SessionItem, SessionKind
from app.domain.quality.sessions import Given, Opening, SessionRefusedError
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.embedded_broker import EmbeddedBroker
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from app.stream.schemas import Schemas
from tests.processes import until
from tests.unit.domain import cases

CODEC = Codec(Schemas.load())
LONG = 180.0
"""Seconds after which something is wrong, however busy the machine is."""


class House:
    """Topics, somebody who writes to them, and ledgers that read them."""

    def __init__(self, connection):
        self.connection = connection
        self.publisher = Publisher(connection, client_id="t")
        self.ledgers = []

    def ledger(self):
        found = Ledger(self.connection, CODEC, clock=lambda: time.time_ns() // 1_000_000)
        self.ledgers.append(found)
        found.start()
        return found

    def room(self, ledger):
        return SessionRoom(ledger, lambda: self, clock=lambda: cases.NOW, new_id=lambda: "s1")

    def write(self, topic, key, event):
        value = event if isinstance(event, bytes) else CODEC.encode(event)
        assert self.publisher.send([Outgoing(str(topic), key.encode(), value, [])]) == []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def close(self):
        for ledger in self.ledgers:
            ledger.stop()
        self.publisher.close()


@pytest.fixture
def house():
    with EmbeddedBroker(dict.fromkeys(map(str, TOPICS), 2)) as broker:
        made = House(Connection(bootstrap_servers=broker.bootstrap_servers, embedded=True))
        yield made
        made.close()


def answer(n, who="ann"):
    story = cases.routed(cases.decision(0.8, decision_id=f"d{n}"))
    return cases.answered(story, answer_id=f"a{n}", reviewer=who)


def test_what_was_there_and_what_comes_is_counted_once(house):
    house.write("reviews.outcomes", "d1", answer(1))
    house.write("reviews.outcomes", "d1", answer(1))
    house.write("reviews.outcomes", "d9", b"\xc3\x01 not a record")
    ledger = house.ledger()
    assert ledger.wait(LONG)
    until(lambda: ledger.snapshot().caught_up, "everything that was there")
    assert ledger.snapshot().reviewers["ann"].answered == 1
    house.write("reviews.outcomes", "d2", answer(2))
    until(lambda: ledger.snapshot().reviewers["ann"].answered == 2, "what came later")


def test_empty_topics_are_caught_up_with(house):
    assert not Ledger(house.connection, CODEC, clock=lambda: 1).snapshot().caught_up
    ledger = house.ledger()
    assert ledger.wait(LONG)
    until(lambda: ledger.snapshot().caught_up, "nothing to read")
    assert ledger.snapshot().reviewers == {}


def test_a_broker_that_is_away_is_waited_for_and_nobody_else_is():
    away = Connection(bootstrap_servers="localhost:1")
    ledger = Ledger(away, CODEC, clock=lambda: 1)
    ledger.start()
    assert ledger.snapshot().records == 0
    assert not ledger.wait(0.2)
    ledger.stop()


def test_a_session_is_seen_at_once_by_its_writer_and_soon_by_others(house):
    here, there = house.ledger(), house.ledger()
    room = house.room(here)
    item = SessionItem(item_id="i", decision_type="t", package="{}", actions=("a", "b"), truth="a")
    opening = Opening(kind=SessionKind.CALIBRATION, title="March", invited=("ann", "bob"), items=(item,))
    room.open("lee", opening)
    assert room.answer("ann", "s1", Given(item_id="i", action="a")).scores[0].right == 1
    with pytest.raises(SessionRefusedError, match="the first answer stands"):
        room.answer("ann", "s1", Given(item_id="i", action="b"))
    until(lambda: there.session("s1") is not None and there.session("s1").answers, "the other process")
    house.room(there).answer("bob", "s1", Given(item_id="i", action="a"))
    assert room.close("lee", "s1").closed_at == cases.NOW
    until(lambda: len(here.session("s1").answers) == 2, "the answer from there")
    until(lambda: here.snapshot().sessions["s1"].agreement is not None, "a fresh snapshot")
    assert here.snapshot().sessions["s1"].agreement.coefficient == 1.0
    assert here.snapshot().reviewers["ann"].sessions == 1
