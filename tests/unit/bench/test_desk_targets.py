"""The review desk's promises are read from what its benchmarks print, and from nothing else."""

from __future__ import annotations

import inspect

import pytest

from bench import console_pages, queue_verbs
from bench.results import Results, targets

LOAD = (
    "While a worker's load enqueues 2,004 reviews/s (what a worker asks for at 8,000 decisions/s), "
    "at 1,000,000 open: claim p50 0.32, p99 {} ms; decide p50 0.42, p99 {} ms"
)
PAGES = "100,000 reviews open\n\n| page |\n\n{} of 25 pages within 100 ms and 150 kB; style sheet"


def found(text, **results):
    [target] = [one for one in targets(Results(**results)) if text in one.text]
    return target.found, target.met


@pytest.mark.parametrize(("claim", "decide", "met"), [("1.10", "4.99", True), ("5.00", "1.00", False)])
def test_claim_and_decide_are_both_within(claim, decide, met):
    assert found("claim and decide", queue=LOAD.format(claim, decide)) == (
        f"{claim} and {decide} ms at 2,004/s",
        met,
    )


def test_a_load_that_was_not_reached_proves_nothing():
    slow = LOAD.format("1.00", "1.00").replace("2,004", "651")
    assert found("claim and decide", queue=slow) == ("1.00 and 1.00 ms at 651/s", None)


def test_what_is_too_slow_is_missed_whatever_load_was_reached():
    loads = LOAD.format("1.00", "1.00") + "\n" + LOAD.format("6.00", "1.00").replace("2,004", "651")
    told = "1.00 and 1.00 ms at 2,004/s; 6.00 and 1.00 ms at 651/s"
    assert found("claim and decide", queue=loads) == (told, False)


@pytest.mark.parametrize(("within", "met"), [("25", True), ("24", False)])
def test_every_page_is_within(within, met):
    assert found("every page", console=PAGES.format(within)) == (f"{within} of 25", met)


def test_what_was_not_measured_is_not_met():
    smaller = LOAD.format("1.00", "1.00").replace("1,000,000", "20,000")
    assert found("claim and decide", queue=smaller) == ("not measured", None)
    assert found("every page", console=PAGES.format("25").replace("100,000 rev", "3,000 rev"))[1] is None


def test_the_benchmarks_still_print_it_like_this():
    queue, console = inspect.getsource(queue_verbs), inspect.getsource(console_pages)
    assert "While a worker's load enqueues {rate:,.0f} reviews/s ({words}), at {size:,} open: " in queue
    assert 'f"what a worker asks for at {load:,} decisions/s"' in queue
    assert "pages within {MOST_MS:.0f} ms and {MOST_KB:.0f} kB" in console
