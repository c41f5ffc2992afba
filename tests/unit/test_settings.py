"""Where things are, read from the environment once."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import UsageError
from app.settings import load_settings


@pytest.mark.parametrize(
    ("servers", "elsewhere"),
    [
        ("", ""),
        ("localhost:9092", ""),
        ("127.0.0.1:9092,127.3.2.1:9093", ""),
        ("PLAINTEXT://[::1]:9092", ""),
        ("kafka", "kafka"),
        ("localhost:9092, kafka-2:9093", "kafka-2:9093"),
        ("10.0.0.7:9092", "10.0.0.7:9092"),
        ("localhost.example:9092", "localhost.example:9092"),
    ],
)
def test_a_broker_that_others_share_wants_a_secret(tmp_path: Path, servers: str, elsewhere: str) -> None:
    env = {"HITL_KAFKA_BOOTSTRAP_SERVERS": servers}
    found = load_settings(env)
    assert found.broker_elsewhere == elsewhere
    if elsewhere:
        with pytest.raises(UsageError, match=f"{elsewhere} is not this machine") as refused:
            found.require_secret()
        assert "openssl rand" in refused.value.hint
    else:
        found.require_secret()
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef", encoding="utf-8")
    load_settings({**env, "HITL_SECRET_FILE": str(secret)}).require_secret()
