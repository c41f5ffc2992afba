"""What a producer meets: hand in, wait, follow, withdraw - its own decisions only."""

import html
import json
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx
import msgspec
import pytest

from app.client.flow import path_of
from app.console.app import PUBLISHING
from app.console.submissions import Submissions
from app.domain.events import DecidedBy, DecisionResolved, Resolution
from app.domain.people import Directory, Profile
from app.review_queue.errors import StoreUnavailableError
from app.stream.errors import BrokerUnreachableError
from tests.integration.console.conftest import FINANCE, PEOPLE, POOLS
from tests.integration.console.test_api import DECISION, kind
from tests.integration.console.test_events import serve  # noqa: F401 - a fixture
from tests.integration.review_queue.conftest import routed
from tests.processes import until

PATIENCE = 120.0
NAME = DECISION["decision_id"]


def producer(house, owner="svc"):
    return house.program(owner, ["submit"])


def handed_in(house, name="exp-1", owner="svc"):
    """Handed in by API; what the house's own reviews are about."""
    body = DECISION | {"decision_id": name, "subject": "emp-3", "submitted_by": "svc"}
    answer = producer(house, owner).post("/v1/decisions", json=body)
    assert answer.status_code == 202, answer.text
    return answer


def resolve(house, name, action="approve", changes=None, level=4):
    event = routed(name, at=house.clock(), subject="emp-3")
    what = Resolution(
        resolution_id="r-1",
        action=action,
        changes=changes,
        decided_by=DecidedBy.HUMAN,
        level=level,
        review_id="x",
        reviewer="ann",
        agreed=True,
        category=None,
        reason_code="",
        reasoning="",
        resolved_at=house.clock(),
    )
    house.cases.resolved([DecisionResolved(routed=event, resolution=what)])


# --- handing in ----------------------------------------------------------------------------------------


def test_it_is_said_where_to_follow_it(house):
    answer = producer(house).post("/v1/decisions", json=DECISION)
    assert answer.headers["Location"] == f"/v1/decisions/{NAME}"
    told = producer(house).get(answer.headers["Location"]).json()
    assert (told["status"], told["final"], told["resolution"]) == ("submitted", False, None)


def test_the_callers_trace_goes_on(house):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    caller = producer(house)
    assert caller.post("/v1/decisions", json=DECISION, headers={"traceparent": trace}).status_code == 202
    assert house.topics.traces == [trace]


@pytest.mark.parametrize("name", ["order/17", "a//b/", "invoices/2026/withdraw", "50% off?", "ü#1"])
def test_a_decision_is_found_under_any_name(house, name):
    caller = producer(house)
    at = caller.post("/v1/decisions", json=DECISION | {"decision_id": name}).headers["Location"]
    assert at == path_of(name)
    assert caller.get(at).json()["decision_id"] == name
    assert caller.post(f"{at}/withdraw", json={}).status_code == 202
    assert caller.post(f"{at}/information", json={"information": "x"}).json()["code"] == "no_such_question"
    assert house.topics.events[-1][-1].decision_id == name


def test_the_same_again_is_answered_and_not_sent_again(house):
    one, two = (producer(house).post("/v1/decisions", json=DECISION) for _ in range(2))
    assert (one.status_code, two.status_code) == (202, 202) and one.json() == two.json()
    assert len(house.topics.events) == 1


def test_the_order_of_fields_means_nothing(house):
    caller = producer(house)
    caller.post("/v1/decisions", json=DECISION)
    turned = dict(reversed(DECISION.items()))
    assert caller.post("/v1/decisions", json=turned).status_code == 202
    assert len(house.topics.events) == 1


def test_the_store_does_not_learn_whom_it_is_about(house):
    producer(house).post("/v1/decisions", json=DECISION | {"subject": "Zebulon Quirk"})
    client = house.store.client
    kept = [
        client.execute_command("HGETALL", key) for key in client.keys(f"{house.store.prefix}*submission*")
    ]
    assert len(kept) == 1 and "Zebulon" not in str(kept)


@pytest.mark.parametrize("change", [{"facts": {"amount": 9}}, {"subject": "emp-4"}])
def test_another_decision_under_the_same_id_is_refused(house, change):
    producer(house).post("/v1/decisions", json=DECISION)
    answer = producer(house).post("/v1/decisions", json=DECISION | change)
    assert kind(answer) == (409, "another-decision") and answer.json()["hint"]
    assert len(house.topics.events) == 1


def test_an_id_of_somebody_else_is_taken(house):
    producer(house).post("/v1/decisions", json=DECISION | {"submitted_by": "shared"})
    other = producer(house, "other")
    answer = other.post("/v1/decisions", json=DECISION | {"submitted_by": "shared"})
    assert kind(answer) == (409, "another-decision")
    assert kind(other.get(f"/v1/decisions/{NAME}")) == (404, "not-found")


def test_after_an_outage_the_same_again_is_sent_again(house):
    """Nobody knows whether the first got into the log; scoring knows it by its id."""
    house.topics.error = BrokerUnreachableError("away", hint="x")
    assert kind(producer(house).post("/v1/decisions", json=DECISION)) == (503, "unavailable")
    house.topics.error = None
    house.clock.advance(2000)
    assert producer(house).post("/v1/decisions", json=DECISION).status_code == 202
    assert len(house.topics.events) == 1


def test_what_was_published_when_the_store_went_away_is_published_again(house, monkeypatch):
    def die(self, decision_id):
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(Submissions, "stored", die)
    assert kind(producer(house).post("/v1/decisions", json=DECISION)) == (503, "unavailable")
    monkeypatch.undo()
    assert producer(house).post("/v1/decisions", json=DECISION).status_code == 202
    assert len(house.topics.events) == 2


def test_a_producer_has_an_allowance_of_its_own(make_house):
    from app.policy.console import Allowance  # noqa: PLC0415

    house = make_house(submissions=Allowance(2, 10_000), changes=Allowance(1, 10_000))
    caller = producer(house)
    bodies = [DECISION | {"decision_id": f"d-{number}"} for number in range(3)]
    answers = [caller.post("/v1/decisions", json=body) for body in bodies]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert int(answers[2].headers["Retry-After"]) >= 1


# --- whose it is ----------------------------------------------------------------------------------------


def test_nobody_else_sees_follows_or_withdraws_it(house):
    handed_in(house)
    house.ask("exp-1")
    other = producer(house, "other")
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/withdraw")):
        answer = other.request(method, f"/v1/decisions/exp-1{path}", json={} if method == "POST" else None)
        unknown = other.request(method, f"/v1/decisions/never{path}", json={} if method == "POST" else None)
        assert kind(answer) == kind(unknown) == (404, "not-found")
    assert len(house.topics.events) == 1


def test_what_came_by_kafka_belongs_to_its_submitter(house):
    house.ask("exp-1")
    assert producer(house, "svc").get("/v1/decisions/exp-1").json()["status"] == "open"
    assert kind(producer(house, "other").get("/v1/decisions/exp-1"))[0] == 404


def test_an_id_that_came_by_kafka_is_not_captured(house):
    house.ask("exp-1")
    thief = producer(house, "thief")
    body = DECISION | {"decision_id": "exp-1", "subject": "emp-3", "submitted_by": "svc"}
    assert kind(thief.post("/v1/decisions", json=body)) == (409, "another-decision")
    assert kind(thief.get("/v1/decisions/exp-1"))[0] == 404


def test_a_repeat_whose_note_was_lost_is_told_to_look_before_it_takes_a_new_id(house):
    """Whether it is the same to the last field, the log does not say: none may be decided twice."""
    handed_in(house)
    house.ask("exp-1")
    house.store.client.execute_command("DEL", house.parts.keys.submission("exp-1"))
    body = DECISION | {"decision_id": "exp-1", "subject": "emp-3", "submitted_by": "svc"}
    answer = producer(house, "svc").post("/v1/decisions", json=body)
    assert kind(answer) == (409, "another-decision")
    assert "GET /v1/decisions/exp-1" in answer.json()["hint"] and "rebuilt" in answer.json()["detail"]
    assert len(house.topics.events) == 1


def test_an_id_that_was_handed_in_before_kafka_had_it_shows_only_the_same_decision(house):
    thief = producer(house, "thief")
    thief.post("/v1/decisions", json=DECISION | {"decision_id": "exp-1"})
    house.ask("exp-1")  # another decision of this id came first
    assert kind(thief.get("/v1/decisions/exp-1"))[0] == 404


def test_people_still_read_the_story(house):
    handed_in(house)
    house.ask("exp-1")
    told = house.program("ann").get("/v1/decisions/exp-1").json()
    assert "reviews" in told and "status" not in told


# --- information ----------------------------------------------------------------------------------------


def asked(house, name="exp-1"):
    """A reviewer asks about a decision that was handed in."""
    ann, identifier = house.program("ann"), house.ask(name)
    body = {"epoch": house.claimed(ann, identifier)["epoch"], "question": "Which project?"}
    assert ann.post(f"/v1/reviews/{identifier}/request-info", json=body).status_code == 200
    return identifier


@pytest.mark.parametrize("owner", ["svc", "gateway"])
def test_what_is_accepted_is_what_the_agent_takes(house, owner):
    """A gateway hands in for others, and answers for them."""
    handed_in(house, owner=owner)
    identifier = asked(house)
    answer = producer(house, owner).post("/v1/decisions/exp-1/information", json={"information": "Apollo"})
    assert answer.status_code == 202
    assert house.desk.inform(house.topics.events[-1][2]) is None
    review = house.queue.get(identifier).review
    assert (review.information, review.informed_by) == ("Apollo", "svc")


def test_what_the_agent_would_refuse_is_not_accepted(house):
    handed_in(house)
    asked(house)
    at, before = "/v1/decisions/exp-1/information", len(house.topics.events)
    empty = producer(house).post(at, json={"information": " "})
    assert (kind(empty), empty.json()["code"]) == ((422, "invalid"), "unfit_text")
    people = {person.name: person for person in (*PEOPLE, Profile(name="svc", pools=FINANCE))}
    house.policy = msgspec.structs.replace(house.policy, directory=Directory(people, POOLS))
    steered = producer(house).post(at, json={"information": "Apollo"})
    assert (kind(steered), steered.json()["code"]) == ((403, "not-allowed"), "own_case")
    assert len(house.topics.events) == before


# --- waiting --------------------------------------------------------------------------------------------


def test_each_state_is_told(house):
    handed_in(house)
    caller = producer(house)
    ann = house.program("ann")

    def status():
        return caller.get("/v1/decisions/exp-1").json()["status"]

    assert status() == "submitted"
    identifier = house.ask("exp-1")
    assert status() == "open"
    review = house.claimed(ann, identifier)
    assert status() == "claimed"
    body = {"epoch": review["epoch"], "question": "Which project?"}
    assert ann.post(f"/v1/reviews/{identifier}/request-info", json=body).status_code == 200
    told = caller.get("/v1/decisions/exp-1").json()
    assert (told["status"], told["question"]["text"]) == ("waiting", "Which project?")
    answer = caller.post("/v1/decisions/exp-1/information", json={"information": "Apollo"})
    assert answer.status_code == 202
    topic, key, event = house.topics.events[-1]
    assert (topic, key, event.given_by) == ("reviews.information", "exp-1", "svc")
    assert (event.review_id, event.information) == (identifier, "Apollo")
    wrong = {"information": "Apollo", "lease_epoch": 7}
    assert kind(caller.post("/v1/decisions/exp-1/information", json=wrong))[0] == 422
    ann.post(f"/v1/reviews/{identifier}/answer-info", json={"information": "Apollo"})
    review = house.claimed(ann, identifier)
    ann.post(f"/v1/reviews/{identifier}/decide", json=house.answer(review))
    assert status() == "answered"
    resolve(house, "exp-1", "modify", '{"amount": 90}')
    told = caller.get("/v1/decisions/exp-1").json()
    assert told["final"] and told["resolution"]["action"] == "modify"
    assert told["resolution"]["changes"] == {"amount": 90}
    assert (told["resolution"]["reviewer"], told["resolution"]["decided_by"]) == ("ann", "human")


def test_what_the_ai_decided_is_told_at_once(house):
    handed_in(house)
    event = routed("exp-1", at=house.clock(), subject="emp-3")
    route = msgspec.structs.replace(event.route, level=1, action="approve")
    house.cases.remember([msgspec.structs.replace(event, route=route)])
    told = producer(house).get("/v1/decisions/exp-1?wait=60s").json()
    assert (told["status"], told["level"], told["resolution"]["decided_by"]) == ("resolved", 1, "ai")


def waiter(url, secret, path, **headers):
    """A long-poll in a thread: its answer comes in the queue."""
    answers = queue.Queue()

    def ask():
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"} | headers) as client:
            answers.put(client.get(path, timeout=PATIENCE))

    threading.Thread(target=ask, daemon=True).start()
    return answers


@pytest.fixture
def quick(make_house, serve):  # noqa: F811
    return serve


@pytest.mark.parametrize(("query", "headers"), [("?wait=60s", {}), ("", {"Prefer": "wait=60"})])
def test_a_long_poll_answers_when_there_is_an_answer(quick, query, headers):
    with quick() as (house, url):
        handed_in(house)
        _, secret = house.accounts.create_token("svc", frozenset({"submit"}))
        answers = waiter(url, secret, f"/v1/decisions/exp-1{query}", **headers)
        house.ask("exp-1")
        resolve(house, "exp-1")
        told = answers.get(timeout=PATIENCE)
        assert told.json()["status"] == "resolved"
        assert told.headers.get("Preference-Applied") == ("wait=60" if headers else None)


def test_a_long_poll_ends_without_an_answer(house):
    handed_in(house)
    told = producer(house).get("/v1/decisions/exp-1?wait=1s")
    assert (told.status_code, told.json()["status"]) == (200, "submitted")


@pytest.mark.parametrize("wait", ["soon", "-1s", "1h", "1ms"])
def test_a_wait_is_a_short_time(house, wait):
    handed_in(house)
    assert kind(producer(house).get(f"/v1/decisions/exp-1?wait={wait}")) == (422, "invalid")


def test_only_so_many_waits_for_one_token(make_house):
    house = make_house(waits=0)
    handed_in(house)
    assert kind(producer(house).get("/v1/decisions/exp-1?wait=9s")) == (429, "too-many")
    assert kind(producer(house).get("/v1/decisions/exp-1/events")) == (429, "too-many")


# --- following ------------------------------------------------------------------------------------------


class Stream:
    """Reads a decision's events in a thread: (id, name, data), None at the end."""

    def __init__(self, url, secret, name="exp-1", last=""):
        self.events, self.comments, self.status = queue.Queue(), 0, None
        headers = {"Authorization": f"Bearer {secret}"} | ({"Last-Event-ID": last} if last else {})
        threading.Thread(target=self._read, args=(f"{url}/v1/decisions/{name}/events", headers)).start()

    def _read(self, url, headers):
        event = {}
        try:
            with httpx.stream("GET", url, headers=headers, timeout=PATIENCE) as answer:
                self.status = answer.status_code
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if not line and "data" in event:
                        self.events.put((event["id"], event["event"], json.loads(event["data"])))
                        event = {}
                    event[name] = value
                    self.comments += line.startswith(":")
        finally:
            self.events.put(None)

    def next(self):
        return self.events.get(timeout=PATIENCE)


def test_a_stream_tells_each_state_and_ends_with_the_answer(quick):
    with quick() as (house, url):
        handed_in(house)
        _, secret = house.accounts.create_token("svc", frozenset({"submit"}))
        stream = Stream(url, secret)
        assert stream.next()[1] == "submitted"
        identifier = house.ask("exp-1")
        opened = stream.next()
        assert opened[1] == "open"
        house.desk.claim(house.desk.person("ann"), identifier)
        assert stream.next()[1] == "claimed"
        resolve(house, "exp-1")
        last, name, data = stream.next()
        assert (name, data["resolution"]["action"]) == ("resolved", "approve")
        assert stream.next() is None
        again = Stream(url, secret, last=opened[0])
        assert again.next()[0] == last and again.next() is None
        done = Stream(url, secret, last=last)
        assert done.next() is None and done.status == 204


def test_a_stream_ends_with_the_token(quick):
    with quick() as (house, url):
        handed_in(house)
        _, secret = house.accounts.create_token("svc", frozenset({"submit"}))
        stream = Stream(url, secret)
        assert stream.next()[1] == "submitted"
        for name in list(house.accounts.book().tokens):
            house.accounts.revoke_token(name)
        house.clock.advance(1000)
        assert stream.next() is None


def test_a_broker_that_hangs_keeps_nobody_from_the_desk(quick):
    hung = threading.Event()
    with quick() as (house, url), ThreadPoolExecutor(60) as programs:
        house.topics.flush = lambda: hung.wait(PATIENCE)
        token = producer(house).headers["Authorization"]
        waiting = [
            programs.submit(
                httpx.post,
                f"{url}/v1/decisions",
                json=DECISION | {"decision_id": f"exp-{n}"},
                headers={"Authorization": token},
                timeout=PATIENCE,
            )
            for n in range(60)
        ]
        noted = f"{house.store.prefix}*submission:*"
        until(lambda: len(house.store.client.keys(noted)) >= PUBLISHING, "as many as may wait for the broker")
        try:
            reviewer = {"Authorization": house.program().headers["Authorization"]}
            assert httpx.get(f"{url}/v1/queues", headers=reviewer, timeout=PATIENCE / 2).status_code == 200
            assert len(house.store.client.keys(noted)) == PUBLISHING
        finally:
            hung.set()
        assert {one.result().status_code for one in waiting} == {202}


@pytest.mark.parametrize(("step", "body"), [("withdraw", {}), ("information", {"information": "Apollo"})])
def test_a_broker_that_hangs_keeps_nobody_from_the_desk_by_withdrawals_and_answers(quick, step, body):
    hung, begun = threading.Event(), []

    def hang(*_):
        begun.append(1)
        hung.wait(PATIENCE)

    with quick() as (house, url), ThreadPoolExecutor(60) as programs:
        handed_in(house)
        ann, review = house.program("ann"), house.ask("exp-1")
        asked = {"epoch": house.claimed(ann, review)["epoch"], "question": "Which project?"}
        assert ann.post(f"/v1/reviews/{review}/request-info", json=asked).status_code == 200
        house.parts.publisher.publish = hang
        headers = {"Authorization": producer(house).headers["Authorization"]}
        at = f"{url}/v1/decisions/exp-1/{step}"
        waiting = [
            programs.submit(httpx.post, at, json=body, headers=headers, timeout=PATIENCE) for _ in range(60)
        ]
        until(lambda: len(begun) >= PUBLISHING, "as many as may wait for the broker")
        try:
            reviewer = {"Authorization": ann.headers["Authorization"]}
            assert httpx.get(f"{url}/v1/queues", headers=reviewer, timeout=PATIENCE / 4).status_code == 200
            assert len(begun) == PUBLISHING
        finally:
            hung.set()
        assert {one.result().status_code for one in waiting} == {202}


def test_the_server_stops_though_somebody_waits(quick):
    with quick() as (house, url):
        handed_in(house)
        _, secret = house.accounts.create_token("svc", frozenset({"submit"}))
        stream, answers = Stream(url, secret), waiter(url, secret, "/v1/decisions/exp-1?wait=60s")
        assert stream.next()
    assert stream.next() is None
    assert answers.get(timeout=PATIENCE).json()["status"] == "submitted"


# --- taking back ----------------------------------------------------------------------------------------


def test_a_withdrawal_is_published_and_then_told(house):
    handed_in(house)
    identifier = house.ask("exp-1")
    caller = producer(house)
    answer = caller.post("/v1/decisions/exp-1/withdraw", json={"reason": "cancelled"})
    assert answer.status_code == 202
    topic, key, event = house.topics.events[-1]
    assert (topic, key, event.withdrawn_by, event.reason) == (
        "decisions.withdrawn",
        "exp-1",
        "svc",
        "cancelled",
    )
    house.cases.withdrawn([event])
    house.queue.withdraw([identifier], "svc", "cancelled")
    told = caller.get("/v1/decisions/exp-1?wait=60s").json()
    assert (told["status"], told["withdrawn_by"]) == ("withdrawn", "svc")
    assert caller.post("/v1/decisions/exp-1/withdraw", json={}).status_code == 202
    assert len(house.topics.events) == 2


def test_what_was_answered_stays_answered(house):
    handed_in(house)
    house.ask("exp-1")
    resolve(house, "exp-1")
    answer = producer(house).post("/v1/decisions/exp-1/withdraw", json={})
    assert kind(answer) == (409, "already-decided") and answer.json()["answer"]["action"] == "approve"
    assert len(house.topics.events) == 1


def test_the_description_has_examples_for_all_of_it(house):
    paths = house.program().get("/openapi.json").json()["paths"]
    assert {"/v1/decisions", "/v1/decisions/{decision_id}", "/v1/decisions/{decision_id}/events"} <= set(
        paths
    )
    submit = paths["/v1/decisions"]["post"]
    assert submit["requestBody"]["content"]["application/json"]["example"]["decision_id"]
    assert "409" in submit["responses"] and "429" in submit["responses"]


# --- ids and addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".", "..", "a/../b", "a\nb", "a\x00b", "x/events"])
def test_an_id_that_no_address_can_carry_is_refused_with_the_rule(house, name):
    answer = producer(house).post("/v1/decisions", json=DECISION | {"decision_id": name})
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "unfit_id"
    assert answer.json()["detail"].startswith("`decision_id` ")
    assert house.topics.events == []


@pytest.mark.parametrize("name", ["INV/2026/17", "50 % off?", "a#b&c", "R\u00fcckgabe"])
def test_every_address_of_an_accepted_id_works(house, name):
    at = handed_in(house, name).headers["location"]
    assert producer(house).get(at).status_code == 200
    review_id = house.ask(name)
    browser = house.signed_in("eve")
    assert browser.get(f"/reviews/{review_id}").status_code == 200
    story = browser.get(f"/decisions/{quote(name)}", headers={"Accept": "text/html"})
    assert story.status_code == 200
    assert f'<span class="mono">{html.escape(name)}</span>' in story.text


@pytest.mark.parametrize("name", ["..", "a\nb", "a/../b", "x/events"])
def test_an_older_record_with_such_an_id_breaks_no_page(house, name):
    review_id = house.ask(name)
    browser = house.signed_in("cleo")
    for path in ("/", "/lead", f"/reviews/{review_id}", f"/v1/reviews/{review_id}"):
        assert browser.get(path).status_code == 200, path
    for path in (f"/decisions/{quote(name, safe='')}", f"/v1/decisions/{quote(name, safe='')}"):
        assert browser.get(path).status_code < 500, path
