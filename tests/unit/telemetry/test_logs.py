"""Logs go where standard error goes, whoever redirected it since."""

import io

import structlog

from app.telemetry.logs import configure_logs


def test_a_logger_outlives_a_redirection(monkeypatch):
    log = structlog.get_logger("test")
    first = io.StringIO()
    monkeypatch.setattr("sys.stderr", first)
    configure_logs()
    log.info("one")
    first.close()
    second = io.StringIO()
    monkeypatch.setattr("sys.stderr", second)
    log.info("two")
    assert '"event": "two"' in second.getvalue()
