"""Carries messages to webhooks: to each receiver at its own pace, tried again, given up after days."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog

from app.console.outgoing import Outgoing, Taken
from app.console.post import NotDeliveredError, post
from app.console.webhooks import Address, Delivery, deliveries, headers_of, pattern_deliveries
from app.domain.events import PatternDetected, ReviewLifecycle, ReviewRequested
from app.errors import HitlError, UsageError
from app.policy.webhooks import WebhookTerms
from app.stream.codec import Codec
from app.stream.errors import DecodeError
from app.stream.records import Incoming

log = structlog.get_logger("hitl.webhooks")

GONE = "there is no such webhook any more"

Post = Callable[..., None]
Audience = Callable[[str], tuple[tuple[str, ...], tuple[str, ...]]]


class Courier:
    """Turns records into messages, and sends those that are due: a thread for each receiver, so that one
    that hangs delays nobody else.

    ``hooks`` gives the webhooks in force and ``addresses`` where they are now: both may change while it
    runs. ``audience`` gives the pools and the types that a learning of a type concerns. ``clock`` gives
    ms UTC."""

    def __init__(
        self,
        outgoing: Outgoing,
        hooks: Callable[[], Mapping[str, WebhookTerms]],
        addresses: Callable[[], Mapping[str, Address]],
        codec: Codec,
        console: str,
        clock: Callable[[], int],
        send: Post = post,
        audience: Audience = lambda _decision_type: ((), ()),
    ) -> None:
        self._outgoing = outgoing
        self._hooks = hooks
        self._addresses = addresses
        self._codec = codec
        self._console = console
        self._clock = clock
        self._send = send
        self._audience = audience
        self._stopping = threading.Event()
        self._senders: dict[str, threading.Thread] = {}
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def hear(self, records: Sequence[Incoming]) -> None:
        """Keep what follows from a batch. Returns when it is in the store."""
        hooks = self._hooks()
        messages: list[Delivery] = []
        for record in records:
            try:
                event = self._codec.decode(record.value)
            except DecodeError as error:
                log.debug("not told", position=record.position, error=str(error))
                continue
            if isinstance(event, ReviewLifecycle | ReviewRequested):
                messages += deliveries(event, hooks, self._console)
            elif isinstance(event, PatternDetected):
                pools, learners = self._audience(event.learning_key.partition("|")[0])
                messages += pattern_deliveries(event, pools, learners, hooks, self._console)
        lost = self._outgoing.add(messages, hooks, self._clock())
        if lost:
            log.error("given up: too many messages wait", messages=lost)

    def run_once(self, receiver: str) -> bool:
        """One attempt for the message of a receiver that is due next; False when none is."""
        taken = self._outgoing.take(receiver, self._clock())
        if taken is not None:
            self._try(taken)
        return taken is not None

    def start(self) -> None:
        """Send, in threads of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the threads; an attempt in hand may be repeated by the next sender."""
        self._stopping.set()
        for thread in (self._thread, *self._senders.values()):
            if thread.is_alive():
                thread.join(1)

    def _try(self, one: Taken) -> None:
        message, now = one.message, self._clock()
        hook = self._hooks().get(message.hook)
        if hook is None:
            self._outgoing.give_up(message, now, 0, GONE)
            return
        try:
            self._post(message, hook, now)
        except NotDeliveredError as error:
            self._failed(one, hook, str(error))
        else:
            self._outgoing.sent(message, self._clock())

    def _post(self, message: Delivery, hook: WebhookTerms, now: int) -> None:
        try:
            address = self._addresses().get(hook.address)
        except UsageError as error:
            raise NotDeliveredError(str(error)) from error
        if address is None:
            raise NotDeliveredError(f"HITL_WEBHOOKS_FILE has no address '{hook.address}'")
        headers = headers_of(message, address, now)
        self._send(address.url, message.body, headers, allow_private=address.allow_private)

    def _failed(self, one: Taken, hook: WebhookTerms, why: str) -> None:
        now = self._clock()
        rests_until = now + hook.pause(one.failures)
        if now - one.since >= hook.give_up:
            log.error("a message was given up", webhook=hook.name, tries=one.tries + 1, why=why)
            self._outgoing.give_up(one.message, now, rests_until, why)
        else:
            log.info("not delivered", webhook=hook.name, tries=one.tries + 1, why=why)
            self._outgoing.later(one.message, now, now + hook.pause(one.tries), rests_until, why)

    # --- threads -----------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.wait(0.5):
            try:
                names = self._hooks().keys() | self._outgoing.receivers()
            except HitlError as error:
                log.warning("messages wait", error=str(error))
                continue
            for name in names:
                thread = self._senders.get(name)
                if thread is None or not thread.is_alive():
                    self._senders[name] = threading.Thread(
                        target=self._serve, args=(name,), name=f"courier-{name}", daemon=True
                    )
                    self._senders[name].start()

    def _serve(self, receiver: str) -> None:
        while not self._stopping.is_set():
            try:
                if self.run_once(receiver):
                    continue
                if receiver not in self._hooks() and not self._outgoing.standing(receiver).waiting:
                    self._outgoing.forget(receiver)
                    return
            except HitlError as error:
                log.warning("messages wait", webhook=receiver, error=str(error))
            self._stopping.wait(0.5)
