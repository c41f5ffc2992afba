"""The stream of events over a real server: heard by those who may, quick, and ended when it must be."""

import json
import queue
import threading
import time
from contextlib import ExitStack, contextmanager

import httpx
import msgspec
import pytest

from app.console import server
from app.console.server import beside, listen
from app.console.terms import Pace
from app.domain.people import Directory, Profile
from app.errors import UsageError
from tests.integration.console.conftest import POOLS

PATIENCE = 120.0


@pytest.fixture
def serve(make_house):
    """``with serve(session_idle=...) as (house, url)``: the console on a port of its own."""

    @contextmanager
    def serving(**terms):
        house = make_house(pace=Pace(look=20, heartbeat=100), **terms)
        with listen("127.0.0.1", 0) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            with beside(house.parts, listening):
                _until(lambda: httpx.get(f"{url}/healthz", timeout=PATIENCE).status_code == 200)
                yield house, url

    return serving


class Listener:
    """Reads a stream in a thread; ``events`` are (name, data), None at its end."""

    def __init__(self, url, secret="", **headers):
        self.events, self.comments = queue.Queue(), 0
        self._headers = headers | ({"Authorization": f"Bearer {secret}"} if secret else {})
        self._thread = threading.Thread(target=self._read, args=(url,), daemon=True)
        self._thread.start()

    def _read(self, url):
        try:
            with httpx.stream("GET", f"{url}/v1/events", headers=self._headers, timeout=PATIENCE) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        self.events.put(json.loads(line[6:]))
                    self.comments += line.startswith(":")
        finally:
            self.events.put(None)

    def next(self):
        return self.events.get(timeout=PATIENCE)


def _until(true, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while True:
        try:
            if true():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between two looks; the deadline decides


def secret_of(house, name):
    return house.accounts.create_token(name, frozenset({"read", "review"}))[1]


def test_an_arrival_and_every_step_are_heard_by_those_who_see_the_pool(serve):
    with serve() as (house, url):
        ann, sam = Listener(url, secret_of(house, "ann")), Listener(url, secret_of(house, "sam"))
        first = ann.next()
        assert first["pool"] == "finance" and sam.next()["pool"] == "support"
        identifier = house.ask()
        arrived = ann.next()
        house.desk.claim(house.desk.person("ann"), identifier)
        claimed = ann.next()
        assert len({first["revision"], arrived["revision"], claimed["revision"]}) == 3
        _until(lambda: sam.comments >= 3)
        assert sam.events.empty()  # nothing of another pool


def test_who_comes_back_hears_where_things_are(serve):
    with serve() as (house, url):
        house.ask()
        again = Listener(url, secret_of(house, "ann"), **{"Last-Event-ID": "anything at all"})
        assert again.next()["pool"] == "finance"


def test_a_stream_ends_with_the_token(serve):
    with serve() as (house, url):
        listener = Listener(url, secret_of(house, "ann"))
        assert listener.next()
        for name in list(house.accounts.book().tokens):
            house.accounts.revoke_token(name)
        house.clock.advance(1000)
        while listener.next() is not None:
            pass


def test_a_stream_ends_when_its_pools_are_others(serve):
    with serve() as (house, url):
        listener = Listener(url, secret_of(house, "ann"))
        assert listener.next()["pool"] == "finance"
        people = {"ann": Profile(name="ann", pools=frozenset({"support"}))}
        house.policy = msgspec.structs.replace(house.policy, directory=Directory(people, POOLS))
        house.ask()
        assert listener.next() is None, "nothing more of the pool that was taken away"
        assert Listener(url, secret_of(house, "ann")).next()["pool"] == "support"


def test_listening_does_not_keep_a_session(serve):
    with serve(session_idle=1000) as (house, url):
        identifier = house.sessions.open("ann", "oidc")
        listener = Listener(url, Cookie=f"hitl={identifier}")
        assert listener.next()["pool"] == "finance"
        for _ in range(4):
            house.clock.advance(300)
            listener.comments = 0
            _until(lambda: listener.comments or not listener.events.empty())
        while listener.next() is not None:
            pass


def test_only_so_many_streams_for_one_token(serve):
    with serve(streams=2) as (house, url):
        secret = secret_of(house, "ann")
        listeners = [Listener(url, secret) for _ in range(2)]
        assert all(listener.next() for listener in listeners)
        answer = httpx.get(
            f"{url}/v1/events", headers={"Authorization": f"Bearer {secret}"}, timeout=PATIENCE
        )
        assert answer.status_code == 429 and "retry-after" in answer.headers


def test_the_server_stops_at_once_though_somebody_listens(serve, monkeypatch):
    monkeypatch.setattr(server, "GRACE", 10 * PATIENCE)  # of requests: nobody waits for it
    with ExitStack() as stack:
        house, url = stack.enter_context(serve())
        listener = Listener(url, secret_of(house, "ann"))
        assert listener.next()
        stopping = threading.Thread(target=stack.pop_all().close, daemon=True)
        stopping.start()
        stopping.join(PATIENCE)
        assert not stopping.is_alive()
    while listener.next() is not None:
        pass


def test_a_port_that_is_taken_is_said_in_words(serve):
    with listen("127.0.0.1", 0) as taken, pytest.raises(UsageError, match=r"127\.0\.0\.1") as said:
        listen("127.0.0.1", taken.getsockname()[1])
    assert said.value.hint == "choose another --port"
