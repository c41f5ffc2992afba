"""A real Prometheus that remembers a given history, with its recording rules as they would have run."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from app.errors import HitlError
from tests.kafka_broker import free_ports

RECORDED = re.compile(r"\b[a-z_]+:[a-z0-9_:]+\b")
"""The name of a recorded series, as Prometheus' conventions have it: level:metric:operations."""


class PrometheusError(HitlError):
    """Prometheus is missing, does not start, or refuses a query."""


class Span(NamedTuple):
    """From when to when, and how often; seconds."""

    start: int
    end: int
    step: int


class Rule(NamedTuple):
    """A recording rule."""

    record: str
    expr: str


class Prometheus:
    """What may be asked of a running Prometheus."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = httpx.Client(base_url=f"{address}/api/v1", timeout=120)

    def instant(self, expr: str, at: int) -> list[dict[str, Any]]:
        """The vector of ``expr`` at ``at`` (s). Raises ``PrometheusError`` when it is no valid query."""
        return self._ask("/query", {"query": expr, "time": at})

    def course(self, expr: str, span: Span) -> list[dict[str, Any]]:
        """The matrix of ``expr``. Raises ``PrometheusError`` when it is no valid query."""
        return self._ask("/query_range", {"query": expr, **span._asdict()})

    def _ask(self, path: str, form: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self._client.post(path, data=form).json()
        if answer["status"] != "success":
            raise PrometheusError(f"{form['query']}: {answer['error']}", hint="Mend the query.")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


@contextmanager
def remembering(
    history: Path, rules: Sequence[Rule], spans: Sequence[Span], directory: Path
) -> Iterator[Prometheus]:
    """A Prometheus on the OpenMetrics file ``history`` that recorded ``rules`` during ``spans``. Its data is
    in ``directory``, which must be empty. (promtool has a backfill of its own, which goes by the rules'
    interval and makes a block of every two hours: for two months, minutes of work.)"""
    data = directory / "data"
    _import(history, data)
    for number, independent in enumerate(_in_order(rules)):
        recorded = directory / f"recorded-{number}.txt"
        with _running(directory, data) as server:
            _record(server, independent, spans, recorded)
        _import(recorded, data)
    with _running(directory, data) as server:
        yield server


def _in_order(rules: Sequence[Rule]) -> Iterator[list[Rule]]:
    """Rules of rules after those that they read."""
    left = list(rules)
    while left:
        names = {rule.record for rule in left}
        ready = [rule for rule in left if names.isdisjoint(RECORDED.findall(rule.expr))]
        if not ready:
            raise PrometheusError(f"these rules read each other: {sorted(names)}", hint="Break the circle.")
        yield ready
        left = [rule for rule in left if rule not in ready]


def _record(server: Prometheus, rules: Sequence[Rule], spans: Sequence[Span], out: Path) -> None:
    jobs = [(rule, span) for rule in rules for span in spans]
    with ThreadPoolExecutor(2) as pool, out.open("w", encoding="utf-8") as file:
        courses = pool.map(lambda job: server.course(job[0].expr, job[1]), jobs)
        for (rule, _), course in zip(jobs, courses, strict=True):
            for series in course:
                labels = ",".join(
                    f'{name}="{value}"' for name, value in series["metric"].items() if name != "__name__"
                )
                file.writelines(f"{rule.record}{{{labels}}} {value} {at}\n" for at, value in series["values"])
        file.write("# EOF\n")


def _import(metrics: Path, data: Path) -> None:
    block = "--max-block-duration=4096h"  # one for everything; else one for every two hours
    _promtool("tsdb", "create-blocks-from", "openmetrics", block, str(metrics), str(data))


@contextmanager
def _running(directory: Path, data: Path) -> Iterator[Prometheus]:
    configuration = directory / "prometheus.yml"
    configuration.write_text("global: {}\n", encoding="utf-8")
    [port] = free_ports(1)
    command = [
        _found("prometheus"),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=10y",
        "--query.lookback-delta=4h1m",  # the history has a value every four hours, but for its last week
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    log = directory / "prometheus.log"
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)  # noqa: S603 - our own command
    try:
        yield _ready(Prometheus(f"http://127.0.0.1:{port}"), process, log)
    finally:
        process.terminate()
        process.wait(120)


def _ready(server: Prometheus, process: subprocess.Popen[bytes], log: Path) -> Prometheus:
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{server.address}/-/ready").status_code == httpx.codes.OK:
                return server
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise PrometheusError("Prometheus does not start", hint=log.read_text(encoding="utf-8"))


def _promtool(*arguments: str) -> None:
    command = [_found("promtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise PrometheusError(f"promtool {arguments[2]} failed", hint=(done.stderr or done.stdout)[-2000:])


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise PrometheusError(f"{program} is not installed", hint="Debian's package `prometheus` has it.")
    return path
