"""Who may put a policy in force, and who may see and close what is learned."""

from __future__ import annotations

from itertools import product

import pytest

from app.domain.events import PolicyProposed
from app.domain.governance import ItemDeed, ItemMatter, PolicyDeed, item_refused, policy_refused
from app.domain.people import Directory, Period, Profile, Role, Substitute
from app.domain.policy_proposals import latest
from tests.unit.domain.cases import NOW

ADMIN = frozenset({Role.ADMIN})
PEOPLE = Directory(
    {
        "ann": Profile(name="ann", roles=ADMIN, identities=frozenset({"emp-1"})),
        "ben": Profile(name="ben", roles=ADMIN),
        "cat": Profile(name="cat", roles=ADMIN, identities=frozenset({"emp-1"})),
        "dan": Profile(name="dan", roles=ADMIN, substitutes=(Substitute("ann", Period(0, NOW + 1)),)),
        "eve": Profile(name="eve", pools=frozenset({"finance"})),
        "flo": Profile(name="flo", supervises=frozenset({"finance"})),
        "gus": Profile(name="gus", roles=frozenset({Role.AUDITOR})),
    },
    frozenset({"finance"}),
)


def code(deed, name, proposed_by="ann", two_people=True, directory=PEOPLE):
    denial = policy_refused(directory, two_people, name, deed, proposed_by, NOW)
    return denial.code if denial else None


# --- the policy -----------------------------------------------------------------------------------


def test_nobody_puts_a_policy_in_force_alone_where_two_are_wanted():
    """Whatever one person does, in whatever order: no sequence of the own deeds ends in force."""
    for name in PEOPLE.people:
        assert code(PolicyDeed.ACTIVATE, name)
        assert code(PolicyDeed.CONFIRM, name, proposed_by=name)


def test_one_admin_proposes_and_another_confirms():
    assert code(PolicyDeed.PROPOSE, "ann") is None
    assert code(PolicyDeed.CONFIRM, "ben") is None


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("ann", "four_eyes"),
        ("cat", "four_eyes"),
        ("dan", "stand_in"),
        ("eve", "not_admin"),
        ("zoe", "unknown_person"),
    ],
)
def test_who_is_no_second_person(name, refused):
    """The proposer, the same person under another account, a stand-in, who is no admin, a stranger."""
    assert code(PolicyDeed.CONFIRM, name) == refused


def test_only_admins_propose_and_whoever_proposed_may_take_it_back():
    assert code(PolicyDeed.PROPOSE, "eve") == "not_admin"
    assert code(PolicyDeed.REJECT, "ben") is None
    assert code(PolicyDeed.REJECT, "eve", proposed_by="eve") is None
    assert code(PolicyDeed.REJECT, "eve") == "not_admin"


def test_a_policy_that_names_nobody_has_no_second_person():
    assert code(PolicyDeed.PROPOSE, "ann", directory=Directory()) == "unknown_person"


def test_where_one_is_enough_there_is_nothing_to_propose():
    assert code(PolicyDeed.ACTIVATE, "anybody", two_people=False) is None
    assert code(PolicyDeed.PROPOSE, "ann", two_people=False) == "one_person"


def test_a_proposal_that_is_over_stays_over():
    def step(name):
        return PolicyProposed(
            proposal_id="p", step=name, policy_version="v", policy="", base_version="", proposed_by="ann",
            proposed_at=1, actor="ann", at=1, reason="",
        )  # fmt: skip

    for order in (["proposed", "rejected"], ["rejected", "proposed"], ["proposed", "rejected", "confirmed"]):
        assert latest(map(step, order))["p"].step == "rejected"


# --- what is learned ------------------------------------------------------------------------------


def item(deed, name, sink="policy_updates", **changes):
    matter = ItemMatter(sink=sink, pool="finance", about="eve", **changes)
    denial = item_refused(PEOPLE, PEOPLE.people[name], deed, matter)
    return denial.code if denial else None


def test_coaching_is_between_a_person_and_the_leads():
    allowed = {name for name in PEOPLE.people if item(ItemDeed.LOOK, name, "coaching") is None}
    assert allowed == {"eve", "flo"}


def test_everything_else_is_the_pools_to_read():
    allowed = {name for name in PEOPLE.people if item(ItemDeed.LOOK, name) is None}
    assert allowed == {"ann", "ben", "cat", "dan", "eve", "flo", "gus"}
    stranger = Profile(name="zoe", pools=frozenset({"other"}))
    matter = ItemMatter(sink="policy_updates", pool="finance", about="eve")
    assert item_refused(PEOPLE, stranger, ItemDeed.LOOK, matter)


def test_leads_hand_out_and_whoever_has_it_closes_it():
    for deed, name in product((ItemDeed.ASSIGN, ItemDeed.CLOSE), ("eve", "gus")):
        assert item(deed, name) == "not_lead"
    assert item(ItemDeed.ASSIGN, "flo") is None
    assert item(ItemDeed.CLOSE, "eve", assignee="eve") is None
    assert item(ItemDeed.ASSIGN, "eve", assignee="eve") == "not_lead"
    assert item(ItemDeed.CLOSE, "ann", "coaching") == "not_lead"
