"""What ``hitl doctor`` asks the store: is it there, may we, does it keep things, what time is it?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import redis

from app.commands.doctor_finding import Finding, State
from app.composition.parts import now, store_of
from app.errors import ServiceUnreachableError
from app.review_queue.keys import Keys
from app.review_queue.layout import ADVICE, laid_out_otherwise, told
from app.review_queue.store import CLUSTERED, ONE_SERVER, Client, clustered, milliseconds
from app.settings import Settings, without_password

OLDEST = 7
"""Major version of Redis from which on every command that is used is there."""
SKEW, FAR = 1_000, 10_000
"""ms between our clock and the store's: worth a word, and too much for leases and deadlines."""
FULL = 0.9
"""Share of the store's memory from which on its end is near."""
SLOW = 0.1
"""Seconds for an answer from which on people feel it, as for the alert HitlStoreSlow."""
LOOKS, BETWEEN = 10, 0.02
"""So many answers are timed, with so many seconds between them."""


def store(settings: Settings, pools: Sequence[str] = ()) -> Iterator[Finding]:
    """Address, password, rights, version, memory, disk, persistence, how reviews are laid out, clock."""
    with closing(store_of(settings)) as client:
        try:
            if clustered(client):
                yield Finding("store", "failed", CLUSTERED, ONE_SERVER)
                return
            answers = _ask(client, settings)
            otherwise = laid_out_otherwise(client, Keys(settings.topic_prefix), pools)
        except redis.exceptions.NoPermissionError as error:
            yield Finding(
                "store", "failed", f"our user has not all rights: {error}", "its ACL: docs/deployment.md"
            )
            return
        except (redis.AuthenticationError, redis.exceptions.AuthorizationError) as error:
            raise _unreachable(
                settings, error, "check the user in HITL_REDIS_URL and HITL_REDIS_PASSWORD_FILE"
            ) from error
        except (redis.RedisError, OSError) as error:
            raise _unreachable(settings, error, "check HITL_REDIS_URL and the server") from error
        info, skew, seconds = answers
    version = info.get("valkey_version") or info.get("redis_version", "?")
    name = f"{info.get('server_name', 'redis')} {version}"
    yield Finding("store", "ok", f"{name}, answers in {seconds * 1000:.1f} ms")
    if seconds > SLOW:
        detail = f"takes {seconds * 1000:.0f} ms for an answer: every claim and every batch waits for it"
        yield Finding("store", "warning", detail, "docs/runbooks/HitlStoreSlow.md")
    if int(info.get("redis_version", "0").split(".")[0]) < OLDEST:
        yield Finding(
            "store", "failed", f"version {version} is too old", f"use Redis or Valkey {OLDEST}.0 or newer"
        )
    yield from _memory(info)
    yield from _persistence(info)
    if otherwise:
        yield Finding("queue", "failed", told(otherwise), ADVICE)
    state: State = "ok" if abs(skew) < SKEW else "warning" if abs(skew) < FAR else "failed"
    yield Finding("clock", state, f"{skew:+d} ms from the store's clock", "" if state == "ok" else "run NTP")


def _ask(client: Client, settings: Settings) -> tuple[dict[str, str], int, float]:
    """What the server says of itself, how far our clock is ahead of its in ms, wrong by half the time of
    its answer at most, and how many seconds an answer takes. A user without the right to our keys and to
    scripts would fail with the first decision: better now."""
    ask: Callable[..., object] = client.execute_command
    info: dict[str, str] = {}
    for section in ("server", "memory", "persistence"):
        info |= _info(ask("INFO", section))
    ask("EXISTS", Keys(settings.topic_prefix).cases())
    ask("EVALSHA", ask("SCRIPT", "LOAD", "return 1"), 0)
    before = now()
    there = milliseconds(client.execute_command("TIME"))
    return info, (before + now()) // 2 - there, _answer_seconds(client)


def _answer_seconds(client: Client) -> float:
    """The mean of some: a store that stalls now and then is slow, too."""
    took = 0.0
    for _ in range(LOOKS):
        time.sleep(BETWEEN)
        asked = time.monotonic()
        client.execute_command("TIME")
        took += time.monotonic() - asked
    return took / LOOKS


def _memory(info: dict[str, str]) -> Iterator[Finding]:
    policy = info.get("maxmemory_policy", "?")
    if policy != "noeviction":
        detail = f"maxmemory-policy is {policy}: reviews could be dropped silently"
        yield Finding("store", "failed", detail, "CONFIG SET maxmemory-policy noeviction")
    most, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if most and used > FULL * most:
        detail = f"{used / most:.0%} of its memory is in use: it will take no more reviews"
        yield Finding("store", "warning", detail, "raise maxmemory (docs/deployment.md)")


def _persistence(info: dict[str, str]) -> Iterator[Finding]:
    if info.get("aof_enabled") != "1":
        detail = "appendonly is off: a restart forgets the queue, and answers that nobody was told of yet"
        yield Finding("store", "failed", detail, "CONFIG SET appendonly yes; afterwards: hitl queue verify")
    elif info.get("aof_last_write_status", "ok") != "ok":
        detail = "its last write to disk failed: it takes nothing until that is mended"
        yield Finding("store", "failed", detail, "look at its log; is the disk full?")


def _unreachable(settings: Settings, error: Exception, hint: str) -> ServiceUnreachableError:
    where = without_password(settings.redis_url or "")
    return ServiceUnreachableError(f"{where} does not answer: {error}", hint=hint)


def _info(answer: object) -> dict[str, str]:
    if isinstance(answer, dict):
        return {str(name): str(value) for name, value in answer.items()}
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
