"""ScoreTally, LearningLabel, ThresholdOrdered -> thresholds, calibrations, patterns: is automation as right
as promised?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from app.domain.events import (
    CalibrationUpdated,
    LearningLabel,
    PatternDetected,
    Record,
    ScoreTally,
    ThresholdOrdered,
    ThresholdUpdated,
)
from app.domain.learning.drift import Change, KeyState
from app.domain.learning.records import Told
from app.domain.learning.terms import LearningTerms
from app.domain.routing import decision_type_of
from app.domain.terms import Terms
from app.domain.thresholds import own_threshold
from app.policy.compiled import CompiledPolicy
from app.stream.codec import Codec
from app.stream.errors import DecodeError
from app.stream.headers import event_headers
from app.stream.records import DeadLetter, Incoming, Outgoing, Output, Partition
from app.stream.topics import Topic

STAGE = "drift"

Saved = dict[str, bytes]
Restore = Callable[[str, int], Mapping[bytes, bytes]]

_TOPICS: Mapping[type[Record], Topic] = {
    ThresholdUpdated: Topic.THRESHOLDS_UPDATED,
    CalibrationUpdated: Topic.CALIBRATION_UPDATED,
    PatternDetected: Topic.PATTERNS_DETECTED,
}


class Drift:
    """Learns, key by key. The state of every key is published with each batch to the same partition of
    `learning.state`, in the same transaction, and read back when that partition is assigned: a worker
    that takes over goes on with the very same numbers.

    A batch counts only once its transaction is committed; until then its states are pending. States are
    kept as they were saved, and the latest of each key also at hand, to go on with: a batch takes that one
    out and puts it back changed, so what fails half-way is read anew from what was saved.

    ``restore`` gives the latest value of each key of one partition of a topic.
    """

    def __init__(self, codec: Codec, policy: Callable[[], CompiledPolicy], restore: Restore) -> None:
        self._codec = codec
        self._policy = policy
        self._restore = restore
        self._committed: dict[int, Saved] = {}
        self._pending: dict[int, Saved] = {}
        self._at_hand: dict[int, dict[str, KeyState]] = {}

    # --- the batch ----------------------------------------------------------------------------------

    def __call__(self, records: Sequence[Incoming]) -> Output:
        """What the labels and tallies of a batch change."""
        policy = self._policy()
        output = Output()
        grouped: dict[tuple[int, str], list[tuple[Incoming, Told]]] = defaultdict(list)
        for record in records:
            event = self._read(record, policy, output.dead)
            if event is not None:
                grouped[record.partition, event.learning_key].append((record, event))
                if isinstance(event, LearningLabel):
                    output.events.append(event)
        after: dict[tuple[int, str], tuple[KeyState, bytes]] = {}
        for (partition, key), told in grouped.items():
            terms = learning_terms(policy.terms[decision_type_of(key)])
            state = self._taken(partition, key)
            changes = [change for _, event in told for change in state.apply(event, terms)]
            saved = state.to_bytes()
            after[partition, key] = state, saved
            cause = told[-1][0]
            output.outgoing.extend(
                Outgoing(
                    _TOPICS[type(change)],
                    key.encode(),
                    self._codec.encode(change),
                    event_headers(type(change).__name__, _identity(change), cause),
                )
                for change in changes
            )
            output.events.extend(changes)
            output.outgoing.append(Outgoing(Topic.LEARNING_STATE, key.encode(), saved, [], partition))
        # Only now, so that a batch that failed half-way has changed nothing.
        for (partition, key), (state, saved) in after.items():
            self._pending.setdefault(partition, {})[key] = saved
            self._at_hand.setdefault(partition, {})[key] = state
        return output

    def _read(self, record: Incoming, policy: CompiledPolicy, dead: list[DeadLetter]) -> Told | None:
        try:
            event = self._codec.decode(record.value)
        except DecodeError as error:
            dead.append(DeadLetter(record, STAGE, error.reason, str(error)))
            return None
        if not isinstance(event, ScoreTally | LearningLabel | ThresholdOrdered):
            dead.append(DeadLetter(record, STAGE, "wrong_type", f"holds {type(event).__name__}"))
            return None
        if decision_type_of(event.learning_key) not in policy.terms:
            what = f"the type of learning key '{event.learning_key}' is not in policy {policy.version}"
            dead.append(DeadLetter(record, STAGE, "unknown_type", what))
            return None
        return event

    def _taken(self, partition: int, key: str) -> KeyState:
        state = self._at_hand.get(partition, {}).pop(key, None)
        if state is not None:
            return state
        saved = self._pending.get(partition, {}).get(key) or self._committed.get(partition, {}).get(key)
        return KeyState.from_bytes(saved) if saved else KeyState(learning_key=key)

    # --- partitions and transactions ------------------------------------------------------------------

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Read back the states of these partitions."""
        for _, number in partitions:
            restored = self._restore(Topic.LEARNING_STATE, number)
            saved = self._committed[number] = {key.decode(): value for key, value in restored.items()}
            self._at_hand[number] = {key: KeyState.from_bytes(value) for key, value in saved.items()}

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Forget the states of these partitions: somebody else goes on with them."""
        for _, number in partitions:
            self._committed.pop(number, None)
            self._pending.pop(number, None)
            self._at_hand.pop(number, None)

    def committed(self) -> None:
        """The batch counts."""
        for number, saved in self._pending.items():
            self._committed.setdefault(number, {}).update(saved)
        self._pending.clear()

    def aborted(self) -> None:
        """The batch never was."""
        for number, saved in self._pending.items():
            for key in saved:
                self._at_hand[number].pop(key, None)
        self._pending.clear()


def _identity(change: Change) -> str:
    if isinstance(change, PatternDetected):
        return change.pattern_id
    return f"{change.learning_key}#{change.version}"


def learning_terms(terms: Terms) -> LearningTerms:
    """What the policy says about learning for this type."""
    plan = terms.learning
    return LearningTerms(
        own_threshold=own_threshold(terms),
        floor=terms.threshold_floor,
        guaranteed=terms.guaranteed,
        alpha=terms.alpha,
        delta=terms.delta / plan.keys,
        evidence=terms.evidence,
        planned=plan.planned,
        catch_rate=plan.catch_rate,
        catch_items=plan.catch_items,
        confirm=plan.confirm,
        canary_share=plan.canary_share,
        canary_size=plan.canary_size,
        cooldown=plan.cooldown,
        scoring=terms.scoring,
        second_look_share=terms.second_look_share,
        confirm_errors=terms.confirms_errors,
        first_mass=plan.first_mass,
        looks=plan.looks,
        worse_limit=plan.false_alarm,
        better_limit=plan.false_alarm,
        suspicion_worse=plan.suspicion,
        suspicion_better=plan.hope,
        suspicion_share=plan.suspicion_share,
        recheck_share=plan.recheck_share,
        recheck_decisions=plan.recheck_decisions,
        better_checks=plan.better_checks,
        patterns=plan.patterns,
    )
