"""`hitl doctor` on the embedded broker of `hitl up`: it asks nothing that this broker never answers."""

import msgspec

from app.commands import doctor_broker
from app.composition.parts import load_compiled_policy
from app.settings import load_settings
from app.stream.embedded_broker import EmbeddedBroker
from app.stream.topics import TopicTable


def test_the_embedded_broker_is_not_asked_what_it_never_tells(monkeypatch):
    asked = []
    for name in ("_topics", "_rights", "_groups"):
        monkeypatch.setattr(doctor_broker, name, lambda *_args, name=name: asked.append(name) or ())
    settings = load_settings({})
    policy = load_compiled_policy(settings)
    with EmbeddedBroker(list(TopicTable.load().named(policy.pool_names))) as broker:
        settings = msgspec.structs.replace(settings, kafka_bootstrap_servers=broker.bootstrap_servers)
        found = list(doctor_broker.broker(settings, policy))
    assert asked == []
    assert [(one.check, one.state) for one in found] == [
        ("broker", "ok"),
        ("broker", "warning"),
        ("records", "ok"),
        ("policy in force", "ok"),
    ]
    assert "embedded, for a try" in found[1].detail
