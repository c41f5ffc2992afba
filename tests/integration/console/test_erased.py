"""A case whose person was erased (decision 020): it says so, can be ended, and breaks nothing."""

import json

import msgspec
import pytest

from app.console.app import create_console
from app.domain.events import ReviewLifecycle
from app.review_queue.outbox import OutboxRelay
from app.stream.codec import Codec
from app.stream.errors import DecodeError, ErasedError
from app.stream.schemas import Schemas
from tests.integration.console.conftest import House
from tests.integration.console.test_shield import routes
from tests.integration.review_queue.conftest import Desk as Store

HTML = {"Accept": "text/html"}
KEY_ID = bytes(16)
WHY = "erased on 2026-03-02T09:30:00Z by ann: request 17"
SECRETS = ("emp-3", "1240.5", "matches policy", "emp-77")


class Ring:
    """One key, until it is erased."""

    erased = False

    def key(self, _key_id):
        if self.erased:
            raise DecodeError("erased", WHY)
        return bytes(32)


class Encrypting(Codec):
    """What is written is encrypted, until the person is erased."""

    def encode(self, event, under=None):
        return super().encode(event, KEY_ID if under is None and not self._keys.erased else under)


@pytest.fixture
def ring():
    return Ring()


@pytest.fixture
def erased_house(client, store_url, ring, tmp_path):
    """A case that bob asked about and cleo supervises; then its person is erased."""
    house = House(Store(client, store_url), Encrypting(Schemas.load(), keys=ring), tmp_path)
    house.review_id = house.ask("exp-1", subject="emp-3")
    house.ask("exp-2")
    ring.erased = True
    return house


def paths(house):
    """Every address that reads, with this case wherever one is named."""
    found = []
    for route in routes(house.app):
        if "GET" not in route.methods:
            continue
        names = {"review_id": house.review_id, "decision_id": "exp-1", "name": "s", "rule_id": "r"}
        path = route.path
        for name, value in names.items():
            path = path.replace("{" + name + "}", value)
        if "{" not in path and "events" not in path:
            found.append(path)
    return found


def test_no_page_and_no_endpoint_fails_over_an_erased_person(erased_house):
    house = erased_house
    assert len(paths(house)) > 20
    for name in ("ann", "cleo", "eve", "root"):
        browser = house.signed_in(name)
        for path in paths(house):
            for accept in (HTML, {"Accept": "application/json"}):
                answer = browser.get(path, headers=accept)
                assert answer.status_code < 500, (name, path, answer.text[:300])
                if "exp-1" in path or house.review_id in path:
                    assert not any(secret in answer.text for secret in SECRETS), (name, path)


def test_the_case_says_erased_and_what_can_still_be_done(erased_house):
    house = erased_house
    page = house.signed_in("ann").get(f"/reviews/{house.review_id}", headers=HTML).text
    assert "Erased" in page and WHY in page
    assert "Escalate to the supervisors" in page
    assert "Withdraw the case" not in page, "that is for leads"
    assert "Take this case" not in page
    assert (
        "Withdraw the case" in house.signed_in("cleo").get(f"/reviews/{house.review_id}", headers=HTML).text
    )
    assert "Erased: exp-1" in house.signed_in("ann").get("/", headers=HTML).text


def test_a_program_is_told_as_well(erased_house):
    house = erased_house
    seen = house.program("ann").get(f"/v1/reviews/{house.review_id}").json()
    assert seen["package"] == {"erased": WHY, "decision_required": {"decision_id": "exp-1"}}
    assert seen["actions"] == []
    assert seen["denial"]["code"] == "erased"


def test_nobody_takes_or_answers_it_and_the_next_is_another(erased_house):
    house = erased_house
    program = house.program("ann")
    for path, body in (
        ("claim", {}),
        ("decide", {"epoch": 1, "digest": "0" * 64, "action": "approve", "reasoning": "y"}),
        ("reveal", {"epoch": 1, "action": "approve"}),
        ("delegate", {"to": "bob", "epoch": None}),
    ):
        answer = program.post(f"/v1/reviews/{house.review_id}/{path}", json=body)
        assert answer.status_code == 403, (path, answer.text)
        assert answer.json()["code"] == "erased"
    readable = house.ask("exp-3", due=10 * 3_600_000)
    lease = program.post("/v1/reviews/claim-next", json={})
    assert lease.json()["review"]["review_id"] == readable


def test_a_lead_ends_it_and_the_log_is_told_without_words(erased_house):
    house = erased_house
    browser = house.signed_in("cleo")
    done = browser.post(f"/reviews/{house.review_id}/withdraw", data={"reason": "emp-77 left"}, headers=HTML)
    assert done.status_code == 303 and "notice=withdrawn" in done.headers["location"]
    assert "Nothing has to be done" in browser.get(f"/reviews/{house.review_id}", headers=HTML).text

    out = []
    relay = OutboxRelay(
        house.store.client, house.store.keys, ["finance"], house.codec, out.extend,
        name="relay", clock=house.clock,
    )  # fmt: skip
    while relay.run_once():
        pass
    plain = Codec(Schemas.load())
    steps = [plain.decode_as(one.value, ReviewLifecycle) for one in out]
    last = next(step for step in steps if step.event == "withdrawn")
    assert (last.actor, last.decision_id) == ("cleo", "exp-1")
    assert json.loads(last.state)["state"] == "withdrawn"
    assert not any(secret.encode() in one.value for one in out for secret in SECRETS)


def test_its_evidence_is_gone_not_broken(erased_house):
    house = erased_house

    class Room:
        def pack(self, _decision_id):
            raise ErasedError(WHY, hint="nobody can read it again")

    house.parts = msgspec.structs.replace(house.parts, evidence=Room())
    house.app = create_console(house.parts)
    answer = house.signed_in("eve").get("/decisions/exp-1/evidence", headers={"Accept": "application/json"})
    assert answer.status_code == 410, answer.text
    assert answer.json()["detail"] == WHY
    page = house.signed_in("eve").get("/decisions/exp-1/evidence", headers=HTML)
    assert page.status_code == 410 and "Erased" in page.text
