"""A real Apache Kafka for tests and the benchmark: one KRaft node from Maven Central's jars.

No pytest in here, so that `bench/` can import it too. Up in about three seconds; ``kill()`` is
SIGKILL and ``restart()`` comes back on the same port with the same data, for chaos tests.
"""

from __future__ import annotations

import atexit
import base64
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

KAFKA_VERSION = "4.2.2"

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hitl</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>2.25.5</version>
    </dependency>
  </dependencies>
</project>
"""

_LOG4J = """<Configuration status="ERROR">
  <Appenders><Console name="console"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="console"/></Root></Loggers>
</Configuration>
"""


class KafkaUnavailableError(Exception):
    """No way to run Apache Kafka here; the message says what is missing."""


class BrokerFailedError(Exception):
    """Everything needed is here, and still the broker does not run: never a reason to skip."""


class KafkaBroker:
    """One broker on a loopback port of its own, with its data in a temporary directory.

    Usable as a context manager. ``settings`` adds or replaces lines of ``server.properties``; ``client`` is
    how to reach listeners that these replaced.
    """

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        heap_mb: int = 320,
        client: Mapping[str, str] | None = None,
    ) -> None:
        self._heap_mb = heap_mb
        self._home = Path(tempfile.mkdtemp(prefix="hitl-kafka-"))
        self._port, self._controller_port = free_ports(2)
        self._settings = dict(settings or {})
        self._client = {"bootstrap.servers": self.bootstrap, **(client or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._log = self._home / "broker.log"

    @property
    def bootstrap(self) -> str:
        """``host:port``, the same for the broker's whole life."""
        return f"127.0.0.1:{self._port}"

    @property
    def data(self) -> Path:
        """Its log directory."""
        return Path(self._settings.get("log.dirs", str(self._home / "data")))

    @property
    def pid(self) -> int | None:
        """Process id while the broker runs."""
        return None if self._process is None else self._process.pid

    def start(self, timeout: float = 180.0) -> str:
        """Format (first time), start, wait until it answers; returns the bootstrap address."""
        jars = kafka_jars()
        properties = self._home / "server.properties"
        if not properties.exists():
            properties.write_text(self._properties(), encoding="utf-8")
            (self._home / "log4j2.xml").write_text(_LOG4J, encoding="utf-8")
            # never a "-" in front, which would be read as an option
            identity = uuid.UUID(int=uuid.uuid4().int >> 1)
            cluster = base64.urlsafe_b64encode(identity.bytes).decode().rstrip("=")
            formatted = subprocess.run(
                [
                    *self._java(jars),
                    "kafka.tools.StorageTool",
                    "format",
                    "-t",
                    cluster,
                    "-c",
                    str(properties),
                ],
                capture_output=True,
                text=True,
                check=False,
            )
            if formatted.returncode:
                raise BrokerFailedError(f"formatting failed:\n{formatted.stdout}{formatted.stderr}")
            atexit.register(self.stop)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._java(jars), "kafka.Kafka", str(properties)], stdout=log, stderr=log, cwd=self._home
            )
        self._await_ready(timeout)
        return self.bootstrap

    def stop(self) -> None:
        """Stop cleanly, or by force after half a minute, and delete the data."""
        self._end(signal.SIGTERM)
        atexit.unregister(self.stop)
        shutil.rmtree(self._home, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL: what a machine that loses power does. The data stays."""
        self._end(signal.SIGKILL)

    def restart(self, timeout: float = 180.0) -> None:
        """Back on the same port with the same data; stops a running broker cleanly before."""
        self._end(signal.SIGTERM)
        self.start(timeout)

    def __enter__(self) -> KafkaBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(180)

    def _java(self, jars: Path) -> list[str]:
        return [
            "java",
            f"-Xmx{self._heap_mb}m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",  # a small machine starts faster than it optimises
            "-XX:-UsePerfData",
            f"-Dlog4j2.configurationFile={self._home / 'log4j2.xml'}",
            f"-Dkafka.logs.dir={self._home}",
            "-cp",
            f"{jars}/*",
        ]

    def _properties(self) -> str:
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._home / "data"),
            "num.partitions": "4",
            "auto.create.topics.enable": "false",
            "default.replication.factor": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # after kill(), the next incarnation may register when the old one's session is over
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "log.cleaner.dedupe.buffer.size": "2097152",
            "log.index.size.max.bytes": "1048576",
            **self._settings,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _await_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            process = self._process
            if process is None or process.poll() is not None:
                raise BrokerFailedError(f"the broker ended at once:\n{self._tail()}")
            try:
                host, port = self._client["bootstrap.servers"].rsplit(":", 1)
                with socket.create_connection((host, int(port)), timeout=10):
                    pass
                quiet: dict[str, str | int | float | bool] = {**self._client, "log_level": 0}
                if AdminClient(quiet).list_topics(timeout=10).brokers:
                    return
            except (OSError, KafkaException):
                pass
            time.sleep(0.1)
        raise BrokerFailedError(f"the broker did not answer within {timeout} s:\n{self._tail()}")

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])


def kafka_jars() -> Path:
    """Directory with Kafka's jars; resolved by Maven once (44 MB) and kept in the user's cache.

    Raises ``KafkaUnavailableError`` naming what is missing (Java, Maven) or what Maven said.
    """
    if shutil.which("java") is None:
        raise KafkaUnavailableError("Java is not on PATH (17 or newer is needed to run Apache Kafka)")
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hitl-stream" / "kafka"
    jars = root / KAFKA_VERSION
    done = jars / ".complete"
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may start at once
        if done.exists():
            return jars
        maven = shutil.which("mvn")
        if maven is None:
            raise KafkaUnavailableError("Java is here but Maven (mvn) is not: it fetches Kafka's jars once")
        (root / "pom.xml").write_text(_POM, encoding="utf-8")
        fetched = subprocess.run(
            [
                maven,
                *("-q", "-B", "-f", str(root / "pom.xml")),
                "dependency:copy-dependencies",
                f"-DoutputDirectory={jars}",
                "-DincludeScope=runtime",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if fetched.returncode:
            raise KafkaUnavailableError(f"Maven could not fetch Kafka's jars:\n{fetched.stdout[-2000:]}")
        done.touch()
    return jars


def free_ports(count: int) -> list[int]:
    """Ports for whoever is started next. Below those that the system gives to clients: one of these could go
    to any connection of the machine before its server binds it, or while that is away."""
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            each = stack.enter_context(socket.socket())
            port = secrets.randbelow(12_000) + 20_000
            with suppress(OSError):
                each.bind(("127.0.0.1", port))
                found.append(port)
        return found
