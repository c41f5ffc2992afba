"""Plain producing on a real broker: what is refused for good is told apart, and the client goes on."""

from __future__ import annotations

import pytest

from app.stream.connection import Connection
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from tests.conftest import MakeTopics

pytestmark = pytest.mark.broker


def test_a_record_that_a_topic_does_not_take_is_refused_for_good_and_the_next_one_is_stored(
    connection: Connection, make_topics: MakeTopics
) -> None:
    make_topics(f"{connection.prefix}tight", partitions=1, max_message_bytes="100000")
    large, small = (Outgoing("tight", b"k", b"x" * size, []) for size in (200_000, 10))
    publisher = Publisher(connection, client_id="t")
    try:
        refused = publisher.send([small, large, small])
        assert (1, False) in [(each.index, each.retriable) for each in refused]
        assert not any(each.retriable for each in refused), "those of the same request fail with it"
        assert [each.retriable for each in publisher.send([large])] == [False]
        assert publisher.send([small, small]) == []
    finally:
        publisher.close()
