"""Where things are: addresses, secrets, the worker's slot. Never behaviour - that is the policy's.

This is the only module that reads the environment.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from app.errors import UsageError

PROJECT = Path(__file__).resolve().parent.parent
EXAMPLE_POLICY = PROJECT / "policies" / "example.yaml"
SECRET_FILES = (
    "HITL_SECRET_FILE",
    "HITL_PREVIOUS_SECRET_FILE",
    "HITL_REDIS_PASSWORD_FILE",
    "HITL_KAFKA_CONFIG",
    "HITL_OIDC_CLIENT_SECRET_FILE",
)
ACCOUNTS_FILE = Path(".hitl") / "accounts.json"
LOOPBACK = ("127.0.0.1", "::1")

_PASSWORD_OPTION = re.compile(r"([?&]password=)[^&]*")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once by the composition root, then passed on."""

    kafka_bootstrap_servers: str | None
    """``HITL_KAFKA_BOOTSTRAP_SERVERS``; unset means the embedded broker where a verb offers one."""
    kafka_config: Mapping[str, str]
    """``HITL_KAFKA_CONFIG``: a librdkafka properties file (SASL, TLS), read into a mapping."""
    redis_url: str | None
    """``HITL_REDIS_URL``, with the contents of ``HITL_REDIS_PASSWORD_FILE`` as its password; unset means the
    embedded store where a verb offers one."""
    policy_path: Path
    """``HITL_POLICY``; the documented example unless set."""
    secret: bytes
    """Contents of ``HITL_SECRET_FILE``: keys the evidence draw. Without it, a fixed development key."""
    secret_is_default: bool
    previous_secret: bytes | None = None
    """Contents of ``HITL_PREVIOUS_SECRET_FILE``: after a change of the secret, what was sealed with the one
    before still counts; set it until all of that is processed."""
    schema_registry_url: str | None
    """``HITL_SCHEMA_REGISTRY_URL``; set it to write Confluent frames."""
    topic_prefix: str
    """``HITL_TOPIC_PREFIX``, prepended to every topic, group and transactional id."""
    worker_slot: str
    """``HITL_WORKER_SLOT``: stable name of this worker among its peers; keeps recovery fast."""
    metrics_port: int | None
    """``HITL_METRICS_PORT``; unset means no metrics endpoint."""
    console_url: str | None = None
    """``HITL_CONSOLE_URL``: where people find the console; unset means where it listens, on loopback."""
    trusted_proxies: tuple[str, ...] = LOOPBACK
    """``HITL_TRUSTED_PROXIES``: addresses and networks, with commas between, of proxies before the console.
    Only they are believed when they say for whom they ask (``X-Forwarded-For``); unset means this machine."""
    accounts_file: Path = ACCOUNTS_FILE
    """``HITL_ACCOUNTS_FILE``: passwords and API tokens, hashed."""
    webhooks_file: Path | None = None
    """``HITL_WEBHOOKS_FILE``: where the policy's webhooks lead (docs/webhooks.md); unset: nowhere."""
    oidc_issuer: str | None = None
    """``HITL_OIDC_ISSUER``: the identity provider's issuer; unset means local accounts only."""
    oidc_client_id: str = ""
    """``HITL_OIDC_CLIENT_ID``, as the identity provider knows the console."""
    oidc_client_secret: str = ""
    """Contents of ``HITL_OIDC_CLIENT_SECRET_FILE``; empty for a public client (PKCE alone)."""
    oidc_claim: str = "sub"
    """``HITL_OIDC_CLAIM``: the claim that says who somebody is, as ``people`` of the policy has it. Only
    ``sub`` never comes to mean another person (OpenID Connect Core 1.0, 5.7); ``email`` must be verified."""
    secret_files: Mapping[str, Path] = {}
    """The files above that hold secrets, by the variable that names each: for whoever checks them."""

    def __repr__(self) -> str:
        """Never the values: wherever this is shown, some of them would be secrets."""
        return f"Settings({', '.join(self.__struct_fields__)})"

    @property
    def broker_elsewhere(self) -> str:
        """The first address of the broker that is not on this machine; empty when there is none.

        >>> load_settings({"HITL_KAFKA_BOOTSTRAP_SERVERS": "localhost:9092,[::1]:9093"}).broker_elsewhere
        ''
        >>> load_settings({"HITL_KAFKA_BOOTSTRAP_SERVERS": "SSL://kafka-1:9093"}).broker_elsewhere
        'kafka-1:9093'
        """
        for address in (self.kafka_bootstrap_servers or "").split(","):
            where = address.strip().rpartition("://")[2]
            host = where.rpartition(":")[0].strip("[]") or where
            if where and host != "localhost" and not host.startswith("127.") and host != "::1":
                return where
        return ""

    def require_secret(self) -> None:
        """Raises ``UsageError`` where a key that everybody knows would seal what people answer, and draw who
        is checked, for a broker that others share."""
        if self.secret_is_default and self.broker_elsewhere:
            raise UsageError(
                f"HITL_SECRET_FILE is not set, and {self.broker_elsewhere} is not this machine: anybody could"
                " forge answers, and know beforehand which decisions are checked",
                hint="(umask 077; openssl rand -hex 32 > secret); set HITL_SECRET_FILE, the same everywhere",
            )


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment once. Raises ``UsageError`` naming the variable that is wrong."""
    env = os.environ if environ is None else environ
    secret_file, previous = env.get("HITL_SECRET_FILE"), env.get("HITL_PREVIOUS_SECRET_FILE")
    return Settings(
        kafka_bootstrap_servers=env.get("HITL_KAFKA_BOOTSTRAP_SERVERS") or None,
        kafka_config=_properties(env.get("HITL_KAFKA_CONFIG")),
        redis_url=_redis_url(env.get("HITL_REDIS_URL"), env.get("HITL_REDIS_PASSWORD_FILE")),
        policy_path=Path(env["HITL_POLICY"]) if env.get("HITL_POLICY") else EXAMPLE_POLICY,
        secret=_secret("HITL_SECRET_FILE", secret_file) if secret_file else b"development-only-secret",
        secret_is_default=not secret_file,
        previous_secret=_secret("HITL_PREVIOUS_SECRET_FILE", previous) if previous else None,
        schema_registry_url=env.get("HITL_SCHEMA_REGISTRY_URL") or None,
        topic_prefix=env.get("HITL_TOPIC_PREFIX", ""),
        worker_slot=env.get("HITL_WORKER_SLOT", "0"),
        metrics_port=_port(env.get("HITL_METRICS_PORT")),
        console_url=_url("HITL_CONSOLE_URL", env.get("HITL_CONSOLE_URL")),
        trusted_proxies=_addresses("HITL_TRUSTED_PROXIES", env.get("HITL_TRUSTED_PROXIES")) or LOOPBACK,
        accounts_file=Path(env.get("HITL_ACCOUNTS_FILE") or ACCOUNTS_FILE),
        webhooks_file=Path(env["HITL_WEBHOOKS_FILE"]) if env.get("HITL_WEBHOOKS_FILE") else None,
        oidc_issuer=_url("HITL_OIDC_ISSUER", env.get("HITL_OIDC_ISSUER")),
        oidc_client_id=env.get("HITL_OIDC_CLIENT_ID", ""),
        oidc_client_secret=_text_of("HITL_OIDC_CLIENT_SECRET_FILE", env.get("HITL_OIDC_CLIENT_SECRET_FILE")),
        oidc_claim=env.get("HITL_OIDC_CLAIM") or "sub",
        secret_files={name: Path(env[name]) for name in SECRET_FILES if env.get(name)},
    )


def without_password(url: str) -> str:
    """An address as it may be shown, also where the password makes it none.

    >>> without_password("rediss://hitl:pa%2Fss@store:6379/0")
    'rediss://hitl:***@store:6379/0'
    >>> without_password("redis://store:6379/0?password=secret")
    'redis://store:6379/0?password=***'
    """
    scheme, separator, rest = url.partition("://")
    who, at, where = rest.rpartition("@")
    name, colon, password = who.partition(":")
    shown = f"{name}:***" if colon and password else who
    return _PASSWORD_OPTION.sub(r"\1***", f"{scheme}{separator}{shown}{at}{where}")


def _redis_url(url: str | None, password_file: str | None) -> str | None:
    if not url or not password_file:
        return url or None
    parts = urlsplit(url)
    who, _, where = parts.netloc.rpartition("@")
    if ":" in who:
        raise UsageError(
            "HITL_REDIS_URL has a password, and HITL_REDIS_PASSWORD_FILE is set as well",
            hint="keep the file, and take the password out of the address",
        )
    password = quote(_text_of("HITL_REDIS_PASSWORD_FILE", password_file), safe="")
    return urlunsplit(parts._replace(netloc=f"{who}:{password}@{where}"))


def _secret(name: str, path: str) -> bytes:
    try:
        secret = Path(path).read_bytes().strip()
    except OSError as error:
        raise UsageError(f"{name}={path}: {error.strerror}", hint="point it to a readable file") from error
    if len(secret) < 16:
        raise UsageError(
            f"{name}={path}: {len(secret)} bytes are too few",
            hint="write at least 16 random bytes, e.g. `openssl rand -hex 32`",
        )
    return secret


def _text_of(name: str, path: str | None) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"{name}={path}: {error.strerror}", hint="point it to a readable file") from error


def _url(name: str, text: str | None) -> str | None:
    if not text:
        return None
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        whole = False
    if not whole or parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError(f"{name}={text}: not an address", hint="e.g. https://reviews.example.org")
    return text.rstrip("/")


def _addresses(name: str, text: str | None) -> tuple[str, ...]:
    found = tuple(one.strip() for one in (text or "").split(",") if one.strip())
    for one in found:
        try:
            network = ipaddress.ip_network(one)
        except ValueError as error:
            raise UsageError(
                f"{name}={text}: '{one}' is neither an address nor a network ({error})",
                hint="e.g. 10.0.0.7,172.30.117.0/24",
            ) from error
        if not network.prefixlen:  # then whoever asks could say that it is somebody else
            raise UsageError(f"{name}={text}: '{one}' is everybody", hint="name the proxies only")
    return found


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
