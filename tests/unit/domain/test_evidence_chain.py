"""Evidence: changing, dropping, swapping or adding a record shows, and the first one is named."""

from __future__ import annotations

import base64
import hashlib

import msgspec
import pytest

from app.domain.events import (
    DecisionResolved,
    ObservationKind,
    ObservedOutcome,
    Record,
    ReviewDecided,
    ReviewKind,
    ReviewLifecycle,
)
from app.domain.evidence_chain import (
    Told,
    chained,
    head,
    ordered,
    seal,
    seal_key,
    told,
)
from app.domain.evidence_check import check_file, check_records, check_store
from app.domain.evidence_pack import make
from app.domain.resolution import resolve_answer
from app.domain.review import Review, ReviewState
from tests.unit.agents.parts import CODEC
from tests.unit.domain import cases

KEY = seal_key(b"the secret of this deployment")
PACKAGE = '{"policy_reference":{"section":"4.2","text":"Receipts are needed."}}'
DIGEST = hashlib.sha256(PACKAGE.encode()).hexdigest()
SEALED = {"ReviewLifecycle", "ReviewDecided"}


class Log:
    """The topics of one decision, as an attacker with write access has them."""

    def __init__(self) -> None:
        self.records: list[Told] = []

    def write(self, event: Record, topic: str, *, key: bytes | None = KEY) -> Told:
        value = CODEC.encode(event)
        mark = seal(key, topic, b"exp-1", value) if key and type(event).__name__ in SEALED else None
        record = told(event, topic, 0, len(self.records), 1, b"exp-1", value, mark)
        self.records.append(record)
        return record

    def replace(self, old: Told, event: Record, *, key: bytes | None = None) -> None:
        """Put another event in the place of one, with the old seal or one of the attacker's own."""
        value = CODEC.encode(event)
        mark = seal(key, old.evidence.topic, b"exp-1", value) if key else old.evidence.seal
        content = msgspec.to_builtins(event)
        evidence = msgspec.structs.replace(
            old.evidence, content=content, value=base64.b64encode(value).decode(), seal=mark
        )
        self.records[self.records.index(old)] = Told(evidence, event)

    def find(self, kind: type, **fields) -> Told:
        return next(
            one
            for one in self.records
            if isinstance(one.event, kind) and all(getattr(one.event, n) == v for n, v in fields.items())
        )

    def broken(self) -> list[str]:
        return [str(one) for one in check_records(self.records, KEY)]


def decision_log() -> Log:
    """A reviewed decision, from its submission to a later truth."""
    log = Log()
    routed = cases.routed(cases.decision(0.8, decision_id="exp-1"))
    decided = cases.answered(routed)
    request = msgspec.structs.replace(decided.requested.request, package=PACKAGE, package_digest=DIGEST)
    requested = msgspec.structs.replace(decided.requested, request=request)
    decided = ReviewDecided(requested=requested, answer=decided.answer)
    log.write(routed.scored.decision, "decisions.submitted")
    log.write(routed.scored, "decisions.scored")
    log.write(routed, "decisions.routed")
    log.write(requested, "reviews.requested.expenses")
    for number, (event, state) in enumerate(
        (
            ("claimed", ReviewState.CLAIMED),
            ("looked", ReviewState.CLAIMED),
            ("extended", ReviewState.CLAIMED),
            ("decided", ReviewState.DECIDED),
        ),
        start=1,
    ):
        log.write(step(number, event, state), "reviews.lifecycle")
    log.write(decided, "reviews.outcomes")
    resolution = resolve_answer(requested, decided.answer)
    log.write(DecisionResolved(routed=routed, resolution=resolution), "decisions.resolved")
    log.write(
        ObservedOutcome(
            observation_id="o-1", decision_id="exp-1", kind=ObservationKind.CONFIRMED_CORRECT,
            correct_action=None, observed_at=cases.NOW + cases.DAY, source="ledger", note="",
        ),
        "outcomes.observed",
    )  # fmt: skip
    return log


def step(number, event, state, *, kind=ReviewKind.REVIEW, review_id="expenses.1", actor="ann"):
    review = Review(
        review_id=review_id,
        decision_id="exp-1",
        kind=kind,
        sla_class="standard",
        consequence_class=cases.routed(cases.decision(0.8)).scored.assessment.consequence.consequence_class,
        requested_at=cases.NOW,
        digest=DIGEST,
        urgency=1,
        arrival=1,
        state=state,
        step=number,
        epoch=1,
        holder=actor,
        answer_id="a-1" if state is ReviewState.DECIDED else "",
    )
    return ReviewLifecycle(
        event_id=f"s-{review_id}-{number}",
        review_id=review_id,
        decision_id="exp-1",
        pool="expenses",
        event=event,
        actor=actor,
        at=cases.NOW + 1000 * number,
        lease_epoch=1,
        state=msgspec.json.encode(review).decode(),
        detail=f'{{"digest":"{DIGEST}"}}' if event == "looked" else "",
    )


def test_what_nobody_touched_holds():
    assert decision_log().broken() == []


def test_the_order_in_which_topics_are_read_changes_nothing():
    log = decision_log()
    expected = [one.event for one in ordered(log.records)]
    assert [one.event for one in ordered(log.records[::-1])] == expected
    assert [type(event).__name__ for event in expected][:4] == [
        "DecisionSubmitted",
        "DecisionScored",
        "DecisionRouted",
        "ReviewRequested",
    ]


def test_an_exact_repeat_is_no_tampering():
    """The outbox delivers at least once."""
    log = decision_log()
    log.write(log.find(ReviewLifecycle, event="looked").event, "reviews.lifecycle")
    log.write(log.find(ReviewDecided).event, "reviews.outcomes")
    assert log.broken() == []
    assert len(ordered(log.records)) == len(log.records) - 2


@pytest.mark.parametrize("number", range(11))
def test_a_record_that_was_left_out_shows_or_is_told_by_another(number):
    """What stands in a sealed answer once more may go; nothing else of the decision may."""
    log = decision_log()
    gone = log.records.pop(number)
    told_elsewhere = {"DecisionSubmitted", "DecisionScored", "DecisionRouted", "ReviewRequested"}
    unprovable = {"ObservedOutcome"}
    assert bool(log.broken()) == (type(gone.event).__name__ not in told_elsewhere | unprovable), gone.event


def test_a_missing_step_is_named():
    log = decision_log()
    log.records.remove(log.find(ReviewLifecycle, event="looked"))
    [first, *_] = log.broken()
    assert "step 3" in first
    assert "2 before it is missing" in first


def test_an_end_that_was_cut_off_shows_against_the_queue():
    log = decision_log()
    log.records = [
        one
        for one in log.records
        if not isinstance(one.event, ReviewDecided | DecisionResolved)
        and getattr(one.event, "event", "") not in ("decided", "extended")
    ]
    assert log.broken() == []  # the log alone can not know
    [cut] = check_store(log.records, {"expenses.1": 4})
    assert "is at step 4 in the queue, the log ends at 2" in str(cut)
    assert list(check_store(log.records, {"expenses.1": 2})) == []


def test_a_changed_answer_shows_even_with_a_seal_of_another_key():
    log = decision_log()
    old = log.find(ReviewDecided)
    answer = msgspec.structs.replace(old.event.answer, action="reject")
    changed = ReviewDecided(requested=old.event.requested, answer=answer)
    log.replace(old, changed)
    assert "its seal does not hold" in log.broken()[0]
    log.replace(log.find(ReviewDecided), changed, key=seal_key(b"another secret"))
    assert "its seal does not hold" in log.broken()[0]


def test_an_answer_that_somebody_appends_shows():
    log = decision_log()
    old = log.find(ReviewDecided)
    answer = msgspec.structs.replace(old.event.answer, action="reject", answer_id="a-2")
    forged = log.write(
        ReviewDecided(requested=old.event.requested, answer=answer), "reviews.outcomes", key=None
    )
    found = log.broken()
    assert f"{forged.evidence.position}: has no seal: it was not written by us" in found
    assert any("says otherwise than" in one for one in found)


def test_a_sealed_record_of_another_topic_or_decision_is_not_ours():
    log = decision_log()
    old = log.find(ReviewLifecycle, event="extended")
    log.records[log.records.index(old)] = Told(msgspec.structs.replace(old.evidence, key="exp-2"), old.event)
    assert "its seal does not hold" in log.broken()[0]


def test_swapped_steps_show():
    log = decision_log()
    claimed, extended = (
        log.find(ReviewLifecycle, event="claimed"),
        log.find(ReviewLifecycle, event="extended"),
    )
    swapped = msgspec.structs.replace(claimed.event, state=extended.event.state)
    log.replace(claimed, swapped)
    assert log.broken()


@pytest.mark.parametrize("name", ["decisions.submitted", "decisions.scored", "decisions.routed"])
def test_another_story_than_the_sealed_one_shows(name):
    log = decision_log()
    old = next(one for one in log.records if one.evidence.topic == name)
    other = cases.routed(cases.decision(0.8, decision_id="exp-1", subject="somebody else"))
    event = {
        "decisions.submitted": other.scored.decision,
        "decisions.scored": other.scored,
        "decisions.routed": other,
    }[name]
    log.replace(old, event)
    assert any("story" in one or "another submission" in one for one in log.broken())


def test_a_resolution_that_nobody_decided_shows():
    log = decision_log()
    old = log.find(DecisionResolved)
    changed = msgspec.structs.replace(old.event.resolution, action="reject")
    log.replace(old, DecisionResolved(routed=old.event.routed, resolution=changed))
    assert any("does not follow from any answer" in one for one in log.broken())


def test_a_package_that_was_changed_shows():
    log = decision_log()
    old = log.records[3]
    request = msgspec.structs.replace(old.event.request, package=PACKAGE.replace("4.2", "4.3"))
    log.replace(old, msgspec.structs.replace(old.event, request=request))
    assert any("the package is not the one with this digest" in one for one in log.broken())


def test_items_with_known_truth_that_borrow_the_id_are_no_part_of_it():
    log = decision_log()
    whole = len(ordered(log.records))
    log.write(
        step(1, "claimed", ReviewState.CLAIMED, kind=ReviewKind.GOLD, review_id="expenses.9"),
        "reviews.lifecycle",
    )
    assert len(ordered(log.records)) == whole
    assert log.broken() == []


# --- packs ----------------------------------------------------------------------------------------


def pack(log: Log, key=KEY):
    return make(
        "exp-1", log.records, key=key, terms=cases.TERMS, policy=("v1", "name: test"), made_at=cases.NOW
    )


def _event(record):
    return CODEC.decode(base64.b64decode(record.value, validate=True))


def broken(made, key=KEY):
    return [str(one) for one in check_file(made.decision_id, made.chain, made.head, _event, key)]


def test_a_pack_holds_also_after_it_was_written_and_read():
    made = pack(decision_log())
    again = msgspec.json.decode(msgspec.json.encode(made), type=type(made))
    assert broken(again) == []
    assert again.head.count == len(again.chain) == 11


def test_a_pack_says_in_words_what_happened_and_who_saw_what():
    made = pack(decision_log())
    text = "\n".join(made.explanation)
    for words in (
        "recommended 'approve'",
        "Level 3",
        "ann answered 'approve' (asked to approve or correct the recommendation; as recommended)",
        "'approve' was decided by ann",
    ):
        assert words in text
    assert made.disclosure == cases.TERMS.disclosure
    assert made.policy.section == "4.2"
    [look] = made.who_saw
    assert (look.person, look.duration, look.digest, look.ended) == ("ann", 3000, DIGEST, "decided")


def altered(made, number, **changes):
    chain = list(made.chain)
    chain[number] = msgspec.structs.replace(chain[number], **changes)
    return msgspec.structs.replace(made, chain=tuple(chain))


def recomputed(made, chain, key=None):
    """As an attacker who knows how the chain is made, but not the key."""
    linked = chained(made.decision_id, chain)
    end = head(made.decision_id, linked, key) if key else msgspec.structs.replace(
        made.head, count=len(linked), hash=linked[-1].hash
    )  # fmt: skip
    return msgspec.structs.replace(made, chain=tuple(linked), head=end)


def test_every_changed_link_of_a_pack_is_named():
    made = pack(decision_log())
    for number, record in enumerate(made.chain):
        content = {**record.content, "made_up": 1}
        found = broken(altered(made, number, content=content))
        assert f"link {number + 1} of 11 does not follow" in found[0]
        assert record.position in found[0]


def test_a_pack_whose_hashes_were_worked_out_again_is_found_by_its_head():
    made = pack(decision_log())
    for number in range(len(made.chain)):
        rest = [record for index, record in enumerate(made.chain) if index != number]
        assert "the head's seal does not hold: it was changed" in broken(recomputed(made, rest))[0]
        forged = recomputed(made, rest, key=seal_key(b"a key of my own"))
        assert "made with another key" in broken(forged)[0]


def test_swapped_added_and_truncated_packs_are_found():
    made = pack(decision_log())
    chain = list(made.chain)
    chain[4], chain[5] = chain[5], chain[4]
    assert "link 5 of 11" in broken(msgspec.structs.replace(made, chain=tuple(chain)))[0]
    assert broken(msgspec.structs.replace(made, chain=(*made.chain, made.chain[-1])))
    assert "the head speaks of 11 records" in broken(msgspec.structs.replace(made, chain=made.chain[:-1]))[0]


def test_whoever_holds_the_key_can_make_everything_again():
    """What is not promised: a pack of the key's owner is worth what the owner is."""
    made = pack(decision_log())
    rest = made.chain[:-1]
    assert broken(recomputed(made, rest, key=KEY)) == []


def test_without_the_key_hashes_and_content_are_still_checked():
    made = pack(decision_log())
    assert broken(made, key=None) == []
    other = altered(made, 8, value=made.chain[7].value)
    assert f"{made.chain[8].position}: its content is not what the record says" in broken(other, key=None)
