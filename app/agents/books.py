"""What every worker knows from broadcasts: the policy, thresholds and calibrations in force.

Each is replaced as a whole by one assignment, from the reader's thread: a batch that took a reference
never sees half of a change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from app.domain.confidence import Calibration
from app.domain.events import CalibrationUpdated, PolicyActivated, ThresholdUpdated
from app.domain.terms import Terms
from app.domain.thresholds import ThresholdInForce, threshold_in_force
from app.errors import HitlError
from app.policy.compiled import CompiledPolicy, compile_policy
from app.policy.load import policy_from_text
from app.policy.problems import PolicyError
from app.stream.codec import Codec
from app.stream.records import Incoming

log = structlog.get_logger("hitl.books")


class UnusablePolicyError(HitlError):
    """The policy that was activated last does not compile here, or names nobody where it has to."""


def usable(event: PolicyActivated) -> CompiledPolicy:
    """An activated policy, compiled. Raises ``UnusablePolicyError``."""
    try:
        return compile_policy(policy_from_text(event.policy, file=f"policy {event.policy_version}"))
    except PolicyError as error:
        raise UnusablePolicyError(
            f"policy {event.policy_version}, activated by {event.activated_by}, can not be used:\n{error}",
            hint="activate one that can: hitl policy activate FILE; workers that run keep the one before",
        ) from error


def require_people(policy: CompiledPolicy) -> None:
    """Raises ``UnusablePolicyError`` for a policy by which every account could decide everything."""
    if policy.directory.open_house:
        raise UnusablePolicyError(
            f"policy {policy.version} names nobody: every account could decide everything",
            hint="add `people:` to it (docs/policy.md) and activate it, or say --open-house",
        )


class PolicyBook:
    """The policy in force: what was activated last, else the file the worker was started with. Where people
    sign in, ``names_people`` refuses one that names nobody."""

    def __init__(
        self,
        codec: Codec,
        started_with: CompiledPolicy,
        on_change: Callable[[CompiledPolicy], None] = lambda _policy: None,
        *,
        names_people: bool = False,
    ) -> None:
        self._codec = codec
        self._current = started_with
        self._on_change = on_change
        self._names_people = names_people
        self._refused: UnusablePolicyError | None = None

    def __call__(self) -> CompiledPolicy:
        """The policy of this moment."""
        return self._current

    def require_activated(self) -> None:
        """Raises ``UnusablePolicyError`` if what was activated last is not what is in force here.

        A running worker goes on with the policy before, as its peers do. One that starts does not know
        that one, and must not decide by whatever file it was started with."""
        if self._refused is not None:
            raise self._refused
        if self._names_people:
            require_people(self._current)

    def hear(self, record: Incoming) -> None:
        """Take an activated policy, whole, or keep the old one if this one can not be used here."""
        event = self._codec.decode_as(record.value, PolicyActivated)
        if event.policy_version == self._current.version:
            self._refused = None
            return
        try:
            policy = usable(event)
            if self._names_people:
                require_people(policy)
        except UnusablePolicyError as error:
            log.error("an activated policy was refused, the old one stays", error=str(error))
            self._refused = error
            return
        self._refused = None
        log.info("policy activated", version=policy.version, before=self._current.version)
        self._current = policy
        self._on_change(policy)


class Thresholds:
    """Thresholds of one moment, joined with the policy's as they are asked for."""

    def __init__(self, updates: Mapping[str, ThresholdUpdated]) -> None:
        self.updates = updates
        self._joined: dict[tuple[str, str], ThresholdInForce] = {}

    def __call__(self, learning_key: str, terms: Terms) -> ThresholdInForce:
        """The threshold in force for a key under these terms."""
        found = self._joined.get((learning_key, terms.policy_version))
        if found is None:
            found = threshold_in_force(terms, self.updates.get(learning_key))
            self._joined[learning_key, terms.policy_version] = found
        return found


class ThresholdBook:
    """The last threshold update of each learning key."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._current = Thresholds({})

    def __call__(self) -> Thresholds:
        """The thresholds of this moment."""
        return self._current

    def hear(self, record: Incoming) -> None:
        """Take an update."""
        event = self._codec.decode_as(record.value, ThresholdUpdated)
        self._current = Thresholds({**self._current.updates, event.learning_key: event})


class CalibrationBook:
    """The last calibration of each learning key; identity before there is one."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._current: Mapping[str, Calibration] = {}

    def __call__(self) -> Mapping[str, Calibration]:
        """The calibrations of this moment."""
        return self._current

    def hear(self, record: Incoming) -> None:
        """Take an update."""
        event = self._codec.decode_as(record.value, CalibrationUpdated)
        self._current = {**self._current, event.learning_key: Calibration.of(event)}
