"""Every record of one decision, wherever it is in the topics."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from app.domain.events import RuleChanged
from app.domain.evidence_chain import SEAL_HEADER, Told, told
from app.domain.evidence_pack import routed_of
from app.domain.standing_rules import rules_of
from app.stream.codec import Codec
from app.stream.envelope import key_id_of
from app.stream.errors import BrokerUnreachableError, DecodeError, ErasedError
from app.stream.reader import LogReader
from app.stream.records import Incoming
from app.stream.topics import Topic, pool_topic

STORY = (
    Topic.DECISIONS_SUBMITTED,
    Topic.DECISIONS_SCORED,
    Topic.DECISIONS_ROUTED,
    Topic.REVIEWS_LIFECYCLE,
    Topic.REVIEWS_OUTCOMES,
    Topic.DECISIONS_RESOLVED,
    Topic.OUTCOMES_OBSERVED,
)


SLACK = 3_600_000
"""How far, in ms, the clocks of those who write may lie apart."""


def story(reader: LogReader, codec: Codec, decision_id: str, *, since: int = 0) -> list[Told]:
    """The records of a decision that is not older than ``since`` (ms; 0: of any age), as evidence, in no
    particular order. Only the partitions of its key are read; where nothing is found there, all.

    Raises ``BrokerUnreachableError``, and ``ErasedError`` when they were made unreadable.
    """
    key, since = decision_id.encode(), max(0, since - SLACK)
    records = _told(codec, reader.read_key(STORY, key, since=since))
    if not records:
        everything = reader.read_all(STORY)
        records = _told(codec, (record for record in everything if record.key == key))
    routed = routed_of(records)
    if routed is not None and routed.route.review_kinds:
        records += _requests(reader, codec, pool_topic(routed.route.pool), key, since)
    if routed is not None and (rules := rules_of(routed)):
        records += _rules(reader, codec, rules)
    return records


def ciphertext(reader: LogReader, decision_id: str) -> list[Incoming]:
    """The encrypted records of a decision that was erased, as they are. Raises ``BrokerUnreachableError``."""
    return [
        record
        for record in reader.read_key(STORY, decision_id.encode())
        if key_id_of(record.value) is not None
    ]


def _rules(reader: LogReader, codec: Codec, rules: Collection[str]) -> list[Told]:
    """What happened to the standing rules that took part, also later."""
    found = _told(codec, reader.read_all([Topic.RULES_CHANGED]))
    return [one for one in found if isinstance(one.event, RuleChanged) and one.event.rule.rule_id in rules]


def _requests(reader: LogReader, codec: Codec, topic: str, key: bytes, since: int) -> list[Told]:
    try:
        return _told(codec, reader.read_key([topic], key, since=since))
    except BrokerUnreachableError:
        return []  # the pool has left the policy and its topic is gone; answers carry what was asked


def _told(codec: Codec, records: Iterable[Incoming]) -> list[Told]:
    found = []
    for record in records:
        try:
            event = codec.decode(record.value)
        except DecodeError as error:
            if error.reason == "erased":
                raise ErasedError(str(error), hint=error.hint) from error
            continue  # a dead letter of its reader, and no part of what was decided
        seal = _header(record.headers, SEAL_HEADER)
        found.append(
            told(
                event,
                record.topic,
                record.partition,
                record.offset,
                record.timestamp,
                record.key or b"",
                record.value or b"",
                seal,
            )
        )
    return found


def _header(headers: Sequence[tuple[str, bytes]], name: str) -> str | None:
    return next((value.decode(errors="replace") for header, value in headers if header == name), None)
