"""The connection to the store: bounded in time, no hidden retries, outages under one name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from types import TracebackType
from typing import Any, Protocol, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.errors import UsageError
from app.review_queue.errors import StoreUnavailableError
from app.review_queue.keys import lua_names
from app.settings import without_password

Argument = str | bytes | int | float


class Pipe(Protocol):
    """Commands that are sent together."""

    def execute_command(self, *command: Argument) -> object:
        """Add a command."""

    execute: Callable[..., list[Any]]
    """Send all; the answers in order. ``raise_on_error=False`` gives errors as answers."""


class Client(Protocol):
    """The part of ``redis.Redis`` that is used here, typed."""

    def execute_command(self, *command: Argument) -> Any:  # noqa: ANN401 - whatever the store answers
        """Send one command; its answer."""

    pipeline: Callable[..., Pipe]
    """Commands to send together, as one MULTI with ``transaction=True``."""

    def close(self) -> None:
        """Give the connections back."""


TOGETHER = 16
"""Verbs that are run in one go, sent together or taken by one script: one to two milliseconds of the store's
time, which a person's claim may have to wait. Of a longer pipeline a server works through about 40 kB, 45
small reviews or 17 with 1.5 kB, before it turns to the next client."""

_OURS = ("WRONGTYPE", "ERR Error running script", "ERR user_script", "ERR Error compiling script", "NOGROUP")
"""Beginnings of the errors that say that our own command was wrong; whatever else a store answers
(BUSY, LOADING, READONLY, OOM, NOPERM, MOVED, ...) speaks of its condition, and is waited out."""


CLUSTERED = "this server belongs to a cluster (cluster_enabled:1), and one server has to hold all keys"
ONE_SERVER = "use a server with a replica, cluster mode off: docs/sizing.md"
"""What an operator does about it."""


def open_client(url: str, *, timeout: float = 5.0) -> Client:
    """A client of the store at ``url`` (redis://, rediss://, unix://).

    ``timeout`` in seconds bounds connecting and each answer. A failed call is not repeated: whether
    that is safe is known to the caller only. Raises ``UsageError`` for an address that is none.
    """
    try:
        client = redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=False,
        )
    except ValueError as error:
        raise UsageError(
            f"HITL_REDIS_URL={without_password(url)}: not an address that a store can have",
            hint="e.g. redis://localhost:6379/0, rediss:// for TLS; write a / in a password as %2F",
        ) from error
    return cast(Client, client)


class Reachable:
    """``with reachable:`` turns every way in which a store can be out into ``StoreUnavailableError``."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if error is not None and is_outage(error):
            raise StoreUnavailableError(
                f"the store does not serve: {error}",
                hint="check HITL_REDIS_URL and that the server is up, writable and not out of memory",
            ) from error


reachable = Reachable()


def is_outage(error: BaseException) -> bool:
    """Whether an error speaks of the store's condition, not of what was asked."""
    if isinstance(error, redis.ResponseError):
        return not str(error).startswith(_OURS)
    return isinstance(error, redis.RedisError | OSError)


def clustered(client: Client) -> bool:
    """Whether the server is one of a cluster, which has a part of the keys only."""
    return bool(client.execute_command("INFO", "cluster").get("cluster_enabled"))


def require_one_server(client: Client) -> None:
    """Refuse a cluster at the start: its answers (MOVED, CROSSSLOT) would be waited out for ever. Raises
    ``UsageError``, and ``StoreUnavailableError`` when nobody answers."""
    with reachable:
        if clustered(client):
            raise UsageError(f"HITL_REDIS_URL: {CLUSTERED}", hint=ONE_SERVER)


def clock_of(client: Client) -> int:
    """What time it is at the store, ms UTC. Raises ``StoreUnavailableError``."""
    with reachable:
        return milliseconds(client.execute_command("TIME"))


def milliseconds(time: tuple[str | bytes | int, str | bytes | int]) -> int:
    """What TIME answers, seconds and microseconds, as ms UTC."""
    seconds, micros = time
    return int(seconds) * 1000 + int(micros) // 1000


_TOP_LEVEL = re.compile(r"^(?=local )", re.MULTILINE)
_NAME = re.compile(r"local (?:function )?(\w+)")
_WORD = re.compile(r"\w+")


def with_what_it_uses(verb: str, shared: str) -> str:
    """A verb after those locals of ``shared`` that it names, and those that they name. A server makes all
    functions of a script anew at each call: what is not used would cost a fifth of an enqueue."""
    text, words = verb, set(_WORD.findall(verb))
    for local in reversed(_TOP_LEVEL.split(shared)):
        name = _NAME.match(local)
        if name and name[1] in words:
            text = local + text
            words.update(_WORD.findall(local))
    return text


@cache
def _text(name: str) -> str:
    """Once for a process, and for those that are forked from it."""
    folder = files("app.review_queue") / "scripts"
    shared, verb = ((folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("_shared", name))
    return with_what_it_uses(verb, lua_names() + shared)


class Script:
    """One verb in Lua, called by its hash and sent again when the store has forgotten it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = _text(name)
        self._sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def command(self, key: str, arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """The command that runs the script, for a pipeline."""
        return ("EVALSHA", self._sha, 1, key, *arguments)

    def run(self, client: Client, key: str, arguments: Sequence[Argument]) -> Any:  # noqa: ANN401 - what Lua returned
        """Run it in one round trip (two when the store did not know it yet)."""
        try:
            return client.execute_command(*self.command(key, arguments))
        except redis.exceptions.NoScriptError:
            client.execute_command("SCRIPT", "LOAD", self.text)
            return client.execute_command(*self.command(key, arguments))


def run_all(client: Client, script: Script, calls: Sequence[tuple[str, Sequence[Argument]]]) -> list[Any]:
    """Run one script many times, a few calls in each round trip. They are not one transaction: each is
    atomic and idempotent, so that any sequence may be sent again when the store forgot the script."""
    return [
        answer
        for start in range(0, len(calls), TOGETHER)
        for answer in _run_together(client, script, calls[start : start + TOGETHER])
    ]


def _run_together(
    client: Client, script: Script, calls: Sequence[tuple[str, Sequence[Argument]]]
) -> list[Any]:
    answers: list[Any] = _send(client, script, calls)
    if any(isinstance(answer, redis.exceptions.NoScriptError) for answer in answers):
        client.execute_command("SCRIPT", "LOAD", script.text)
        answers = _send(client, script, calls)
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _send(client: Client, script: Script, calls: Sequence[tuple[str, Sequence[Argument]]]) -> list[Any]:
    pipe = client.pipeline(transaction=False)
    for key, arguments in calls:
        pipe.execute_command(*script.command(key, arguments))
    answers: list[Any] = pipe.execute(raise_on_error=False)
    return answers
