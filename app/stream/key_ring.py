"""The keys of subjects (`privacy.keys`): known as they come, made where one is missing, gone once erased."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaException

from app.domain.events import SubjectKey
from app.domain.words import moment
from app.errors import HitlError
from app.stream.broadcast import Broadcast
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.envelope import KEY_BYTES, KEY_ID_BYTES
from app.stream.errors import DecodeError, TransientError
from app.stream.records import Incoming
from app.stream.topics import Topic

PATIENCE = 2.0  # seconds: a key is committed with the first record under it, and arrives on another way

FRESH = 10.0
"""Seconds for which a key that was made here goes out again. Whoever does not hear of it in the topic by then
does not hear of erasures either: the subject gets another key, so that none is written after its erasure."""


class KeyRing:
    """Follows `privacy.keys` from the first time it is asked. Any thread may ask.

    A subject may have several keys, where two workers met it at the same moment; all of them are erased
    together. ``codec`` reads what is not encrypted.
    """

    def __init__(self, codec: Codec, connection: Callable[[], Connection]) -> None:
        self._codec = codec
        self._connection = connection
        self._starting = threading.Lock()
        self._broadcast: Broadcast | None = None
        self._changed = threading.Condition()
        self._keys: dict[bytes, bytes] = {}
        self._of_subject: dict[str, list[bytes]] = {}
        self._subject: dict[bytes, str] = {}
        self._made: dict[str, tuple[SubjectKey, float]] = {}
        self._erased: dict[bytes, SubjectKey] = {}

    def start(self) -> None:
        """Know every key that is there. Raises ``TransientError`` while the broker or the topic is away."""
        with self._starting:
            if self._broadcast is not None:
                return
            broadcast = Broadcast(self._connection(), Topic.PRIVACY_KEYS, self.hear)
            try:
                broadcast.start()
            except (HitlError, KafkaException) as error:  # also of one record: what else it says is not known
                raise TransientError(
                    f"the keys of subjects can not be read: {error}",
                    hint="is the broker up, and the topic privacy.keys there? hitl topics apply",
                ) from error
            self._broadcast = broadcast

    def close(self) -> None:
        """End the reader's thread."""
        if self._broadcast is not None:
            self._broadcast.stop()

    def hear(self, record: Incoming) -> None:
        """Take a record of `privacy.keys`."""
        told = self._codec.decode_as(record.value, SubjectKey)
        key_id = bytes.fromhex(told.key_id)
        with self._changed:
            if told.erased_at is not None:
                self._forget(key_id, told)
            elif key_id not in self._erased:
                self._keys[key_id] = bytes.fromhex(told.key)
                self._subject[key_id] = told.subject
                ids = self._of_subject.setdefault(told.subject, [])
                if key_id not in ids:
                    ids.append(key_id)
                self._made.pop(told.subject, None)
            self._changed.notify_all()

    def key(self, key_id: bytes) -> bytes:
        """The key of an id. Raises ``DecodeError("erased")``, ``TransientError`` while it is not known."""
        found = self._keys.get(key_id)
        if found is not None:
            return found
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: key_id in self._keys or key_id in self._erased, PATIENCE)
            if key_id in self._keys:
                return self._keys[key_id]
            erased = self._erased.get(key_id)
        if erased is None:
            raise TransientError(
                f"key {key_id.hex()} of an encrypted record is not in privacy.keys",
                hint="was that topic lost, or restored from before? See docs/operating.md",
            )
        raise DecodeError(
            "erased",
            f"erased on {moment(erased.erased_at or 0)} by {erased.erased_by}: {erased.reason}",
            hint="the person's data was erased; nobody can read it again",
        )

    def key_for(self, subject: str, at: int) -> tuple[bytes, bytes | None]:
        """The id of the subject's key, and the record of `privacy.keys` that has to be written in the same
        transaction as whatever is encrypted under it; ``None`` when the topic has it. ``at`` in ms UTC."""
        self.start()
        with self._changed:
            ids = self._of_subject.get(subject)
            if ids:
                return ids[0], None
            made, since = self._made.get(subject, (None, 0.0))
            if made is None or time.monotonic() - since > FRESH:
                key_id, key = os.urandom(KEY_ID_BYTES), os.urandom(KEY_BYTES)
                made = SubjectKey(key_id=key_id.hex(), subject=subject, key=key.hex(), created_at=at)
                self._made[subject] = made, time.monotonic()
                self._keys[key_id] = key
                self._subject[key_id] = subject
        # Until the topic says it, it goes out with every batch: the transaction before may have been aborted.
        return bytes.fromhex(made.key_id), self._codec.encode(made)

    def ids_of(self, subject: str) -> list[bytes]:
        """Ids of all keys of a subject that are not erased."""
        self.start()
        with self._changed:
            return list(self._of_subject.get(subject, ()))

    def _forget(self, key_id: bytes, erased: SubjectKey) -> None:
        self._erased[key_id] = erased
        self._keys.pop(key_id, None)
        subject = self._subject.pop(key_id, None)
        if subject is None:
            return
        made = self._made.get(subject)
        if made is not None and made[0].key_id == erased.key_id:
            del self._made[subject]
        left = [one for one in self._of_subject.get(subject, ()) if one != key_id]
        if left:
            self._of_subject[subject] = left
        else:
            self._of_subject.pop(subject, None)
