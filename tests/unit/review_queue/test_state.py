"""How a review is written down, and named."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.events import ConsequenceClass, OnDeadline, ReviewKind
from app.domain.review import Refusal, Review, ReviewState, Vote, review_id_of
from app.review_queue import keys
from app.review_queue.errors import REFUSALS, AlreadyDecided, QueueError
from app.review_queue.keys import Keys
from app.review_queue.state import from_fields, to_fields
from app.review_queue.store import Script, is_outage

texts = st.text(max_size=20)
numbers = st.integers(0, 2**52)
reviews = st.builds(
    Review,
    review_id=st.just(review_id_of("p", "d", ReviewKind.REVIEW)),
    decision_id=texts,
    kind=st.sampled_from(ReviewKind),
    sla_class=texts,
    consequence_class=st.sampled_from(ConsequenceClass),
    requested_at=numbers,
    deadline=st.none() | numbers,
    approvals=st.integers(1, 9),
    blind=st.booleans(),
    digest=texts,
    urgency=st.integers(-(2**52), 2**52),
    arrival=numbers,
    state=st.sampled_from(ReviewState),
    step=numbers,
    epoch=numbers,
    tier=st.integers(0, 9),
    holder=texts,
    offered_to=texts,
    question=texts,
    questions=numbers,
    information=texts,
    informed_by=texts,
    votes=st.lists(st.builds(Vote, texts, texts, texts), max_size=3).map(tuple),
    tie_break=st.booleans(),
    first_answers=st.dictionaries(texts, texts, max_size=3),
    answer_id=texts,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(reviews)
def test_a_hash_holds_the_whole_review(review):
    fields = {
        name: value.encode() if isinstance(value, str) else value for name, value in to_fields(review).items()
    }
    assert from_fields(review.review_id, fields) == review


@given(reviews)
def test_the_log_holds_the_whole_review(review):
    assert msgspec.json.decode(msgspec.json.encode(review), type=Review) == review


def test_every_field_of_a_review_has_a_place():
    everything = Review(
        review_id=review_id_of("p", "d", ReviewKind.REVIEW), decision_id="d", kind=ReviewKind.GOLD,
        sla_class="s",
        consequence_class=ConsequenceClass.HIGH, requested_at=1, deadline=2, approvals=3, blind=True,
        digest="x",
        urgency=4, arrival=5, state=ReviewState.WAITING, step=6, epoch=7, tier=8, holder="h", claimed_at=9,
        lease_until=10, offered_to="o", reserved_until=20, assigned=True,
        delegations=11, lapses=12, paused_at=13, paused=14, question="q",
        questions=19, information="i", informed_by="b",
        votes=(Vote("a", "b", "c"),), tie_break=True, first_answers={"a": "b"}, answer_id="i", decided_at=15,
        ladder=(16, 0, 17, 18), rung=3, backups=True, on_deadline=OnDeadline.SAFE_DEFAULT, safe_default="x",
        undo_until=20, trace="00-1-2-01",
    )  # fmt: skip
    defaults = [field for field in msgspec.structs.fields(Review) if field.default is not msgspec.NODEFAULT]
    assert all(getattr(everything, field.name) != field.default for field in defaults)
    fields = {n: v.encode() if isinstance(v, str) else v for n, v in to_fields(everything).items()}
    assert from_fields(everything.review_id, fields) == everything


def test_a_fresh_reviews_values_stay_within_a_listpack():
    fresh = Review(
        review_id=review_id_of("p", "d", ReviewKind.REVIEW), decision_id="d" * 40,
        kind=ReviewKind.SECOND_LOOK, sla_class="policy_exception",
        consequence_class=ConsequenceClass.CRITICAL, requested_at=2**41,
        deadline=2**41, digest="f" * 64, urgency=2**41, arrival=10**9, ladder=4 * (2**41,),
        on_deadline=OnDeadline.SAFE_DEFAULT, safe_default="x" * 64,
    )  # fmt: skip
    assert max(len(value) for value in to_fields(fresh).values()) <= 64


def test_keys_of_a_pool_share_its_hash_tag_and_the_prefix():
    made = Keys("test.")
    assert made.pool("finance", keys.REVIEW, "x") == "test.hitl:{finance}:review:x"
    assert made.pool("finance") == "test.hitl:{finance}:"
    assert made.seen("d1") == "test.hitl:{seen}:d1"
    assert made.cases(keys.SUBJECT, "emp-17") == "test.hitl:{cases}:subject:emp-17"


def test_every_refusal_has_its_error_and_every_error_its_words():
    assert set(REFUSALS) == {refusal.value for refusal in Refusal}
    for error in REFUSALS.values():
        shown = error("p.x")
        assert isinstance(shown, QueueError)
        assert "p.x" in str(shown)
        assert shown.hint
    assert AlreadyDecided("p.x").exit_code == 1


@pytest.mark.parametrize(
    "verb",
    ["enqueue", "claim", "candidates", "decide", "expire", "seen", "remember", "sla", "cancel", "reassign"],
)
def test_a_script_begins_with_what_all_keys_begin_with(verb):
    script = Script(verb)
    before, _, _ = script.text.partition(f"-- {verb}:")
    assert "local base = KEYS[1]" in before


def test_a_bug_is_not_an_outage():
    assert is_outage(ConnectionResetError())
    assert not is_outage(KeyError("x"))
