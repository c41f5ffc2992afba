"""Who may do what: every deed tried by every kind of person, as one table."""

import msgspec
import pytest

from app.domain.authority import Deed, Matter, action_refused, refused
from app.domain.events import ConsequenceClass, ReviewKind
from app.domain.people import Directory, Period, Profile, Role, Substitute

NOW = 1_000
FINANCE, SENIOR = "finance", "finance-senior"

CASE = Matter(
    review_id="finance.x",
    pool=FINANCE,
    kind=ReviewKind.REVIEW,
    decision_type="expense.approval",
    consequence_class=ConsequenceClass.MEDIUM,
    has_amount=True,
    amount=400.0,
    subject="emp-1",
    submitted_by="svc-expenses",
)

PEOPLE = {
    person.name: person
    for person in (
        Profile(name="reviewer", pools=frozenset({FINANCE})),
        Profile(name="lead", supervises=frozenset({FINANCE})),
        Profile(name="stranger", pools=frozenset({SENIOR})),
        Profile(name="auditor", roles=frozenset({Role.AUDITOR})),
        Profile(name="admin", roles=frozenset({Role.ADMIN})),
        Profile(name="admin-reviewer", pools=frozenset({FINANCE}), roles=frozenset({Role.ADMIN})),
        Profile(name="small", pools=frozenset({FINANCE}), max_amount=399.0),
        Profile(name="mild", pools=frozenset({FINANCE}), max_class=ConsequenceClass.LOW),
        Profile(name="other-type", pools=frozenset({FINANCE}), decision_types=frozenset({"hr.action"})),
        Profile(name="concerned", pools=frozenset({FINANCE}), identities=frozenset({"emp-1"})),
        Profile(name="svc-expenses", pools=frozenset({FINANCE}), supervises=frozenset({FINANCE})),
        Profile(name="friend", pools=frozenset({FINANCE}), conflicts=frozenset({"emp-1"})),
        Profile(name="away", pools=frozenset({FINANCE}), away=(Period(0, 2_000),)),
    )
}
DIRECTORY = Directory(PEOPLE, frozenset({FINANCE, SENIOR}))

ALL = frozenset(Deed)
JUDGE = {Deed.CLAIM, Deed.REVEAL, Deed.DECIDE}
LEAD = {Deed.REASSIGN, Deed.CANCEL}
MAY = {
    "reviewer": ALL - LEAD,
    "lead": ALL,
    "stranger": set(),
    "auditor": {Deed.LOOK},
    "admin": {Deed.CANCEL},
    "admin-reviewer": ALL - {Deed.REASSIGN},
    "small": ALL - LEAD - JUDGE,
    "mild": ALL - LEAD - JUDGE,
    "other-type": ALL - LEAD - JUDGE,
    "concerned": set(),
    "svc-expenses": set(),
    "friend": set(),
    "away": ALL - LEAD - {Deed.CLAIM},
}


def may(name, deed, case=CASE, directory=DIRECTORY, now=NOW):
    return refused(directory.capacities(directory.find(name), now), deed, case, now) is None


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("deed", Deed)
def test_everybody_tries_everything(name, deed):
    assert may(name, deed) == (deed in MAY[name])


def test_a_denial_says_why_in_words():
    denial = refused([PEOPLE["small"]], Deed.DECIDE, CASE, NOW)
    assert (denial.code, denial.text) == (
        "above_your_amount",
        "the amount is 400.00, you decide up to 399",
    )


def test_an_amount_nobody_knows_is_above_every_limit_and_nan_is_too():
    for amount in (None, float("nan"), float("inf")):
        assert not may("small", Deed.DECIDE, msgspec.structs.replace(CASE, amount=amount))
    assert may("reviewer", Deed.DECIDE, msgspec.structs.replace(CASE, amount=None))


def test_an_amount_limit_does_not_touch_types_without_amounts():
    assert may("small", Deed.DECIDE, msgspec.structs.replace(CASE, has_amount=False, amount=None))


def test_limits_are_inclusive():
    assert may("small", Deed.DECIDE, msgspec.structs.replace(CASE, amount=399.0))
    assert may("mild", Deed.DECIDE, msgspec.structs.replace(CASE, consequence_class=ConsequenceClass.LOW))


def test_answers_are_limited_one_by_one():
    clerk = Profile(name="clerk", actions=frozenset({"approve", "escalate"}))
    assert action_refused([clerk], "approve") is None
    assert action_refused([clerk], "reject").code == "action_not_allowed"


def test_backups_may_judge_what_is_offered_to_their_pool():
    offered = msgspec.structs.replace(CASE, backup_pools=frozenset({SENIOR}))
    assert may("stranger", Deed.DECIDE, offered)
    assert not may("stranger", Deed.REASSIGN, offered)


# --- standing in ----------------------------------------------------------------------------------------


def substituting(present, absent, *more):
    """``present`` stands in for ``absent`` while the clock says less than 2,000."""
    named = msgspec.structs.replace(absent, substitutes=(Substitute(present.name, Period(0, 2_000)),))
    return Directory({p.name: p for p in (present, named, *more)}, frozenset({FINANCE, SENIOR}))


def test_a_stand_in_acts_in_the_other_pool_and_only_for_the_time():
    ann = Profile(name="ann", pools=frozenset({SENIOR}))
    bob = Profile(name="bob", pools=frozenset({FINANCE}))
    directory = substituting(ann, bob)
    assert may("ann", Deed.DECIDE, directory=directory)
    assert not may("ann", Deed.DECIDE, directory=directory, now=2_000)


def test_standing_in_never_widens():
    ann = Profile(name="ann", pools=frozenset({SENIOR}), max_amount=100.0)
    bob = Profile(name="bob", pools=frozenset({FINANCE}), supervises=frozenset({FINANCE}))
    directory = substituting(ann, bob)
    assert not may("ann", Deed.DECIDE, directory=directory)  # the own limit stays
    assert not may("ann", Deed.REASSIGN, directory=directory)  # nobody lends out supervising
    narrow = substituting(Profile(name="ann", pools=frozenset({SENIOR})), PEOPLE["small"])
    assert not may("ann", Deed.DECIDE, directory=narrow)  # nor does the other's limit go away


def test_a_conflict_of_interest_of_either_stands():
    free = Profile(name="free", pools=frozenset({SENIOR}))
    assert not may("free", Deed.DECIDE, directory=substituting(free, PEOPLE["friend"]))
    friend = Profile(name="friend2", pools=frozenset({SENIOR}), conflicts=frozenset({"emp-1"}))
    assert not may("friend2", Deed.DECIDE, directory=substituting(friend, PEOPLE["reviewer"]))


def test_circles_and_long_chains_end():
    def one(name, pool, stand_in):
        return Profile(name=name, pools=frozenset({pool}), substitutes=(Substitute(stand_in, Period(0, 9)),))

    circle = Directory({p.name: p for p in (one("a", "p1", "b"), one("b", "p2", "a"))}, frozenset())
    assert [c.pools for c in circle.capacities(circle.find("a"), 1)] == [{"p1"}, {"p2"}]
    chain = {p.name: p for p in (one("a", "p1", "b"), one("b", "p2", "c"), one("c", "p3", "d"))}
    chain["d"] = Profile(name="d", pools=frozenset({"p4"}))
    reached = [set(c.pools) for c in Directory(chain).capacities(chain["d"], 1)]
    assert reached == [{"p4"}, {"p3"}, {"p2"}]  # p1 is one step too far


def test_in_an_open_house_everybody_may_do_everything():
    house = Directory({}, frozenset({FINANCE}))
    assert house.open_house
    assert all(may("anybody", deed, directory=house) for deed in Deed)
    assert not may("emp-1", Deed.DECIDE, directory=house)  # but nobody decides the own case
