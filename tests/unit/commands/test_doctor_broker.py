"""Which workers the doctor misses."""

import pytest

from app.commands import doctor_broker
from app.stream.connection import Connection

CONNECTION = Connection(bootstrap_servers="127.0.0.1:9", config={}, prefix="x.")


@pytest.mark.parametrize(
    ("agents", "said"),
    [
        (
            {"decide", "review-request", "outcome", "drift"},
            [("ok", "every topic has its readers; x.hitl-drift has most to read, 5 records")],
        ),
        (
            {"decide", "review-request", "drift"},
            [("failed", "x.hitl-outcome: nobody reads reviews.outcomes")],
        ),
        (set(), []),
    ],
)
def test_an_agent_that_no_worker_runs_is_named_where_others_run(monkeypatch, agents, said):
    def lag(_admin, _connection, group, _topic):
        waiting = 5 if agents and group == "hitl-drift" else 0
        return waiting, int(group.removeprefix("hitl-") in agents)

    monkeypatch.setattr(doctor_broker, "_lag", lag)
    found = list(doctor_broker._groups(None, CONNECTION))
    assert [(one.state, one.detail) for one in found] == said
