"""The JSON API as a program uses it: work, errors, repeats, scopes, and nothing that others may not see."""

import json
import threading

import msgspec
import pytest

from app.console.scopes import Scope
from app.domain.events import ReviewKind
from app.review_queue.errors import StoreUnavailableError
from app.stream.errors import BrokerUnreachableError
from tests.processes import PATIENCE

DECISION = {
    "decision_id": "exp-77",
    "decision_type": "expense.approval",
    "occurred_at": "2026-03-02T09:30:00Z",
    "subject": "emp-3",
    "recommendation": {"action": "approve", "probability": 0.9},
    "facts": {"amount": 12.5},
    "model": {"name": "expenses", "version": "3"},
}


def kind(answer):
    """The kind of problem of an answer."""
    return answer.status_code, answer.json()["type"].partition("#")[2]


# --- work ----------------------------------------------------------------------------------------------


def test_a_review_from_the_queue_to_its_answer(house):
    ann = house.program("ann")
    identifier = house.ask()
    queue = next(q for q in ann.get("/v1/queues").json()["items"] if q["pool"] == "finance")
    assert (queue["open"], queue["title"]) == (1, "Finance team")
    listed = ann.get("/v1/reviews").json()["items"]
    assert [review["review_id"] for review in listed] == [identifier]
    review = ann.post("/v1/reviews/claim-next", json={}).json()["review"]
    assert review["holder"] == "ann"
    look = ann.get(f"/v1/reviews/{identifier}").json()
    assert look["package"]["key_facts"] == {"amount": 1240.5} and "approve" in look["actions"]
    answered = ann.post(f"/v1/reviews/{identifier}/decide", json=house.answer(review)).json()
    assert answered["answer"]["reviewer"] == "ann"
    assert ann.get(f"/v1/reviews/{identifier}").json()["answer"]["reasoning"] == "the receipt matches"
    assert ann.post("/v1/reviews/claim-next", json={}).status_code == 204


def test_an_answer_may_be_taken_back_for_a_moment(house):
    ann, cleo = house.program("ann"), house.program("cleo")
    identifier = house.ask()
    path = f"/v1/reviews/{identifier}"
    review = house.claimed(ann, identifier)
    answered = ann.post(f"{path}/decide", json=house.answer(review)).json()
    assert (answered["final"], answered["review"]["state"]) == (False, "decided")
    assert answered["review"]["undo_until"] > answered["review"]["decided_at"]
    epoch = {"epoch": review["epoch"]}
    assert kind(cleo.post(f"{path}/undo", json=epoch)) == (409, "already-decided")
    undone = ann.post(f"{path}/undo", json=epoch).json()
    assert (undone["answer"]["action"], undone["review"]["state"]) == ("approve", "claimed")
    assert ann.get(path).json()["taken_back"] == undone["answer"]
    assert cleo.get(path).json()["taken_back"] is None
    assert kind(ann.post(f"{path}/undo", json=epoch)) == (409, "conflict")
    other = house.answer(undone["review"], action="reject")
    assert ann.post(f"{path}/decide", json=other).json()["answer"]["action"] == "reject"
    house.clock.advance(house.policy.terms["expense.approval"].undo_window)
    late = ann.post(f"{path}/undo", json={"epoch": undone["review"]["epoch"]})
    assert kind(late) == (409, "conflict") and "can not be taken back any more" in late.json()["detail"]
    assert house.queue.settle("finance") == [identifier]
    assert ann.post(f"{path}/decide", json=other).json()["final"]


def test_every_other_step(house):
    ann, bob, cleo, root = (house.program(name) for name in ("ann", "bob", "cleo", "root"))
    path = f"/v1/reviews/{house.ask()}"

    def step(caller, name, **body):
        answer = caller.post(f"{path}/{name}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    epoch = step(ann, "claim")["review"]["epoch"]
    assert step(ann, "extend", epoch=epoch)["state"] == "claimed"
    assert step(ann, "release", epoch=epoch, reason="lunch")["state"] == "open"
    epoch = step(ann, "claim")["review"]["epoch"]
    assert step(ann, "request-info", epoch=epoch, question="Why now?")["question"] == "Why now?"
    assert step(bob, "answer-info", information="Apollo")["state"] == "open"
    assert step(ann, "delegate", to="cleo", reason="knows it")["offered_to"] == "cleo"
    assert step(cleo, "reassign", to="ann", reason="her case")["offered_to"] == "ann"
    epoch = step(ann, "claim")["review"]["epoch"]
    assert step(ann, "escalate", epoch=epoch, reason="above me")["tier"] == 1
    step(root, "cancel", reason="sent by mistake")
    assert kind(cleo.post(f"{path}/claim"))[0] == 409


def test_blind_is_blind_until_the_first_answer(house):
    ann = house.program("ann")
    identifier = house.ask(blind=True)
    path = f"/v1/reviews/{identifier}"
    listed = ann.get("/v1/reviews").json()["items"][0]
    assert (listed["kind"], listed["consequence_class"]) == (None, None)
    told = ann.get("/v1/decisions/exp-1").json()
    assert told["ai"] is None and told["level"] is None
    assert "0.93" not in ann.get(path).text and "0.93" not in json.dumps(told)
    review = house.claimed(ann, identifier)
    revealed = ann.post(f"{path}/reveal", json={"epoch": review["epoch"], "action": "reject"}).json()
    assert revealed["withheld"]["ai_recommendation"]["action"] == "approve"
    assert revealed["review"]["kind"] == "decide"
    answered = ann.post(f"{path}/decide", json=house.answer(review, reason_code="other")).json()
    assert answered["answer"]["first_action"] == "reject"


def test_while_one_is_asked_blind_colleagues_answers_stay_in_confidence(house):
    ann, cleo = house.program("ann"), house.program("cleo")
    first = house.ask(kind=ReviewKind.DECIDE)
    house.ask(kind=ReviewKind.SECOND_LOOK, blind=True)
    review = house.claimed(ann, first)
    ann.post(f"/v1/reviews/{first}/decide", json=house.answer(review))
    told = cleo.get("/v1/decisions/exp-1").json()
    assert told["ai"] is None and told["resolution"] is None
    assert [one["answer"] for one in told["reviews"]] == [None, None]
    assert house.program("eve").get("/v1/decisions/exp-1").json()["ai"]["recommendation"] == "approve"


def test_pages_of_reviews_are_joined_by_next(house):
    ids = [house.ask(f"exp-{i}", due=3_600_000 + i) for i in range(7)]
    caller = house.program("cleo")
    found, address = [], "/v1/reviews?limit=3"
    while address:
        page = caller.get(address).json()
        assert len(page["items"]) <= 3
        found += [review["review_id"] for review in page["items"]]
        address = page["next"]
    assert found == ids


@pytest.mark.parametrize("cursor", ["x", "WzEsNTBd!", "Wy0xLDBd", "WzAsMWU5OV0", "ey", "%00"])
def test_a_made_up_cursor_is_refused(house, cursor):
    assert kind(house.program().get(f"/v1/reviews?cursor={cursor}")) == (422, "invalid")


# --- what others may not see ---------------------------------------------------------------------------


def test_nobody_sees_or_touches_work_of_other_pools(house):
    sam = house.program("sam")
    identifier = house.ask()
    path = f"/v1/reviews/{identifier}"
    assert [queue["pool"] for queue in sam.get("/v1/queues").json()["items"]] == ["support"]
    assert sam.get("/v1/reviews").json()["items"] == []
    assert kind(sam.get("/v1/reviews?pool=finance")) == (403, "not-allowed")
    assert kind(sam.get(path)) == (403, "not-allowed")
    assert sam.get(path).json()["code"] == "not_your_pool"
    assert "1240.5" not in sam.get(path).text
    assert kind(sam.get("/v1/decisions/exp-1")) == (403, "not-allowed")
    for step, body in STEPS.items():
        assert sam.post(f"{path}/{step}", json=body).status_code == 403, step
    assert kind(sam.post("/v1/reviews/claim-next", json={"pool": "finance"}))[0] == 403


STEPS = {
    "claim": None,
    "extend": {"epoch": 1},
    "release": {"epoch": 1},
    "reveal": {"epoch": 1, "action": "approve"},
    "decide": {"epoch": 1, "digest": "a" * 64, "action": "approve", "reasoning": "so"},
    "request-info": {"epoch": 1, "question": "?"},
    "answer-info": {"information": "!"},
    "escalate": {},
    "delegate": {"to": "ann"},
    "reassign": {"to": "ann"},
    "cancel": {"reason": "so"},
}


def test_leads_see_the_people_of_their_pools(house):
    names = [person["name"] for person in house.program("cleo").get("/v1/people").json()["items"]]
    assert names == ["ann", "bob", "cleo"]
    assert house.program("sam").get("/v1/people").json()["items"] == []


# --- tokens and scopes ---------------------------------------------------------------------------------


def test_a_token_opens_only_what_it_was_made_for(house):
    identifier = house.ask()
    needs = [
        ("GET", "/v1/me", None, Scope.READ),
        ("GET", "/v1/queues", None, Scope.READ),
        ("POST", f"/v1/reviews/{identifier}/claim", None, Scope.REVIEW),
        ("POST", f"/v1/reviews/{identifier}/reassign", {"to": "ann"}, Scope.LEAD),
        ("GET", "/v1/people", None, Scope.LEAD),
        ("POST", f"/v1/reviews/{identifier}/cancel", {"reason": "x"}, Scope.ADMIN),
        ("POST", "/v1/decisions", DECISION, Scope.SUBMIT),
    ]
    for method, path, body, needed in needs:
        for scope in Scope:
            answer = house.program("cleo", [scope]).request(method, path, json=body)
            missing = answer.status_code == 403 and answer.json().get("code") == "missing_scope"
            assert missing is (scope is not needed), (method, path, scope)


def test_a_scope_never_widens_what_the_owner_may(house):
    identifier = house.ask()
    answer = house.program("ann").post(f"/v1/reviews/{identifier}/reassign", json={"to": "bob"})
    assert (kind(answer)[0], answer.json()["code"]) == (403, "not_lead")


def test_a_session_may_not_submit(house):
    assert kind(house.signed_in().post("/v1/decisions", json=DECISION))[0] == 403


def test_a_token_ends_when_it_is_revoked_or_over(house):
    name, _ = house.accounts.create_token("ann", frozenset({Scope.READ}))
    caller = house.program(lasts=1000)
    assert caller.get("/v1/me").status_code == 200
    house.clock.advance(1000)
    assert kind(caller.get("/v1/me")) == (401, "not-signed-in")
    other = house.program()
    for name in list(house.accounts.book().tokens):
        house.accounts.revoke_token(name)
    assert kind(other.get("/v1/me")) == (401, "not-signed-in")


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer hitl_", "Bearer hitl_.", "Bearer a.b", "x", ""]
)
def test_what_is_no_token_is_refused(house, header):
    house.program()
    assert kind(house.browser().get("/v1/me", headers={"Authorization": header}))[0] == 401


# --- problems ------------------------------------------------------------------------------------------


def test_each_refusal_of_the_queue_is_a_problem_of_its_kind(house):
    ann, cleo = house.program("ann"), house.program("cleo")
    identifier = house.ask()
    path = f"/v1/reviews/{identifier}"
    review = house.claimed(ann, identifier)
    body = house.answer(review)
    unknown = identifier[:-1] + ("0" if identifier[-1] != "0" else "1")
    assert kind(ann.get(f"/v1/reviews/{unknown}")) == (404, "unknown-review")
    assert kind(cleo.post(f"{path}/claim")) == (409, "conflict")
    assert kind(cleo.post(f"{path}/decide", json=body)) == (409, "stale-lease")
    assert kind(ann.post(f"{path}/decide", json=body | {"epoch": 9})) == (409, "stale-lease")
    assert kind(ann.post(f"{path}/decide", json=body | {"digest": "a" * 64})) == (409, "package-changed")
    assert kind(ann.post(f"{path}/reveal", json={"epoch": 1, "action": "approve"})) == (409, "conflict")
    assert kind(ann.post(f"{path}/answer-info", json={"information": "x"})) == (409, "conflict")
    incomplete = ann.post(f"{path}/decide", json=body | {"reasoning": " "})
    assert kind(incomplete) == (422, "invalid")
    assert incomplete.json()["errors"][0]["field"] == "reasoning"
    assert ann.post(f"{path}/decide", json=body).status_code == 200
    again = cleo.post(f"{path}/decide", json=body)
    assert kind(again) == (409, "already-decided")
    assert again.json()["answer"]["reviewer"] == "ann" and again.json()["answer"]["action"] == "approve"
    assert ann.post(f"{path}/decide", json=body).status_code == 200  # the same answer again is no conflict


@pytest.mark.parametrize(
    "path",
    [
        "/v1/reviews/nonsense", "/v1/reviews/../../etc/passwd", "/v1/reviews/a.%00", "/v1/reviews/%0d%0a",
        "/v1/reviews/*", "/v1/reviews/finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e%0a", "/v1//me", "/V1/me",
    ],
)  # fmt: skip
def test_odd_paths_are_refused_and_nothing_of_them_becomes_a_header(house, path):
    answer = house.program().get(path)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body", [b"{", b"", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000, b'{"epoch": 1e999}']
)
def test_odd_bodies_are_refused(house, body):
    answer = house.program().post(f"/v1/reviews/{house.ask()}/extend", content=body)
    assert answer.status_code in (400, 422), answer.text


def test_methods_and_places_that_are_not_there(house):
    caller = house.program()
    assert kind(caller.delete("/v1/me")) == (405, "method-not-allowed")
    assert kind(caller.get("/v1/nothing")) == (404, "not-found")


def test_what_facts_say_can_not_become_markup(house):
    identifier = house.ask(facts={"vendor": "</script><script>alert(1)</script>"})
    answer = house.program().get(f"/v1/reviews/{identifier}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["package"]["key_facts"]["vendor"].startswith("</script>")


# --- several answers at once ---------------------------------------------------------------------------


def test_a_batch_answers_one_by_one(house):
    ann = house.program("ann")
    reviews = [house.claimed(ann, house.ask(f"exp-{i}")) for i in range(3)]
    answers = [house.answer(r) | {"review_id": r["review_id"]} for r in reviews]
    answers[1]["epoch"] += 5
    results = ann.post("/v1/reviews/decide", json={"answers": answers}).json()["results"]
    assert [result["status"] for result in results] == [200, 409, 200]
    assert results[1]["problem"]["type"].endswith("#stale-lease") and results[1]["decided"] is None
    assert results[0]["decided"]["answer"]["action"] == "approve"
    states = [ann.get(f"/v1/reviews/{r['review_id']}").json()["review"]["state"] for r in reviews]
    assert states == ["decided", "claimed", "decided"]


@pytest.mark.parametrize("reached_the_store", [True, False])
def test_a_batch_that_an_outage_cut_short_is_finished_by_its_repeat(house, monkeypatch, reached_the_store):
    """Under the same key: what was done is not done again, what was not done is done."""
    ann = house.program("ann")
    reviews = [house.claimed(ann, house.ask(f"exp-{i}")) for i in range(4)]
    body = {"answers": [house.answer(r) | {"review_id": r["review_id"]} for r in reviews]}
    key = {"Idempotency-Key": "batch-1"}
    decide, calls = house.queue.decide, []

    def cut_short(*arguments, **options):
        calls.append(arguments[0])
        if len(calls) != 2:
            return decide(*arguments, **options)
        if reached_the_store:  # ... and the store's word got lost on its way back
            decide(*arguments, **options)
        raise StoreUnavailableError("the store does not serve")

    monkeypatch.setattr(house.queue, "decide", cut_short)

    def steps():
        outbox = f"{house.store.prefix}hitl:{{finance}}:outbox"
        return house.store.client.execute_command("XLEN", outbox)

    before = steps()
    first = ann.post("/v1/reviews/decide", json=body, headers=key)
    assert [result["status"] for result in first.json()["results"]] == [200, 503, 503, 503]
    again = ann.post("/v1/reviews/decide", json=body, headers=key)
    assert [result["status"] for result in again.json()["results"]] == [200, 200, 200, 200]
    assert "idempotency-replayed" not in again.headers
    assert again.json()["results"][0] == first.json()["results"][0]
    assert steps() - before == 4, "one step for each answer"
    last = ann.post("/v1/reviews/decide", json=body, headers=key)
    assert last.headers["idempotency-replayed"] == "true" and last.json() == again.json()


# --- repeats -------------------------------------------------------------------------------------------


def test_a_repeat_under_the_same_key_has_no_second_effect(house):
    caller = house.program()
    house.ask("exp-1"), house.ask("exp-2")
    key = {"Idempotency-Key": "k1"}
    first = caller.post("/v1/reviews/claim-next", json={}, headers=key)
    again = caller.post("/v1/reviews/claim-next", json={}, headers=key)
    assert again.json() == first.json() and again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert caller.get("/v1/queues").json()["items"][0]["claimed"] == 1
    other = caller.post("/v1/reviews/claim-next", json={}, headers={"Idempotency-Key": "k2"})
    assert other.json()["review"]["review_id"] != first.json()["review"]["review_id"]


def test_a_key_belongs_to_one_request_of_one_caller(house):
    caller = house.program()
    house.ask("exp-1"), house.ask("exp-2")
    key = {"Idempotency-Key": "k1"}
    caller.post("/v1/reviews/claim-next", json={}, headers=key)
    assert kind(caller.post("/v1/reviews/claim-next", json={"pool": "finance"}, headers=key)) == (
        422,
        "idempotency-key-reused",
    )
    mine = house.program("cleo").post("/v1/reviews/claim-next", json={}, headers=key)
    assert mine.json()["review"]["holder"] == "cleo"


def test_the_same_request_at_the_same_time_is_a_conflict(house):
    caller, other = house.program(), house.browser()
    other.headers["Authorization"] = caller.headers["Authorization"]
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_record):
        begun.set()
        assert go_on.wait(PATIENCE)

    house.topics.write = slow
    key = {"Idempotency-Key": "k1"}
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(caller.post("/v1/decisions", json=DECISION, headers=key))
    )
    thread.start()
    assert begun.wait(PATIENCE)
    assert kind(other.post("/v1/decisions", json=DECISION, headers=key)) == (409, "request-in-progress")
    go_on.set()
    thread.join(PATIENCE)
    assert answers[0].status_code == 202
    assert other.post("/v1/decisions", json=DECISION, headers=key).headers["idempotency-replayed"] == "true"


def test_what_was_refused_may_be_tried_again_under_the_same_key(house):
    caller = house.program()
    house.topics.error = BrokerUnreachableError("no broker at 10.0.0.9", hint="x")
    key = {"Idempotency-Key": "k1"}
    answer = caller.post("/v1/decisions", json=DECISION, headers=key)
    assert kind(answer) == (503, "unavailable") and "10.0.0.9" not in answer.text
    house.topics.error = None
    house.clock.advance(2000)
    assert caller.post("/v1/decisions", json=DECISION, headers=key).status_code == 202
    assert len(house.topics.events) == 1


def test_a_kept_answer_is_not_for_a_revoked_token(house):
    caller = house.program()
    key = {"Idempotency-Key": "k1"}
    caller.post("/v1/decisions", json=DECISION, headers=key)
    for name in list(house.accounts.book().tokens):
        house.accounts.revoke_token(name)
    assert caller.post("/v1/decisions", json=DECISION, headers=key).status_code == 401


@pytest.mark.parametrize("key", ["", "x" * 256, "\x7f", "a b"])
def test_a_key_is_visible_and_short(house, key):
    answer = house.program().post("/v1/reviews/claim-next", json={}, headers={"Idempotency-Key": key})
    assert kind(answer) == (422, "invalid")


# --- decisions come in ---------------------------------------------------------------------------------


def test_a_submitted_decision_is_in_the_log(house):
    answer = house.program("svc", ["submit"]).post("/v1/decisions", json=DECISION)
    assert answer.status_code == 202
    assert answer.json() == {"id": "exp-77", "at": "/v1/decisions/exp-77"}
    [(topic, key, event)] = house.topics.events
    assert (topic, key, event.submitted_by) == ("decisions.submitted", "exp-77", "svc")
    assert msgspec.json.decode(event.facts) == {"amount": 12.5}


def test_a_person_can_not_submit_in_the_name_of_another(house):
    house.program("ann").post("/v1/decisions", json=DECISION | {"submitted_by": "bob"})
    other = DECISION | {"decision_id": "exp-78", "submitted_by": "bob"}
    house.program("gateway", ["submit"]).post("/v1/decisions", json=other)
    assert [event.submitted_by for _, _, event in house.topics.events] == ["ann", "bob"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"decision_type": "nonsense"}, "unknown_type"),
        ({"facts": {"a": [1]}}, "invalid"),
        ({"occurred_at": "yesterday"}, "invalid"),
        ({"surprise": 1}, "invalid"),
        ({"facts": {"text": "x" * 300_000}}, "too_large"),
    ],
)
def test_a_decision_that_can_not_be_taken_is_refused_with_the_reason(house, change, code):
    answer = house.program().post("/v1/decisions", json=DECISION | change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert house.topics.events == []


def test_what_turned_out_later_is_reported_once(house):
    caller = house.program("svc", ["submit"])
    truth = {"decision_id": "exp-1", "kind": "downstream_error", "observed_at": "2026-04-02T09:30:00Z"}
    one, two = (caller.post("/v1/outcomes", json=truth) for _ in range(2))
    assert (one.status_code, one.json()) == (202, two.json())
    assert {event.source for _, _, event in house.topics.events} == {"svc"}


def test_a_decision_nobody_knows(house):
    assert kind(house.program().get("/v1/decisions/never")) == (404, "not-found")


def test_the_story_of_a_decision(house):
    ann = house.program("ann")
    identifier = house.ask()
    review = house.claimed(ann, identifier)
    ann.post(f"/v1/reviews/{identifier}/decide", json=house.answer(review))
    told = ann.get("/v1/decisions/exp-1").json()
    assert told["ai"]["recommendation"] == "approve" and told["level"] == 4
    [one] = told["reviews"]
    assert one["review"]["state"] == "decided" and one["answer"]["action"] == "approve"
