"""The page *Operations*: the 14 targets, for those who keep the whole in view."""

from __future__ import annotations

from app.console.pages.operations import SAID
from app.review_queue.tallies import Tallies
from app.telemetry import catalogue as c
from app.telemetry.standing import DAY, Verdict, field_of
from app.telemetry.targets import TARGETS


def keep(house, sums, at=None):
    Tallies(house.store.client, house.store.keys).add(sums, at or house.clock())


def share(name, part, whole):
    formula = next(target.formula for target in TARGETS if target.name == name)
    return {field_of(formula.part): part, field_of(formula.whole): whole}


def row(page, title):
    start = page.index(f'<th scope="row">{title}</th>')
    return page[start : page.index("</tr>", start)].replace("\u00a0", " ")


def test_all_targets_are_there_before_anything_happened(house):
    page = house.signed_in("cleo").get("/operations").text
    for target in TARGETS:
        assert target.title in page
        assert target.says.replace("'", "&#39;") in page
    assert SAID[Verdict.UNKNOWN] in row(page, "Automation rate")
    assert "No worker reads the queues" in page


def test_a_number_stands_with_words_and_band(house):
    keep(house, share("automation_rate", 78, 100) | share("override_rate", 2, 100))
    Tallies(house.store.client, house.store.keys).show({c.QUEUE_DEPTH.name: 40.0})
    page = house.signed_in("root").get("/operations").text
    assert "78.0 %" in row(page, "Automation rate")
    assert SAID[Verdict.MET] in row(page, "Automation rate")
    assert SAID[Verdict.BELOW] in row(page, "Override rate")
    assert SAID[Verdict.ABOVE] in row(page, "Queue depth")
    assert "40" in row(page, "Queue depth")
    assert "No worker reads the queues" not in page


def test_last_week_is_what_this_week_is_compared_with(house):
    keep(house, share("downstream_errors", 10, 1000), house.clock() - 8 * DAY)
    keep(house, share("downstream_errors", 30, 1000))
    found = row(house.signed_in("cleo").get("/operations").text, "Downstream errors")
    assert "3.0 %" in found
    assert "3.00 times" in found
    assert SAID[Verdict.ABOVE] in found


def test_reviewers_are_told_whose_page_it_is(house):
    answer = house.signed_in("ann").get("/operations")
    assert answer.status_code == 403
    assert "leads, auditors and admins" in answer.text
