"""Waits until the store has an answer on disk, where the store can say so."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import redis

from app.review_queue.store import Argument, Client, Script

log = logging.getLogger(__name__)


class Durability:
    """Runs a script and waits up to ``wait`` ms (0: not at all) for its effects to be on disk.

    With ``appendfsync everysec`` that is up to a second, with ``always`` about the time of one fsync.
    A store without persistence, or older than 7.2, costs a warning, once.
    """

    def __init__(self, client: Client, wait: int) -> None:
        self._client = client
        self._wait = wait
        self._possible: bool | None = None if wait > 0 else False

    def call(self, script: Script, key: str, arguments: Sequence[Argument]) -> tuple[Any, bool | None]:
        """The script's answer, and whether it is on disk: ``None`` when that can not be known."""
        if not self._ask():
            return script.run(self._client, key, arguments), None
        answer, on_disk = self._send(script, key, arguments)
        if isinstance(answer, redis.exceptions.NoScriptError):
            self._client.execute_command("SCRIPT", "LOAD", script.text)
            answer, on_disk = self._send(script, key, arguments)
        if isinstance(answer, Exception):
            raise answer
        return answer, not isinstance(on_disk, Exception) and on_disk[0] >= 1

    def _send(self, script: Script, key: str, arguments: Sequence[Argument]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        pipe.execute_command(*script.command(key, arguments))
        pipe.execute_command("WAITAOF", 1, 0, self._wait)
        return pipe.execute(raise_on_error=False)

    def _ask(self) -> bool:
        if self._possible is None:
            try:
                self._client.execute_command("WAITAOF", 1, 0, 1)
                self._possible = True
            except redis.ResponseError as error:
                self._possible = False
                log.warning("answers are not confirmed to be on disk before they are acknowledged: %s", error)
        return self._possible
