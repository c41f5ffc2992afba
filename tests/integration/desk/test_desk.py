"""The desk on a real store: what each person gets, and what is refused whatever they try."""

import msgspec
import pytest

from app.composition.parts import load_compiled_policy
from app.desk.desk import ReviewDesk
from app.desk.errors import IncompleteAnswerError, NotAllowedError
from app.domain import context_package
from app.domain.answers import Verdict
from app.domain.events import ConsequenceClass, ReviewKind, ReviewRequest, ReviewRequested
from app.domain.people import Directory, Period, Profile, Role, Substitute
from app.domain.review import ReviewState, review_id_of
from app.review_queue.errors import AlreadyClaimed, AlreadyDecided, NotDistinct
from app.review_queue.values import NewReview
from app.settings import load_settings
from tests.integration.review_queue.conftest import Desk as Store
from tests.integration.review_queue.conftest import client, codec, routed  # noqa: F401 - fixtures

POOLS = frozenset({"finance", "finance-senior", "support", "people", "managers"})
FINANCE = frozenset({"finance"})
PEOPLE = (
    Profile(name="ann", pools=FINANCE),
    Profile(name="bob", pools=FINANCE, max_amount=1_000.0),
    Profile(name="mia", pools=FINANCE, max_class=ConsequenceClass.LOW, max_amount=5_000.0),
    Profile(name="cleo", pools=FINANCE, supervises=FINANCE, delegates_to=frozenset({"ann"})),
    Profile(name="emp-17", pools=FINANCE),
    Profile(name="twin", pools=FINANCE, identities=frozenset({"emp-17"})),
    Profile(name="clerk", pools=FINANCE, actions=frozenset({"reject"})),
    Profile(name="scribe", pools=FINANCE, must_document=frozenset({"expense.approval"})),
    Profile(name="eve", roles=frozenset({Role.AUDITOR})),
    Profile(name="root", roles=frozenset({Role.ADMIN})),
    Profile(name="gone", pools=FINANCE, substitutes=(Substitute("sub", Period(0, 2**53)),)),
    Profile(name="sub", pools=frozenset({"support"})),
    Profile(name="away", pools=FINANCE, away=(Period(0, 2**53),)),
)
YES = Verdict(action="approve", reasoning="the receipt matches")


class Office:
    """A desk over the example policy with the people above."""

    def __init__(self, store, coder):
        self.store, self.codec = store, coder
        base = load_compiled_policy(load_settings())
        everybody = Directory({person.name: person for person in PEOPLE}, POOLS)
        self.policy = msgspec.structs.replace(base, directory=everybody)
        self.queue = store.queue_on(store.client)
        self.queue.follow(store.terms, self.policy.pool_names)
        self.desk = ReviewDesk(
            self.queue,
            lambda: self.policy,
            lambda record: coder.decode_as(record, ReviewRequested),
            store.clock,
        )

    def ask(
        self, decision="exp-1", *, amount=1240.5, kind=ReviewKind.DECIDE, harm=ConsequenceClass.LOW, **more
    ):
        event = routed(decision, at=self.store.clock(), subject=more.pop("subject", "emp-3"))
        kinds, evidence = more.pop("kinds", [kind]), more.pop("evidence", event.route.evidence)
        route = msgspec.structs.replace(event.route, review_kinds=kinds, evidence=evidence)
        event = msgspec.structs.replace(event, route=route)
        submitted = msgspec.structs.replace(
            event.scored.decision, facts=msgspec.json.encode({"amount": amount}).decode()
        )
        event = msgspec.structs.replace(
            event, scored=msgspec.structs.replace(event.scored, decision=submitted)
        )
        package = context_package.build(event, self.policy.terms["expense.approval"], [], [], kind=kind)
        request = ReviewRequest(
            review_id=review_id_of("finance", decision, kind),
            kind=kind,
            pool="finance",
            sla_class="standard",
            consequence_class=harm,
            requested_at=self.store.clock(),
            deadline=self.store.clock() + more.pop("due", 3_600_000),
            approvals=more.pop("approvals", 1),
            blind=context_package.is_blind(event, kind),
            package=package.text,
            package_digest=package.digest,
        )
        record = self.codec.encode(ReviewRequested(routed=event, request=request))
        return self.queue.enqueue(NewReview(decision, request, record)).review_id

    def who(self, name):
        return self.desk.person(name)

    def next(self, name, pool=None):
        lease = self.desk.claim_next(self.who(name), pool)
        return lease and lease.review.review_id

    def decide(self, name, identifier, verdict=YES):
        review = self.desk.claim(self.who(name), identifier).review
        return self.desk.decide(self.who(name), identifier, review.epoch, review.digest, verdict)


@pytest.fixture
def office(client, store_url, codec):  # noqa: F811 - fixtures
    return Office(Store(client, store_url), codec)


def refused(call, *arguments):
    with pytest.raises(NotAllowedError) as found:
        call(*arguments)
    return found.value.code


def test_the_next_case_is_the_most_urgent_one_that_the_person_may_decide(office):
    large = office.ask("large", amount=2_000, due=1_000)
    grave = office.ask("grave", amount=10, harm=ConsequenceClass.HIGH, due=2_000)
    small = office.ask("small", amount=10, due=50_000_000)
    assert office.next("mia") == large  # not the grave one, though it ranks first
    assert office.next("bob") == grave
    assert office.next("ann") == small
    assert office.next("ann") is None


@pytest.mark.parametrize("pool", [None, "finance"])
def test_cases_that_a_person_may_not_have_hold_up_none_of_the_others(office, pool):
    voted = [office.ask(f"voted-{n}", amount=10, approvals=2, due=30_000_000 + n) for n in range(34)]
    for identifier in voted:
        office.decide("bob", identifier)
    grave = ConsequenceClass.HIGH
    large = [office.ask(f"large-{n}", amount=2_000, harm=grave, due=1_000 + n) for n in range(34)]
    small = office.ask("small", amount=10, due=50_000_000)
    assert office.next("bob", pool) == small
    assert office.next("bob", pool) is None
    assert office.next("mia", pool) == voted[0]
    assert office.next("ann", pool) == large[0]


@pytest.mark.parametrize("action", ["request_info", "escalate", "delegate", "release"])
def test_handing_on_is_no_answer_and_leaves_the_review_in_hand(office, action):
    identifier = office.ask()
    with pytest.raises(IncompleteAnswerError) as found:
        office.decide("ann", identifier, Verdict(action=action, reasoning="one receipt is missing"))
    assert found.value.fields["action"].code == "not_an_answer"
    assert f"`hitl review {action.replace('_', '-')}`" in found.value.hint
    review = office.queue.get(identifier).review
    assert review.state is ReviewState.CLAIMED
    blind = office.ask(
        "blind", kind=ReviewKind.SECOND_LOOK, kinds=[ReviewKind.REVIEW, ReviewKind.SECOND_LOOK]
    )
    held = office.desk.claim(office.who("ann"), blind).review
    with pytest.raises(IncompleteAnswerError):
        office.desk.reveal(office.who("ann"), blind, held.epoch, action)
    assert not office.queue.get(blind).review.first_answers


def test_what_hands_a_case_on_is_not_among_the_answers(office):
    look = office.desk.look(office.who("ann"), office.ask())
    assert "request_info" in look.package["available_actions"]
    assert look.actions == ("approve", "reject", "modify")


def modify(changes):
    return Verdict(action="modify", changes=changes, reasoning="a slip")


def test_an_answer_changes_a_case_to_no_more_than_the_person_may_decide(office):
    identifier = office.ask(amount=10)
    with pytest.raises(NotAllowedError, match=r"5,000,000\.00, you decide up to 1,000") as found:
        office.decide("bob", identifier, modify('{"amount": 5000000}'))
    assert "escalate" in found.value.hint
    assert refused(office.decide, "bob", identifier, modify('{"amount": null}')) == "amount_unknown"
    # Beside an answer of another name, too.
    approved = Verdict(action="approve", changes='{"amount": 1001}', reasoning="a slip")
    assert refused(office.decide, "bob", identifier, approved) == "above_your_amount"
    assert refused(office.decide, "mia", office.ask("other", amount=10), modify('{"amount": 4000}')) == (
        "above_your_class"
    )
    assert office.queue.get(identifier).review.state is ReviewState.CLAIMED
    assert office.decide("bob", identifier, modify('{"amount": 1000}')).answer.changes == '{"amount":1000}'


def test_two_who_make_the_same_change_agree(office):
    identifier = office.ask(approvals=2)
    first, second = (
        Verdict(action="modify", changes=changes, reasoning="less")
        for changes in ('{"amount": 900.0, "category": "travel"}', '{"category":"travel","amount":900}')
    )
    assert office.decide("ann", identifier, first).answer is None
    answer = office.decide("cleo", identifier, second).answer
    assert answer.changes == '{"amount":900,"category":"travel"}'


@pytest.mark.parametrize("pool", [None, "finance"])
@pytest.mark.parametrize("name", ["emp-17", "twin"])
def test_nobody_gets_the_own_case(office, name, pool):
    own = office.ask("own", subject="emp-17", due=1_000)
    other = office.ask("other", due=50_000_000)
    assert office.next(name, pool) == other
    assert office.next(name, pool) is None
    assert refused(office.desk.claim, office.who(name), own) == "own_case"
    assert refused(office.desk.look, office.who(name), own) == "own_case"
    assert office.queue.get(own).review.state is ReviewState.OPEN


def test_who_is_away_auditor_or_of_another_pool_gets_nothing(office):
    identifier = office.ask()
    assert office.next("away") is None
    assert office.next("eve") is None
    assert office.next("root") is None
    assert refused(office.desk.claim_next, office.who("root"), "finance") == "not_your_pool"
    assert refused(office.desk.claim, office.who("away"), identifier) == "away"
    assert office.desk.look(office.who("eve"), identifier).denial.code == "not_your_pool"
    assert refused(office.desk.person, "mallory") == "unknown_person"


def test_a_stand_in_works_in_the_pool_of_the_absent(office):
    identifier = office.ask()
    assert "finance" in office.desk.pools_of(office.who("sub"))
    assert office.next("sub") == identifier
    review = office.queue.get(identifier).review
    assert office.desk.decide(office.who("sub"), identifier, review.epoch, review.digest, YES).answer


def test_authority_is_asked_again_when_the_answer_comes(office):
    identifier = office.ask(amount=2_000)
    review = office.desk.claim(office.who("ann"), identifier).review
    people = {**office.policy.directory.people, "ann": Profile(name="ann", pools=FINANCE, max_amount=1.0)}
    office.policy = msgspec.structs.replace(office.policy, directory=Directory(people, POOLS))
    code = refused(office.desk.decide, office.who("ann"), identifier, review.epoch, review.digest, YES)
    assert code == "above_your_amount"
    assert office.desk.escalate(office.who("ann"), identifier, review.epoch, "above my limit").tier == 1


def test_the_lock_is_the_lease_not_the_name(office):
    identifier = office.ask()
    older = office.desk.claim(office.who("ann"), identifier).review
    newer = office.desk.claim(office.who("ann"), identifier).review  # another tab
    with pytest.raises(Exception, match="no longer yours"):
        office.desk.decide(office.who("ann"), identifier, older.epoch, older.digest, YES)
    assert office.desk.decide(office.who("ann"), identifier, newer.epoch, newer.digest, YES).answer
    with pytest.raises(AlreadyDecided):
        office.desk.claim(office.who("cleo"), identifier)


def test_an_answer_has_to_be_complete_allowed_and_documented(office):
    identifier = office.ask()
    with pytest.raises(IncompleteAnswerError) as found:
        office.decide("ann", identifier, Verdict(action="approve"))
    assert set(found.value.fields) == {"reasoning"}
    office.queue.release(identifier, office.who("ann").as_reviewer("finance"), 1)
    review = office.desk.claim(office.who("clerk"), identifier).review
    assert office.desk.look(office.who("clerk"), identifier).actions == ("reject",)
    code = refused(office.desk.decide, office.who("clerk"), identifier, review.epoch, review.digest, YES)
    assert code == "action_not_allowed"
    office.desk.release(office.who("clerk"), identifier, review.epoch)
    with pytest.raises(IncompleteAnswerError, match="note"):
        office.decide("scribe", identifier)
    note = msgspec.structs.replace(YES, note="seen the original")
    assert office.decide("scribe", identifier, note).answer.note == "seen the original"


def test_an_override_keeps_its_reason_in_words(office):
    no = Verdict(action="reject", reasoning="no receipt")
    assert office.decide("ann", office.ask(), no).answer.reason_code == "other"


def test_work_is_handed_only_to_those_who_may_decide_it(office):
    identifier = office.ask(amount=2_000)
    assert refused(office.desk.delegate, office.who("cleo"), identifier, "bob", None) == "not_your_delegate"
    assert refused(office.desk.delegate, office.who("ann"), identifier, "bob", None) == "not_for_them"
    assert refused(office.desk.delegate, office.who("ann"), identifier, "mallory", None) == "unknown_person"
    assert office.desk.delegate(office.who("cleo"), identifier, "ann", None).offered_to == "ann"


def test_four_eyes_are_four_for_leads_too(office):
    identifier = office.ask(approvals=2)
    assert office.decide("cleo", identifier).answer is None
    with pytest.raises(NotDistinct):
        office.desk.claim(office.who("cleo"), identifier)
    seen = office.desk.look(office.who("ann"), identifier).review
    assert [vote.verdict for vote in seen.votes] == [""]  # nobody learns what the other said
    assert office.decide("ann", identifier).answer


def test_a_blind_case_shows_what_was_withheld_after_the_first_answer_only(office):
    identifier = office.ask(kind=ReviewKind.SECOND_LOOK)
    ann = office.who("ann")
    review = office.desk.claim(ann, identifier).review
    before = office.desk.look(ann, identifier)
    assert before.withheld is None
    assert "matches policy 4.2" not in msgspec.json.encode(before.package).decode()
    assert "matches policy 4.2" in str(office.desk.reveal(ann, identifier, review.epoch, "reject").withheld)
    assert "matches policy 4.2" in str(office.desk.look(ann, identifier).withheld)
    assert office.desk.look(office.who("cleo"), identifier).withheld is None


def test_nobody_who_may_give_the_second_answer_reads_the_first_case(office):
    kinds = [ReviewKind.DECIDE, ReviewKind.SECOND_LOOK]
    first, second = (office.ask("twice", kind=kind, kinds=kinds) for kind in kinds)
    assert office.desk.claim(office.who("cleo"), first).review.holder == "cleo"
    assert office.desk.look(office.who("cleo"), first).package  # who works on it reads it
    for name in ("ann", "sub"):
        assert refused(office.desk.look, office.who(name), first) == "second_look_open"
    assert office.desk.look(office.who("eve"), first).package  # an auditor never answers
    assert office.desk.claim(office.who("ann"), second).review.holder == "ann"
    assert refused(office.desk.look, office.who("ann"), first) == "second_look_open"  # least of all by then
    office.decide("ann", second)
    # She could take her answer back, and would have read the other case by then.
    assert refused(office.desk.look, office.who("ann"), first) == "second_look_open"
    office.store.clock.advance(office.policy.terms["expense.approval"].undo_window)
    assert office.queue.settle("finance") == [second]
    assert office.desk.look(office.who("ann"), first).package


def test_whoever_may_confirm_a_finding_does_not_read_what_was_found(office):
    drawn = {"kinds": [ReviewKind.DECIDE], "evidence": True}
    first = office.ask("found", kind=ReviewKind.DECIDE, **drawn)
    assert office.desk.look(office.who("ann"), first).package
    office.decide("cleo", first)
    second = office.ask("found", kind=ReviewKind.SECOND_LOOK, **drawn)
    assert refused(office.desk.look, office.who("ann"), first) == "second_look_open"
    with pytest.raises(NotDistinct):
        office.desk.claim(office.who("cleo"), second)
    assert office.decide("ann", second).answer


def test_two_people_never_hold_one_case(office):
    identifier = office.ask()
    assert office.next("ann", "finance") == identifier
    assert office.next("cleo", "finance") is None
    with pytest.raises(AlreadyClaimed):
        office.desk.claim(office.who("cleo"), identifier)


def test_everybody_sees_the_pools_they_work_in_and_no_others(office):
    assert [pool.pool for pool in office.desk.stats(office.who("ann"))] == ["finance"]
    assert len(office.desk.stats(office.who("eve"))) == len(POOLS)
    assert office.desk.stats(office.who("root")) == []
    assert refused(office.desk.list, office.who("ann"), "people") == "not_your_pool"


def test_whoever_asks_for_another_pool_is_told_their_own(office):
    for ask in (office.desk.claim_next, office.desk.list):
        with pytest.raises(NotAllowedError, match="ann does not work in pool 'support'") as refused:
            ask(office.desk.person("ann"), "support")
        assert refused.value.hint == "yours: finance"
