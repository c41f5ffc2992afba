"""The relay: at least once, never lost, wherever it dies."""

import contextlib
from types import SimpleNamespace

import msgspec
import pytest
from confluent_kafka import KafkaError

from app.agents.upkeep import RelayService
from app.commands.queue_broken import requests_of
from app.domain.events import ReviewDecided, ReviewLifecycle
from app.domain.review import Review, ReviewState
from app.review_queue.broken import BrokenSteps
from app.review_queue.errors import StoreUnavailableError
from app.review_queue.forgetting import on_their_way
from app.review_queue.outbox import LIFECYCLE, OUTCOMES, OutboxRelay
from app.review_queue.store import open_client
from app.stream.codec import Codec
from app.stream.errors import TransientError
from app.stream.producer import _REFUSING, _undelivered
from app.stream.records import Incoming
from app.stream.schemas import Schemas
from app.stream.topics import pool_topic


class DiedError(Exception):
    pass


class Mortal:
    """A client that dies just before or just after sending a command of one name."""

    def __init__(self, client, command, when):
        self.client, self.command, self.when = client, command, when

    def execute_command(self, *command):
        return self._maybe(command[0], lambda: self.client.execute_command(*command))

    def pipeline(self, transaction=True):
        pipe, outer = self.client.pipeline(transaction=transaction), self
        if not transaction:  # no EXEC is sent
            return pipe
        execute = pipe.execute
        pipe.execute = lambda *a, **k: outer._maybe("EXEC", lambda: execute(*a, **k))
        return pipe

    def _maybe(self, name, send):
        if name == self.command and self.when == "before":
            raise DiedError
        answer = send()
        if name == self.command:
            raise DiedError
        return answer


@pytest.fixture
def published():
    return []


@pytest.fixture
def relay_on(desk, codec, published):
    def build(client=desk.client, name="one", publish=published.extend, **options):
        options = {"clock": desk.clock, "idle": 0, **options}
        return OutboxRelay(client, desk.keys, ["expenses", "claims"], codec, publish, name=name, **options)

    return build


def answered(desk, codec, decision="d1", **changes):
    desk.queue.enqueue(desk.real(codec, decision, **changes))
    review = desk.take(desk.ann)
    desk.decide(review, desk.ann)
    return review


def test_a_decision_becomes_the_request_with_the_answer_and_a_step_with_the_state(
    desk, codec, relay_on, published
):
    review = answered(desk, codec)
    assert relay_on().run_once() == 2
    topics = [record.topic for record in published]
    assert topics == [LIFECYCLE, OUTCOMES, LIFECYCLE]
    assert {record.key for record in published} == {b"d1"}
    decided = codec.decode_as(published[1].value, ReviewDecided)
    assert decided.requested.request.review_id == review.review_id
    assert (decided.answer.reviewer, decided.answer.action, decided.answer.claimed_at) == (
        "ann",
        "approve",
        review.claimed_at,
    )
    step = codec.decode_as(published[2].value, ReviewLifecycle)
    assert (step.event, step.actor, step.lease_epoch) == ("decided", "ann", 1)
    state = msgspec.json.decode(step.state, type=Review)
    assert state == desk.queue.get(review.review_id).review
    assert state.state is ReviewState.DECIDED


def test_what_was_delivered_is_gone_from_the_outbox(desk, codec, relay_on):
    answered(desk, codec)
    relay = relay_on()
    relay.run_once()
    assert desk.outbox() == []
    assert relay.run_once() == 0


def test_a_failed_delivery_is_tried_again(desk, codec, relay_on, published):
    answered(desk, codec)
    fail = [True]

    def publish(records):
        if fail:
            raise DiedError
        published.extend(records)

    relay = relay_on(publish=publish)
    with pytest.raises(DiedError):
        relay.run_once()
    assert len(desk.outbox()) == 2
    fail.clear()
    relay.run_once()
    assert len(published) == 3
    assert desk.outbox() == []


@pytest.mark.parametrize("successor", ["one", "another"])
@pytest.mark.parametrize(
    ("command", "when"),
    [("XREADGROUP", "before"), ("XREADGROUP", "after"), ("EXEC", "before"), ("EXEC", "after")],
)
def test_a_crash_at_any_step_loses_nothing(desk, codec, relay_on, published, command, when, successor):
    for n in range(3):
        answered(desk, codec, f"d{n}")
    desk.client.execute_command("XGROUP", "CREATE", desk.keys.pool("expenses", "outbox"), "relay", "0")
    with pytest.raises(DiedError):
        relay_on(Mortal(desk.client, command, when)).run_once()
    heir = relay_on(name=successor)
    while heir.run_once():
        pass
    identifiers = {dict(record.headers)["ce_id"] for record in published if record.topic == OUTCOMES}
    assert len(identifiers) == 3
    assert desk.outbox() == []
    assert (
        desk.client.execute_command("XPENDING", desk.keys.pool("expenses", "outbox"), "relay")["pending"] == 0
    )


def test_a_repeated_delivery_has_the_same_ids(desk, codec, relay_on, published):
    answered(desk, codec)
    with pytest.raises(DiedError):
        relay_on(Mortal(desk.client, "EXEC", "before")).run_once()
    relay_on().run_once()
    assert len(published) == 6
    assert [r.headers for r in published[:3]] == [r.headers for r in published[3:]]
    assert [r.value for r in published[:3]] == [r.value for r in published[3:]]


def test_batches_bound_a_run(desk, codec, relay_on, published):
    for n in range(3):
        answered(desk, codec, f"d{n}")
    relay = relay_on(batch=4)
    assert [relay.run_once() for _ in range(3)] == [4, 2, 0]


def test_a_refusal_is_published_with_its_reason(desk, codec, relay_on, published):
    review = answered(desk, codec)
    with pytest.raises(Exception, match="already answered"):
        desk.decide(review, desk.ann, "reject")
    relay_on().run_once()
    last = codec.decode_as(published[-1].value, ReviewLifecycle)
    assert last.event == "refused"
    assert msgspec.json.decode(last.detail) == {"verb": "decide", "reason": "already_decided"}


def test_a_vote_is_published_whole(desk, codec, relay_on, published):
    desk.queue.enqueue(desk.real(codec, approvals=2))
    review = desk.take(desk.ann)
    desk.decide(review, desk.ann, note="fine by me")
    relay_on().run_once()
    vote = msgspec.json.decode(codec.decode_as(published[-1].value, ReviewLifecycle).detail)
    assert (vote["reviewer"], vote["note"], vote["claimed_at"]) == ("ann", "fine by me", review.claimed_at)
    assert [record.topic for record in published] == [LIFECYCLE, LIFECYCLE]


def test_an_entry_that_is_no_event_does_not_hold_up_the_others(desk, codec, relay_on, published):
    desk.enter("broken")  # its record is no Avro
    desk.decide(desk.take(desk.ann), desk.ann)
    answered(desk, codec)
    relay_on().run_once()
    assert [record.topic for record in published].count(OUTCOMES) == 1
    assert desk.outbox() == []
    [step] = BrokenSteps(desk.client, desk.keys, ["expenses", "claims"])
    assert (step.pool, step.decision_id, step.event) == ("expenses", "broken", "decided")
    assert not step.request_gone
    assert step.why
    assert [pool.broken for pool in desk.queue.stats()] == [1, 0]


def test_a_step_that_was_put_aside_comes_back_once_and_what_is_still_broken_goes_there_again(
    desk, relay_on, published
):
    desk.enter("broken")
    desk.decide(desk.take(desk.ann), desk.ann)
    relay = relay_on()
    relay.run_once()
    broken = BrokenSteps(desk.client, desk.keys, ["expenses"])
    [step] = broken
    assert broken.put_back(step)
    assert not broken.put_back(step)
    assert [event for event, _, _ in desk.outbox()] == ["decided"]
    relay.run_once()
    [again] = broken
    assert again.entry != step.entry
    assert broken.discard(again)
    assert not broken.discard(again)
    assert (list(broken), desk.outbox()) == ([], [])


@pytest.mark.parametrize("stored", [False, True])
def test_an_answer_whose_request_was_lost_before_comes_back_with_it(
    desk, private, published, relay_on, stored
):
    new = desk.real(private)
    request = private.protect(new.record, OneKey.id)
    desk.queue.enqueue(msgspec.structs.replace(new, record=request))
    review = desk.take(desk.ann)
    lose_requests(desk)
    desk.decide(review, desk.ann)
    relay = relay_on(encrypts=lambda: True)
    relay._codec = private
    relay.run_once()
    broken = BrokenSteps(desk.client, desk.keys, ["expenses"])
    steps = list(broken)
    assert [(step.event, step.is_outcome, step.request_gone) for step in steps] == [
        ("claimed", False, True),
        ("decided", True, True),
    ]
    if stored:  # the first one brought it back: the second takes it from the store
        assert broken.put_back(steps[0], request)
        assert broken.put_back(steps[1])
    else:
        assert all(broken.put_back(step, request) for step in reversed(steps))
    assert relay.run_once() == 2
    assert sorted(record.topic for record in published) == [LIFECYCLE, LIFECYCLE, OUTCOMES]
    [decided] = [record for record in published if record.topic == OUTCOMES]
    assert private.decode_as(decided.value, ReviewDecided).requested.request.review_id == review.review_id
    assert list(broken) == []


def test_an_answer_without_its_request_says_so_where_nothing_is_encrypted_too(
    desk, codec, relay_on, published
):
    new = desk.real(codec)
    desk.queue.enqueue(new)
    review = desk.take(desk.ann)
    lose_requests(desk)
    desk.decide(review, desk.ann)
    relay = relay_on()
    relay.run_once()
    broken = BrokenSteps(desk.client, desk.keys, ["expenses"])
    [step] = broken
    assert (step.event, step.why, step.request_gone) == ("decided", "RequestGoneError", True)
    assert broken.put_back(step, new.record)
    relay.run_once()
    assert [record.topic for record in published].count(OUTCOMES) == 1
    assert list(broken) == []


@pytest.mark.parametrize("over", [False, True])
def test_a_request_that_comes_back_lives_as_long_as_its_review(desk, private, relay_on, over):
    new = desk.real(private)
    request = private.protect(new.record, OneKey.id)
    desk.queue.enqueue(msgspec.structs.replace(new, record=request))
    review = desk.take(desk.ann)
    if over:
        desk.decide(review, desk.ann)
    lose_requests(desk)
    relay = relay_on(encrypts=lambda: True)
    relay._codec = private
    relay.run_once()
    broken = BrokenSteps(desk.client, desk.keys, ["expenses"])
    for step in broken:
        broken.put_back(step, request)
    name = review.review_id.rpartition(".")[2]
    left = [
        desk.client.execute_command("PTTL", desk.keys.pool("expenses", kind, name))
        for kind in ("review:", "request:")
    ]
    assert (left[0] > 0) is over
    assert left[1] == pytest.approx(left[0], abs=60_000)


def test_one_name_is_one_step_whatever_another_pool_calls_its_own(desk):
    for pool in ("expenses", "claims"):
        broken = desk.keys.pool(pool, "outbox:broken")
        desk.client.execute_command("XADD", broken, "7-0", "@id", "r", "decision", pool, b"\xff", b"\xff")
    desk.client.execute_command("XADD", desk.keys.pool("claims", "outbox:broken"), "8-0", "@entry", "1-0")
    broken = BrokenSteps(desk.client, desk.keys, ["expenses", "claims"])
    steps = list(broken)
    assert [step.entry for step in steps] == ["expenses/7-0", "claims/7-0", "claims/8-0"]
    assert broken.discard(steps[1])
    assert not broken.put_back(steps[2])  # there is nothing in it
    assert [step.decision_id for step in broken] == ["expenses", ""]


def test_more_steps_than_a_page_are_listed_oldest_first(desk):
    for n in range(250):
        desk.client.execute_command(
            "XADD", desk.keys.pool("expenses", "outbox:broken"), "*", "@id", f"r{n}", "decision", f"d{n}"
        )
    found = [step.decision_id for step in BrokenSteps(desk.client, desk.keys, ["expenses"])]
    assert found == [f"d{n}" for n in range(250)]


def test_who_is_in_a_step_that_was_put_aside_is_not_erased_yet(desk, relay_on):
    desk.enter("broken")
    review = desk.take(desk.ann)
    desk.decide(review, desk.ann)
    relay_on().run_once()
    desk.client.execute_command("DEL", desk.keys.pool("expenses", "review:", review.review_id[9:]))
    pools = ["claims", "expenses"]
    assert on_their_way(desk.client, desk.keys, pools, ["other", "broken"])
    assert not on_their_way(desk.client, desk.keys, pools, ["other"])
    broken = BrokenSteps(desk.client, desk.keys, pools)
    for step in broken:
        broken.discard(step)
    assert not on_their_way(desk.client, desk.keys, pools, ["broken"])


class OneKey:
    """A ring with one key in it."""

    id = b"k" * 16

    def key(self, _):
        return b"s" * 32


@pytest.fixture
def private():
    return Codec(Schemas.load(), keys=OneKey())


def lose_requests(desk):
    for key in desk.client.execute_command("KEYS", f"{desk.prefix}*request:*"):
        desk.client.execute_command("DEL", key)


def test_nothing_is_published_in_the_clear_because_its_request_is_gone(
    desk, private, published, relay_on, caplog
):
    new = desk.real(private)
    desk.queue.enqueue(msgspec.structs.replace(new, record=private.protect(new.record, OneKey.id)))
    review = desk.take(desk.ann)
    desk.queue.request_info(review.review_id, desk.ann, review.epoch, "Is the patient Jane Roe?")
    lose_requests(desk)
    relay = relay_on(encrypts=lambda: True)
    relay._codec = private
    assert (relay.run_once(), published, desk.outbox()) == (2, [], [])
    assert "not published, as it would be in the clear" in caplog.text
    assert "docs/review-queue.md, Outbox" in caplog.text
    broken = BrokenSteps(desk.client, desk.keys, ["expenses"])
    steps = list(broken)
    assert [(step.review_id, step.event, step.request_gone) for step in steps] == [
        (review.review_id, "claimed", True),
        (review.review_id, "paused", True),
    ]
    request = private.protect(new.record, OneKey.id)
    record = Incoming(pool_topic("expenses"), 0, 0, review.decision_id.encode(), request, [], 0)
    requests = requests_of(steps, [record], private.decode)
    assert (requests.found, requests.unreadable) == ({review.review_id: request}, {})
    for step in steps:
        assert broken.put_back(step, requests.found[step.review_id])
    assert relay.run_once() == 2
    assert [private.key_id(record.value) for record in published] == [OneKey.id, OneKey.id]
    assert not any(b"Jane Roe" in record.value for record in published)


@pytest.mark.parametrize(("encrypts", "published"), [(True, 0), (False, 1)])
def test_the_workers_relay_goes_by_the_policy_in_force(desk, private, encrypts, published):
    desk.queue.enqueue(desk.real(private))
    desk.take(desk.ann)
    lose_requests(desk)
    sent = []
    policy = SimpleNamespace(pool_names=("expenses",), encrypts=encrypts)
    service = RelayService(desk.client, desk.keys, private, lambda: policy, None, slot="1", clock=desk.clock)
    publisher = SimpleNamespace(send=lambda records: sent.extend(records) or [])
    service._relay(publisher, policy.pool_names).run_once()
    assert len(sent) == published


class Broker:
    """Fails a request with all records that are in it, as a broker does, because of one of ``key``."""

    def __init__(self, key, code):
        self.key, self.code, self.stored = key, code, []

    def send(self, records):
        bad = {record.topic for record in records if record.topic == OUTCOMES and record.key == self.key}
        failed = [
            _undelivered(index, KafkaError(self.code))
            for index, record in enumerate(records)
            if record.topic in bad
        ]
        self.stored += [record for record in records if record.topic not in bad]
        return failed


def relay_to(broker, desk, codec):
    policy = SimpleNamespace(pool_names=("expenses", "claims"), encrypts=False)
    return RelayService(
        desk.client, desk.keys, codec, lambda: policy, None, slot="1", clock=desk.clock
    )._relay(broker, policy.pool_names)


def answered_in_two_pools(desk, codec):
    for decision in ("d1", "d2", "d3"):
        answered(desk, codec, decision)
    new = desk.real(codec, "d4", pool="claims")
    desk.decide(desk.take(desk.ann, desk.queue.enqueue(new).review_id), desk.ann)


@pytest.mark.parametrize("code", sorted(_REFUSING))
def test_what_kafka_refuses_for_good_is_put_aside_and_holds_nobody_up(desk, codec, code):
    answered_in_two_pools(desk, codec)
    broker = Broker(b"d2", code)
    relay = relay_to(broker, desk, codec)
    relay.run_once()
    assert [record.key for record in broker.stored if record.topic == OUTCOMES] == [b"d1", b"d3", b"d4"]
    assert (desk.outbox(), desk.outbox("claims")) == ([], [])
    broken = BrokenSteps(desk.client, desk.keys, ["expenses", "claims"])
    [step] = broken
    assert (step.decision_id, step.event, step.why) == ("d2", "decided", KafkaError(code).str())
    # Once the topic takes it, it comes back.
    broker.key = None
    assert broken.put_back(step)
    relay.run_once()
    assert [record.key for record in broker.stored if record.topic == OUTCOMES][-1] == b"d2"
    assert list(broken) == []


@pytest.mark.parametrize(
    "code",
    [KafkaError._MSG_TIMED_OUT, KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.TOPIC_AUTHORIZATION_FAILED],
)
def test_what_may_be_over_later_is_waited_for(desk, codec, code):
    answered_in_two_pools(desk, codec)
    broker = Broker(b"d2", code)
    relay = relay_to(broker, desk, codec)
    waiting = desk.outbox()
    with pytest.raises(TransientError):
        relay.run_once()
    assert desk.outbox() == waiting
    assert list(BrokenSteps(desk.client, desk.keys, ["expenses", "claims"])) == []
    broker.key = None
    relay.run_once()
    assert {record.key for record in broker.stored if record.topic == OUTCOMES} == {
        b"d1",
        b"d2",
        b"d3",
        b"d4",
    }


def test_an_answer_brings_the_name_of_its_key_itself(desk, private, published, relay_on):
    new = desk.real(private)
    desk.queue.enqueue(msgspec.structs.replace(new, record=private.protect(new.record, OneKey.id)))
    desk.decide(desk.take(desk.ann), desk.ann)
    lose_requests(desk)
    relay = relay_on(encrypts=lambda: True)
    relay._codec = private
    relay.run_once()
    assert {(record.topic, private.key_id(record.value)) for record in published} == {
        (OUTCOMES, OneKey.id),
        (LIFECYCLE, OneKey.id),
    }


def test_without_encryption_a_step_needs_no_request(desk, codec, published, relay_on):
    desk.queue.enqueue(desk.real(codec))
    desk.take(desk.ann)
    lose_requests(desk)
    relay_on().run_once()
    assert [record.topic for record in published] == [LIFECYCLE]


def test_an_outage_while_encoding_is_not_a_broken_entry(desk, codec, relay_on, published):
    class Down:
        def __getattr__(self, name):
            raise StoreUnavailableError("registry")

    answered(desk, codec)
    relay = relay_on()
    relay._codec = Down()
    with pytest.raises(StoreUnavailableError):
        relay.run_once()
    relay._codec = codec
    assert relay.run_once() == 2


def test_an_answer_is_confirmed_on_disk(desk, client):
    queue = desk.queue_on(client, durability=3_000)
    desk.enter()
    review = desk.take(desk.ann)
    desk.queue = queue
    client.execute_command("SCRIPT", "FLUSH")
    assert desk.decide(review, desk.ann).durable is True


def test_an_answer_that_is_not_on_disk_in_time_is_taken_and_says_so(desk, client, changed):
    desk.enter()
    review = desk.take(desk.ann)
    desk.queue = desk.queue_on(client, durability=50)
    with changed("appendfsync", "no", back="everysec"):
        decided = desk.decide(review, desk.ann)
    assert (decided.durable, decided.answer.action) == (False, "approve")


def test_a_store_without_persistence_costs_a_warning(desk, client, changed, caplog):
    queue = desk.queue_on(client, durability=1_000)
    desk.enter()
    review = desk.take(desk.ann)
    desk.queue = queue
    with changed("appendonly", "no", back="yes"):
        assert desk.decide(review, desk.ann).durable is None
    assert "not confirmed to be on disk" in caplog.text


def test_an_outage_has_one_name(desk, tmp_path):
    gone = desk.queue_on(open_client(f"unix://{tmp_path}/nobody.sock", timeout=0.2))
    for call in (gone.stats, lambda: gone.claim_next("expenses", desk.ann), lambda: gone.enqueue(desk.new())):
        with pytest.raises(StoreUnavailableError) as outage:
            call()
        assert outage.value.exit_code == 3
        assert "HITL_REDIS_URL" in outage.value.hint


def test_a_read_only_store_is_an_outage(desk, client, changed):
    desk.enter()
    with changed("min-replicas-to-write", "1", back="0"):
        with pytest.raises(StoreUnavailableError):
            desk.enter("d2")
        with pytest.raises(StoreUnavailableError):
            desk.take(desk.ann)
    assert desk.take(desk.ann).epoch == 1


def test_a_full_store_takes_no_new_work_and_lets_people_finish_theirs(desk, client, changed):
    desk.enter()
    with changed("maxmemory", "1", back="0"):
        with pytest.raises(StoreUnavailableError):
            desk.enter("d2")
        desk.decide(desk.take(desk.ann), desk.ann)
    assert desk.queue.stats()[0].open == 0
    assert not desk.queue.enqueue(desk.new("d2")).repeated


@pytest.fixture
def changed(client):
    @contextlib.contextmanager
    def change(name, value, *, back):
        client.execute_command("CONFIG", "SET", name, value)
        try:
            yield
        finally:
            client.execute_command("CONFIG", "SET", name, back)

    return change
