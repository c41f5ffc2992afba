"""The screen: small enough to read at once, and in words that say what went wrong if something did."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from app.demo.rendering import render
from app.demo.report import Run
from app.demo.summary import summarise

from . import story
from .test_summary import small


def shown(log, known, *, terminal=False):
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, color_system=None)
    render(summarise(log, known, Run(elapsed_s=12.0, stages_s={}, decisions_per_s=1.0)), console)
    return console.file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_it_fits_one_screen(terminal):
    lines = shown(*small(), terminal=terminal).splitlines()
    assert len(lines) <= 62
    assert max(len(line.rstrip()) for line in lines) <= 100


def test_a_manager_finds_the_five_levels_accuracy_and_whether_everything_is_accounted_for():
    text = shown(*small())
    for expected in (
        "1 full automation",
        "5 full human control",
        "both together",
        "Every record is accounted for",
        "The AI misread the facts",
        "Reviewers are simulated",
        "hitl doctor",
    ):
        assert expected in text


def test_counts_that_do_not_agree_are_said_aloud():
    log, known = small()
    text = shown(log, replace(known, records=9))
    words = " ".join(text.split())
    assert "The counts do not agree: records submitted = decisions routed + dead letters (9 / 6)" in words


def test_a_dead_letter_that_nobody_planted_is_said_aloud():
    log, known = small()
    assert "1 more dead letters than planted: 1 malformed in scoring" in shown(log, known)


def test_an_empty_run_renders():
    assert "Nothing was learned yet" in shown(story.log(), story.known({}, records=0))
