"""The report in words, as a page, and as a gate."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from app.errors import UsageError
from app.lab.page import page
from app.lab.plots import Series, plot
from app.lab.rendering import WIDTH, text
from app.lab.requirements import failures, figures, requirement, requirements
from app.lab.reviewers import Reviewers
from tests.unit.lab import cases


@pytest.fixture(scope="module")
def report():
    people = Reviewers(sensitivity=0.9, anchoring=0.2, gold_rate=0.1, delay_mean=30)
    return cases.simulated([*cases.lines(cases.decisions(1500)), b"{"], people)[1]


def test_words_fit_the_screen_and_say_the_figures(report):
    said = text(report)
    assert all(len(line) <= WIDTH for line in said.splitlines())
    for expected in ("1,500 decisions", "WHO DECIDED", "loan|m:1", "1 lines take no part"):
        assert expected in said


def test_words_for_nothing():
    assert "No decision was simulated." in text(cases.simulated([], Reviewers())[1])


def test_the_page_needs_nothing_else_and_is_well_formed(report):
    html = page(report)
    assert not re.search(r"<script|https?://|src=|@import", html)
    assert "prefers-color-scheme: dark" in html
    for drawing in re.findall(r"<svg.*?</svg>", html, flags=re.S):
        ElementTree.fromstring(drawing)
    assert html.count("<svg") == 5
    assert page(cases.simulated([], Reviewers())[1])


def test_the_page_says_unknown_where_nothing_ran_alone():
    for_people = cases.POLICY.replace("automation: policy_threshold", "automation: certificate", 1)
    source = cases.lines(cases.decisions(300))
    html = page(cases.simulated(source, Reviewers(delay_mean=1e6), text=for_people)[1])
    assert "nothing ran alone: unknown" in html
    evidence = html[html.index("Blind checks that the learner has had") :]
    ticks = re.findall(r'text-anchor="end">([^<]*)<', evidence[: evidence.index("</svg>")])
    assert ticks[:5] == ["0", "1", "2", "3", "4"], "also of an axis without evidence each mark says something"


def test_the_page_takes_names_for_text():
    source = cases.lines(cases.decisions(5, model={"name": "<b>m</b>", "version": "1"}))
    html = page(cases.simulated(source, Reviewers())[1])
    assert "<b>m</b>" not in html
    assert "&lt;b&gt;m&lt;/b&gt;" in html


def test_a_curve_has_gaps_where_nothing_is_known():
    drawn = plot("t", "n", [10, 20, 30, 40], [Series("a", [0.5, None, 0.25, 0.5])], highest=1.0)
    assert drawn.curves[0].path.count("M") == 2
    assert drawn.curves[0].last == "50 %"


def test_requirements_are_met_or_say_by_how_much_not(report):
    wanted = requirements(["decisions>=1500", "decisions < 10", "rejected==1", "alerts<=99"], report)
    assert failures(wanted, report) == ["decisions < 10: it is 1500"]


def test_what_is_unknown_meets_no_requirement():
    empty = cases.simulated([], Reviewers())[1]
    failed = failures([requirement("automated_error<=0.5")], empty)
    assert failed == ["automated_error <= 0.5: unknown, there was nothing to measure it by"]


@pytest.mark.parametrize("wrong", ["automated_error", "a=>1", "decisions<=many", "decisions<=nan", "<=1", ""])
def test_a_requirement_that_is_none_is_refused(wrong):
    with pytest.raises(UsageError, match="is not FIGURE SIGN NUMBER"):
        requirement(wrong)


def test_a_figure_that_no_report_has_is_refused_before_anything_runs(report):
    with pytest.raises(UsageError, match="no figure 'automation_rte'; did you mean automation_rate"):
        requirements(["automation_rte>0.5"], report)
    assert {"automation_rate", "automated_error", "human_work", "alerts", "rejected"} <= figures(
        report
    ).keys()
