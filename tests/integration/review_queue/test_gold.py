"""Rings of items with known truth."""

import pytest

from app.domain.gold import GoldItem
from app.review_queue import gold
from app.review_queue.gold import GoldStore


def item(name, kind="expense.approval", record=b"record"):
    return GoldItem(name, kind, "reject", "ground_truth", record)


@pytest.fixture
def store(desk):
    return GoldStore(desk.client, desk.keys)


def next_ids(store, *types):
    return [found and found.item_id for found in store.next(types)]


def test_items_come_round_and_round(store):
    assert store.add([item("a"), item("b")]) == 2
    assert next_ids(store, "expense.approval", "expense.approval", "expense.approval") == ["a", "b", "a"]


def test_each_type_has_its_own_and_none_is_none(store):
    store.add([item("a"), item("x", "travel.approval")])
    assert next_ids(store, "travel.approval", "hr.action", "expense.approval") == ["x", None, "a"]
    assert store.next([]) == []


def test_an_item_is_added_once_and_can_be_dropped(store):
    assert store.add([item("a"), item("a", record=b"as read again")]) == 1
    assert store.add([item("a")]) == 0
    assert store.drop("expense.approval", "a")
    assert not store.drop("expense.approval", "a")
    assert next_ids(store, "expense.approval") == [None]


def test_a_ring_is_bounded(store, monkeypatch):
    monkeypatch.setattr(gold, "MOST", 3)
    assert store.add([item(name) for name in "abcde"]) == 3
    assert [one.item_id for one in store.items("expense.approval")] == ["a", "b", "c"]
    assert store.add([item("a"), item("f")]) == 1
    assert [one.item_id for one in store.items("expense.approval")] == ["b", "c", "f"]
