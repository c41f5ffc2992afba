"""Counts of standing rules in the store: each record once, however often it is processed."""

from app.domain.standing_rules import SpotChecks
from app.review_queue.keys import Keys
from app.review_queue.rule_tallies import RuleTallies, Sight


def sight(offset, rule_id="r-1", partition=0, **what):
    return Sight(rule_id=rule_id, topic="decisions.routed", partition=partition, offset=offset, **what)


def test_a_batch_that_is_processed_again_counts_no_second_time(desk):
    tallies = RuleTallies(desk.client, Keys(desk.prefix))
    batch = [sight(n, used=True) for n in range(5)] + [sight(3, partition=1, used=True)]
    for _ in range(3):
        assert tallies.count(batch)[-1].uses == 6
    checks = [
        Sight(rule_id="r-1", topic="reviews.outcomes", partition=0, offset=n, checked=True, overridden=n == 2)
        for n in range(4)
    ]
    assert [one.overridden for one in tallies.count(checks)] == [0, 0, 1, 1]
    tallies.count(checks[:2])
    assert tallies.of(["r-1", "r-2"]) == {"r-1": SpotChecks(6, 4, 1), "r-2": SpotChecks()}
