"""On CI a test that is skipped, or expected to fail, has failed: a guarantee must not go unproved unseen."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest


def on_ci() -> bool:
    """Whether this run decides about a change."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test, or a fixture of it."""
    return _failed((yield), item.nodeid)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """A whole module, as with ``importorskip`` at its top."""
    return _failed((yield), collector.nodeid)


def _failed(report: Any, name: str) -> Any:
    if on_ci() and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"CI must not skip: {name}: {report.longrepr}"
        report.__dict__.pop("wasxfail", None)
    return report
