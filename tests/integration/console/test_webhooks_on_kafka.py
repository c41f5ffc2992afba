"""Webhooks on Apache Kafka: three receivers, each at its own pace; nothing is lost while nobody listens."""

from __future__ import annotations

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from app.composition.console import open_console
from app.composition.parts import load_compiled_policy
from app.console import post
from app.domain.events import ReviewLifecycle
from app.settings import PROJECT
from app.stream.topics import Topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, NOW, Deployment, Given, until
from tests.unit.agents.parts import POLICY_TEXT

pytestmark = pytest.mark.broker

SECRET = "0123456789abcdef0123456789abcdef"
HOOKS = """\
webhooks:
  fine: {events: [escalated]}
  failing: {events: [escalated], first_pause: 1s, longest_pause: 1s}
  hanging: {events: [escalated], template: slack}
"""
EVENTS = 30


class Receiver(ThreadingHTTPServer):
    """Answers 500 to the first ``fails``; hangs until released where it ``hangs``."""

    def __init__(self, fails: int = 0, hangs: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.fails, self.hangs, self.released = fails, hangs, threading.Event()
        self.asked = 0
        self.taken: list[tuple[dict[str, str], bytes]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    @property
    def ids(self) -> set[str]:
        return {json.loads(body)["event_id"] for _, body in self.taken}


class Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.asked += 1
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.hangs:
            self.server.released.wait()
            return
        fails = self.server.asked <= self.server.fails
        if not fails:
            self.server.taken.append((dict(self.headers), body))
        self.send_response(500 if fails else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quietly."""


def write(deployment: Deployment, first: int, count: int = EVENTS) -> None:
    steps = [
        ReviewLifecycle(
            event_id=f"step-{n}", review_id=f"expenses.{n}", decision_id=f"exp-{n}", pool="expenses",
            event="escalated", actor="ann", at=NOW, lease_epoch=1, state="{}", detail="{}",
        )
        for n in range(first, first + count)
    ]  # fmt: skip
    given = [Given(CODEC.encode(step), step.decision_id.encode()) for step in steps]
    deployment.write(Topic.REVIEWS_LIFECYCLE, given)


def documented_check() -> dict[str, object]:
    """The example of docs/webhooks.md, as a receiver would copy it."""
    text = (PROJECT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    return names


def test_each_receiver_at_its_own_pace_and_nothing_is_lost(
    deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "PATIENCE", 600.0)  # a receiver that hangs is not asked again meanwhile
    deployment = deploy(POLICY_TEXT + HOOKS)
    fine, failing, hanging = Receiver(), Receiver(fails=3), Receiver(hangs=True)
    file = tmp_path / "webhooks.json"
    named = {"fine": fine, "failing": failing, "hanging": hanging}
    file.write_bytes(
        msgspec.json.encode(
            {n: {"url": r.url, "secret": SECRET, "allow_private": True} for n, r in named.items()}
        )
    )
    file.chmod(0o600)
    settings = msgspec.structs.replace(
        deployment.settings, webhooks_file=file, accounts_file=tmp_path / "accounts.json"
    )
    policy = load_compiled_policy(settings)
    try:
        with open_console(settings, policy, "http://127.0.0.1:1", open_house=True) as parts:
            until(lambda: _group_began(deployment), "the group has written down where it begins")
            write(deployment, 0)
            until(lambda: len(fine.ids) == EVENTS, "the one that is fine has everything")
            until(lambda: hanging.asked == 1, "another one hangs with its first message")
            until(lambda: len(failing.ids) == EVENTS, "the one that failed for a while has everything, too")
            assert hanging.asked == 1
            assert parts.messages is not None
            assert parts.messages.standing("hanging").waiting == EVENTS

        # Nobody listens: what happens meanwhile is told afterwards.
        write(deployment, EVENTS)
        hanging.hangs = False
        hanging.released.set()
        with open_console(settings, policy, "http://127.0.0.1:1", open_house=True):
            for receiver in (fine, failing):
                until(lambda r=receiver: len(r.ids) == 2 * EVENTS, "what happened meanwhile")  # type: ignore[misc]
            until(
                lambda: len({b for _, b in hanging.taken}) == 2 * EVENTS, "the one that hung has everything"
            )
    finally:
        hanging.released.set()
        for receiver in named.values():
            receiver.shutdown()
            receiver.server_close()

    genuine = documented_check()["genuine"]
    assert callable(genuine)
    for headers, body in (*fine.taken, *failing.taken, *hanging.taken):
        given = headers["X-Hitl-Signature"]
        assert genuine(SECRET, given, body, time.time())
        assert not genuine(SECRET, given, body + b" ", time.time())
        assert not genuine("another secret", given, body, time.time())
        assert not genuine(SECRET, given, body, time.time() + 3600)
        assert not genuine(SECRET, "t=x", body, time.time())
    assert {json.loads(b)["delivery_id"] for _, b in fine.taken}.isdisjoint(
        json.loads(b)["delivery_id"] for _, b in failing.taken
    )
    assert fine.ids == failing.ids


def _group_began(deployment: Deployment) -> bool:
    from confluent_kafka import Consumer, TopicPartition  # noqa: PLC0415

    consumer = Consumer(
        {**deployment.connection.reader("looks"), "group.id": deployment.connection.topic("hitl-webhooks")}
    )
    try:
        topic = deployment.connection.topic(Topic.REVIEWS_LIFECYCLE)
        count = len(consumer.list_topics(topic, timeout=60).topics[topic].partitions)
        found = consumer.committed([TopicPartition(topic, n) for n in range(count)], timeout=60)
        return all(one.offset >= 0 for one in found)
    finally:
        consumer.close()
