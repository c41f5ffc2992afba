"""Every page in both schemes, wide and at 320 px: no violation that axe-core finds, nothing cut off."""

from pathlib import Path

import pytest

from app.domain.review import ReviewState

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LEAD = [
    "/",
    "/lead",
    "/sessions",
    "/sessions/open",
    "/sessions/over",
    "/capacity",
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
