"""What every worker knows from broadcasts: replaced whole, refused whole."""

from __future__ import annotations

import pytest

from app.agents.books import CalibrationBook, PolicyBook, ThresholdBook, UnusablePolicyError
from app.domain.confidence import Calibration
from app.domain.events import CalibrationUpdated, PolicyActivated
from app.domain.thresholds import threshold_in_force
from app.stream.errors import DecodeError
from app.stream.topics import Topic
from tests.unit.agents.parts import CODEC, OTHER_TYPE, POLICY, POLICY_TEXT, incoming, policy_of
from tests.unit.domain.cases import update

KEY = "expense.approval|expenses:3"
PEOPLE = "people: {ann: {title: Ann, pools: [expenses]}}\n"
TERMS = POLICY.terms["expense.approval"]


def activated(text, version=None):
    version = policy_of(text).version if version is None else version
    event = PolicyActivated(policy_version=version, policy=text, activated_by="ann", activated_at=1)
    return incoming(event, topic=Topic.POLICY_ACTIVATED)


def test_an_activated_policy_is_taken():
    book = PolicyBook(CODEC, POLICY)
    book.hear(activated(POLICY_TEXT + OTHER_TYPE))
    assert set(book().terms) == {"expense.approval", "travel.approval"}
    assert book().version == policy_of(POLICY_TEXT + OTHER_TYPE).version


def test_the_policy_in_force_is_not_compiled_again():
    book = PolicyBook(CODEC, POLICY)
    book.hear(activated(POLICY_TEXT))
    assert book() is POLICY


@pytest.mark.parametrize(
    "broken",
    [
        "name: [",
        "name: no types\npools: {}\ndecision_types: {}\n",
        POLICY_TEXT.replace("facts.amount / 10000", "facts.amuont / 10000"),
        POLICY_TEXT.replace("pool: expenses", "pool: nobody"),
    ],
    ids=["no yaml", "no types", "misspelt fact", "unknown pool"],
)
def test_a_policy_that_does_not_compile_is_refused_and_the_old_one_stays(broken):
    book = PolicyBook(CODEC, POLICY)
    book.hear(activated(broken, version="new"))
    assert book() is POLICY
    with pytest.raises(UnusablePolicyError, match="policy new, activated by ann") as refusal:
        book.require_activated()
    assert "hitl policy activate" in refusal.value.hint
    book.hear(activated(POLICY_TEXT + OTHER_TYPE))
    assert book() is not POLICY
    book.require_activated()


def test_where_people_sign_in_a_policy_that_names_nobody_is_refused():
    """Whatever file the console was started with: the last word is what was activated."""
    named = policy_of(PEOPLE + POLICY_TEXT)
    book = PolicyBook(CODEC, named, names_people=True)
    book.require_activated()
    book.hear(activated(POLICY_TEXT + OTHER_TYPE))
    assert book() is named
    with pytest.raises(UnusablePolicyError, match="names nobody"):
        book.require_activated()
    started_with_nobody = PolicyBook(CODEC, POLICY, names_people=True)
    with pytest.raises(UnusablePolicyError, match="names nobody") as refusal:
        started_with_nobody.require_activated()
    assert "--open-house" in refusal.value.hint
    started_with_nobody.hear(activated(PEOPLE + POLICY_TEXT))
    started_with_nobody.require_activated()
    assert not started_with_nobody().directory.open_house


def test_the_policy_in_force_activated_again_ends_a_refusal():
    book = PolicyBook(CODEC, POLICY)
    book.hear(activated("name: [", version="new"))
    book.hear(activated(POLICY_TEXT))
    book.require_activated()


def test_a_deleted_or_broken_record_leaves_what_was_known():
    book = PolicyBook(CODEC, POLICY)
    for value in (None, b"poison"):
        with pytest.raises(DecodeError):  # the reader logs it and goes on
            book.hear(incoming(value, topic=Topic.POLICY_ACTIVATED))
    assert book() is POLICY


def test_thresholds_are_those_of_the_moment_a_batch_took_them():
    book = ThresholdBook(CODEC)
    before = book()
    book.hear(incoming(update(learning_key=KEY, version=7, cap=0.97), topic=Topic.THRESHOLDS_UPDATED))
    assert before(KEY, TERMS) == threshold_in_force(TERMS, None)
    assert (book()(KEY, TERMS).threshold, book()(KEY, TERMS).version) == (0.97, 7)
    assert book()("another|m:1", TERMS).version == 0


def test_thresholds_are_joined_with_the_terms_that_ask():
    book = ThresholdBook(CODEC)
    book.hear(incoming(update(learning_key=KEY, cap=0.0), topic=Topic.THRESHOLDS_UPDATED))
    stricter = policy_of(
        POLICY_TEXT.replace("    evidence:", "    bands: {high: 0.96, low: 0.7}\n    evidence:")
    )
    thresholds = book()
    assert thresholds(KEY, TERMS).threshold == 0.9
    assert thresholds(KEY, stricter.terms["expense.approval"]).threshold == 0.96


def test_the_last_calibration_of_a_key_counts():
    book = CalibrationBook(CODEC)
    before = book()
    for version in (1, 2):
        event = CalibrationUpdated(
            learning_key=KEY, version=version, slope=0.9, intercept=-0.1, labels=60, updated_at=1
        )
        book.hear(incoming(event, topic=Topic.CALIBRATION_UPDATED))
    assert before == {}
    assert book() == {KEY: Calibration(2, 0.9, -0.1)}


def test_who_follows_the_policy_hears_of_each_change_once():
    heard = []
    book = PolicyBook(CODEC, POLICY, heard.append)
    other = activated(POLICY_TEXT + OTHER_TYPE)
    book.hear(other)
    book.hear(other)
    assert heard == [book()]
