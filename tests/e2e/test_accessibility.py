"""Every page in both schemes, wide and at 320 px: no violation that axe-core finds, nothing cut off."""

from pathlib import Path

import pytest

from app.domain.review import ReviewState
from app.review_queue.errors import StoreUnavailableError
from tests.e2e.steps import fill, take

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LEAD = [
    "/",
    "/lead",
    "/sessions",
    "/sessions/open",
    "/sessions/over",
    "/capacity",
    "/operations",
    "/rules",
    "/rules/new",
    "/me",
    "/help",
    "/?class=low",
]
KB = 1024


def violations(page):
    # As a browser extension would: past the page's own content security policy.
    page.evaluate(AXE)
    return page.evaluate(
        "tags => axe.run(document, {runOnly: tags}).then(r => r.violations.map(v =>"
        " [v.id, v.help, v.nodes.map(n => n.html.slice(0, 160) + ' ' + n.failureSummary.slice(0, 300))]))",
        RULES,
    )


def structure(page):
    """Landmarks, one h1, a name for every field."""
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    assert page.title()


def fits(page):
    """Nothing makes the page scroll sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture(params=[1280, 320])
def width(request):
    return {"width": request.param, "height": 900}


def check(page, where):
    structure(page)
    assert violations(page) == [], where
    assert fits(page), where


def test_pages_for_everybody(person, scheme, width):
    visitor = person(signed_in=False, color_scheme=scheme, viewport=width, bypass_csp=True)
    check(visitor.go("/sign-in"), "/sign-in")
    visitor.page.get_by_label("Name").fill("nobody")
    visitor.page.get_by_label("Password").fill("wrong")
    with visitor.page.expect_navigation():
        visitor.page.get_by_role("button", name="Sign in", exact=True).click()
    check(visitor.page, "a refused sign-in")


def test_pages_of_a_lead(person, office, scheme, width):
    lead = person("cleo", color_scheme=scheme, viewport=width, bypass_csp=True)
    for path in (*LEAD, "/decisions/exp-4001", "/reviews/finance.00000000-0000-0000-0000-000000000000"):
        check(lead.go(path), path)
        lead.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        check(lead.page, f"{path}, opened")


def test_a_case_in_every_state(person, office, scheme, width):
    ann = person("ann", color_scheme=scheme, viewport=width, bypass_csp=True)
    for review in office.queue.list("finance", ReviewState.OPEN, limit=10):
        page = ann.go(f"/reviews/{review.review_id}")
        check(page, f"{review.decision_id} open")
        page.get_by_role("button", name="Take this case").click()
        page.get_by_text("You hold this case").wait_for()
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        check(page, f"{review.decision_id} held")
    page.locator("input[value=modify]").check()
    page.get_by_role("button", name="Submit my answer").click()
    page.locator("#mistakes").wait_for()
    check(page, "mistakes")
    fill(page)
    page.get_by_role("button", name="Submit my answer").click()
    page.get_by_role("button", name="Undo: take my answer back").wait_for()
    check(page, "done, and may be taken back")
    page.get_by_role("link", name="See this case again").click()
    page.get_by_role("heading", name="Answered").wait_for()
    check(page, "answered, and may be taken back")
    page.get_by_role("button", name="Undo: take my answer back").click()
    page.get_by_text("You took your answer back").wait_for()
    check(page, "taken back")


def test_pages_after_an_answer(person, office, scheme, width):
    ann = person("ann", color_scheme=scheme, viewport=width, bypass_csp=True)
    page = take(ann, office, "exp-4002")
    fill(page)
    page.get_by_role("button", name="Submit my answer").click()
    page.get_by_role("heading", name="Done").wait_for()
    check(page, "done")
    page.get_by_role("link", name="See this case again").click()
    page.get_by_role("heading", name="Approve this expense report?").wait_for()
    check(page, "answered")
    page.get_by_role("button", name="Undo: take my answer back").click()
    page.get_by_text("You took your answer back").wait_for()
    check(page, "taken back")
    page = take(ann, office, "exp-4003")
    page.get_by_role("button", name="Give it back unanswered").click()
    page.get_by_text("You gave the case back").wait_for()
    check(page, "a notice")


def test_a_case_that_was_lost(person, office, scheme, width):
    ann = person("ann", color_scheme=scheme, viewport=width, bypass_csp=True)
    page = take(ann, office, "exp-4002")
    fill(page)
    office.clock.advance(2 * 60_000)
    office.queue.expire("finance")
    page.get_by_role("heading", name="You no longer hold this case").wait_for()
    check(page, "lost while typing")
    take(person("cleo"), office, "exp-4002")
    page.reload()
    page.get_by_role("heading", name="cleo holds this case").wait_for()
    check(page, "held by another")


def test_pages_that_say_no(person, office, scheme, width):
    ann = person("ann", color_scheme=scheme, viewport=width, bypass_csp=True)
    for path, title in (
        ("/nowhere", "Not found"),
        ("/decisions/exp-none", "Not found"),
        ("/lead", "Not allowed"),
        ("/reviews/support.00000000-0000-0000-0000-000000000000", "Unknown review"),
    ):
        page = ann.go(path)
        page.get_by_role("heading", name=title).wait_for()
        check(page, path)


def test_nothing_to_do(person, office, scheme, width):
    """Empty lists, and a pool without work."""
    sam = person("sam", color_scheme=scheme, viewport=width, bypass_csp=True)
    for path in ("/", "/me", "/sessions", "/?notice=none"):
        check(sam.go(path), path)


def test_during_an_outage(person, office, scheme, width, monkeypatch):
    ann = person("ann", color_scheme=scheme, viewport=width, bypass_csp=True)
    page = take(ann, office, "exp-4002")
    fill(page)

    def away(*_arguments, **_more):
        raise StoreUnavailableError("the store does not serve", hint="start it")

    monkeypatch.setattr(office.parts.desk, "glance", away)
    page.get_by_role("button", name="Submit my answer").click()
    page.get_by_role("heading", name="Your answer has not arrived").wait_for()
    check(page, "an answer that did not arrive")
    page.goto(page.url)
    page.get_by_role("heading", name="Not available now").wait_for()
    check(page, "503")


@pytest.mark.parametrize("zoom", [2, 4])
def test_zoomed_pages_reflow(person, office, scheme, zoom):
    """A window of 1280 px at 200 and 400 %: as many CSS pixels less, each drawn as large (WCAG 1.4.10)."""
    viewport = {"width": 1280 // zoom, "height": 1024 // zoom}
    lead = person("cleo", color_scheme=scheme, viewport=viewport, device_scale_factor=zoom, bypass_csp=True)
    for path in (*LEAD, "/decisions/exp-4001"):
        page = lead.go(path)
        assert fits(page), path
    page = take(lead, office, "exp-4006")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert fits(page), "the case, with what an attacker wrote"
    assert violations(page) == []


def test_a_rule_in_every_state(person, office, scheme, width):
    ann, cleo = (person(n, color_scheme=scheme, viewport=width, bypass_csp=True) for n in ("ann", "cleo"))
    page = ann.go("/rules/new")
    page.get_by_label("Cases of which type?").select_option("expense.approval")
    page.get_by_label("When?").fill("facts.amuont < 50")
    page.get_by_label("Where the AI recommends").select_option("approve")
    page.get_by_label("Why is this right?").fill("tram tickets")
    page.get_by_role("button", name="Propose it").click()
    page.locator("#mistakes").wait_for()
    check(page, "a mistake in a proposal")
    page.get_by_label("When?").fill("facts.amount < 50")
    page.get_by_role("button", name="Propose it").press("Enter")
    page.get_by_text("Proposed.").wait_for()
    check(page, "proposed")
    where = page.url.split("?")[0].removeprefix(office.url)
    page = cleo.go(where)
    check(page, "waits for approval")
    page.get_by_role("button", name="Approve").press("Enter")
    page.get_by_text("Approved: the rule holds").wait_for()
    check(page, "active")
    check(cleo.go("/rules"), "the list")
    page = ann.go(where)
    page.get_by_label("Why?").fill("prices changed")
    page.get_by_role("button", name="Revoke it at once").press("Enter")
    page.get_by_text("✓ Revoked").wait_for()
    check(page, "revoked")


def test_pages_are_light(person, office):
    """What a page is made of, whether or not the browser had some of it."""
    lead = person("cleo")
    lead.page.get_by_role("heading", name="My work").wait_for()
    for path in (*LEAD, "/decisions/exp-4001"):
        page = lead.go(path)
        page.wait_for_load_state("load")
        size = page.evaluate(
            "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
            ".reduce((sum, entry) => sum + entry.decodedBodySize, 0)"
        )
        assert 50 * KB < size < 150 * KB, (path, size)
