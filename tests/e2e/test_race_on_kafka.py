"""On Apache Kafka: submitted to the topic, raced for in two browsers, resolved exactly once."""

import secrets
import sys

import httpx
import pytest
from argon2 import PasswordHasher
from playwright.sync_api import expect

from app.composition.parts import now
from app.console.accounts import Accounts
from app.domain.events import DecisionResolved, ReviewDecided
from app.stream.topics import Topic
from tests.e2e.steps import fill
from tests.integration.conftest import deploy  # noqa: F401
from tests.integration.console.conftest import PASSWORD
from tests.integration.deployment import CODEC, a_decision, by_key
from tests.kafka_broker import free_ports
from tests.processes import Process, until
from tests.unit.agents.parts import POLICY_TEXT

pytestmark = pytest.mark.broker

NAMES = ("ann", "cleo")
PEOPLE = """\
people:
  ann: {title: Ann Ortega, pools: [expenses]}
  cleo: {title: Cleo Park, pools: [expenses], supervises: [expenses]}
"""


class Counter:
    """The review desk as it is run: a worker, and the console as a process that can be restarted."""

    def __init__(self, deployment):
        self.deployment = deployment
        self.url = f"http://127.0.0.1:{(port := free_ports(1)[0])}"
        file = deployment.directory / "accounts.json"
        accounts = Accounts(
            file, now, secrets.token_bytes, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        )
        for name in NAMES:
            accounts.set_password(name, PASSWORD, new=True)
        command = [sys.executable, "-m", "app", "console", "--port", str(port)]
        env = {**deployment.env, "HITL_ACCOUNTS_FILE": str(file)}
        self.console = Process(command, env, deployment.directory / "console.log")
        self.open()

    def open(self):
        """Returns when somebody answers."""
        self.console.start()
        until(self._answers, "the console answers")

    def restart(self):
        assert self.console.terminate() == 0
        self.open()

    def _answers(self):
        assert self.console.running, self.console.log.read_text()
        try:
            return httpx.get(f"{self.url}/readyz", timeout=60).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def office(deploy):  # noqa: F811
    """Three decisions that need a person."""
    deployment = deploy(policy=POLICY_TEXT + PEOPLE)
    until(deployment.led, "every topic can be read")
    deployment.worker()
    counter = Counter(deployment)
    yield counter
    counter.console.stop()
    print(counter.console.log.read_text(errors="replace")[-4000:])


def race(people, review_id):
    """Both press the button at once; who has the case, and who is told so."""
    for one in people:
        one.go(f"/reviews/{review_id}")
    for one in people:
        one.page.get_by_role("button", name="Take this case").click(no_wait_after=True)
    for one in people:
        expect(
            one.page.get_by_text("You hold this case").or_(one.page.get_by_text("was faster"))
        ).to_be_visible()
    winner, loser = sorted(people, key=lambda one: not one.page.get_by_text("You hold this case").count())
    expect(loser.page.get_by_role("heading", name=f"{winner.name} was faster")).to_be_visible()
    expect(loser.page.get_by_role("button", name="Submit my answer")).to_have_count(0)
    return winner


def test_two_browsers_race_and_each_decision_is_resolved_once(person, office):
    deployment, names = office.deployment, ["exp-1", "exp-2", "exp-3"]
    deployment.submit(*(a_decision(name, 0.8) for name in names))
    reviews = deployment.watch.wait("reviews.requested.expenses", len(names))
    people = [person(name) for name in NAMES]
    winners = {}
    for decision, request in by_key(reviews).items():
        winner = race(people, CODEC.decode(request.value).request.review_id)
        winners[decision] = winner.name
        fill(winner.page, reasoning=f"seen by {winner.name}", reason="other")
        if decision == names[1]:
            office.restart()
        winner.page.get_by_role("button", name="Submit my answer").click()
        expect(winner.page.get_by_role("heading", name="Done")).to_be_visible()
    resolved = by_key(deployment.watch.wait(Topic.DECISIONS_RESOLVED, len(names)))
    deployment.caught_up("hitl-outcome", Topic.REVIEWS_OUTCOMES)
    assert by_key(deployment.watch[Topic.DECISIONS_RESOLVED]).keys() == resolved.keys() == set(names)
    outcomes = by_key(deployment.watch[Topic.REVIEWS_OUTCOMES])
    for decision, winner in winners.items():
        resolution = CODEC.decode_as(resolved[decision].value, DecisionResolved).resolution
        assert (resolution.action, resolution.decided_by.value) == ("approve", "human")
        assert CODEC.decode_as(outcomes[decision].value, ReviewDecided).answer.reviewer == winner
    holds(office, people[1], names[1])


def holds(office, lead, decision):
    """A lead downloads the evidence pack from the decision's page; it is whole, and a changed one is not."""
    page = lead.go(f"/decisions/{decision}")
    with page.expect_download() as begun:
        page.get_by_role("link", name="Download the evidence pack").click()
    file = office.deployment.directory / begun.value.suggested_filename
    begun.value.save_as(file)
    said = office.deployment.hitl("evidence", "verify", str(file))
    assert (said.returncode, said.stdout.split(":")[0]) == (0, "holds"), said.stdout + said.stderr
    assert office.deployment.hitl("evidence", "verify", decision).returncode == 0
    file.write_text(file.read_text().replace("seen by", "read by"))
    said = office.deployment.hitl("evidence", "verify", str(file))
    assert (said.returncode, said.stdout.split(":")[0]) == (1, "broken"), said.stdout
