"""``hitl doctor``: is everything there that a worker needs, and if not, what to do?"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator

import msgspec
import typer

from app.commands.doctor_broker import broker
from app.commands.doctor_console import console, webhooks
from app.commands.doctor_finding import Finding
from app.commands.doctor_store import store
from app.commands.output import AsJson, print_rows
from app.composition.parts import load_compiled_policy, open_codec
from app.errors import HitlError, ServiceUnreachableError, UsageError
from app.policy.compiled import CompiledPolicy
from app.settings import Settings, load_settings
from app.stream.schemas import Schemas


def doctor(
    as_json: AsJson = False,
) -> None:
    """Check policy, schemas, secrets, broker, topics, rights, records, workers, store, clock, console and
    webhooks, and say what to do.

    Exit code 1 when something is wrong, 3 when a service can not be reached.

    Example: `hitl doctor`
    """
    findings = list(_everything())
    rows = [
        {name: value for name, value in msgspec.to_builtins(finding).items() if name != "unreachable"}
        for finding in findings
    ]
    print_rows(rows, ("check", "state", "detail", "do"), as_json=as_json, empty="nothing was checked")
    if any(finding.unreachable for finding in findings):
        raise typer.Exit(3)
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(1)


def _everything() -> Iterator[Finding]:
    try:
        settings = load_settings()
    except UsageError as error:
        yield Finding("settings", "failed", str(error), error.hint)
        return
    try:
        policy = load_compiled_policy(settings)
    except HitlError as error:
        yield Finding("policy", "failed", str(error), error.hint)
        detail = "broker, console and webhooks are looked at by the policy: not checked"
        yield Finding("policy", "warning", detail, "mend the policy first")
        for check in (_schemas, store, _secrets):
            yield from _guarded(check.__name__.strip("_"), check, settings)
        return
    detail = f"{settings.policy_path}: version {policy.version}, {len(policy.terms)} decision types"
    yield Finding("policy", "ok", detail)
    yield from _guarded("schemas", _schemas, settings)
    yield from _guarded("broker", _broker_by(policy), settings)
    yield from _guarded("store", _store_by(policy), settings)
    for check in (_secrets, console, webhooks):
        yield from _guarded(check.__name__.strip("_"), check, settings)


def _broker_by(policy: CompiledPolicy) -> Callable[[Settings], Iterator[Finding]]:
    return lambda settings: broker(settings, policy)


def _store_by(policy: CompiledPolicy) -> Callable[[Settings], Iterator[Finding]]:
    return lambda settings: store(settings, policy.pool_names)


def _guarded(
    name: str, check: Callable[[Settings], Iterator[Finding]], settings: Settings
) -> Iterator[Finding]:
    try:
        yield from check(settings)
    except HitlError as error:
        away = isinstance(error, ServiceUnreachableError)
        yield Finding(name, "failed", str(error), error.hint, unreachable=away)


def _schemas(settings: Settings) -> Iterator[Finding]:
    missing = Schemas.load().uncommitted()
    if missing:
        detail = f"changed without a new version in schemas/history: {', '.join(missing)}"
        yield Finding("schemas", "failed", detail, "python -m app.stream.schemas")
        return
    open_codec(settings)
    yield Finding("schemas", "ok", "current versions are in schemas/history")


def _secrets(settings: Settings) -> Iterator[Finding]:
    """Is the evidence keyed, and does nobody else read what is secret?"""
    if settings.secret_is_default:
        detail = "HITL_SECRET_FILE is not set: whoever reads the source can predict who is checked"
        hint = "(umask 077; openssl rand -hex 32 > secret); set HITL_SECRET_FILE"
        yield Finding("secret", "failed" if settings.broker_elsewhere else "warning", detail, hint)
    open_files = [
        f"{name}={path}"
        for name, path in settings.secret_files.items()
        if path.stat().st_mode & stat.S_IRWXO  # the group may be how an orchestrator lets us in
    ]
    for which in open_files:
        yield Finding(
            "secret", "failed", f"{which}: everybody may read it", "chmod 400, and renew the secret"
        )
    if not settings.secret_is_default and not open_files:
        yield Finding("secret", "ok", "set, and nobody else's to read")
