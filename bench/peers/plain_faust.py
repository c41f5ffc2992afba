"""The same rules in a Faust agent on Faust's own Kafka client, written as its documentation does."""

from __future__ import annotations

import faust

from app.settings import load_settings
from bench.workload import Workload

settings = load_settings()
prefix = settings.topic_prefix
handle = Workload.load(settings).handle

app = faust.App(
    f"{prefix}plain-faust",
    broker=f"kafka://{settings.kafka_bootstrap_servers}",
    value_serializer="raw",
    key_serializer="raw",
    store="memory://",
    web_enabled=False,
    topic_partitions=8,
    topic_allow_declare=False,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
)


def topic(name: str) -> faust.TopicT:
    return app.topic(
        prefix + name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=8,
    )


submitted = topic("decisions.submitted")
outputs = {name: topic(name) for name in ("decisions.scored", "decisions.routed", "decisions.resolved")}


@app.agent(submitted)
async def decide(stream: faust.StreamT) -> None:
    async for event in stream.events():
        message = event.message
        headers = list(message.headers or [])
        for output in handle(message.key, message.value, headers, int(message.timestamp * 1000)):
            await outputs[output.topic].send(key=message.key, value=output.value, headers=output.headers)


if __name__ == "__main__":
    app.worker_init()
    faust.Worker(app, loglevel="warning").execute_from_commandline()
