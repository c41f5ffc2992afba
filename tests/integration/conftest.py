"""Real services, and deployments on them that do not see one another."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app.review_queue.embedded import store
from tests.integration.deployment import Deployment
from tests.unit.agents.parts import POLICY_TEXT

Deploy = Callable[..., Deployment]


@contextmanager
def deployed(kafka: str, redis_url: str, directory: Path, policy: str = POLICY_TEXT) -> Iterator[Deployment]:
    """A deployment with topics and a prefix of its own; its workers are stopped at the end."""
    file = directory / "policy.yaml"
    file.write_text(policy, encoding="utf-8")
    made = Deployment(kafka, redis_url, f"t{uuid.uuid4().hex[:10]}.", directory, file)
    try:
        made.apply_topics()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Valkey or Redis for the whole run."""
    with store(os.environ.get("HITL_TEST_REDIS"), Path(tmp_path_factory.mktemp("store"))) as url:
        # It is never away: a machine that stands still for some seconds is not to look like it.
        yield f"{url}{'&' if '?' in url else '?'}socket_timeout=60&socket_connect_timeout=60"


@pytest.fixture
def deploy(kafka: str, store_url: str, tmp_path: Path) -> Iterator[Deploy]:
    """``deploy(policy=TEXT, redis_url=URL)``: a deployment of this test's own; a second call, another."""
    with ExitStack() as stack:

        def make(policy: str = POLICY_TEXT, redis_url: str = store_url) -> Deployment:
            directory = tmp_path / uuid.uuid4().hex[:6]
            directory.mkdir()
            return stack.enter_context(deployed(kafka, redis_url, directory, policy))

        yield make
