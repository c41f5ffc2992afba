"""A queue that another version laid out is noticed; one of ours, new or rebuilt, is not."""

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.composition import worker
from app.review_queue.layout import laid_out_otherwise
from app.review_queue.rebuild import fold

from .test_rebuild import cases, log, restorer  # noqa: F401 - fixtures

POOLS = ("expenses", "claims")


def older(desk, layout=None):
    """As a version would have left it that knows no layouts, or an older one."""
    desk.enter()
    desk.client.execute_command("DEL", desk.keys.pool("expenses", "layout"))
    if layout:
        desk.client.execute_command("SET", desk.keys.pool("expenses", "layout"), layout)


def test_a_queue_of_this_version_is_as_it_should_be(desk):
    assert laid_out_otherwise(desk.client, desk.keys, POOLS) == []
    desk.enter()
    desk.enter("d2")
    assert laid_out_otherwise(desk.client, desk.keys, POOLS) == []


@pytest.mark.parametrize("layout", [None, "1", "3"])
def test_a_queue_of_another_version_is_named_until_it_is_rebuilt(desk, log, restorer, layout):  # noqa: F811
    log.request("d1")
    older(desk, layout)
    desk.enter("d2")
    assert laid_out_otherwise(desk.client, desk.keys, POOLS) == ["expenses"]
    desk.client.execute_command("DEL", *desk.client.execute_command("KEYS", f"{desk.prefix}*"))
    restorer.apply(fold(log.records, desk.terms))
    assert laid_out_otherwise(desk.client, desk.keys, POOLS) == []
    desk.enter("d3")
    assert laid_out_otherwise(desk.client, desk.keys, POOLS) == []


@pytest.fixture
def start(desk, monkeypatch):
    """Starts a worker that has nothing to do; what it says."""

    class Idle(SimpleNamespace):
        def __init__(self, settings, policy, **_):
            super().__init__(policy=lambda: SimpleNamespace(pool_names=POOLS), run=lambda: None)

    monkeypatch.setattr(worker, "Worker", Idle)
    monkeypatch.setattr("app.commands.worker.configure_logs", lambda: None)
    monkeypatch.setattr("app.composition.supervisor.supervise", lambda work: work())

    def run(url=desk.url):
        done = CliRunner().invoke(
            app, ["worker"], env={"HITL_REDIS_URL": url, "HITL_TOPIC_PREFIX": desk.prefix}
        )
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    return run


def test_a_worker_says_so_at_its_start_and_works(desk, start):
    desk.enter("d0")
    assert "another version" not in start()
    older(desk)
    assert "another version laid out the reviews of expenses" in start()
    assert "hitl queue rebuild" in start()
    assert "another version" not in start(url="redis://127.0.0.1:9/0")
