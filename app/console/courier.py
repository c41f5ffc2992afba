"""Carries messages to webhooks: kept in the store until delivered, tried again, given up after days."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import structlog

from app.console.keys import DEAD, ConsoleKeys
from app.console.lua import ConsoleScript
from app.console.post import NotDeliveredError, post
from app.console.webhooks import Delivery, Hook, deliveries, signature
from app.domain.events import ReviewLifecycle, ReviewRequested
from app.domain.words import moment
from app.errors import HitlError
from app.policy.console import HOUR, MINUTE
from app.review_queue.store import Argument, Client, reachable
from app.stream.codec import Codec
from app.stream.errors import DecodeError
from app.stream.records import Incoming

log = structlog.get_logger("hitl.webhooks")

GIVE_UP = 3 * 24 * HOUR
"""ms after which a message is given up: a weekend, and a bit."""
FIRST_PAUSE, LONGEST_PAUSE = 5_000, HOUR
"""ms before the second attempt; each next pause is twice as long, up to an hour."""
AT_ONCE = 5
HOLD = 2 * MINUTE
"""ms that a sender has messages for: longer than one attempt for each of ``AT_ONCE`` takes."""
DEAD_KEPT = 1000

Post = Callable[..., None]


class Outgoing:
    """Messages on their way, in the store."""

    def __init__(self, client: Client, keys: ConsoleKeys) -> None:
        self._client = client
        self._base = keys.deliveries()
        self._dead = keys.deliveries(DEAD)
        self._add, self._take, self._end = (
            ConsoleScript(f"delivery_{verb}") for verb in ("add", "take", "end")
        )

    def add(self, messages: Iterable[Delivery], now: int) -> None:
        """Keep them until they are delivered. The same message again changes nothing."""
        arguments: list[Argument] = [now]
        for one in messages:
            arguments += (one.delivery_id, one.hook, one.event, one.body)
        if len(arguments) > 1:
            with reachable:
                self._add.run(self._client, self._base, arguments)

    def take(self, now: int) -> Sequence[tuple[Delivery, int, int]]:
        """Messages that are due, with since when they wait and how often they were tried; for this
        sender alone, for a while."""
        with reachable:
            found = self._take.run(self._client, self._base, [now, AT_ONCE, HOLD])
        return [
            (
                Delivery(delivery_id=i.decode(), hook=hook.decode(), event=event.decode(), body=body),
                int(since),
                int(tries),
            )
            for i, hook, event, body, since, tries in found
        ]

    def sent(self, delivery_id: str) -> None:
        """It arrived."""
        self._finish(delivery_id, "sent")

    def later(self, delivery_id: str, at: int) -> None:
        """It did not; try again at this time (ms)."""
        self._finish(delivery_id, "later", at)

    def give_up(self, message: Delivery, why: str, now: int) -> None:
        """It never will."""
        record = {"delivery_id": message.delivery_id, "hook": message.hook, "event": message.event}
        record |= {"why": why, "at": moment(now), "body": message.body.decode()}
        self._finish(message.delivery_id, "dead", 0, msgspec.json.encode(record))

    def dead(self) -> int:
        """How many were given up and are still kept."""
        with reachable:
            return int(self._client.execute_command("LLEN", self._dead))

    def _finish(self, delivery_id: str, how: str, at: int = 0, record: bytes = b"") -> None:
        with reachable:
            self._end.run(self._client, self._base, [delivery_id, how, at, record, DEAD_KEPT])


class Courier:
    """Turns records into messages, and sends those that are due. ``clock`` gives ms UTC."""

    def __init__(
        self,
        outgoing: Outgoing,
        hooks: Mapping[str, Hook],
        codec: Codec,
        console: str,
        clock: Callable[[], int],
        send: Post = post,
    ) -> None:
        self._outgoing = outgoing
        self._hooks = hooks
        self._codec = codec
        self._console = console
        self._clock = clock
        self._send = send
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def hear(self, records: Sequence[Incoming]) -> None:
        """Keep what follows from a batch. Returns when it is in the store."""
        messages: list[Delivery] = []
        for record in records:
            try:
                event = self._codec.decode(record.value)
            except DecodeError as error:
                log.debug("not told", position=record.position, error=str(error))
                continue
            if isinstance(event, ReviewLifecycle | ReviewRequested):
                messages += deliveries(event, self._hooks, self._console)
        self._outgoing.add(messages, self._clock())

    def run_once(self) -> int:
        """One attempt for each message that is due; how many there were."""
        taken = self._outgoing.take(self._clock())
        for message, since, tries in taken:
            self._try(message, since, tries)
        return len(taken)

    def start(self) -> None:
        """Send from a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; an attempt in hand may be repeated by the next sender."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(15)

    def _try(self, message: Delivery, since: int, tries: int) -> None:
        hook, now = self._hooks.get(message.hook), self._clock()
        if hook is None:
            self._outgoing.give_up(message, "there is no such webhook any more", now)
            return
        headers = {
            "X-Hitl-Delivery": message.delivery_id,
            "X-Hitl-Event": message.event,
            "X-Hitl-Signature": signature(hook.secret, message.body, now // 1000),
        }
        try:
            self._send(hook.url, message.body, headers, allow_private=hook.allow_private)
        except NotDeliveredError as error:
            log.info("not delivered", hook=message.hook, tries=tries + 1, error=str(error))
            if now - since >= GIVE_UP:
                self._outgoing.give_up(message, str(error), now)
            else:
                self._outgoing.later(message.delivery_id, now + pause(tries))
            return
        self._outgoing.sent(message.delivery_id)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self.run_once():
                    continue
            except HitlError as error:
                log.warning("messages wait", error=str(error))
            self._stopping.wait(1.0)


def pause(tries: int) -> int:
    """ms before the next attempt, after so many earlier ones.

    >>> pause(0), pause(1), pause(20)
    (5000, 10000, 3600000)
    """
    return min(LONGEST_PAUSE, FIRST_PAUSE << min(tries, 20))
