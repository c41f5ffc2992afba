"""The policy that a verb goes by: what was activated last, as workers and the console do, else the file."""

from __future__ import annotations

from functools import cache

from app.agents.books import usable
from app.commands.output import errors
from app.composition.parts import activated_policy, connection_of, load_compiled_policy
from app.policy.compiled import CompiledPolicy
from app.settings import Settings
from app.stream.errors import BrokerUnreachableError
from app.stream.probe import BrokerProbe


def policy_to_act_by(settings: Settings) -> CompiledPolicy:
    """For whatever changes something: nobody keeps an authority that an activation took away because the
    broker does not answer. Raises ``BrokerUnreachableError`` and ``UnusablePolicyError``."""
    if settings.kafka_bootstrap_servers is None:
        return _file(settings, "HITL_KAFKA_BOOTSTRAP_SERVERS is not set")
    event = activated_policy(settings)
    return _file(settings, "no policy was activated") if event is None else usable(event)


def policy_to_look_by(settings: Settings) -> CompiledPolicy:
    """For what only reads the store: it works without the broker, by the file."""
    if settings.kafka_bootstrap_servers and not BrokerProbe(connection_of(settings))():
        return _file(settings, f"the broker at {settings.kafka_bootstrap_servers} does not answer")
    try:
        return policy_to_act_by(settings)
    except BrokerUnreachableError as error:  # the topic is not there yet
        return _file(settings, str(error))


def _file(settings: Settings, why: str) -> CompiledPolicy:
    policy = load_compiled_policy(settings)
    _say_once(f"{why}: going by the policy file {settings.policy_path}, version {policy.version}")
    return policy


@cache
def _say_once(text: str) -> None:
    """Also for a verb that asks for the policy twice."""
    errors.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)
