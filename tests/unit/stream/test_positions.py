"""The book of partitions: what was interrupted does not count, and nothing is skipped on the way back."""

from __future__ import annotations

import pytest

from app.stream.errors import FatalStreamError
from app.stream.positions import Positions

ONE, OTHER = ("in", 0), ("in", 1)


@pytest.fixture
def book() -> Positions:
    book = Positions()
    book.assign({ONE, OTHER})
    book.begin()
    return book


def test_a_partition_given_up_and_back_within_a_batch_is_not_undisturbed(book: Positions) -> None:
    book.give_up({ONE})
    assert not book.undisturbed(ONE)
    book.assign({ONE})
    assert not book.undisturbed(ONE)
    assert book.undisturbed(OTHER)
    book.begin()
    assert book.undisturbed(ONE)


def test_only_what_stayed_is_kept(book: Positions) -> None:
    since = book.number
    book.give_up({ONE})
    book.assign({ONE})
    assert not book.kept(ONE, since)
    assert book.kept(OTHER, since)


def test_the_number_tells_of_any_change_and_of_no_other(book: Positions) -> None:
    before = book.number
    book.assign(set())
    book.give_up(set())
    assert book.number == before
    book.give_up({ONE})
    assert book.number != before


def test_a_partition_that_did_not_go_back_ends_the_worker(book: Positions) -> None:
    book.take({ONE: 0}, {ONE: 10})
    book.go_back(ONE, 0)
    with pytest.raises(FatalStreamError, match=r"in\[0\]: went back to 0 but got 10"):
        book.take({ONE: 10}, {ONE: 20})


def test_where_it_goes_back_is_checked_once(book: Positions) -> None:
    book.go_back(ONE, 5)
    assert book.take({ONE: 5}, {ONE: 7}) == []
    assert book.take({ONE: 7}, {ONE: 9}) == []


def test_behind_a_marker_is_as_good_as_there(book: Positions) -> None:
    book.go_back(ONE, 5)
    book.go_back(ONE, 5, exactly=False)
    assert book.take({ONE: 6}, {ONE: 7}) == []


def test_a_new_assignment_forgets_where_it_was_sent(book: Positions) -> None:
    book.go_back(ONE, 5)
    book.give_up({ONE})
    book.assign({ONE})
    assert book.take({ONE: 9}, {ONE: 10}) == []


def test_gaps_are_told(book: Positions) -> None:
    book.take({ONE: 0, OTHER: 0}, {ONE: 3, OTHER: 3})
    assert book.take({ONE: 3, OTHER: 5}, {ONE: 4, OTHER: 6}) == [(OTHER, 3, 5)]
