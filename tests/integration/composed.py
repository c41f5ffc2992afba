"""docker-compose.yml without an engine: the same settings and commands, on local ports and folders."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from app.review_queue.embedded import find_server
from tests.kafka_broker import KafkaBroker, free_ports
from tests.processes import PATIENCE, ROOT, Process, until

PLAIN = (ROOT / "docker-compose.yml",)
SECURE = (*PLAIN, ROOT / "deploy" / "secure.yml")
ADDRESSES = (
    "kafka:9092",
    "kafka:19092",
    "kafka:19093",
    "kafka:29093",
    "valkey:6379",
    "console:8080",
    "worker:9464",
)
ASKED_FOR = {
    "HITL_CONSOLE_URL": "https://reviews.example.org",
    "HITL_OIDC_ISSUER": "https://id.example.org",
    "HITL_OIDC_CLIENT_ID": "hitl",
}
"""What the operator has to say before the secure variant starts."""
PYTHON = str(Path(sys.executable))


def services(files: tuple[Path, ...]) -> dict[str, Any]:
    """The services of some compose files, the later over the earlier ones, as Compose merges them: mappings
    and lists of volumes add up, everything else is replaced."""
    merged: dict[str, Any] = {}
    for file in files:
        for name, service in YAML(typ="safe").load(file.read_text(encoding="utf-8"))["services"].items():
            into = merged.setdefault(name, {})
            for field, value in service.items():
                before = into.get(field)
                if isinstance(value, dict):
                    into[field] = {**(before or {}), **value}
                else:
                    into[field] = [*(before or []), *value] if field == "volumes" else value
    return merged


def kafka_properties(environment: Mapping[str, object]) -> dict[str, str]:
    """What the image makes of its ``KAFKA_*`` variables: its own rule."""
    return {
        name.removeprefix("KAFKA_").lower().replace("_", ".").replace("...", "-").replace("..", "_"): str(
            value
        )
        for name, value in environment.items()
        if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS"
    }


class Composed:
    """The services of some compose files as processes here. ``folder`` takes their secrets and data."""

    def __init__(self, files: tuple[Path, ...], folder: Path) -> None:
        self.root = ROOT
        self.services = services(files)
        self.folder = folder
        self._ports = dict(zip(ADDRESSES, free_ports(len(ADDRESSES)), strict=True))
        self._running: list[Process] = []

    def address(self, name: str) -> str:
        """Where ``kafka:19092`` is here."""
        return f"localhost:{self._ports[name]}"

    def secret(self, owner: str, name: str) -> Path:
        return self.folder / "secrets" / owner / name

    def make_secrets(self) -> None:
        """As the one-shot service does."""
        asked = [
            word
            for word in self.services["secrets"]["entrypoint"][2:]
            if word not in ("--mounted", "/run/hitl")
        ]
        asked[0] = str(self.folder / "secrets")
        script = str(ROOT / "deploy" / "make_secrets.py")
        subprocess.run([PYTHON, script, *asked], check=True, capture_output=True, timeout=180)

    def env(self, service: str, owner: str = "", **more: str) -> dict[str, str]:
        """What a service's processes see, and nothing of the tester's own."""
        found = {
            name: self._here(str(value), owner or service)
            for name, value in self.services[service]["environment"].items()
        }
        rest = {name: value for name, value in os.environ.items() if not name.startswith("HITL_")}
        return {**rest, "COLUMNS": "200", **found, **more}

    def run(self, *command: str, env: Mapping[str, str], given: str = "") -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(
            [PYTHON, *command], cwd=self.folder, env={**env, "PYTHONPATH": str(ROOT)}, input=given,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    def start(self, *command: str, env: Mapping[str, str], name: str) -> Process:
        """A process that goes on until the end of the test."""
        process = Process([PYTHON, *command], {**env, "PYTHONPATH": str(ROOT)}, self.folder / f"{name}.log")
        self._running.append(process.start())
        return process

    def broker(self) -> KafkaBroker:
        """Kafka with the settings of its service."""
        here = {
            name: self._here(value, "kafka").replace("/etc/kafka/secrets", str(self.secret("kafka", "")))
            for name, value in kafka_properties(self.services["kafka"]["environment"]).items()
            if name != "log.dirs"
        }
        here["broker.session.timeout.ms"] = "120000"  # tests shorten it for brokers that they kill
        for owner, address in (("admin", "kafka:19093"), ("", "kafka:19092")):
            file = self.secret(owner, "kafka.properties")
            if not owner or file.exists():
                lines = file.read_text().splitlines() if owner else []
                client = dict(line.split("=", 1) for line in lines)
                return KafkaBroker(here, client={**client, "bootstrap.servers": self.address(address)})
        raise AssertionError

    @contextmanager
    def store(self) -> Iterator[None]:
        """Valkey with the command of its service. The packaged server speaks no TLS: where the service has
        it, a terminator with the service's certificate stands before it."""
        words = [str(word) for word in self.services["valkey"]["command"][1:]]
        options = dict(zip(words[::2], words[1::2], strict=True))
        tls = {name: options.pop(name) for name in list(options) if name.startswith("--tls-")}
        options |= {"--dir": str(self.folder), "--aclfile": str(self.secret("store", "users.acl"))}
        public = self._ports["valkey:6379"]
        port = free_ports(1)[0] if tls else public
        options |= {"--port": str(port), "--bind": "127.0.0.1", "--logfile": str(self.folder / "valkey.log")}
        command = [str(find_server()), *(word for pair in options.items() for word in pair)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            until(lambda: _listens(port), "the store is up")
            with tls_before(port, public, self.secret("store", "tls.pem")) if tls else nullcontext():
                yield
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def here(self, text: str) -> str:
        """A healthcheck of ours: what asks its own container asks the port here."""
        for name in ("console:8080", "worker:9464"):
            text = text.replace(f"127.0.0.1:{name.partition(':')[2]}", self.address(name))
        return text

    def close(self) -> None:
        for process in self._running:
            process.kill()
            print(f"--- {process.log.name}\n{process.log.read_text(errors='replace')[-3000:]}")

    def _here(self, text: str, owner: str) -> str:
        text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: ASKED_FOR[found[1]], text)
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).replace("/run/hitl", str(self.secret(owner, "")))
        text = text.replace("/etc/hitl/policy.yaml", str(ROOT / "deploy" / "policy.yaml"))
        text = text.replace("/var/lib/hitl", str(self.folder))
        text = re.sub(
            r"://(localhost|127\.0\.0\.1)?:(\d+)",
            lambda found: f"://kafka:{found[2]}" if f"kafka:{found[2]}" in self._ports else found[0],
            text,
        )
        for name in ADDRESSES:
            text = text.replace(name, self.address(name))
        return text


@contextmanager
def tls_before(port: int, public: int, certificate: Path) -> Iterator[None]:
    """Ends TLS at ``public`` and hands on to ``port``, until the end of the block."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop = asyncio.new_event_loop()

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", port)
        with suppress(OSError):
            await asyncio.wait(
                [loop.create_task(_copy(reader, before)), loop.create_task(_copy(behind, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        before.close()
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(hand_on, "127.0.0.1", public, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10):
        return True
    return False


@contextmanager
def composed(files: tuple[Path, ...]) -> Iterator[Composed]:
    """Secrets made, nothing started yet; everything is ended and deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="hitl-composed-") as folder:
        made = Composed(files, Path(folder))
        made.make_secrets()
        try:
            yield made
        finally:
            made.close()
