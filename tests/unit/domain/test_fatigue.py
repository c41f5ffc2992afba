"""Nobody takes more than the policy allows, whatever the rhythm of the day."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.fatigue import DAY, HOUR, FatigueLimits, rests_until

MINUTE = 60_000
limits = st.builds(
    FatigueLimits,
    per_hour=st.integers(0, 6),
    per_day=st.integers(0, 20),
    rest=st.sampled_from([0, 5 * MINUTE, 20 * MINUTE, 2 * HOUR]),
)


@given(limits, st.lists(st.sampled_from([0, 1, MINUTE, 9 * MINUTE, 45 * MINUTE, 5 * HOUR]), max_size=60))
def test_whoever_takes_whenever_it_is_allowed_keeps_every_limit(limits, pauses):
    now, taken = 1_764_000_000_000, []
    for pause in pauses:
        now += pause
        if rests_until(taken, limits) <= now:
            taken.append(now)
    for n, moment in enumerate(taken):
        before = taken[: n + 1]
        if limits.per_hour:
            assert sum(moment - other < HOUR for other in before) <= limits.per_hour
        if limits.per_day:
            assert sum(moment - other < DAY for other in before) <= limits.per_day
    if limits.per_hour:
        for n in range(limits.per_hour, len(taken)):
            if taken[n - 1] - taken[n - limits.per_hour] < HOUR:
                assert taken[n] - taken[n - 1] >= limits.rest


def test_without_a_limit_nobody_rests():
    assert rests_until(list(range(1000)), FatigueLimits(rest=HOUR)) == 0


def test_a_long_day_ends():
    taken = [n * HOUR for n in range(8)]
    assert rests_until(taken, FatigueLimits(per_day=8)) == DAY
    assert rests_until(taken[1:], FatigueLimits(per_day=8)) == 0
