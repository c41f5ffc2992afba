"""The read model follows the topics: what was there, what comes, and what this process has just written."""

from __future__ import annotations

import time

import pytest

from app.console.ledger import TOPICS, Ledger
from app.console.session_room import SessionRoom
from app.domain.events import SubjectKey
from app.domain.quality.session_figures import SessionItem, SessionKind
from app.domain.quality.sessions import Given, Opening, SessionRefusedError
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.embedded_broker import EmbeddedBroker
from app.stream.key_ring import KeyRing
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from app.stream.schemas import Schemas
from app.stream.topics import Topic
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

    def ledger(self, codec=CODEC):
        found = Ledger(self.connection, codec, clock=lambda: time.time_ns() // 1_000_000)
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
    with EmbeddedBroker(dict.fromkeys(map(str, (*TOPICS, Topic.PRIVACY_KEYS)), 2)) as broker:
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


def test_a_case_goes_with_the_key_of_its_person(house):
    """No longer offered, not to be opened, and gone from sessions that have it."""
    keys = KeyRing(CODEC, lambda: house.connection)
    codec = Codec(Schemas.load(), keys=keys)
    keys.start()
    ledger = house.ledger(codec)
    for n, subject in enumerate(("emp-1", "emp-2")):
        key_id, record = keys.key_for(subject, cases.NOW)
        house.write(Topic.PRIVACY_KEYS, key_id.hex(), record)
        story = cases.routed(cases.decision(0.8, decision_id=f"d{n}", subject=subject))
        told = cases.answered(story, "reject", answer_id=f"a{n}", tags=["teaching_example"])
        house.write("reviews.outcomes", f"d{n}", codec.encode(told, key_id))
    until(lambda: len(ledger.snapshot().candidates) == 2, "two cases on offer")
    [first] = [item for item in ledger.snapshot().candidates if item.subject == "emp-1"]
    both = ledger.snapshot().candidates
    opening = Opening(kind=SessionKind.CALIBRATION, title="t", invited=("ann", "bob"), items=both)
    house.room(ledger).open("lee", opening)
    gone = SubjectKey(key_id=first.key_id, subject="", key="", created_at=1, erased_at=2, erased_by="ann")
    house.write(Topic.PRIVACY_KEYS, first.key_id, gone)
    until(lambda: codec.is_erased(bytes.fromhex(first.key_id)), "the erasure")
    with pytest.raises(SessionRefusedError, match="can not be read any more"):
        house.room(ledger).open("lee", opening)
    assert [item.subject for item in ledger.snapshot().candidates] == ["emp-2"]
    assert [item.subject for item in ledger.session("s1").items] == ["emp-2"]
    later = house.ledger(codec)  # another process, or this one after a restart: the session is in the clear
    until(lambda: later.session("s1") is not None, "the session")
    until(
        lambda: [item.subject for item in later.snapshot().sessions["s1"].items] == ["emp-2"], "it is shorter"
    )
    keys.close()


def test_a_case_is_dropped_though_nothing_else_happens(house):
    keys = KeyRing(CODEC, lambda: house.connection)
    codec = Codec(Schemas.load(), keys=keys)
    keys.start()
    ledger = house.ledger(codec)
    key_id, record = keys.key_for("emp-1", cases.NOW)
    house.write(Topic.PRIVACY_KEYS, key_id.hex(), record)
    told = cases.answered(cases.routed(cases.decision(0.8)), "reject", tags=["teaching_example"])
    house.write("reviews.outcomes", "exp-001", codec.encode(told, key_id))
    until(lambda: ledger.snapshot().candidates, "a case on offer")
    gone = SubjectKey(key_id=key_id.hex(), subject="", key="", created_at=1, erased_at=2, erased_by="ann")
    house.write(Topic.PRIVACY_KEYS, key_id.hex(), gone)
    until(lambda: not ledger.snapshot().candidates, "it is not offered any more")
    keys.close()
