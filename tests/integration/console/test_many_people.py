"""Pages of a company with many people stay small."""

import re

import msgspec

from app.domain.people import Directory, Profile
from tests.integration.console.conftest import FINANCE, PEOPLE, POOLS


def test_a_lead_of_many_people_sees_them_a_page_at_a_time_and_types_who_gets_a_case(house):
    names = [f"reviewer-{n:02d}" for n in range(70)]
    people = [Profile(name=name, title=name.title(), pools=FINANCE) for name in names]
    directory = Directory({person.name: person for person in (*PEOPLE, *people)}, POOLS)
    house.policy = msgspec.structs.replace(house.policy, directory=directory)
    review = house.ask("exp-1", due=-1)
    cleo = house.signed_in("cleo")
    first = cleo.get("/lead").text
    shown = [name for name in names if f'scope="row">{name.title()}' in first]
    assert 0 < len(shown) < len(names)
    address = re.search(r'href="(/lead\?people=\d+)', first)[1]
    later = cleo.get(address).text
    assert not [name for name in shown if f'scope="row">{name.title()}' in later]
    assert f'scope="row">{names[-1].title()}' in cleo.get("/lead?people=1000").text
    assert first.count('<option value="reviewer-42">') == 1, "of many people there is one list on the page"
    assert re.search(r'<input id="to-1" name="to" list="people-finance-0"', first)
    done = cleo.post("/lead/reassign", data={"review_id": review, "to": "reviewer-42", "reason": "hers"})
    assert done.status_code == 303
    assert house.queue.get(review).review.offered_to == "reviewer-42"
    form = {"review_id": review, "to": "nobody", "reason": "x"}
    assert cleo.post("/lead/reassign", data=form, headers={"Accept": "text/html"}).status_code == 403
