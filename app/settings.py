"""Where things are: addresses, secrets, the worker's slot. Never behaviour - that is the policy's.

This is the only module that reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from app.errors import UsageError

PROJECT = Path(__file__).resolve().parent.parent
EXAMPLE_POLICY = PROJECT / "policies" / "example.yaml"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once by the composition root, then passed on."""

    kafka_bootstrap_servers: str | None
    """``HITL_KAFKA_BOOTSTRAP_SERVERS``; unset means the embedded broker where a verb offers one."""
    kafka_config: Mapping[str, str]
    """``HITL_KAFKA_CONFIG``: a librdkafka properties file (SASL, TLS), read into a mapping."""
    redis_url: str | None
    """``HITL_REDIS_URL``; unset means the embedded store where a verb offers one."""
    policy_path: Path
    """``HITL_POLICY``; the documented example unless set."""
    secret: bytes
    """Contents of ``HITL_SECRET_FILE``: keys the evidence draw. Without it, a fixed development key."""
    secret_is_default: bool
    schema_registry_url: str | None
    """``HITL_SCHEMA_REGISTRY_URL``; set it to write Confluent frames."""
    topic_prefix: str
    """``HITL_TOPIC_PREFIX``, prepended to every topic, group and transactional id."""
    worker_slot: str
    """``HITL_WORKER_SLOT``: stable name of this worker among its peers; keeps recovery fast."""
    metrics_port: int | None
    """``HITL_METRICS_PORT``; unset means no metrics endpoint."""


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment once. Raises ``UsageError`` naming the variable that is wrong."""
    env = os.environ if environ is None else environ
    secret_file = env.get("HITL_SECRET_FILE")
    return Settings(
        kafka_bootstrap_servers=env.get("HITL_KAFKA_BOOTSTRAP_SERVERS") or None,
        kafka_config=_properties(env.get("HITL_KAFKA_CONFIG")),
        redis_url=env.get("HITL_REDIS_URL") or None,
        policy_path=Path(env["HITL_POLICY"]) if env.get("HITL_POLICY") else EXAMPLE_POLICY,
        secret=_secret(secret_file) if secret_file else b"development-only-secret",
        secret_is_default=not secret_file,
        schema_registry_url=env.get("HITL_SCHEMA_REGISTRY_URL") or None,
        topic_prefix=env.get("HITL_TOPIC_PREFIX", ""),
        worker_slot=env.get("HITL_WORKER_SLOT", "0"),
        metrics_port=_port(env.get("HITL_METRICS_PORT")),
    )


def _secret(path: str) -> bytes:
    try:
        secret = Path(path).read_bytes().strip()
    except OSError as error:
        raise UsageError(
            f"HITL_SECRET_FILE={path}: {error.strerror}", hint="point it to a readable file"
        ) from error
    if len(secret) < 16:
        raise UsageError(
            f"HITL_SECRET_FILE={path}: {len(secret)} bytes are too few",
            hint="write at least 16 random bytes, e.g. `openssl rand -hex 32`",
        )
    return secret


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise UsageError(f"HITL_METRICS_PORT={text}: not a port", hint="use a number from 1 to 65535")
    return int(text)


def _properties(path: str | None) -> dict[str, str]:
    if not path:
        return {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(
            f"HITL_KAFKA_CONFIG={path}: {error.strerror}", hint="point it to a readable file"
        ) from error
    entries: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, separator, value = text.partition("=")
        if not separator:
            raise UsageError(
                f"{path}:{number}: '{text}' is not name=value", hint="one librdkafka property a line"
            )
        entries[name.strip()] = value.strip()
    return entries
