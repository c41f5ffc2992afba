"""What can go wrong at the Kafka edge, by what the caller must do about it."""

from __future__ import annotations

from typing import Literal

from app.errors import HitlError, ServiceUnreachableError

DecodeReason = Literal[
    "not_avro",
    "unknown_fingerprint",
    "unknown_schema_id",
    "malformed",
    "wrong_type",
    "not_utf8",
    "no_keys",
    "erased",
]


class TransientError(HitlError):
    """An outage (Redis, broker, registry): the batch is retried, never dead-lettered."""

    exit_code = 3


class FatalStreamError(HitlError):
    """This client can not go on (fenced by a newer one, above all): the process must be restarted."""


class StoppedError(HitlError):
    """Asked to stop while a call was being repeated; its transaction was not committed."""


class OverdueError(HitlError):
    """A call of a transaction was repeated for longer than the broker lets a transaction last."""


class DecodeError(HitlError):
    """A value that is not one of our events: poison, dead-lettered at once.

    ``reason`` is short and stable, for headers and metrics:

    - ``not_avro``: neither frame was recognised;
    - ``unknown_fingerprint``: single-object frame of a schema that was never committed here;
    - ``unknown_schema_id``: the registry does not know the id, or no registry is set;
    - ``malformed``: the body does not follow its schema;
    - ``wrong_type``: a known event, but not the one expected there;
    - ``not_utf8``: a string field is not UTF-8;
    - ``no_keys``: encrypted, and this reader was given no keys;
    - ``erased``: encrypted, and the subject's key was erased.
    """

    def __init__(self, reason: DecodeReason, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason: DecodeReason = reason


class ErasedError(HitlError):
    """A decision whose subject was erased: its records are there, and nobody can read them."""


class EncodeError(HitlError):
    """An event holds a value that its schema can not carry: a bug of the writer."""


class SchemaError(HitlError):
    """The files in ``schemas/`` do not fit one another, or the structs of the code."""


class TopicTableError(HitlError):
    """``topics.yaml`` is not a table of topics."""


class BrokerUnreachableError(ServiceUnreachableError):
    """The broker did not answer in time."""
