"""Messages to webhooks on their way: a queue for each receiver, in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from app.console.keys import DEAD, DUE, RECEIVER, RECEIVERS, ConsoleKeys
from app.console.lua import ConsoleScript
from app.console.webhooks import Delivery
from app.domain.words import moment
from app.policy.console import MINUTE
from app.policy.webhooks import WebhookTerms
from app.review_queue.store import Argument, Client, reachable

HOLD = MINUTE
"""ms that a sender has a message for: longer than an attempt takes."""
DEAD_KEPT = 1000


class Taken(msgspec.Struct, frozen=True):
    """A message for one attempt: since when (ms UTC) it waits, how often it was tried, and how often its
    receiver failed in a row."""

    message: Delivery
    since: int
    tries: int
    failures: int


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How things are with one receiver. ``rests_until`` in ms UTC."""

    receiver: str
    waiting: int = 0
    failures: int = 0
    rests_until: int = 0
    why: str = ""
    arrived: int = 0
    arrived_at: int = 0
    given_up: int = 0


class Outgoing:
    """Every call is atomic, and made by any number of console processes."""

    def __init__(self, client: Client, keys: ConsoleKeys) -> None:
        self._client = client
        self._keys = keys
        self._base = keys.deliveries()
        self._add, self._take, self._end = (
            ConsoleScript(f"delivery_{verb}") for verb in ("add", "take", "end")
        )

    def add(self, messages: Iterable[Delivery], hooks: Mapping[str, WebhookTerms], now: int) -> int:
        """Keep them until they arrive; how many others had to be given up for them. The same message again
        changes nothing."""
        arguments: list[Argument] = [now, DEAD_KEPT]
        for one in messages:
            arguments += (one.delivery_id, one.hook, one.event, one.body, hooks[one.hook].most_waiting)
        if len(arguments) == 2:
            return 0
        with reachable:
            return int(self._add.run(self._client, self._base, arguments))

    def take(self, receiver: str, now: int) -> Taken | None:
        """The message of a receiver that is due next; for this sender alone, for a while."""
        with reachable:
            found = self._take.run(self._client, self._base, [now, receiver, HOLD])
        if not found:
            return None
        delivery_id, event, body, since, tries, failures = found
        message = Delivery(delivery_id=delivery_id.decode(), hook=receiver, event=event.decode(), body=body)
        return Taken(message, int(since), int(tries), int(failures))

    def sent(self, message: Delivery, now: int) -> None:
        """It arrived."""
        self._finish(message, now, "sent")

    def later(self, message: Delivery, now: int, at: int, rests_until: int, why: str) -> None:
        """It did not; try it again at this time (ms), and the receiver not before it has rested."""
        self._finish(message, now, "later", at, rests_until, why)

    def give_up(self, message: Delivery, now: int, rests_until: int, why: str) -> None:
        """It never will."""
        record = {"delivery_id": message.delivery_id, "hook": message.hook, "event": message.event}
        record |= {"why": why, "at": moment(now), "body": message.body.decode()}
        self._finish(message, now, "dead", 0, rests_until, why, msgspec.json.encode(record))

    def receivers(self) -> frozenset[str]:
        """Everybody who ever had a message and still counts."""
        with reachable:
            found = self._client.execute_command("SMEMBERS", self._keys.deliveries(RECEIVERS))
        return frozenset(name.decode() for name in found)

    def standing(self, receiver: str) -> Standing:
        """How things are with a receiver."""
        with reachable:
            waiting = self._client.execute_command("ZCARD", self._keys.deliveries(DUE + receiver))
            about = self._client.execute_command("HGETALL", self._keys.deliveries(RECEIVER + receiver))
        fields = {name.decode(): text.decode() for name, text in _pairs(about)}
        return msgspec.convert(
            {"receiver": receiver, "waiting": int(waiting), **fields}, Standing, strict=False
        )

    def forget(self, receiver: str) -> None:
        """A receiver that left the policy, and for whom nothing waits."""
        with reachable:
            self._client.execute_command("SREM", self._keys.deliveries(RECEIVERS), receiver)
            self._client.execute_command("DEL", self._keys.deliveries(RECEIVER + receiver))

    def dead(self, most: int = DEAD_KEPT) -> list[dict[str, str]]:
        """What was given up and is still kept, newest first."""
        with reachable:
            found = self._client.execute_command("LRANGE", self._keys.deliveries(DEAD), 0, most - 1)
        return [msgspec.json.decode(record) for record in found]

    def clear_dead(self) -> None:
        """Whoever looked after these is done with them."""
        with reachable:
            self._client.execute_command("DEL", self._keys.deliveries(DEAD))

    def _finish(
        self,
        message: Delivery,
        now: int,
        how: str,
        at: int = 0,
        rests_until: int = 0,
        why: str = "",
        record: bytes = b"",
    ) -> None:
        arguments: list[Argument] = [
            message.delivery_id,
            message.hook,
            now,
            how,
            at,
            rests_until,
            why,
            record,
        ]
        with reachable:
            self._end.run(self._client, self._base, [*arguments, DEAD_KEPT])


def _pairs(answer: object) -> Iterable[tuple[bytes, bytes]]:
    if isinstance(answer, dict):
        return answer.items()
    assert isinstance(answer, list)  # noqa: S101 - how a client without a parser for it answers
    return zip(answer[::2], answer[1::2], strict=True)
