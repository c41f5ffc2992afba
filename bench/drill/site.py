"""The deployment of a drill: broker, store, workers, people, a feeder, and the judge of what was lost."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from app.composition.parts import connection_of, open_codec, open_queue
from app.domain.events import ReviewRequested
from app.errors import ServiceUnreachableError
from app.stream.codec import Codec
from app.stream.producer import LagThrottle
from app.stream.reader import LogReader
from app.stream.records import Incoming
from app.stream.schemas import DIRECTORY, Schemas
from app.stream.topics import Topic, TopicTable, pool_topic
from tests.chaos.loop_oracle import Verdict, judge
from tests.chaos.whole_loop import GROUPS, MARKERS, Desk, Feeder, our_settings, waiting_reviews
from tests.kafka_broker import KafkaBroker, free_ports
from tests.processes import ROOT, Process, RestartableStore, environment

POLICY = Path(__file__).with_name("policy.yaml")
PREFIX = "drill."
LOOK = 0.3
"""Seconds between two looks at whether all is done."""


class Site:
    """Everything runs in ``directory``, on a ``broker`` that may be up already; ``slots`` workers are started
    with ``start``."""

    def __init__(
        self, directory: Path, *, slots: int = 2, broker: KafkaBroker | None = None, policy: Path = POLICY
    ) -> None:
        self.directory = directory
        self.broker = broker or KafkaBroker()
        if self.broker.pid is None:
            self.broker.start()
        self.store = RestartableStore(directory / "store")
        self.secret = directory / "secret"
        self.secret.write_text("a secret of the drill, long enough", encoding="utf-8")
        self.env = environment(
            self.broker.bootstrap,
            self.store.url,
            PREFIX,
            HITL_POLICY=str(policy),
            HITL_SECRET_FILE=str(self.secret),
        )
        self.settings, self.policy = our_settings(self.env)
        self.ports = free_ports(slots)
        self.workers: dict[int, Process] = {}
        self.schemas = DIRECTORY
        self.rightness = 1.0
        self.poisoned: set[str] = set()
        self._codec = open_codec(self.settings)
        self.people: list[Desk] = []
        self.submitted: list[str] = []
        self.repeated: list[str] = []
        self.answered: dict[str, str] = {}
        self._seed = 0
        self.apply_topics()

    def apply_topics(self) -> None:
        """As ``hitl topics apply``."""
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        TopicTable.load().apply(admin, self.policy.pool_names, PREFIX, replication_factor=1)

    # --- workers --------------------------------------------------------------------------------------

    def start(self, slot: int, *, root: Path = ROOT, before: str = "", **env: str) -> Process:
        """A worker of the version in ``root``. ``before`` is code that its interpreter runs first."""
        command = [sys.executable, "-m", "app", "worker", "--slot", str(slot)]
        if before:
            run = f"import sys\nsys.argv = {['hitl', *command[3:]]!r}\nfrom app.cli import main\nmain()"
            command = [sys.executable, "-c", f"{before}\n{run}"]
        own = {"HITL_METRICS_PORT": str(self.ports[slot]), "HITL_WORKER_SLOT": str(slot), **env}
        log = self.directory / f"worker-{slot}.log"
        self.workers[slot] = Process(command, {**self.env, **own}, log, cwd=root).start()
        return self.workers[slot]

    def stop(self, *slots: int) -> None:
        """SIGTERM, one after the other."""
        for slot in slots or list(self.workers):
            self.workers.pop(slot).stop()

    def up(self, slot: int, timeout: float = 90.0) -> None:
        """Wait until a worker answers. Raises ``TimeoutError``."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.ports[slot]}/metrics", timeout=2).close()
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise TimeoutError(f"worker {slot} does not answer")

    def hitl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line, as an operator uses it."""
        return subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            cwd=ROOT, env=self.env, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    def exports(self) -> str:
        """What an operator's shell needs to work here."""
        ours = sorted((name, value) for name, value in self.env.items() if name.startswith("HITL_"))
        return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in ours)

    def supervise(self) -> None:
        """Start again what ended by itself, as systemd or Kubernetes would."""
        for worker in self.workers.values():
            if not worker.running:
                worker.start()

    # --- people and decisions -------------------------------------------------------------------------

    def open_desks(self, *names: str) -> None:
        """People come to work."""
        for name in names:
            desk = Desk(self.settings, self.policy, name, 1_000_000, self.agrees)
            desk.start()
            self.people.append(desk)

    def agrees(self, record: bytes) -> float:
        """How probably people approve: the AI is as often right as it says, times ``rightness``."""
        decision = self._codec.decode_as(record, ReviewRequested).routed.scored.decision
        return (decision.recommendation.probability or 0.0) * self.rightness

    def close_desks(self) -> None:
        """They go home; what they answered is remembered."""
        for desk in self.people:
            desk.stop()
            self.answered.update(desk.answered)
        self.people.clear()

    def feed(self, count: int, rate: int, *, sure: float = 0.7) -> Feeder:
        """Submit decisions from now on, in a thread of its own; ``sure`` is the share the AI is sure of."""
        self._seed += 1
        feeder = Feeder(
            self.settings,
            count,
            seed=self._seed,
            rate=rate,
            repeat_every=100,
            sure=sure,
            chunk=max(1, rate // 4),
        )
        feeder.start()
        return feeder

    def fed(self, feeder: Feeder) -> None:
        """Wait until it has fed everything."""
        while feeder.is_alive():
            self.supervise()
            feeder.join(0.5)
        if feeder.failure is not None:
            raise feeder.failure
        self.submitted += feeder.ids
        self.repeated += feeder.repeated

    def feed_again(self, count: int) -> None:
        """Submit the decisions of the last feeder once more: a producer that can not know what arrived."""
        feeder = Feeder(self.settings, count, seed=self._seed, rate=10_000, repeat_every=count + 1, chunk=50)
        feeder.run()
        if feeder.failure is not None:
            raise feeder.failure

    def waiting(self) -> set[str]:
        """Ids of the reviews that are not decided."""
        return waiting_reviews(self.settings, self.policy)

    def decided(self) -> list[str]:
        """Decisions that people answered."""
        return [(record.key or b"").decode() for record in self.log(Topic.REVIEWS_OUTCOMES)]

    def resolved(self) -> int:
        """How many resolutions the log holds."""
        return sum(1 for _ in self.log(Topic.DECISIONS_RESOLVED))

    def log(self, topic: str) -> Iterator[Incoming]:
        """All committed records of a topic."""
        return LogReader(connection_of(self.settings)).read_all([topic])

    # --- the end --------------------------------------------------------------------------------------

    def settle(self, timeout: float = 240.0, still: float = 3.0) -> float:
        """Until every group has read everything and the outbox is empty, in as many looks as make ``still``
        seconds: no clock tells, the machine may have stood still meanwhile. Returns how long that took."""
        queue, connection = open_queue(self.settings, self.policy).queue, connection_of(self.settings)
        groups = [
            LagThrottle(connection, group=f"hitl-{group}", topic=topic, most=0) for group, topic in GROUPS
        ]
        began = since = time.monotonic()
        last: list[int] = []
        left = looks = round(still / LOOK) + 1
        while left:
            left -= 1
            self.supervise()
            try:
                state = [*(group.lag() for group in groups), sum(pool.unpublished for pool in queue.stats())]
            except (KafkaException, ServiceUnreachableError):
                state = []  # a machine that is busy answers late
            if not state or state != last or state[-1] or max(state) > MARKERS:
                last, left, since = state, looks, time.monotonic()
            if time.monotonic() - began > timeout:
                raise TimeoutError(f"lag by group and unpublished: {state}")
            time.sleep(LOOK)
        for group in groups:
            group.close()
        return since - began

    def judge(self) -> Verdict:
        """What was submitted and answered so far, against all topics and the queue. What has a
        ``poisoned`` key was put there by the drill."""
        topics: Iterable[str] = [
            Topic.DECISIONS_SCORED,
            Topic.DECISIONS_ROUTED,
            Topic.DECISIONS_RESOLVED,
            Topic.REVIEWS_OUTCOMES,
            Topic.DEADLETTER,
            *(pool_topic(pool) for pool in self.policy.pool_names),
        ]
        answered = dict(self.answered)
        for desk in self.people:
            answered.update(desk.answered)
        return judge(
            Codec(Schemas.load(self.schemas)),
            (
                record
                for record in LogReader(connection_of(self.settings)).read_all(topics)
                if (record.key or b"").decode() not in self.poisoned
            ),
            submitted=self.submitted,
            repeated=self.repeated,
            answered=answered,
            undecided=waiting_reviews(self.settings, self.policy),
        )

    def close(self) -> None:
        """Stop everything that was started here."""
        self.close_desks()
        for worker in self.workers.values():
            worker.stop()
        self.store.stop()
        self.broker.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
