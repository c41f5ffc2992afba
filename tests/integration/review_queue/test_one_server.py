"""A server of a cluster is refused at the start, by whoever would wait for it for ever."""

import subprocess

import pytest
import redis
from typer.testing import CliRunner

from app.cli import app
from app.commands import doctor_store
from app.errors import UsageError
from app.review_queue.embedded import find_server
from app.review_queue.errors import StoreUnavailableError
from app.review_queue.store import open_client, require_one_server
from app.settings import load_settings
from tests.kafka_broker import free_ports
from tests.processes import until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Address of a server of a cluster; it serves no slot yet."""
    folder = tmp_path_factory.mktemp("cluster")
    port, bus = free_ports(2)
    words = f"--port {port} --cluster-port {bus} --bind 127.0.0.1 --cluster-enabled yes --save".split()
    process = subprocess.Popen(
        [str(find_server()), *words, "", "--dir", str(folder)], stdout=subprocess.DEVNULL
    )
    client = redis.Redis(port=port)

    def answers():
        try:
            return client.ping()
        except redis.ConnectionError:
            return False

    try:
        until(answers, "the server is up")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        client.close()
        process.kill()
        process.wait()


def test_a_cluster_is_refused_and_one_server_is_not(cluster, store_url):
    with pytest.raises(UsageError, match="belongs to a cluster") as refused:
        require_one_server(open_client(cluster))
    assert "docs/sizing.md" in refused.value.hint
    require_one_server(open_client(store_url))
    with pytest.raises(StoreUnavailableError):
        require_one_server(open_client("redis://127.0.0.1:9/0"))


@pytest.mark.parametrize("words", [["worker"], ["console", "--open-house"]])
def test_workers_and_consoles_do_not_start_on_one(cluster, words, monkeypatch):
    monkeypatch.setattr("app.commands.worker.configure_logs", lambda: None)
    monkeypatch.setattr("app.commands.console.configure_logs", lambda: None)
    monkeypatch.setattr("app.composition.supervisor.supervise", lambda work: work())
    places = {"HITL_REDIS_URL": cluster, "HITL_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    done = CliRunner().invoke(app, words, env=places)
    assert isinstance(done.exception, UsageError)
    assert "HITL_REDIS_URL: this server belongs to a cluster" in str(done.exception)


def test_doctor_says_what_to_do(cluster, monkeypatch):
    monkeypatch.setenv("HITL_REDIS_URL", cluster)
    [found] = doctor_store.store(load_settings(), ["reviewers"])
    assert (found.check, found.state) == ("store", "failed")
    assert "cluster_enabled:1" in found.detail
    assert "docs/sizing.md" in found.do
