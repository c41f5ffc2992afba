"""Evidence of a decision that people really took: queue, relay with seals, topics, and back.

The topics are the embedded broker's: what is proved here is the chain, not the broker."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from app.composition.parts import load_compiled_policy
from app.desk.evidence import EvidenceRoom, UnreadablePackError
from app.domain.events import DecisionResolved, ReviewDecided, ReviewRequested
from app.domain.evidence_chain import SEAL_HEADER, seal, seal_key
from app.domain.resolution import resolve_answer
from app.errors import HitlError
from app.review_queue.outbox import OutboxRelay
from app.settings import load_settings
from app.stream.connection import Connection
from app.stream.decision_story import STORY
from app.stream.embedded_broker import EmbeddedBroker
from app.stream.producer import Publisher
from app.stream.reader import LogReader
from app.stream.records import Outgoing
from tests.integration.review_queue.conftest import Desk as Store
from tests.integration.review_queue.conftest import client, codec  # noqa: F401 - fixtures

SECRET = b"the secret of this deployment"


@pytest.fixture
def topics():
    with EmbeddedBroker({**dict.fromkeys(map(str, STORY), 4), "reviews.requested.expenses": 4}) as broker:
        connection = Connection(bootstrap_servers=broker.bootstrap_servers, embedded=True)
        publisher = Publisher(connection, client_id="t")
        yield connection, publisher
        publisher.close()


class House:
    """A queue, its relay and the topics, and people who work."""

    def __init__(self, store, codec, connection, publisher):  # noqa: F811 - a fixture of that name
        self.store, self.codec, self.publisher = store, codec, publisher
        policy = load_compiled_policy(load_settings())
        key = seal_key(SECRET)
        self.relay = OutboxRelay(
            store.client, store.keys, ["expenses"], codec, self.publish, name="t", clock=store.clock,
            seal=lambda topic, record_key, value: seal(key, topic, record_key, value),
        )  # fmt: skip
        self.room = EvidenceRoom(
            LogReader(connection), codec, lambda: policy, secret=SECRET, clock=store.clock, queue=store.queue
        )

    def publish(self, records):
        outgoing = [Outgoing(r.topic, r.key, r.value, r.headers) for r in records]
        assert self.publisher.send(outgoing) == []

    def write(self, topic, event, key, headers=()):
        self.publish([Outgoing(str(topic), key.encode(), self.codec.encode(event), list(headers))])

    def decide(self, decision):
        """A reviewer looks for forty seconds and approves; everything is published."""
        new = self.store.real(self.codec, decision)
        event = self.codec.decode_as(new.record, ReviewRequested)
        digest = hashlib.sha256(event.request.package.encode()).hexdigest()
        request = msgspec.structs.replace(event.request, package_digest=digest)
        route = msgspec.structs.replace(event.routed.route, review_kinds=[request.kind])
        event = ReviewRequested(routed=msgspec.structs.replace(event.routed, route=route), request=request)
        new = type(new)(decision, request, self.codec.encode(event))
        self.write("decisions.submitted", event.routed.scored.decision, decision)
        self.write("decisions.scored", event.routed.scored, decision)
        self.write("decisions.routed", event.routed, decision)
        self.write("reviews.requested.expenses", event, decision)
        self.store.queue.enqueue(new)
        review = self.store.take(self.store.ann, request.review_id)
        self.store.queue.seen(request.review_id, "ann", digest)
        self.store.clock.advance(40_000)
        decided = self.store.decide(review, self.store.ann)
        self.relay.run_once()
        resolution = resolve_answer(event, decided.answer)
        self.write(
            "decisions.resolved", DecisionResolved(routed=event.routed, resolution=resolution), decision
        )
        return event, decided


@pytest.fixture
def house(client, store_url, codec, topics):  # noqa: F811 - fixtures
    return House(Store(client, store_url), codec, *topics)


def test_a_decision_holds_and_so_does_its_pack(house):
    house.decide("d1")
    house.decide("d2")
    found = house.room.check("d1")
    assert found.broken == ()
    assert found.sealed == 4  # claimed, looked, decided, and the answer
    pack = house.room.pack("d1")
    assert {evidence.key for evidence in pack.chain} == {"d1"}
    [look] = pack.who_saw
    assert (look.person, look.duration, look.ended) == ("ann", 40_000, "decided")
    written = msgspec.json.encode(pack)
    assert house.room.check_pack(written).broken == ()


def test_an_answer_that_somebody_writes_into_the_topic_is_named(house):
    event, decided = house.decide("d1")
    answer = msgspec.structs.replace(decided.answer, action="reject", answer_id="forged")
    house.write("reviews.outcomes", ReviewDecided(requested=event, answer=answer), "d1")
    found = house.room.check("d1")
    assert "has no seal" in str(found.broken[0])
    assert found.broken[0].position.startswith("reviews.outcomes[")


def test_a_seal_made_with_another_key_does_not_help(house):
    event, decided = house.decide("d1")
    answer = msgspec.structs.replace(decided.answer, action="reject", answer_id="forged")
    forged = ReviewDecided(requested=event, answer=answer)
    mark = seal(seal_key(b"a secret of my own"), "reviews.outcomes", b"d1", house.codec.encode(forged))
    house.write("reviews.outcomes", forged, "d1", [(SEAL_HEADER, mark.encode())])
    assert "its seal does not hold" in str(house.room.check("d1").broken[0])


def test_steps_that_never_reached_the_topics_show_against_the_queue(house):
    event, _ = house.decide("d1")
    house.store.queue.seen(event.request.review_id, "lee", event.request.package_digest)
    [late] = house.room.check("d1").broken
    assert "is at step 4 in the queue, the log ends at 3" in str(late)
    house.relay.run_once()
    assert house.room.check("d1").broken == ()


def test_delivered_twice_is_no_tampering(house):
    house.decide("d1")
    records = list(house.room._reader.read_key(["reviews.outcomes", "reviews.lifecycle"], b"d1"))
    house.publish([Outgoing(r.topic, r.key, r.value, r.headers) for r in records])
    assert house.room.check("d1").broken == ()


def test_an_unknown_decision_and_a_file_that_is_no_pack_are_said(house):
    with pytest.raises(HitlError, match="in none of the topics"):
        house.room.check("never")
    for text in (b"", b"{}", b'{"format": 1}'):
        with pytest.raises(UnreadablePackError):
            house.room.check_pack(text)


def test_a_key_is_read_from_its_partition_only(house):
    house.decide("d1")
    reader = house.room._reader
    found = list(reader.read_key(map(str, STORY), b"d1"))
    assert {record.key for record in found} == {b"d1"}
    everything = [record for record in reader.read_all(map(str, STORY)) if record.key == b"d1"]
    assert len(found) == len(everything)
