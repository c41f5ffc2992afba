"""Webhooks against a receiver that fails, lies in wait, or is where nobody should be led."""

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from app.console.courier import GIVE_UP, HOLD, Courier, Outgoing
from app.console.keys import ConsoleKeys
from app.console.post import NotDeliveredError, post
from app.console.webhooks import Hook, deliveries, load_hooks
from app.domain.events import ReviewLifecycle
from app.errors import UsageError
from app.stream.records import Incoming

SECRET = "0123456789abcdef"
REVIEW = "finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e"


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
    """A courier to one receiver; ``tell`` lets it hear events."""
    outgoing = Outgoing(house.store.client, ConsoleKeys(house.store.prefix))
    hooks = {"chat": Hook(url=receiver.url, secret=SECRET, allow_private=True)}
    made = Courier(outgoing, hooks, house.codec, "https://desk.example", house.clock)
    made.outgoing, made.hooks = outgoing, hooks
    made.tell = lambda *events: made.hear(
        [Incoming("reviews.lifecycle", 0, i, b"", house.codec.encode(e), [], 1) for i, e in enumerate(events)]
    )
    return made


def test_a_message_says_what_happened_signed_and_without_facts(courier, receiver, house):
    courier.tell(step())
    assert courier.run_once() == 1
    [(path, headers, body)] = receiver.got
    said = json.loads(body)
    assert path == "/hook?room=1" and said["event"] == headers["X-Hitl-Event"] == "escalated"
    assert said["link"] == f"https://desk.example/reviews/{REVIEW}" and "by ann" in said["text"]
    assert b"secret words" not in body
    at, mac = (part.partition("=")[2] for part in headers["X-Hitl-Signature"].split(","))
    assert int(at) == house.clock() // 1000
    assert mac == hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert courier.run_once() == 0


def test_the_same_record_again_while_it_waits_is_one_message(courier, receiver):
    courier.tell(step(), step())
    courier.tell(step())
    courier.run_once()
    assert len(receiver.got) == 1


@pytest.mark.parametrize("status", [500, 404, 302])
def test_what_was_not_taken_is_tried_again_later_and_later(courier, receiver, house, status):
    receiver.status = status
    courier.tell(step())
    waits = []
    for _ in range(4):
        waited = 0
        while not courier.run_once():
            house.clock.advance(1000)
            waited += 1
        waits.append(waited)
    assert waits == [0, 5, 10, 20]
    receiver.status = 204
    house.clock.advance(40_000)
    courier.run_once()
    ids = {headers["X-Hitl-Delivery"] for _, headers, _ in receiver.got}
    assert len(receiver.got) == 5 and len(ids) == 1
    house.clock.advance(GIVE_UP)
    assert courier.run_once() == 0 and courier.outgoing.dead() == 0


def test_after_three_days_it_is_given_up_and_kept_for_whoever_looks(courier, receiver, house):
    receiver.status = 500
    courier.tell(step())
    house.clock.advance(GIVE_UP)
    courier.run_once()
    assert courier.outgoing.dead() == 1
    kept = house.store.client.execute_command("LRANGE", f"{house.store.prefix}hitl:{{webhooks}}:dead", 0, -1)
    assert json.loads(kept[0])["why"].endswith("answered 500")
    house.clock.advance(GIVE_UP)
    assert courier.run_once() == 0


def test_a_sender_that_dies_leaves_its_message_to_the_next(courier, receiver, house):
    courier.tell(step())
    assert courier.outgoing.take(house.clock())  # and no more is heard of that sender
    assert courier.run_once() == 0
    house.clock.advance(HOLD)
    assert courier.run_once() == 1 and len(receiver.got) == 1


def test_a_receiver_hears_what_it_asked_for():
    hooks = {
        "all": Hook(url="https://a.example", secret=SECRET),
        "some": Hook(url="https://b.example", secret=SECRET, events=frozenset({"escalated"})),
        "pool": Hook(url="https://c.example", secret=SECRET, pools=frozenset({"support"})),
    }
    told = {
        (event, pool): {one.hook for one in deliveries(step(event, pool), hooks, "https://d.example")}
        for event in ("escalated", "claimed")
        for pool in ("finance", "support")
    }
    assert told["escalated", "finance"] == {"all", "some"} and told["claimed", "support"] == {"all", "pool"}
    assert told["escalated", "support"] == {"all", "some", "pool"} and told["claimed", "finance"] == {"all"}


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


def test_the_file_of_receivers_is_private_and_checked(tmp_path):
    good = {"url": "https://chat.example/x", "secret": SECRET, "pools": ["finance"]}
    path = tmp_path / "webhooks.json"
    assert load_hooks(write(path, {"chat": good}))["chat"].pools == {"finance"}
    for bad, mode in (
        ({"chat": good}, 0o644),
        ({"chat": good | {"url": "http://chat.example"}}, 0o600),
        ({"chat": good | {"url": "file:///etc/passwd"}}, 0o600),
        ({"chat": good | {"url": "https://a@b.example"}}, 0o600),
        ({"chat": good | {"secret": "short"}}, 0o600),
        ({"chat": good | {"surprise": 1}}, 0o600),
    ):
        with pytest.raises(UsageError):
            load_hooks(write(path, bad, mode))
