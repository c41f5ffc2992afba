"""One worker's endpoint: what is there from the start, what a scrape sees, what it costs."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from app.telemetry import catalogue as c
from app.telemetry.labels import values
from app.telemetry.learning import threshold_readings
from app.telemetry.metrics import WorkerMetrics
from tests.unit.agents.parts import (
    NOW,
    OTHER_TYPE,
    POLICY,
    POLICY_TEXT,
    decision,
    incoming,
    policy_of,
    routed,
)
from tests.unit.domain import cases


def metrics(policy=None, clock=lambda: NOW + 100) -> WorkerMetrics:
    return WorkerMetrics(policy or (lambda: POLICY), clock)


def families(found: WorkerMetrics):
    page = generate_latest(found.registry).decode()
    return {family.name: family for family in text_string_to_metric_families(page)}


def test_every_combination_of_labels_is_there_before_the_first_event():
    """Otherwise `increase()` would miss the first incident."""
    found = metrics()
    shown = families(found)
    incidents = shown["hitl_customer_incidents"].samples
    assert [(s.labels, s.value) for s in incidents] == [({"decision_type": "expense.approval"}, 0.0)]
    decisions = shown["hitl_decisions"].samples
    assert len(decisions) == 5 * 4 * 3
    assert all(sample.value == 0 for sample in decisions)


def test_a_type_that_is_new_in_the_policy_has_series_and_one_that_left_keeps_its_own():
    policies = [policy_of(POLICY_TEXT + OTHER_TYPE)]
    found = metrics(lambda: policies[0])
    families(found)
    policies[0] = POLICY
    types = {sample.labels["decision_type"] for sample in families(found)["hitl_customer_incidents"].samples}
    assert types == {"expense.approval", "travel.approval"}


def test_no_label_is_an_id_or_a_text():
    for metric in (*c.WORKER, *c.READER):
        for label in metric.labels:
            assert values(metric, label, POLICY) or label == "source", (metric.name, label)


async def test_a_committed_batch_is_seen_and_an_aborted_one_only_as_aborted():
    found = metrics()
    source = found.observe("decide")
    events = (await routed(incoming(decision("a")), incoming(decision("b"), 1))).events
    source.batch_aborted("outage")
    assert found.counts.value(c.DECISIONS) == 0
    source.batch_committed(2, 0.02, events)
    assert found.counts.value(c.DECISIONS, route="full_automation") == 2
    assert found.counts.value(c.CONSUMED, source="decide") == 2
    assert found.counts.value(c.TRANSACTIONS, result="aborted") == 1


async def test_exemplars_carry_the_decision_id_where_openmetrics_is_asked_for():
    found = metrics()
    source = found.observe("decide")
    source.batch_committed(1, 0.02, (await routed(incoming(decision("exp-7")))).events)
    page = openmetrics(found.registry).decode()
    assert '# {decision_id="exp-7"} 0.1' in page
    assert "exp-7" not in generate_latest(found.registry).decode()
    source.batch_committed(1, 0.02, (await routed(incoming(decision("x" * 200)))).events)
    assert "x" * 200 not in openmetrics(found.registry).decode()


def test_an_unknown_reason_is_counted_as_other():
    found = metrics()
    source = found.observe("decide")
    source.dead_letter("scoring", "duplicate")
    source.dead_letter("scoring", "ZeroDivisionError")
    assert found.counts.value(c.DEAD_LETTERS, reason="duplicate") == 1
    assert found.counts.value(c.FAILURES, stage="scoring", reason="other") == 1


def test_an_outage_and_the_lag_are_gauges():
    found = metrics()
    source = found.observe("decide")
    source.paused("away")
    source.behind({"decisions.submitted": (7, 1.5)})
    shown = families(found)
    assert [s.value for s in shown["hitl_source_paused"].samples] == [1.0]
    [lag] = shown["hitl_consumer_lag_seconds"].samples
    assert (lag.labels, lag.value) == ({"source": "decide", "topic": "decisions.submitted"}, 1.5)
    source.resumed()
    assert [s.value for s in families(found)["hitl_source_paused"].samples] == [0.0]


def lag_of(found: WorkerMetrics) -> dict[str, float]:
    return {s.labels["topic"]: s.value for s in families(found)["hitl_consumer_lag_seconds"].samples}


def test_the_lag_of_a_batch_that_does_not_end_grows():
    """The client says nothing meanwhile: what it said before would be all that is ever seen."""
    now = [NOW]
    found = metrics(clock=lambda: now[0])
    source = found.observe("decide")
    source.behind({"decisions.submitted": (0, 0.0), "observations": (3, 2.0)})
    assert lag_of(found) == {"decisions.submitted": 0.0, "observations": 2.0}
    source.batch_begun({"decisions.submitted"})
    now[0] += 90_000
    assert lag_of(found) == {"decisions.submitted": 90.0, "observations": 92.0}
    source.batch_ended()
    source.behind({"decisions.submitted": (0, 0.0), "observations": (0, 0.0)})
    now[0] += 5_000
    assert lag_of(found) == {"decisions.submitted": 0.0, "observations": 0.0}


def test_only_as_many_learning_keys_are_shown_as_the_policy_plans_for():
    """A producer may write any model version."""
    updates = {
        key: cases.update(learning_key=key, updated_at=at)
        for at, key in enumerate(["expense.approval|m:1", "expense.approval|m:2", "gone.type|m:1"])
    }
    shown = {reading.labels for reading in threshold_readings(updates, POLICY)}
    assert shown == {("expense.approval", "expense.approval|m:2")}


def test_the_endpoint_speaks_of_every_metric_of_the_catalogue():
    page = generate_latest(metrics().registry).decode()
    for name, metric in c.METRICS.items():
        assert f"# HELP {name} " in page or f"# HELP {name.removesuffix('_total')}_total " in page, name
        assert metric.help.endswith(".")
