"""The test bed: broker, store, records and policy that all parts of the benchmark share."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import redis
from ruamel.yaml import YAML

from app.review_queue.embedded import EmbeddedStore
from app.settings import load_settings
from bench.cluster import BenchBroker, Cluster
from bench.decisions import Templates
from bench.processes import Meter, Watched
from bench.variants import Variant, environment
from bench.workload import Workload


class Bed:
    """Starts Apache Kafka (or uses HITL_TEST_KAFKA) and a store of its own; ends what it started."""

    def __init__(self) -> None:
        self.now = int(time.time() * 1000)
        self.logs = Path(tempfile.mkdtemp(prefix="hitl-bench-"))
        self.policy = load_settings().policy_path
        self._workload = Workload.load(load_settings())
        self.codec = self._workload.codec
        self.templates = Templates(self.codec, occurred_at=self.now)
        self.broker: Meter | None = None
        self._broker: BenchBroker | None = None
        self._store = EmbeddedStore(self.logs / "store")
        self._runs = 0

    def __enter__(self) -> Bed:
        bootstrap = os.environ.get("HITL_TEST_KAFKA")
        if not bootstrap:
            self._broker = BenchBroker()
            bootstrap = self._broker.start()
            self.broker = Meter(self._broker.pid or 0)
        self.cluster = Cluster(bootstrap, self._workload.pools)
        self.redis_url = self._store.__enter__().url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cluster.close()
        self._store.__exit__(None, None, None)
        if self._broker is not None:
            self._broker.stop()

    @contextmanager
    def topics(self, name: str, *, learned: bool = True) -> Iterator[str]:
        """Fresh topics under a prefix of their own and an empty store; deleted afterwards. ``learned`` lets
        decisions run alone from the start."""
        self._runs += 1
        prefix = f"bench{self._runs}-{name}."
        redis.Redis.from_url(self.redis_url).flushall()
        self.cluster.create_topics(prefix)
        if learned:
            self._workload.publish_learned(self.cluster.bootstrap, prefix, at=self.now)
        try:
            yield prefix
        finally:
            self.cluster.delete_topics(prefix)

    def start(self, variant: Variant, prefix: str) -> list[Watched]:
        """All processes of a variant; each with a log under ``self.logs``."""
        return [self.launch(variant, prefix, number) for number in range(len(variant.commands))]

    def launch(self, variant: Variant, prefix: str, number: int) -> Watched:
        """One process of a variant (again)."""
        policy = self._encrypting() if variant.encrypts else self.policy
        env = environment(self.cluster.bootstrap, prefix, self.redis_url, policy)
        return Watched(variant.commands[number], env, self.logs / f"{prefix}{number}.log")

    def _encrypting(self) -> Path:
        """The same policy, but for the encryption of what is about people."""
        yaml = YAML()
        content = yaml.load(self.policy)
        content["privacy"] = {"encrypt": True}
        path = self.logs / "encrypting.yaml"
        yaml.dump(content, path)
        return path

    @staticmethod
    def say(text: str) -> None:
        """Progress, to stderr."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
