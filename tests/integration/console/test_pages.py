"""Pages without a browser: what is escaped, what stays in confidence, what is bounded."""

import re
from html.parser import HTMLParser

import msgspec
import pytest

from app.domain.events import ConsequenceClass, ObservationKind, ObservedOutcome, ReviewKind
from app.domain.review import ReviewState, review_id_of
from app.review_queue.errors import StoreUnavailableError
from app.review_queue.values import NewReview
from tests.integration.console.conftest import PEOPLE

HOSTILE = "\"'><script>alert(1)</script>{{7*7}}${7*7}<b onclick=x>"
HTML = {"Accept": "text/html"}


class Outline(HTMLParser):
    """What a screen reader needs of a page, and what a browser would run."""

    def __init__(self, page):
        super().__init__()
        self.h1, self.fields, self.labels, self.scripts, self.handlers, self.links = 0, [], set(), [], [], []
        self._open_label = 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.h1 += tag == "h1"
        self.handlers += [name for name in found if name.startswith("on")]
        if tag == "label":
            self._open_label += 1
            self.labels.add(found.get("for"))
        if tag == "script":
            self.scripts.append(found.get("src"))
        if tag == "a":
            self.links.append(found)
        if tag in ("select", "textarea") or (
            tag == "input" and found.get("type") not in ("hidden", "submit")
        ):
            self.fields.append((found.get("id"), self._open_label > 0))

    def handle_endtag(self, tag):
        self._open_label -= tag == "label"

    def unnamed(self):
        return [name for name, inside in self.fields if not inside and name not in self.labels]


def outline(answer, status=200):
    assert answer.status_code == status, answer.text[:500]
    return Outline(answer.text)


def pages(house, name):
    """Every page that needs no more than a case."""
    review_id = house.ask("exp-1", subject=HOSTILE, facts={"category": HOSTILE, HOSTILE: HOSTILE})
    browser = house.signed_in(name)
    browser.post(f"/reviews/{review_id}/claim", headers=HTML)
    for path in ("/", f"/reviews/{review_id}", "/decisions/exp-1", "/me", "/sessions", "/work/live"):
        yield path, browser.get(path, headers=HTML)


def test_every_page_has_one_heading_and_a_name_for_each_field(house):
    for path, answer in pages(house, "cleo"):
        page = outline(answer)
        assert page.h1 == (0 if path == "/work/live" else 1), path
        assert page.unnamed() == [], path


def test_nothing_from_outside_becomes_markup(house):
    for path, answer in pages(house, "ann"):
        page = outline(answer)
        assert all(source and source.startswith("/static/") for source in page.scripts), path
        assert page.handlers == [], path
        assert "<script>alert" not in answer.text and "<b onclick" not in answer.text, path
        assert "49" not in re.findall(r"<h1[^>]*>(.*?)</h1>", answer.text, re.S)[:1], path


def test_what_was_typed_comes_back_escaped(house):
    review_id = house.ask()
    browser = house.signed_in()
    browser.post(f"/reviews/{review_id}/claim")
    form = {
        "reasoning": HOSTILE,
        "note": "</textarea>" + HOSTILE,
        "action": HOSTILE,
        "change.amount": HOSTILE,
    }
    answer = browser.post(f"/reviews/{review_id}/answer", data=form, headers=HTML)
    assert "<script>alert" not in outline_text(answer, 422)


def outline_text(answer, status):
    outline(answer, status)
    return answer.text


def test_a_blind_case_tells_nothing_before_the_first_answer(house):
    review_id = house.ask(blind=True, harm=ConsequenceClass.HIGH)
    browser = house.signed_in()
    assert f'id="case-{review_id}"' in browser.get("/", headers=HTML).text
    assert f'id="case-{review_id}"' not in browser.get("/?class=high", headers=HTML).text
    assert "high</span>" not in browser.get("/", headers=HTML).text
    browser.post(f"/reviews/{review_id}/claim")
    for path in ("/", "/work/live", f"/reviews/{review_id}", "/decisions/exp-1"):
        text = browser.get(path, headers=HTML).text
        assert "matches policy 4.2" not in text and "Confidence" not in text, path
        assert "high</span>" not in text, path


def test_an_answer_before_the_first_answer_is_not_taken(house):
    review_id = house.ask(blind=True)
    browser = house.signed_in()
    browser.post(f"/reviews/{review_id}/claim")
    review = house.queue.get(review_id).review
    form = {
        "epoch": review.epoch,
        "digest": review.digest,
        "action": "approve",
        "reasoning": "x",
        "reason_code": "agrees",
    }
    assert browser.post(f"/reviews/{review_id}/answer", data=form, headers=HTML).status_code == 409
    assert house.queue.get(review_id).review.state is ReviewState.CLAIMED


def test_after_the_first_answer_the_case_still_says_what_is_asked(house):
    review_id = house.ask(blind=True)
    browser = house.signed_in()
    browser.post(f"/reviews/{review_id}/claim")
    assert "You are asked to answer before you see" in browser.get(f"/reviews/{review_id}", headers=HTML).text
    epoch = house.queue.get(review_id).review.epoch
    browser.post(f"/reviews/{review_id}/first", data={"epoch": epoch, "action": "approve"}, headers=HTML)
    page = browser.get(f"/reviews/{review_id}", headers=HTML).text
    assert "Your first answer was" in page
    assert "keep your answer or change it" in page
    assert "You are asked to approve or decide" in page


@pytest.mark.parametrize("path", ["/lead", "/capacity"])
def test_pages_of_leads_are_for_leads(house, path):
    assert house.signed_in("ann").get(path, headers=HTML).status_code == 403
    assert house.signed_in("cleo").get(path, headers=HTML).status_code == 200


def test_others_pools_stay_closed(house):
    review_id = house.ask()
    sam = house.signed_in("sam")
    for method, path in (
        ("GET", f"/reviews/{review_id}"),
        ("GET", f"/reviews/{review_id}/presence"),
        ("POST", f"/reviews/{review_id}/claim"),
        ("POST", f"/reviews/{review_id}/answer"),
        ("POST", f"/reviews/{review_id}/release"),
        ("GET", "/decisions/exp-1"),
        ("GET", "/decisions/exp-1/evidence"),
    ):
        assert sam.request(method, path, headers=HTML).status_code in (403, 404), path
    assert "emp-3" not in sam.get("/", headers=HTML).text


def test_an_open_page_alone_does_not_keep_a_session(make_house):
    house = make_house(session_idle=60_000)
    browser = house.signed_in()
    for _ in range(3):
        house.clock.advance(25_000)
        answer = browser.get("/work/live", headers={"hx-request": "true"})
    assert answer.status_code == 401


def test_an_outage_says_that_the_text_is_safe(house, monkeypatch):
    review_id = house.ask()
    browser = house.signed_in()
    browser.post(f"/reviews/{review_id}/claim")

    def away(*_):
        raise StoreUnavailableError("the store does not answer")

    monkeypatch.setattr(house.desk, "glance", away)
    answer = browser.post(f"/reviews/{review_id}/answer", data={}, headers=HTML)
    assert answer.status_code == 503 and "Your text is safe" in answer.text


def many(house, count):
    """So many open reviews of the same package."""
    first = house.ask("exp-0")
    entry = house.queue.get(first)
    request = house.codec.decode(entry.record).request
    for start in range(1, count, 500):
        house.queue.enqueue_many(
            [
                NewReview(
                    f"exp-{i}",
                    msgspec.structs.replace(
                        request, review_id=review_id_of("finance", f"exp-{i}", ReviewKind.DECIDE)
                    ),
                    entry.record,
                )
                for i in range(start, min(start + 500, count))
            ]
        )


def test_a_page_of_the_list_reads_no_more_however_long_the_queue(house, monkeypatch):
    many(house, 1_000)
    browser, looked = house.signed_in(), []
    glance = house.desk.glance
    monkeypatch.setattr(house.desk, "glance", lambda *args: looked.append(args) or glance(*args))
    text = browser.get("/?pool=finance&class=critical", headers=HTML).text
    assert not looked and "No open case fits this filter" in text
    text = browser.get("/?pool=finance", headers=HTML).text
    assert len(looked) <= 25
    seen = set()
    path = "/?pool=finance"
    for _ in range(5):
        text = browser.get(path, headers=HTML).text
        found = set(re.findall(r'id="case-([^"]+)"', text))
        assert len(found) == 20 and not found & seen
        seen |= found
        path = re.search(r'href="([^"]+)" rel="next"', text)[1].replace("&amp;", "&")


def test_an_error_is_a_sentence_and_shows_what_to_type_as_code(house):
    page = house.signed_in("eve").get("/decisions/nope", headers=HTML)
    assert page.status_code == 404
    assert "<p>Decision &#39;nope&#39; is not remembered.</p>" in page.text
    assert "<code>hitl status</code> reads the whole log." in page.text


def test_my_work_offers_to_undo_what_one_has_just_answered(house):
    review_id = house.ask()
    program, browser = house.program("ann"), house.signed_in("ann")
    review = house.claimed(program, review_id)
    path = f"/v1/reviews/{review_id}"
    assert program.post(f"{path}/decide", json=house.answer(review)).status_code == 200
    page = browser.get("/", headers=HTML)
    assert "Just answered" in page.text and f'action="/reviews/{review_id}/undo"' in page.text
    assert "Just answered" not in house.signed_in("cleo").get("/", headers=HTML).text
    undone = browser.post(f"/reviews/{review_id}/undo", data={"epoch": review["epoch"]}, headers=HTML)
    assert undone.headers["location"] == f"/reviews/{review_id}?notice=undone"
    assert "Just answered" not in browser.get("/", headers=HTML).text
    again = program.get(path).json()["review"]
    assert program.post(f"{path}/decide", json=house.answer(again)).status_code == 200
    assert "Just answered" in browser.get("/", headers=HTML).text
    house.clock.advance(house.policy.terms["expense.approval"].undo_window)
    assert "Just answered" not in browser.get("/", headers=HTML).text


def test_a_case_that_two_answer_alone_opens_by_taking_it(house):
    """Also from a link of the list: no dead end."""
    kinds = [ReviewKind.DECIDE, ReviewKind.SECOND_LOOK]
    first = house.ask("exp-9", kinds=kinds)
    house.ask("exp-9", kind=ReviewKind.SECOND_LOOK, kinds=kinds)
    browser = house.signed_in("ann")
    page = browser.get(f"/reviews/{first}", headers=HTML)
    assert page.status_code == 403
    assert "each alone" in page.text and f'action="/reviews/{first}/claim"' in page.text
    assert browser.post(f"/reviews/{first}/claim", headers=HTML).headers["location"] == f"/reviews/{first}"
    assert browser.get(f"/reviews/{first}", headers=HTML).status_code == 200


def test_how_a_decision_turned_out_is_said_in_words(house):
    house.ask("exp-1")
    kind = ObservationKind.DOWNSTREAM_ERROR
    late = ObservedOutcome(
        observation_id="o-1",
        decision_id="exp-1",
        kind=kind,
        correct_action="reject",
        observed_at=house.clock(),
        source="bookkeeping",
        note="",
    )
    house.cases.observed([late])
    page = house.signed_in("eve").get("/decisions/exp-1", headers=HTML).text
    assert "Turned out later: an error came up later" in page
    assert "Right would have been “Reject”." in page


def test_what_is_late_stands_before_what_is_at_risk_also_where_it_waits_for_a_supervisor(house):
    late = house.ask("late", due=-1)
    ann, cleo = (next(one for one in PEOPLE if one.name == name) for name in ("ann", "cleo"))
    house.desk.claim(ann, late)
    house.desk.escalate(ann, late, house.queue.get(late).review.epoch, "above my limit")
    for number in range(60):
        house.ask(f"exp-{number}", due=60_000, ladder=[house.clock() - 1, 0, 0, 0])
    shown = re.findall(r'<td><a href="/reviews/([^"]+)"', house.signed_in(cleo.name).get("/lead").text)
    assert shown[0] == late
    assert len(shown) == len(set(shown)) == 40
