"""Who is given a case: everybody who may have it, in the order that the pool's people would call fair."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.assignment import Colleague, PushTerms, Workload, candidates
from app.domain.people import Directory, Period, Profile, Substitute
from tests.unit.domain.test_authority import CASE, DIRECTORY, FINANCE, NOW, SENIOR

TERMS = PushTerms(reserve=60_000, most_reserved=2)
MEMBERS = frozenset({FINANCE})


def colleague(name, **work):
    return Colleague((Profile(name=name, pools=MEMBERS),), Workload(**work))


def asked(*people, case=CASE, now=NOW):
    return list(candidates(case, people, TERMS, now))


def test_only_who_may_decide_the_case_and_works_in_the_pool_is_asked():
    people = [Colleague((profile,), Workload()) for profile in DIRECTORY.people.values()]
    assert asked(*people) == ["admin-reviewer", "reviewer"]
    small = msgspec.structs.replace(CASE, amount=10.0, subject="emp-9")
    assert asked(*people, case=small) == ["admin-reviewer", "concerned", "friend", "reviewer", "small"]


def test_the_least_loaded_comes_first_then_who_had_none_of_the_type_for_longest_then_the_name():
    people = [
        colleague("busy", held=1, reserved=1),
        colleague("fresh", last_of_type=900),
        colleague("rusty", last_of_type=100),
        colleague("b-never"),
        colleague("a-never"),
        colleague("one", reserved=1),
    ]
    assert asked(*people) == ["a-never", "b-never", "rusty", "fresh", "one", "busy"]


@pytest.mark.parametrize("work", [{"reserved": 2}, {"rests_until": NOW + 1}])
def test_nobody_is_asked_who_has_enough_waiting_or_needs_a_break(work):
    assert asked(colleague("ann", **work)) == []
    assert asked(colleague("ann", held=5, reserved=1, rests_until=NOW)) == ["ann"]


def test_who_stands_in_for_a_member_is_asked_within_the_limits_of_both():
    away = Profile(
        name="gone", pools=MEMBERS, max_amount=500.0, away=(Period(0, NOW + 1),),
        substitutes=(Substitute("sub", Period(0, NOW + 1)),),
    )  # fmt: skip
    sub = Profile(name="sub", pools=frozenset({SENIOR}))
    directory = Directory({"gone": away, "sub": sub})
    people = [Colleague(tuple(directory.capacities(one, NOW)), Workload()) for one in (away, sub)]
    assert asked(*people) == ["sub"]
    assert asked(*people, case=msgspec.structs.replace(CASE, amount=501.0)) == []


loads = st.builds(
    Workload, held=st.integers(0, 3), reserved=st.integers(0, 2), last_of_type=st.integers(0, 3)
)


@given(st.dictionaries(st.sampled_from("abcdef"), loads), st.randoms())
def test_every_worker_chooses_alike(people, random):
    given_ = [Colleague((Profile(name=name, pools=MEMBERS),), work) for name, work in people.items()]
    shuffled = list(given_)
    random.shuffle(shuffled)
    assert asked(*given_) == asked(*shuffled)
    assert set(asked(*given_)) == {name for name, work in people.items() if work.reserved < 2}
