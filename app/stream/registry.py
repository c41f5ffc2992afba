"""A Confluent-compatible schema registry, reduced to the two questions that the codec asks.

Subjects are record names (``hitl.events.DecisionScored``), not topics: some topics carry several
events, and one event may be on several topics.
"""

from __future__ import annotations

import json
from typing import Any

from app.errors import UsageError
from app.stream.avro_reader import Schema, full_name
from app.stream.errors import SchemaError, TransientError

_NOT_FOUND = 404
_CONFLICT = {409, 422}


class SchemaRegistry:
    """Asks the registry once for each schema and id, then answers from memory.

    An id that the registry does not know is asked for again with each record that carries it: it may
    be registered meanwhile.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401  confluent_kafka's client has no types
        self._client = client
        self._ids: dict[str, int] = {}
        self._schemas: dict[int, Schema] = {}

    def id_of(self, name: str, schema: Schema) -> int:
        """Id of ``schema``, registered under its full name if need be.

        Raises ``SchemaError`` if the registry refuses it as incompatible, ``TransientError`` in an outage.
        """
        if name not in self._ids:
            confluent = _confluent()
            registered = confluent.Schema(json.dumps(schema), "AVRO")
            try:
                self._ids[name] = self._client.register_schema(full_name(schema), registered)
            except confluent.SchemaRegistryError as error:
                if error.http_status_code in _CONFLICT:
                    raise SchemaError(
                        f"the registry refuses {full_name(schema)}: {error.error_message}",
                        hint="compare the subject's versions with schemas/history",
                    ) from error
                raise _outage(error) from error
            except Exception as error:
                raise _outage(error) from error
        return self._ids[name]

    def schema(self, schema_id: int) -> Schema | None:
        """Self-contained schema of an id, ``None`` if there is none. ``TransientError`` in an outage."""
        if schema_id not in self._schemas:
            confluent = _confluent()
            try:
                found = self._client.get_schema(schema_id)
                self._schemas[schema_id] = json.loads(found.schema_str)
            except confluent.SchemaRegistryError as error:
                if error.http_status_code == _NOT_FOUND:
                    return None
                raise _outage(error) from error
            except ValueError:
                return None
            except Exception as error:
                raise _outage(error) from error
        return self._schemas[schema_id]


def connect_registry(url: str, *, timeout_seconds: float = 5.0, retries: int = 2) -> SchemaRegistry:
    """A registry at ``url``; nothing is sent yet. ``mock://name`` is one in memory, for tests."""
    client = _confluent().SchemaRegistryClient.new_client(
        {"url": url, "timeout": timeout_seconds, "max.retries": retries}
    )
    return SchemaRegistry(client)


def _confluent() -> Any:  # noqa: ANN401  a module
    try:
        import confluent_kafka.schema_registry as confluent  # noqa: PLC0415  needs an extra, and only here
    except ImportError as error:
        raise UsageError(
            f"a schema registry is set, but {error.name} is not installed",
            hint="pip install 'hitl-stream[registry]'",
        ) from error
    return confluent


def _outage(error: Exception) -> TransientError:
    return TransientError(
        f"the schema registry does not answer: {error}", hint="check HITL_SCHEMA_REGISTRY_URL and its service"
    )
