"""`hitl doctor` on a sound deployment, and with each fault really made: it names it and says what to do."""

from __future__ import annotations

import json
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from typer.testing import CliRunner

from app.cli import app
from app.commands import doctor_broker, doctor_store
from app.composition.parts import now
from app.console.accounts import Accounts
from app.review_queue.embedded import find_server
from app.settings import PROJECT
from app.stream.topics import TopicTable
from tests.conftest import create_topics
from tests.integration.conftest import deployed
from tests.integration.deployment import Deployment
from tests.kafka_broker import free_ports
from tests.processes import until

pytestmark = pytest.mark.broker

POLICY = (PROJECT / "deploy" / "policy.yaml").read_text(encoding="utf-8")


class Site:
    """A deployment without a worker whose store and files a fault may change; ``env`` is what doctor sees."""

    def __init__(self, env: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.env = env
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.admin = AdminClient({"bootstrap.servers": env["HITL_KAFKA_BOOTSTRAP_SERVERS"], "log_level": 0})

    @property
    def store(self) -> redis.Redis:
        return redis.Redis.from_url(self.env["HITL_REDIS_URL"])

    def topic(self, name: str) -> str:
        return self.env["HITL_TOPIC_PREFIX"] + name

    def file(self, name: str, text: str, mode: int = 0o400) -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return str(path)

    def produce(self, topic: str, *values: bytes) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.env["HITL_KAFKA_BOOTSTRAP_SERVERS"],
                "queue.buffering.max.messages": 10**6,
            }
        )
        for value in values:
            producer.produce(self.topic(topic), value)
        assert producer.flush(180) == 0

    def ask(self) -> tuple[int, list[dict[str, str]]]:
        done = CliRunner().invoke(app, ["doctor", "--json"], env={**self.env})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[str]:
    """A store to break. It may write 1 MiB to a file and no more, as on a disk that is nearly full."""
    [port] = free_ports(1)
    options = {"--port": str(port), "--bind": "127.0.0.1", "--dir": str(tmp_path), "--appendonly": "yes"}
    options |= {"--maxmemory-policy": "noeviction", "--save": "", "--logfile": str(tmp_path / "store.log")}

    small_disk = "trap '' XFSZ; ulimit -f 2000; exec \"$@\""
    words = [str(find_server()), *(word for pair in options.items() for word in pair)]
    process = subprocess.Popen(["sh", "-c", small_disk, "sh", *words], stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port)
    try:
        until(lambda: _answers(client), "the store is up")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture(scope="module")
def whole(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Topics that no fault touches."""
    with deployed(kafka, "redis://127.0.0.1:9", tmp_path_factory.mktemp("whole"), POLICY) as made:
        yield made


@pytest.fixture
def site(
    whole: Deployment,
    kafka: str,
    own_store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Site]:
    with ExitStack() as stack:
        fault = getattr(request.node, "callspec", None)
        made = whole
        if fault and fault.params["fault"] in TOPIC_FAULTS:
            made = stack.enter_context(deployed(kafka, own_store, tmp_path, POLICY))
        ours = {name: value for name, value in made.env.items() if name.startswith("HITL_")}
        monkeypatch.setattr(doctor_broker, "PATIENCE", 60.0)
        found = Site(ours | {"HITL_REDIS_URL": own_store}, tmp_path, monkeypatch)
        accounts = Accounts(tmp_path / "accounts.json", now, secrets.token_bytes)
        accounts.set_password("ann", "correct horse", new=True)
        found.env |= {
            "HITL_SECRET_FILE": found.file("secret", "0123456789abcdef0123456789abcdef"),
            "HITL_ACCOUNTS_FILE": str(tmp_path / "accounts.json"),
            "HITL_CONSOLE_URL": "https://reviews.example.org",
        }
        yield found


def test_a_sound_deployment_has_nothing_to_complain_of(site: Site) -> None:
    code, rows = site.ask()
    assert code == 0, rows
    assert {row["state"] for row in rows} == {"ok"}
    assert [row["check"] for row in rows] == [
        *("policy", "schemas", "broker", "topics", "rights", "records", "policy in force"),
        *("store", "clock", "secret", "console"),
    ]


def wrong_broker(site: Site) -> None:
    site.monkeypatch.setattr(doctor_broker, "PATIENCE", 2.0)
    site.env["HITL_KAFKA_BOOTSTRAP_SERVERS"] = "127.0.0.1:9"


def no_such_host(site: Site) -> None:
    site.monkeypatch.setattr(doctor_broker, "PATIENCE", 10.0)  # it has to hear of the name before
    site.env["HITL_KAFKA_BOOTSTRAP_SERVERS"] = "kafka.invalid:9092"


def wrong_store(site: Site) -> None:
    site.env["HITL_REDIS_URL"] = "redis://:guessed@127.0.0.1:9/0"


def no_address(site: Site) -> None:
    site.env["HITL_REDIS_URL"] = "valkey:6379"


def missing_topic(site: Site) -> None:
    [gone] = site.admin.delete_topics([site.topic("outcomes.observed")]).values()
    gone.result(180)
    until(
        lambda: site.topic("outcomes.observed") not in site.admin.list_topics(timeout=60).topics, "it is gone"
    )


def more_partitions(site: Site) -> None:
    [more] = site.admin.create_partitions([NewPartitions(site.topic("decisions.scored"), 7)]).values()
    more.result(180)
    name = site.topic("decisions.scored")
    until(lambda: len(site.admin.list_topics(timeout=60).topics[name].partitions) == 7, "it has more")


def kept_too_short(site: Site) -> None:
    """Compacted is what must be kept: somebody made it a topic that forgets."""
    missing = site.topic("learning.state")
    [gone] = site.admin.delete_topics([missing]).values()
    gone.result(180)
    until(lambda: missing not in site.admin.list_topics(timeout=60).topics, "it is gone")
    partitions = TopicTable.load().specs["learning.state"].partitions
    create_topics(site.env["HITL_KAFKA_BOOTSTRAP_SERVERS"], missing, partitions=partitions)
    until(lambda: missing in site.admin.list_topics(timeout=60).topics, "it is there")


def schema_from_the_future(site: Site) -> None:
    site.produce("decisions.routed", b"\xc3\x01" + bytes(range(8)) + b"what a later version wrote")


def nobody_works(site: Site) -> None:
    site.produce("decisions.submitted", b"a decision")


def far_behind(site: Site) -> None:
    site.produce("learning.cases", *[b""] * 100_001)


def eviction(site: Site) -> None:
    site.store.config_set("maxmemory-policy", "allkeys-lru")


def no_persistence(site: Site) -> None:
    site.store.config_set("appendonly", "no")


def full_disk(site: Site) -> None:
    def refused() -> bool:
        try:
            site.store.set("filler", secrets.token_bytes(400_000))
        except redis.ResponseError:
            return True
        return site.store.info("persistence")["aof_last_write_status"] != "ok"

    until(refused, "the store can not write any more")


def full_memory(site: Site) -> None:
    site.store.config_set("maxmemory", site.store.info("memory")["used_memory"] + 50_000)


def wrong_password(site: Site) -> None:
    site.store.config_set("requirepass", "known to others")
    site.env["HITL_REDIS_PASSWORD_FILE"] = site.file("password", "guessed")


def no_rights_in_the_store(site: Site) -> None:
    site.store.execute_command("ACL", "SETUSER", "worker", "on", ">known", "~other:*", "+@all")
    site.env["HITL_REDIS_URL"] = site.env["HITL_REDIS_URL"].replace("://", "://worker@")
    site.env["HITL_REDIS_PASSWORD_FILE"] = site.file("password", "known")


def queue_of_an_older_version(site: Site) -> None:
    site.store.set(site.env["HITL_TOPIC_PREFIX"] + "hitl:{reviewers}:arrivals", 7)


def clock_skew(site: Site) -> None:
    site.monkeypatch.setattr(doctor_store, "now", lambda: now() - 60_000)


def broken_policy(site: Site) -> None:
    site.env["HITL_POLICY"] = site.file("broken.yaml", POLICY.replace("pool: reviewers", "pool: revievers"))


def secret_for_everybody(site: Site) -> None:
    site.env["HITL_SECRET_FILE"] = site.file("open", "0123456789abcdef0123456789abcdef", 0o644)


def secret_gone(site: Site) -> None:
    site.env["HITL_SECRET_FILE"] = str(site.folder / "nowhere")


def secret_too_short(site: Site) -> None:
    site.env["HITL_SECRET_FILE"] = site.file("short", "1234")


def nobody_can_sign_in(site: Site) -> None:
    site.env["HITL_ACCOUNTS_FILE"] = str(site.folder / "nobody.json")


FAULTS: list[tuple[Callable[[Site], None], int, str, str, str]] = [
    (wrong_broker, 3, "broker", "127.0.0.1:9 does not answer", "HITL_KAFKA_BOOTSTRAP_SERVERS"),
    (no_such_host, 3, "broker", "kafka.invalid:9092", "check the name in HITL_KAFKA_BOOTSTRAP_SERVERS"),
    (wrong_store, 3, "store", "redis://:***@127.0.0.1:9/0 does not answer", "HITL_REDIS_URL"),
    (no_address, 1, "store", "HITL_REDIS_URL=valkey:6379: not an address", "redis://localhost:6379/0"),
    (missing_topic, 1, "topics", "missing: outcomes.observed", "hitl topics apply"),
    (more_partitions, 1, "topics", "decisions.scored: partitions is 7, the table says 4", "topics.yaml"),
    (kept_too_short, 1, "topics", "learning.state: cleanup.policy is delete", "topics.yaml"),
    (schema_from_the_future, 1, "records", "decisions.routed: ", "update this installation first"),
    (nobody_works, 1, "workers", "1 records wait, nobody reads them", "hitl worker"),
    (far_behind, 1, "workers", "100,001 records of learning.cases wait", "start more workers"),
    (eviction, 1, "store", "maxmemory-policy is allkeys-lru", "CONFIG SET maxmemory-policy noeviction"),
    (no_persistence, 1, "store", "appendonly is off", "CONFIG SET appendonly yes"),
    (full_disk, 1, "store", "its last write to disk failed", "is the disk full?"),
    (wrong_password, 3, "store", "invalid username-password pair", "HITL_REDIS_PASSWORD_FILE"),
    (no_rights_in_the_store, 1, "store", "our user has not all rights", "docs/deployment.md"),
    (queue_of_an_older_version, 1, "queue", "laid out the reviews of reviewers", "hitl queue rebuild"),
    (clock_skew, 1, "clock", "ms from the store's clock", "run NTP"),
    (broken_policy, 1, "policy", "revievers", "docs/policy.md"),
    (secret_for_everybody, 1, "secret", "everybody may read it", "chmod 400"),
    (secret_gone, 1, "settings", "HITL_SECRET_FILE=", "point it to a readable file"),
    (secret_too_short, 1, "settings", "4 bytes are too few", "openssl rand -hex 32"),
    (nobody_can_sign_in, 1, "people", "nobody can sign in", "hitl people add NAME"),
]
TOPIC_FAULTS = {
    missing_topic, more_partitions, kept_too_short, schema_from_the_future, nobody_works, far_behind,
}  # fmt: skip
"""These leave topics behind that are of no more use."""


@pytest.mark.parametrize(
    ("fault", "code", "check", "said", "do"), FAULTS, ids=[f[0].__name__ for f in FAULTS]
)
def test_each_fault_is_named_with_what_to_do(
    site: Site, fault: Callable[[Site], None], code: int, check: str, said: str, do: str
) -> None:
    fault(site)
    exit_code, rows = site.ask()
    failed = [row for row in rows if row["state"] == "failed"]
    assert (exit_code, [row["check"] for row in failed]) == (code, [check]), failed
    [found] = failed
    assert said in found["detail"]
    assert do in found["do"]
    assert "guessed" not in str(rows)


def test_little_memory_left_is_a_warning(site: Site) -> None:
    full_memory(site)
    code, rows = site.ask()
    [found] = [row for row in rows if row["state"] == "warning"]
    assert (code, found["check"]) == (0, "store")
    assert "of its memory is in use" in found["detail"]


def test_a_slow_store_is_a_warning(site: Site) -> None:
    ended = threading.Event()

    def slow() -> None:
        with closing(site.store) as client:
            while not ended.is_set():
                client.execute_command("CLIENT", "PAUSE", "400", "ALL")

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        code, rows = site.ask()
    finally:
        ended.set()
        thread.join()
    [found] = [row for row in rows if row["state"] == "warning"]
    assert (code, found["check"]) == (0, "store")
    assert "ms for an answer" in found["detail"]
    assert "HitlStoreSlow" in found["do"]
