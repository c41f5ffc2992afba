"""``hitl topics``: create, list, document and read the topics of ``topics.yaml``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from confluent_kafka.admin import AdminClient

from app import __version__
from app.commands.output import AsJson, print_json, print_remark, print_rows
from app.errors import HitlError, UsageError
from app.policy.compiled import compile_policy
from app.policy.load import load_policy
from app.settings import Settings, load_settings
from app.stream.asyncapi import document, overview, to_yaml
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.errors import DecodeError
from app.stream.records import Incoming
from app.stream.registry import connect_registry
from app.stream.schemas import Schemas
from app.stream.tail import Tail
from app.stream.topics import BROKER_DEFAULT, Topic, TopicState, TopicTable

app = typer.Typer(
    help="The topics: create, list, document and read them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Timeout = Annotated[float, typer.Option(help="Seconds to wait for the broker.", min=0.1)]

_COLUMNS = ("topic", "state", "partitions", "kept", "key", "events", "differences")


@app.command()
def apply(
    as_json: AsJson = False,
    replication_factor: Annotated[
        int, typer.Option(help="Copies of each partition; -1 leaves it to the broker.", min=-1)
    ] = BROKER_DEFAULT,
    timeout: Timeout = 10.0,
) -> None:
    """Create the topics that are missing and report what differs. Nothing that exists is changed.

    Review requests get one topic for each pool of the policy (HITL_POLICY).

    Example: `hitl topics apply --replication-factor 3`
    """
    settings = load_settings()
    connection = _connection(settings)
    states = TopicTable.load().apply(
        _admin(connection),
        _pools(settings),
        connection.prefix,
        replication_factor=replication_factor,
        timeout=timeout,
    )
    _print_states(states, connection.prefix, as_json=as_json)


@app.command("list")
def list_topics(as_json: AsJson = False, timeout: Timeout = 10.0) -> None:
    """Every topic: what the table says, and what the broker has.

    Example: `hitl topics list --json`
    """
    settings = load_settings()
    connection = _connection(settings)
    states = TopicTable.load().compare(
        _admin(connection), _pools(settings), connection.prefix, timeout=timeout
    )
    _print_states(states, connection.prefix, as_json=as_json)


@app.command()
def docs(
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of standard output.")] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Only the overview of docs/topics.md, in Markdown.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="AsyncAPI as JSON instead of YAML.")] = False,
) -> None:
    """The AsyncAPI 3.0 document of all topics and events. Needs no broker.

    Example: `hitl topics docs --out docs/asyncapi.yaml`
    """
    if table:
        text = overview(TopicTable.load())
    else:
        content = document(TopicTable.load(), Schemas.load(), __version__)
        text = json.dumps(content, ensure_ascii=False) + "\n" if as_json else to_yaml(content)
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HitlError(
            f"{out} can not be written: {error.strerror}", hint="choose a folder that exists"
        ) from error
    print_remark(f"wrote {out}")


@app.command()
def tail(
    name: Annotated[str, typer.Argument(help="Topic, without prefix; `reviews.requested` means all pools.")],
    start: Annotated[Literal["beginning", "end"], typer.Option("--from", help="Where to start.")] = "end",
    maximum: Annotated[int | None, typer.Option("--max", help="Stop after so many records.", min=1)] = None,
    follow: Annotated[
        bool | None,
        typer.Option(
            "--follow/--no-follow", help="Wait for more at the end. Default: only with `--from end`."
        ),
    ] = None,
    as_json: Annotated[  # noqa: ARG001  every verb that prints data takes it
        bool, typer.Option("--json", help="Always so here: one JSON document a line.")
    ] = False,
    timeout: Timeout = 10.0,
) -> None:
    """Committed records of a topic, decoded, one JSON document a line, until Ctrl-C.

    A value that is not one of our events (a dead letter may hold anything) is shown as text, or as hex
    where it is not UTF-8, with the reason why it could not be decoded.

    Example: `hitl topics tail decisions.routed --from beginning --max 5`
    """
    settings = load_settings()
    connection = _connection(settings)
    codec = _codec(settings)
    reader = Tail(connection, _known(name), from_beginning=start == "beginning", timeout=timeout)
    more = (start == "end") if follow is None else follow
    try:
        for record in _at_most(maximum, reader.records(follow=more)):
            print_json(shown(record, codec))
    except KeyboardInterrupt:  # how one stops following; nothing went wrong
        return
    finally:
        reader.close()


def shown(record: Incoming, codec: Codec) -> dict[str, object]:
    """A record as ``tail`` prints it. Headers stay a list of pairs: names may repeat."""
    view: dict[str, object] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _readable(record.key),
        "headers": [[name, _readable(value)] for name, value in record.headers],
    }
    if record.value is None:
        return view | {"event": None, "value": None}
    try:
        event = codec.decode(record.value)
    except DecodeError as error:
        unread = {"reason": error.reason, "message": str(error)}
        return view | {"event": None, "value": _readable(record.value), "not_decoded": unread}
    return view | {"event": type(event).__name__, "value": msgspec.to_builtins(event)}


def _readable(data: bytes | None) -> object:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"hex": data.hex()}


def _at_most(maximum: int | None, records: Iterator[Incoming]) -> Iterator[Incoming]:
    for count, record in enumerate(records, start=1):
        yield record
        if count == maximum:
            return


def _known(name: str) -> str:
    if name in set(Topic) or name.startswith(f"{Topic.REVIEWS_REQUESTED}."):
        return name
    raise UsageError(f"no topic is named '{name}'", hint=f"one of: {', '.join(Topic)}")


def _connection(settings: Settings) -> Connection:
    servers = settings.kafka_bootstrap_servers or settings.kafka_config.get("bootstrap.servers")
    if not servers:
        raise UsageError(
            "no broker is named", hint="set HITL_KAFKA_BOOTSTRAP_SERVERS, e.g. to localhost:9092"
        )
    return Connection(bootstrap_servers=servers, config=settings.kafka_config, prefix=settings.topic_prefix)


def _admin(connection: Connection) -> AdminClient:
    return AdminClient(connection.client("hitl-topics", {}))  # type: ignore[arg-type]  # its values are plain


def _codec(settings: Settings) -> Codec:
    url = settings.schema_registry_url
    return Codec(Schemas.load(), connect_registry(url) if url else None)


def _pools(settings: Settings) -> tuple[str, ...]:
    return compile_policy(load_policy(settings.policy_path)).pool_names


def _print_states(states: list[TopicState], prefix: str, *, as_json: bool) -> None:
    print_rows((_row(state, prefix) for state in states), _COLUMNS, as_json=as_json, empty="no topics")


def _row(state: TopicState, prefix: str) -> Mapping[str, object]:
    spec = state.spec
    return {
        "topic": prefix + state.topic,
        "state": state.state,
        "partitions": spec.partitions,
        "kept": "latest of key" if spec.retention_hours is None else f"{spec.retention_hours} h",
        "key": spec.key,
        "events": " ".join(spec.schemas),
        "differences": "; ".join(state.differences),
    }
