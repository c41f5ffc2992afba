"""``hitl doctor``: is everything there that a worker needs, and if not, what to do?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Annotated

import msgspec
import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from app.agents.books import usable
from app.commands.doctor_console import Finding, State, console, webhooks
from app.commands.output import print_rows
from app.composition.parts import (
    activated_policy,
    connection_of,
    load_compiled_policy,
    now,
    open_codec,
    store_of,
)
from app.errors import HitlError, ServiceUnreachableError
from app.settings import Settings, load_settings
from app.stream.errors import BrokerUnreachableError
from app.stream.schemas import Schemas
from app.stream.topics import TopicTable


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Check policy, schemas, broker, topics, store, clock, secret, console and webhooks, and say what to do.

    Exit code 1 when something is wrong, 3 when a service can not be reached.

    Example: `hitl doctor`
    """
    settings = load_settings()
    findings: list[Finding] = []
    unreachable = False
    for check in (_policy, _schemas, _broker, _store, _secret, console, webhooks):
        try:
            findings.extend(check(settings))
        except HitlError as error:
            unreachable |= isinstance(error, ServiceUnreachableError)
            findings.append(Finding(check.__name__.strip("_"), "failed", str(error), error.hint))
    rows = [msgspec.to_builtins(finding) for finding in findings]
    print_rows(rows, ("check", "state", "detail", "do"), as_json=as_json, empty="nothing was checked")
    if unreachable:
        raise typer.Exit(3)
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(1)


def _policy(settings: Settings) -> Iterator[Finding]:
    policy = load_compiled_policy(settings)
    yield Finding(
        "policy",
        "ok",
        f"{settings.policy_path}: version {policy.version}, {len(policy.terms)} decision types",
    )


def _schemas(settings: Settings) -> Iterator[Finding]:
    missing = Schemas.load().uncommitted()
    if missing:
        detail = f"changed without a new version in schemas/history: {', '.join(missing)}"
        yield Finding("schemas", "failed", detail, "python -m app.stream.schemas")
        return
    open_codec(settings)
    yield Finding("schemas", "ok", "current versions are in schemas/history")


def _broker(settings: Settings) -> Iterator[Finding]:
    connection = connection_of(settings)
    admin = AdminClient(connection.client("hitl-doctor", {}))  # type: ignore[arg-type]  # takes callables too
    try:
        there = set(admin.list_topics(timeout=10).topics)
    except KafkaException as error:
        raise ServiceUnreachableError(
            f"{connection.bootstrap_servers} does not answer: {error.args[0].str()}",
            hint="check HITL_KAFKA_BOOTSTRAP_SERVERS, HITL_KAFKA_CONFIG and that the broker is up",
        ) from error
    yield Finding("broker", "ok", f"{connection.bootstrap_servers} answers")
    pools = load_compiled_policy(settings).pool_names
    table = TopicTable.load()
    wanted = table.named(pools)
    missing = [name for name in wanted if connection.topic(name) not in there]
    if missing:
        yield Finding("topics", "failed", f"missing: {', '.join(missing)}", "hitl topics apply")
        return
    yield from _in_force(settings)
    try:
        states = table.compare(admin, pools, connection.prefix, timeout=5.0)
    except BrokerUnreachableError:
        detail = f"{len(wanted)} there; their settings can not be read (the embedded broker never tells)"
        yield Finding("topics", "warning", detail, "on your own broker: allow DescribeConfigs")
        return
    different = [state for state in states if state.state == "different"]
    for state in different:
        detail = f"{state.topic}: {'; '.join(state.differences)}"
        yield Finding("topics", "warning", detail, "change the topic, or topics.yaml")
    if not different:
        yield Finding("topics", "ok", f"{len(states)} there, as in topics.yaml")


def _in_force(settings: Settings) -> Iterator[Finding]:
    event, here = activated_policy(settings), load_compiled_policy(settings).version
    if event is None:
        yield Finding("policy in force", "ok", f"version {here}, from the file: nothing was activated")
        return
    version = usable(event).version
    detail = f"version {version}, activated by {event.activated_by}"
    if version == here:
        yield Finding("policy in force", "ok", detail)
    else:
        detail += f"; {settings.policy_path} is {here}, and counts for nothing"
        yield Finding("policy in force", "warning", detail, "hitl policy activate, if the file is right")


def _store(settings: Settings) -> Iterator[Finding]:
    with closing(store_of(settings)) as client:
        ask: Callable[..., object] = client.execute_command
        try:
            server = _info(ask("INFO", "server"))
            clock = ask("TIME")
            memory = _info(ask("INFO", "memory"))
            persistence = _info(ask("INFO", "persistence"))
        except Exception as error:
            raise ServiceUnreachableError(
                f"{settings.redis_url} does not answer: {error}", hint="check HITL_REDIS_URL and the server"
            ) from error
    version = server.get("valkey_version") or server.get("redis_version", "?")
    yield Finding("store", "ok", f"{server.get('server_name', 'redis')} {version}")
    if int(server.get("redis_version", "0").split(".")[0]) < 7:
        yield Finding("store", "failed", f"version {version} is too old", "use Redis or Valkey 7.0 or newer")
    policy = memory.get("maxmemory_policy", "?")
    if policy != "noeviction":
        detail = f"maxmemory-policy is {policy}: reviews could be dropped silently"
        yield Finding("store", "failed", detail, "CONFIG SET maxmemory-policy noeviction")
    if persistence.get("aof_enabled") != "1":
        detail = "appendonly is off: a restart forgets the queue"
        yield Finding("store", "warning", detail, "CONFIG SET appendonly yes; afterwards: hitl queue rebuild")
    skew = now() - _milliseconds(clock)
    state: State = "ok" if abs(skew) < 1000 else "warning"
    yield Finding("clock", state, f"{skew:+d} ms from the store's clock", "" if state == "ok" else "run NTP")


def _secret(settings: Settings) -> Iterator[Finding]:
    if settings.secret_is_default:
        detail = "HITL_SECRET_FILE is not set: whoever reads the source can predict who is checked"
        yield Finding("secret", "warning", detail, "openssl rand -hex 32 > secret; set HITL_SECRET_FILE")
    else:
        yield Finding("secret", "ok", "set")


def _info(answer: object) -> dict[str, str]:
    if isinstance(answer, dict):
        return {str(name): str(value) for name, value in answer.items()}
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _milliseconds(answer: object) -> int:
    if not isinstance(answer, list | tuple):
        return 0
    seconds, micros = answer
    return int(seconds) * 1000 + int(micros) // 1000
