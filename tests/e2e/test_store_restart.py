"""The store goes away while somebody is in the middle of a form, and comes back on its data."""

import pytest
from playwright.sync_api import expect

from app.review_queue.store import open_client
from tests.e2e.office import office as open_office
from tests.e2e.steps import REASON, answers, fill, outcomes, take
from tests.integration.review_queue.conftest import Desk as Store
from tests.integration.review_queue.conftest import codec  # noqa: F401
from tests.processes import RestartableStore


@pytest.fixture
def store(tmp_path):
    store = RestartableStore(tmp_path / "store")
    yield store
    store.stop()


@pytest.fixture
def office(store, codec, tmp_path):  # noqa: F811
    """The console on a store of its own, that can be stopped."""
    client = open_client(store.url)
    with open_office(Store(client, store.url), codec, tmp_path) as place:
        yield place.furnish()
    client.close()


def settled(office):
    """What goes out once nobody may take it back any more."""
    office.clock.advance(60_000)
    office.queue.settle("finance")
    return outcomes(office)


def test_the_store_restarts_in_the_middle_of_a_form(person, store, office):
    page = take(person("ann"), office, "exp-4002")
    fill(page)
    store.stop()
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="Your answer has not arrived")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("Your text is kept here; try again in a moment.")
    expect(page.get_by_label("Why?")).to_have_value(REASON)
    store.start()
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    assert settled(office) == [("ann", "approve", REASON)]


def test_the_page_is_loaded_anew_while_the_store_is_away(person, store, office):
    page = take(person("ann"), office, "exp-4002")
    fill(page)
    address = page.url
    store.stop()
    page.goto(address)
    expect(page.get_by_role("heading", name="Not available now")).to_be_visible()
    expect(page.get_by_text("Your text is safe")).to_be_visible()
    store.start()
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_text("You hold this case")).to_be_visible()
    expect(page.get_by_label("Why?")).to_have_value(REASON)
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    assert settled(office) == [("ann", "approve", REASON)]


def test_the_store_goes_when_it_has_the_answer_but_the_page_has_not(person, store, office):
    """Whether it arrived can not be known then; sent again, it is the same one answer."""
    page = take(person("ann"), office, "exp-4002")
    fill(page)
    page.route("**/answer", lambda route: (route.fetch(max_redirects=0), route.abort()))
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="The desk can not be reached")).to_be_visible()
    page.unroute("**/answer")
    assert len(answers(office)) == 1
    store.restart(away=0)
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    assert settled(office) == [("ann", "approve", REASON)]
