"""The AsyncAPI 3.0 document of everything on Kafka, from ``topics.yaml`` and ``schemas/``.

A channel for each topic, a message for each event, an operation for each agent that reads or writes
a topic. Source: AsyncAPI 3.0.0 and its Kafka binding 0.5.0.
"""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML

from app.stream.avro_reader import full_name
from app.stream.headers import CONTENT_TYPE, LEVEL
from app.stream.schemas import Schemas
from app.stream.topics import TopicSpec, TopicTable

AGENTS = ("scoring", "routing", "review_request", "outcome", "drift", "relay")
"""Who reads and writes on our side; all other names in the table are other people's programs."""

KAFKA_BINDING = "0.5.0"
AVRO_FORMAT = "application/vnd.apache.avro+json;version=1.9.0"

_DESCRIPTION = (
    "Decisions that AI takes, people review, and both learn from. Values are Avro with the single-object "
    "encoding (C3 01, CRC-64-AVRO fingerprint, body), or Confluent frames when a schema registry is set; "
    "both are read. Headers follow CloudEvents 1.0 (binary mode) and W3C Trace Context. Read with "
    "isolation.level=read_committed. Generated from topics.yaml and schemas/ by `hitl topics docs`."
)


def document(table: TopicTable, schemas: Schemas, version: str) -> dict[str, Any]:
    """The AsyncAPI document as plain values. ``version`` is the application's."""
    events = sorted({name for spec in table.specs.values() for name in spec.schemas})
    return {
        "asyncapi": "3.0.0",
        "id": "urn:hitl-stream",
        "info": {"title": "hitl-stream", "version": version, "description": _DESCRIPTION},
        "defaultContentType": CONTENT_TYPE.decode(),
        "channels": {_key(name): _channel(name, spec) for name, spec in table.specs.items()},
        "operations": {
            f"{agent}_{verb}_{_key(name)}": _operation(name, spec, action)
            for name, spec in table.specs.items()
            for action, verb, people in (
                ("receive", "reads", spec.read_by),
                ("send", "writes", spec.written_by),
            )
            for agent in people
            if agent in AGENTS
        },
        "components": {
            "messages": {name: _message(name, schemas) for name in events},
            "messageTraits": {"record": _record_trait()},
        },
    }


def to_yaml(content: dict[str, Any]) -> str:
    """``content`` as YAML, always the same text for the same content."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # a switch of ruamel's representer
    yaml.width = 10_000  # one line for each text: folding would leave blanks at the ends of lines
    yaml.representer.ignore_aliases = lambda _data: True
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()


def overview(table: TopicTable) -> str:
    """The topics as a Markdown table, for docs/topics.md."""
    rows = [
        "| topic | key | events | partitions | kept | written by | read by |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, spec in table.specs.items():
        kept = "latest of each key" if spec.retention_hours is None else f"{spec.retention_hours // 24} days"
        cells = [
            f"`{name}.<pool>`" if spec.per_pool else f"`{name}`",
            spec.key,
            ", ".join(spec.schemas) or "raw",
            str(spec.partitions),
            kept,
            ", ".join(spec.written_by),
            ", ".join(spec.read_by),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _key(topic: str) -> str:
    return topic.replace(".", "_")


def _channel(name: str, spec: TopicSpec) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": [spec.cleanup]}
    if spec.retention_hours is not None:
        configuration["retention.ms"] = int(spec.config()["retention.ms"])
    if spec.max_message_bytes is not None:
        configuration["max.message.bytes"] = spec.max_message_bytes
    channel: dict[str, Any] = {
        "address": f"{name}.{{pool}}" if spec.per_pool else name,
        "title": name,
        "description": f"{spec.why} Key: {spec.key}. Written by {', '.join(spec.written_by)};"
        f" read by {', '.join(spec.read_by)}.",
        "messages": {event: {"$ref": f"#/components/messages/{event}"} for event in spec.schemas},
    }
    if spec.per_pool:
        channel["parameters"] = {"pool": {"description": "A review pool of the policy."}}
    binding = {"partitions": spec.partitions, "topicConfiguration": configuration}
    channel["bindings"] = {"kafka": {**binding, "bindingVersion": KAFKA_BINDING}}
    return channel


def _operation(name: str, spec: TopicSpec, action: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{_key(name)}"},
        "summary": spec.why,
        "messages": [{"$ref": f"#/channels/{_key(name)}/messages/{event}"} for event in spec.schemas],
    }


def _message(name: str, schemas: Schemas) -> dict[str, Any]:
    schema = schemas.current[name]
    return {
        "name": full_name(schema),
        "title": name,
        "summary": schema["doc"],
        "contentType": CONTENT_TYPE.decode(),
        "traits": [{"$ref": "#/components/messageTraits/record"}],
        "payload": {"schemaFormat": AVRO_FORMAT, "schema": schema},
    }


def _record_trait() -> dict[str, Any]:
    text = {"type": "string"}
    headers = {
        "ce_specversion": {**text, "const": "1.0"},
        "ce_id": {**text, "description": "event name and decision or review id; equal for a repeat"},
        "ce_type": {**text, "description": "full name of the Avro record"},
        "ce_source": text,
        "ce_time": {**text, "format": "date-time", "description": "time of the record that caused this one"},
        "content-type": {**text, "const": CONTENT_TYPE.decode()},
        "traceparent": {**text, "description": "W3C Trace Context; passed on, or derived from the id"},
        "tracestate": {**text, "description": "W3C Trace Context; passed on"},
        LEVEL: {
            **text,
            "description": "involvement level 1 to 5, where an event has one",
            "pattern": "^[1-5]$",
        },
    }
    return {
        "headers": {"type": "object", "properties": headers},
        "bindings": {"kafka": {"key": text, "bindingVersion": KAFKA_BINDING}},
    }
