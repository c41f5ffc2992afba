"""What the lab reads from a broker: what was recorded, and which policy it was recorded under."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.agents.books import UnusablePolicyError, usable
from app.composition.parts import connection_of, open_codec, seals_of
from app.domain.events import PolicyActivated, Record, ReviewDecided
from app.lab.report import Rejects
from app.policy.compiled import CompiledPolicy
from app.settings import Settings
from app.stream.errors import DecodeError
from app.stream.reader import LogReader
from app.stream.seals import is_ours
from app.stream.topics import Topic

RECORDED = (
    Topic.POLICY_ACTIVATED,
    Topic.THRESHOLDS_UPDATED,
    Topic.CALIBRATION_UPDATED,
    Topic.DECISIONS_ROUTED,
    Topic.REVIEWS_OUTCOMES,
    Topic.OUTCOMES_OBSERVED,
)
"""What a replay reads."""

UNSEALED = "unsealed_answer"
UNSEALED_TEXT = "no seal of this secret: is HITL_SECRET_FILE that of the workers?"


def recorded(settings: Settings, topics: Iterable[Topic], rejected: Rejects) -> Iterator[Record]:
    """All events that some topics hold now. What can not be decoded (or was erased) counts as rejected, and
    so does an answer that bears no seal of ours: nobody gave it at the desk. Raises
    ``BrokerUnreachableError``."""
    connection, codec, sealed = connection_of(settings), open_codec(settings), seals_of(settings)
    for record in LogReader(connection).read_all(topics):
        if record.value is None:
            continue
        try:
            event = codec.decode(record.value)
        except DecodeError as error:
            rejected.add(record.offset, error.reason, str(error))
            continue
        if isinstance(event, ReviewDecided) and not is_ours(record, sealed):
            rejected.add(record.offset, UNSEALED, UNSEALED_TEXT)
        else:
            yield event


def begin_anew(before: PolicyActivated | None, tried: CompiledPolicy) -> list[str] | None:
    """Types of ``tried`` that were certified with other scores or rules, or never, and need a certificate;
    ``None`` where the policy before is not known."""
    if before is None:
        return None
    try:
        known = usable(before).terms
    except UnusablePolicyError:
        return None
    return sorted(
        name
        for name, terms in tried.terms.items()
        if terms.guaranteed and (name not in known or known[name].scoring != terms.scoring)
    )
