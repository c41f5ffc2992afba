"""Events to framed Avro bytes and back.

Two frames are read: Avro's single-object encoding (``C3 01``, 8 bytes CRC-64-AVRO fingerprint, body)
and, when a schema registry is set, Confluent's (``00``, 4 bytes big-endian schema id, body). The
registry's frame is then also the one that is written. Either may stand in an envelope, encrypted under
the key of the person whom the record is about (``app.stream.envelope``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import fastavro.schema
import msgspec

from app.domain.events import Record
from app.stream.avro_reader import Schema, compile_reader
from app.stream.avro_writer import compile_writer
from app.stream.envelope import decrypt, encrypt, is_encrypted, key_id_of
from app.stream.errors import DecodeError, EncodeError, SchemaError
from app.stream.schemas import NAMESPACE, STRUCTS, Schemas, fingerprint

R = TypeVar("R", bound=Record)

_SINGLE_OBJECT = b"\xc3\x01"
_CONFLUENT = b"\x00"
_SINGLE_OBJECT_SIZE = 10
_CONFLUENT_SIZE = 5


class Registry(Protocol):
    """What the codec needs of a schema registry (``app.stream.registry``)."""

    def id_of(self, name: str, schema: Schema) -> int:
        """Id of an event's schema, registered if need be. Raises ``TransientError`` in an outage."""

    def schema(self, schema_id: int) -> Schema | None:
        """Self-contained schema of an id; ``None`` if there is none. ``TransientError`` in an outage."""


class Keys(Protocol):
    """What the codec needs of the keys of subjects (``app.stream.key_ring``)."""

    def key(self, key_id: bytes) -> bytes:
        """The key of an id. ``DecodeError`` when it was erased, ``TransientError`` in an outage."""


class _Frame(msgspec.Struct, frozen=True):
    """What is known about a frame's head: how to read what follows, and whether it was written with
    the current schema, so that its bytes can be passed on as they are."""

    event_type: type[Record]
    read: Callable[[bytes, int], Record]
    is_current: bool


class Codec:
    """Encodes and decodes every event of ``schemas``. Cheap to call, meant to be built once.

    Readers and writers are written out at the first use of each event, so that a command which needs
    one event does not pay for all.
    """

    def __init__(self, schemas: Schemas, registry: Registry | None = None, keys: Keys | None = None) -> None:
        self._keys = keys
        self._schemas = schemas
        self._registry = registry
        self._written_with = schemas.written_with
        self._current = schemas.fingerprints
        self._frames: dict[bytes, _Frame] = {}
        self._heads: dict[type[Record], bytes] = {}
        self._writers: dict[type[Record], Callable[[Record], bytes]] = {}
        self._part_writers: dict[type[Record], Callable[[Record], bytes]] = {}

    def encode(self, event: Record, under: bytes | None = None) -> bytes:
        """Frame and body of an event, encrypted where ``under`` names a key: that of the record which
        caused this one (``key_id_of``). Raises ``EncodeError`` naming the field that does not fit."""
        event_type = type(event)
        write = self._writers.get(event_type) or self._learn_writer(event_type)
        whole = (self._heads.get(event_type) or self._learn_head(event_type)) + write(event)
        return whole if under is None else self._encrypted(whole, under)

    def decode(self, value: bytes | None) -> Record:
        """The event in ``value``: any known event, any committed version, either frame.

        Raises ``DecodeError`` and nothing else for whatever bytes; work and memory are bounded by their
        number. Raises ``TransientError`` if a registry is needed and does not answer.
        """
        value = self._opened(value or b"")
        return self._frame(value).read(value, _head_size(value))

    def decode_as(self, value: bytes | None, event_type: type[R]) -> R:
        """As ``decode``; another event than ``event_type`` raises ``DecodeError("wrong_type")``."""
        value = self._opened(value or b"")
        frame = self._frame(value)
        if frame.event_type is not event_type:
            raise _wrong_type(frame.event_type, event_type)
        return cast(R, frame.read(value, _head_size(value)))

    def body(self, value: bytes, event_type: type[Record]) -> bytes:
        """The story in ``value`` as ``append`` takes it: without frame, in the current schema.

        Bytes written with the current schema are passed on without a look: decode them first, as a
        stage does anyway. Raises as ``decode_as``.
        """
        value = self._opened(value)
        frame = self._frame(value)
        if frame.event_type is not event_type:
            raise _wrong_type(frame.event_type, event_type)
        if frame.is_current:
            return value[_head_size(value) :]
        write = self._writers.get(event_type) or self._learn_writer(event_type)
        return write(frame.read(value, _head_size(value)))

    def append(
        self, event_type: type[Record], story: bytes, part: Record, under: bytes | None = None
    ) -> bytes:
        """Frame, story and encoded part: the bytes of ``event_type(story, part)`` without encoding the
        story again. An Avro record is its fields' bytes in order. ``under`` as in ``encode``. Raises
        ``EncodeError``."""
        write = self._part_writers.get(event_type) or self._learn_part_writer(event_type)
        whole = (self._heads.get(event_type) or self._learn_head(event_type)) + story + write(part)
        return whole if under is None else self._encrypted(whole, under)

    def key_id(self, value: bytes) -> bytes | None:
        """Under which key a record is encrypted, if it is; its first 18 bytes tell."""
        return key_id_of(value)

    def _opened(self, value: bytes) -> bytes:
        if not is_encrypted(value):
            return value
        key_id = key_id_of(value)
        if key_id is None or self._keys is None:
            raise DecodeError("no_keys", "the record is encrypted, and this reader has no keys")
        return decrypt(value, self._keys.key(key_id))

    def _encrypted(self, whole: bytes, under: bytes) -> bytes:
        if self._keys is None:
            raise EncodeError("a record is to be encrypted, and this writer has no keys")
        return encrypt(whole, under, self._keys.key(under))

    def is_erased(self, under: bytes) -> bool:
        """Whether a key is gone, with all that is encrypted under it. Raises ``TransientError``."""
        if self._keys is None:
            return False
        try:
            self._keys.key(under)
        except DecodeError:
            return True
        return False

    def protect(self, value: bytes, under: bytes) -> bytes:
        """A framed record as it is, encrypted under a key."""
        return self._encrypted(value, under)

    def _frame(self, value: bytes) -> _Frame:
        head = value[: _head_size(value)]
        return self._frames.get(head) or self._learn_frame(head)

    def _learn_frame(self, head: bytes) -> _Frame:
        if head[:2] == _SINGLE_OBJECT and len(head) == _SINGLE_OBJECT_SIZE:
            frame = self._committed(head[2:])
        elif head[:1] == _CONFLUENT and len(head) == _CONFLUENT_SIZE:
            frame = self._registered(int.from_bytes(head[1:], "big"))
        elif not head:
            raise DecodeError("not_avro", "the record has no value")
        else:
            raise DecodeError("not_avro", f"{head.hex(' ')} starts no complete Avro frame")
        self._frames[head] = frame
        return frame

    def _committed(self, written_with: bytes) -> _Frame:
        if written_with not in self._written_with:
            raise DecodeError(
                "unknown_fingerprint",
                f"no committed schema has the fingerprint {written_with.hex()}",
                hint="add the writer's schema to schemas/history, then replay",
            )
        return self._compile(*self._written_with[written_with])

    def _registered(self, schema_id: int) -> _Frame:
        if self._registry is None:
            raise DecodeError(
                "unknown_schema_id",
                f"schema id {schema_id}, but no registry is set",
                hint="set HITL_SCHEMA_REGISTRY_URL, then replay",
            )
        schema = self._registry.schema(schema_id)
        if schema is None:
            raise DecodeError("unknown_schema_id", f"schema id {schema_id} is unknown to the registry")
        try:
            parsed: Any = fastavro.schema.parse_schema(schema)  # gives every named type its full name
            name = parsed["name"].rpartition(".")[2]
            if name not in self._schemas.current:
                raise SchemaError(f"{name} is not one of our events")
            return self._compile(name, parsed)
        except Exception as error:  # whatever a registry may hold, it is the record that is refused
            raise DecodeError(
                "unknown_schema_id", f"schema id {schema_id} can not be read: {error}"
            ) from error

    def _compile(self, name: str, schema: Schema) -> _Frame:
        current = self._schemas.current[name]
        return _Frame(
            event_type=STRUCTS[f"{NAMESPACE}.{name}"],
            read=compile_reader(schema, current, STRUCTS),
            is_current=fingerprint(schema) == self._current[name],
        )

    def _learn_head(self, event_type: type[Record]) -> bytes:
        name = self._name(event_type)
        if self._registry is None:
            head = _SINGLE_OBJECT + self._current[name]
        else:
            schema_id = self._registry.id_of(name, self._schemas.current[name])
            head = _CONFLUENT + schema_id.to_bytes(4, "big")
        self._heads[event_type] = head
        return head

    def _learn_writer(self, event_type: type[Record]) -> Callable[[Record], bytes]:
        writer = compile_writer(self._schemas.current[self._name(event_type)])
        self._writers[event_type] = writer
        return writer

    def _learn_part_writer(self, event_type: type[Record]) -> Callable[[Record], bytes]:
        writer = compile_writer(self._schemas.part(self._name(event_type)))
        self._part_writers[event_type] = writer
        return writer

    def _name(self, event_type: type[Record]) -> str:
        if event_type.__name__ not in self._current:
            raise EncodeError(f"{event_type.__name__} is no event of its own", hint="see schemas/*.avsc")
        return event_type.__name__


def _head_size(value: bytes) -> int:
    return _SINGLE_OBJECT_SIZE if value and value[0] == _SINGLE_OBJECT[0] else _CONFLUENT_SIZE


def _wrong_type(found: type[Record], expected: type[Record]) -> DecodeError:
    return DecodeError("wrong_type", f"holds {found.__name__}, expected {expected.__name__}")
