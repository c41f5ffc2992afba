"""A whole installation - Kafka, store, worker, console - and somebody who answers what comes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.conftest import deployed
from tests.integration.deployment import Deployment
from tests.kafka_broker import free_ports
from tests.processes import PATIENCE, ROOT, Process, until

EXAMPLE = (ROOT / "policies" / "example.yaml").read_text(encoding="utf-8")
POLICY = EXAMPLE.replace("undo_window: 10s", "undo_window: 1s") + (
    "\npeople:\n"
    "  ann: {title: Ann, pools: [finance, finance-senior]}\n"
    "  bob: {title: Bob, pools: [finance, finance-senior]}\n"
)


class Installation:
    """``env`` is what an example's process needs; ``people`` are API clients of the reviewers."""

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        self.deployment = deployment
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        accounts = {"HITL_ACCOUNTS_FILE": str(folder / "accounts.json")}
        command = [sys.executable, "-m", "app", "console", "--port", str(port)]
        self.console = Process(command, deployment.env | accounts, folder / "console.log").start()

        def token(owner: str, *scopes: str) -> str:
            asked = [part for scope in scopes for part in ("--scope", scope)]
            return deployment.hitl("token", "create", owner, *asked, **accounts).stdout.strip()

        self.token = token("svc-expenses", "submit")
        self.env = deployment.env | {"HITL_CONSOLE_URL": self.url, "HITL_TOKEN": self.token}
        self.people = [self.client(token(name, "read", "review")) for name in ("ann", "bob")]

    def client(self, token: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=120)

    def up(self) -> bool:
        if not self.console.running:  # topics that are being made have no leader yet: try again
            self.console.start()
        try:
            return self.people[0].get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def run(self, *arguments: str) -> subprocess.Popen[str]:
        """An example as a process of its own, that sees nothing of ours but address and token."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.env | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def answer_all(self, stopping: threading.Event, verdict: Callable[[str], dict[str, object]]) -> None:
        """Claim and answer whatever comes, as people do, until ``stopping``."""
        while not stopping.wait(0.3):
            for person in self.people:
                claimed = person.post("/v1/reviews/claim-next", json={})
                if claimed.status_code != 200:
                    continue
                review = claimed.json()["review"]
                body = {"epoch": review["epoch"], "digest": review["digest"], "reasoning": "I looked at it"}
                body |= verdict(review["decision_id"])
                done = person.post(f"/v1/reviews/{review['review_id']}/decide", json=body)
                assert done.status_code == 200, done.text


@pytest.fixture(scope="module")
def installation(
    kafka: str, store_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = Path(tmp_path_factory.mktemp("installation"))
    with deployed(kafka, store_url, folder, POLICY) as deployment:
        deployment.worker()
        made = Installation(deployment, folder)
        try:
            until(made.up, "the console answers")
            yield made
        finally:
            made.console.stop()
            print(f"--- console\n{made.console.log.read_text(errors='replace')[-4000:]}")


@pytest.fixture
def answering(installation: Installation) -> Iterator[dict[str, dict[str, object]]]:
    """People at work; what they answer by decision id can be put in, else they approve."""
    verdicts: dict[str, dict[str, object]] = {}
    stopping = threading.Event()
    thread = threading.Thread(
        target=installation.answer_all,
        args=(stopping, lambda name: verdicts.get(name, {"action": "approve"})),
    )
    thread.start()
    yield verdicts
    stopping.set()
    thread.join(PATIENCE)
