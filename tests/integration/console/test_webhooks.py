"""Webhooks against a receiver that fails, lies in wait, or is where nobody should be led."""

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from app.console.courier import Courier
from app.console.keys import ConsoleKeys
from app.console.metrics import ConsoleMetrics
from app.console.outgoing import HOLD, Outgoing
from app.console.post import NotDeliveredError, post
from app.console.webhooks import Address, deliveries, load_addresses
from app.domain.events import PatternDetected, ReviewLifecycle
from app.errors import UsageError
from app.policy.webhooks import Template, WebhookTerms
from app.stream.records import Incoming

SECRET = "0123456789abcdef"
REVIEW = "finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e"
CHAT = WebhookTerms(name="chat", address="team")


def step(event="escalated", pool="finance", at=1, **more):
    return ReviewLifecycle(
        event_id=f"{event}-{at}", review_id=REVIEW, decision_id="exp-1", pool=pool, event=event,
        actor=more.pop("actor", "ann"), at=at, lease_epoch=1, state="{}", detail='{"reason":"secret words"}',
    )  # fmt: skip


class Receiver(ThreadingHTTPServer):
    """Takes messages; answers with ``status``."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook?room=1"
        self.status, self.got = 200, []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Taking(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        """Quietly."""


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def courier(house, receiver):
    """A courier to one receiver, "chat"; ``tell`` lets it hear events, ``hooks`` may be changed."""
    outgoing = Outgoing(house.store.client, ConsoleKeys(house.store.prefix))
    hooks = {"chat": CHAT}
    addresses = {"team": Address(url=receiver.url, secret=SECRET, allow_private=True)}
    made = Courier(
        outgoing, lambda: hooks, lambda: addresses, house.codec, "https://desk.example", house.clock
    )
    made.outgoing, made.hooks, made.addresses = outgoing, hooks, addresses
    made.tell = lambda *events: made.hear(
        [Incoming("reviews.lifecycle", 0, i, b"", house.codec.encode(e), [], 1) for i, e in enumerate(events)]
    )
    made.once = lambda: made.run_once("chat")
    return made


def test_a_message_says_what_happened_signed_and_without_facts(courier, receiver, house):
    courier.tell(step())
    assert courier.once()
    [(path, headers, body)] = receiver.got
    said = json.loads(body)
    assert path == "/hook?room=1" and said["event"] == headers["X-Hitl-Event"] == "escalated"
    assert said["link"] == f"https://desk.example/reviews/{REVIEW}" and "by ann" in said["text"]
    assert b"secret words" not in body
    at, mac = (part.partition("=")[2] for part in headers["X-Hitl-Signature"].split(","))
    assert int(at) == house.clock() // 1000
    assert mac == hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert not courier.once()


def test_the_same_record_again_while_it_waits_is_one_message(courier, receiver):
    courier.tell(step(), step())
    courier.tell(step())
    courier.once()
    assert len(receiver.got) == 1


@pytest.mark.parametrize("status", [500, 404, 302])
def test_what_was_not_taken_is_tried_again_later_and_later(courier, receiver, house, status):
    receiver.status = status
    courier.tell(step())
    waits = []
    for _ in range(4):
        waited = 0
        while not courier.once():
            house.clock.advance(1000)
            waited += 1
        waits.append(waited)
    assert waits == [0, 5, 10, 20]
    receiver.status = 204
    house.clock.advance(40_000)
    courier.once()
    ids = {headers["X-Hitl-Delivery"] for _, headers, _ in receiver.got}
    assert len(receiver.got) == 5 and len(ids) == 1
    house.clock.advance(CHAT.give_up)
    assert not courier.once() and courier.outgoing.dead() == []


def test_after_three_days_it_is_given_up_and_kept_for_whoever_looks(courier, receiver, house):
    receiver.status = 500
    courier.tell(step())
    house.clock.advance(CHAT.give_up)
    courier.once()
    [dead] = courier.outgoing.dead()
    assert dead["why"].endswith("answered 500")
    assert (
        'hitl_webhook_given_up_total{webhook="chat"} 1.0' in ConsoleMetrics(courier.outgoing).page().decode()
    )
    house.clock.advance(CHAT.give_up)
    assert not courier.once()
    courier.outgoing.clear_dead()
    assert courier.outgoing.dead() == []


def test_a_sender_that_dies_leaves_its_message_to_the_next(courier, receiver, house):
    courier.tell(step())
    assert courier.outgoing.take("chat", house.clock())  # and no more is heard of that sender
    assert not courier.once()
    house.clock.advance(HOLD)
    assert courier.once() and len(receiver.got) == 1


def test_a_message_that_one_receiver_never_takes_stops_neither_its_next_ones_nor_others(
    courier, receiver, house
):
    """Poison: refused each time, while everything behind it arrives."""
    courier.hooks["other"] = WebhookTerms(name="other", address="team")
    courier.tell(step(at=1), step(at=2))
    receiver.status = 500
    courier.once()
    receiver.status = 200
    assert not courier.once()  # it rests, whatever waits
    assert courier.run_once("other") and courier.run_once("other") and not courier.run_once("other")
    house.clock.advance(CHAT.first_pause)
    assert courier.once() and courier.once() and not courier.once()
    ids = [json.loads(body)["delivery_id"] for _, _, body in receiver.got]
    assert len(ids) == 5 and len(set(ids)) == 4


def test_a_receiver_that_is_down_is_asked_with_one_message_at_a_time(courier, receiver, house):
    receiver.status = 503
    courier.tell(*(step(at=n) for n in range(20)))
    attempts = 0
    for _ in range(60):
        while courier.once():
            attempts += 1
        house.clock.advance(1000)
    assert attempts == 4  # after 0, 5, 15 and 35 s, not 20 messages each time
    assert courier.outgoing.standing("chat").waiting == 20


def test_no_more_wait_than_the_policy_says(courier, receiver):
    courier.hooks["chat"] = msgspec.structs.replace(CHAT, most_waiting=3)
    courier.tell(*(step(at=n) for n in range(5)))
    assert courier.outgoing.standing("chat").waiting == 3
    assert [one["why"] for one in courier.outgoing.dead()] == ["too many messages wait"] * 2


def test_policy_and_addresses_may_change_while_it_runs(courier, receiver, house):
    courier.tell(step(at=1))
    address = courier.addresses.pop("team")
    assert courier.once()
    assert "no address 'team'" in courier.outgoing.standing("chat").why
    courier.addresses["team"] = address
    house.clock.advance(CHAT.first_pause)
    assert courier.once() and len(receiver.got) == 1
    courier.tell(step(at=2))
    del courier.hooks["chat"]
    assert courier.once() and len(receiver.got) == 1
    assert courier.outgoing.dead()[0]["why"] == "there is no such webhook any more"


def test_a_receiver_hears_what_it_asked_for():
    hooks = {
        "all": WebhookTerms(name="all", address="a"),
        "some": WebhookTerms(name="some", address="b", events=frozenset({"escalated"})),
        "pool": WebhookTerms(name="pool", address="c", pools=frozenset({"support"})),
    }
    told = {
        (event, pool): {one.hook for one in deliveries(step(event, pool), hooks, "https://d.example")}
        for event in ("escalated", "claimed", "looked")
        for pool in ("finance", "support")
    }
    assert told["escalated", "finance"] == {"all", "some"} and told["claimed", "support"] == {"all", "pool"}
    assert told["escalated", "support"] == {"all", "some", "pool"} and told["claimed", "finance"] == {"all"}
    assert told["looked", "support"] == set()  # a step of the queue, for nobody's chat


def test_each_template_is_what_its_tool_takes():
    said = {}
    for template in Template:
        hooks = {"h": msgspec.structs.replace(CHAT, template=template)}
        [one] = deliveries(step(actor="<!channel>"), hooks, "https://d.example")
        said[template] = json.loads(one.body)
    link = f"https://d.example/reviews/{REVIEW}"
    assert said["slack"] == {"text": f"finance: a review was escalated by &lt;!channel&gt;: <{link}|open>"}
    [card] = said["teams"]["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["content"]["actions"] == [{"type": "Action.OpenUrl", "title": "Open", "url": link}]
    assert said["json"].keys() == {
        "delivery_id", "event_id", "event", "at", "pool", "review_id", "actor", "link", "text"
    }  # fmt: skip


def test_an_event_has_the_same_id_for_everybody_and_whenever_it_is_read():
    hooks = {name: WebhookTerms(name=name, address="a") for name in ("one", "two")}
    first, again = (list(deliveries(step(), hooks, "https://d.example")) for _ in range(2))
    assert first == again
    assert len({json.loads(one.body)["event_id"] for one in first}) == 1
    assert len({one.delivery_id for one in first}) == 2
    [other, _] = deliveries(step(at=2), hooks, "https://d.example")
    assert json.loads(other.body)["event_id"] != json.loads(first[0].body)["event_id"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "0.0.0.0"]
)
def test_nobody_is_led_into_the_own_network(host, receiver):
    with pytest.raises(NotDeliveredError):
        post(f"http://{host}:{receiver.server_address[1]}/", b"{}", {}, allow_private=False)
    assert receiver.got == []


def write(path, content, mode=0o600):
    path.write_bytes(msgspec.json.encode(content))
    path.chmod(mode)
    return path


def test_the_file_of_addresses_is_private_and_checked(tmp_path):
    good = {"url": "https://chat.example/x", "secret": SECRET}
    path = tmp_path / "webhooks.json"
    assert load_addresses(write(path, {"chat": good}))["chat"].secret == SECRET
    for bad, mode in (
        ({"chat": good}, 0o644),
        ({"chat": good | {"url": "http://chat.example"}}, 0o600),
        ({"chat": good | {"url": "file:///etc/passwd"}}, 0o600),
        ({"chat": good | {"url": "https://a@b.example"}}, 0o600),
        ({"chat": good | {"secret": "short"}}, 0o600),
        ({"chat": good | {"events": ["claimed"]}}, 0o600),
    ):
        with pytest.raises(UsageError):
            load_addresses(write(path, bad, mode))


# --- what is found in the outcomes ------------------------------------------------------------------


def pattern(name="rising_override", segment="expense.approval"):
    return PatternDetected(
        pattern_id=f"p-{name}", pattern=name, learning_key="expense.approval|m:1", segment=segment, value=0.4,
        limit=0.3, count=90, text=f"{segment}: people override 40 %.", action="Investigate.", detected_at=1,
    )  # fmt: skip


@pytest.fixture
def learning(courier):
    """The courier of a house where loans learn from expenses."""
    courier._audience = lambda _type: (("finance", "credit"), ("loan.approval",))
    return courier


def test_a_pattern_is_told_with_what_to_do_and_who_else_learns_from_it(learning, receiver):
    learning.tell(pattern(), pattern())
    assert learning.once()
    assert not learning.once()  # read twice, told once
    message = json.loads(receiver.got[0][2])
    assert (message["event"], message["pool"], message["shared_with"]) == (
        "pattern_detected",
        "finance",
        ["loan.approval"],
    )
    assert message["text"].startswith("expense.approval: people override 40 %. Investigate.")


def test_a_sign_to_retrain_is_an_event_of_its_own(learning, receiver):
    learning.hooks["chat"] = msgspec.structs.replace(CHAT, events=frozenset({"retrain"}))
    learning.tell(pattern(), pattern("retrain"))
    assert learning.once()
    assert not learning.once()
    assert json.loads(receiver.got[0][2])["event"] == "retrain"


def test_who_learns_from_a_type_is_told_too_and_nobody_else(learning):
    for pools, told in ((("credit",), True), (("claims",), False)):
        learning.hooks["chat"] = msgspec.structs.replace(CHAT, pools=frozenset(pools))
        learning.tell(pattern(f"inconsistent_{pools[0]}"))
        assert learning.once() is told


def test_no_message_names_the_reviewer_who_stands_out(learning, receiver):
    learning.tell(pattern("reviewer_outlier", "ann.miller"))
    assert learning.once()
    assert b"ann.miller" not in receiver.got[0][2]
