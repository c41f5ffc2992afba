"""Work that is given to one person: what its person sees, and what everybody is told about breaks."""

import msgspec

from app.domain.fatigue import FatigueLimits
from app.review_queue.assignments import Assignments

HTML = {"accept": "text/html"}
MINUTE = 60_000


def give(house, review_id, name):
    """What a worker does with a pool that hands its work out."""
    until = house.clock() + 30 * MINUTE
    assignments = Assignments(house.store.client, house.store.keys, house.queue, house.clock)
    assignments.assign(review_id, name, until, most=3, decision_type="expense.approval")
    return until


def test_my_work_says_what_is_assigned_to_me_and_until_when(house):
    review_id = house.ask()
    give(house, review_id, "ann")
    ann, cleo = house.signed_in("ann"), house.signed_in("cleo")
    page = ann.get("/", headers=HTML).text
    assert "Given to you" in page
    assert "Assigned to you for" in page
    assert "30 minutes" in page
    assert f'action="/reviews/{review_id}/claim"' in page
    assert "Given to you" not in cleo.get("/", headers=HTML).text
    assert ann.post(f"/reviews/{review_id}/claim").status_code == 303
    assert "Given to you" not in ann.get("/", headers=HTML).text


def test_a_program_reads_until_when_a_review_is_reserved(house):
    review_id = house.ask()
    give(house, review_id, "ann")
    found = house.signed_in("ann").get(f"/v1/reviews/{review_id}").json()["review"]
    assert found["offered_to"] == "ann"
    assert found["reserved_until"].endswith("Z")


def test_a_break_is_said_on_the_page_and_to_programs(house):
    limits = {"finance": FatigueLimits(per_hour=1, rest=MINUTE)}
    terms = msgspec.structs.replace(house.store.terms, fatigue=limits)
    house.queue.follow(terms, house.policy.pool_names)
    house.ask("d1")
    second = house.ask("d2")
    ann = house.signed_in("ann")
    assert "/reviews/" in ann.post("/work/next", headers=HTML).headers["location"]
    said = ann.post("/work/next", headers=HTML)
    assert (said.status_code, "time for a break, the next case in 60 minutes" in said.text) == (409, True)
    answer = ann.post(f"/v1/reviews/{second}/claim")
    assert (answer.status_code, answer.json()["code"]) == (409, "break_due")
