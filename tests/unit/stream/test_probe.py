"""Whether the broker answers is not asked twice of a client that has lost it."""

from __future__ import annotations

from typing import ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException

from app.stream import probe
from app.stream.connection import Connection


class Admin:
    """Answers for as long as its broker is not lost."""

    made: ClassVar[list[Admin]] = []

    def __init__(self, _config: object) -> None:
        self.lost = False
        Admin.made.append(self)

    def list_topics(self, timeout: float) -> None:
        if self.lost:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, f"nothing in {timeout:g} s"))


def test_after_a_no_a_new_client_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Admin, "made", [])
    monkeypatch.setattr(probe, "AdminClient", Admin)
    answers = probe.BrokerProbe(Connection(bootstrap_servers="nowhere"))
    assert (answers(), answers(), len(Admin.made)) == (True, True, 1)
    Admin.made[0].lost = True
    assert (answers(), answers(), len(Admin.made)) == (False, True, 2)
