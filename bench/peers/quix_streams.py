"""The same rules in Quix Streams with exactly-once, run by its own virtualenv.

``codec``: our codec and rules inside Quix's loop. ``naive``: as its users write it - the record is
read into a dict by fastavro and each nested event is encoded whole again.

One chain that expands, instead of a branch for each output topic: Quix copies the value for every
branch by pickling it, which would cost more than the rules.
"""

from __future__ import annotations

import logging
import sys

from quixstreams import Application
from quixstreams.models import Serializer

from app.settings import load_settings
from bench.workload import RESOLVED, ROUTED, SCORED, SUBMITTED, Workload


class Encoded(Serializer):
    """The bytes that a ``Written`` already holds."""

    def __call__(self, value, ctx):
        return value.value


def main(style: str) -> None:
    settings = load_settings()
    prefix = settings.topic_prefix
    workload = Workload.load(settings)
    handle = workload.handle if style == "codec" else workload.handle_naive
    app = Application(
        broker_address=settings.kafka_bootstrap_servers,
        consumer_group=f"{prefix}quix",
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        auto_create_topics=False,
        use_changelog_topics=False,
        consumer_extra_config={"isolation.level": "read_committed"},
        loglevel=logging.WARNING,
    )
    submitted = app.topic(prefix + SUBMITTED, key_deserializer="bytes", value_deserializer="bytes")
    topics = {
        name: app.topic(prefix + name, key_serializer="bytes", value_serializer=Encoded())
        for name in (SCORED, ROUTED, RESOLVED)
    }
    decided = app.dataframe(submitted).apply(
        lambda value, key, timestamp, headers: handle(key, value, headers, timestamp),
        expand=True,
        metadata=True,
    )
    decided = decided.set_headers(lambda written, key, timestamp, headers: written.headers)
    decided.to_topic(lambda written, key, timestamp, headers: topics[written.topic])
    app.run()


if __name__ == "__main__":
    main(sys.argv[1])
