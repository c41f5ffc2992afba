"""Evidence of one decision, on demand: the pack, and whether it holds."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from app.domain.events import Record, ReviewKind
from app.domain.evidence_chain import Evidence, Told, key_id, seal_key, sealed
from app.domain.evidence_check import Broken, check_file, check_records, check_store
from app.domain.evidence_pack import FORMAT, Pack, make, routed_of
from app.domain.review import review_id_of
from app.errors import HitlError, UsageError
from app.policy.compiled import CompiledPolicy
from app.review_queue.cases import CaseFile
from app.review_queue.errors import UnknownReview
from app.review_queue.queue import ReviewQueue
from app.stream.codec import Codec
from app.stream.decision_story import ciphertext, story
from app.stream.errors import DecodeError, ErasedError
from app.stream.reader import LogReader
from app.stream.schemas import NAMESPACE, STRUCTS
from app.stream.seals import is_ours
from app.stream.topics import Topic

_SEALED_TOPICS = (Topic.REVIEWS_LIFECYCLE, Topic.REVIEWS_OUTCOMES)


class UnreadablePackError(HitlError):
    """A file that is no evidence pack."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found. ``records`` were looked at; ``sealed`` of them bear a seal of this key."""

    decision_id: str
    records: int
    sealed: int
    broken: tuple[Broken, ...]
    key_id: str
    erased: str = ""
    """When, by whom and why the person's data was erased: then the seals were checked over what nobody can
    read any more, and nothing else could be."""


class EvidenceRoom:
    """``cases`` and ``queue`` are ``None`` where no store is set: then the log alone is asked. Without a
    ``reader`` only packs can be checked. ``secret`` is the deployment's (``HITL_SECRET_FILE``); ``clock``
    gives ms UTC."""

    def __init__(
        self,
        reader: LogReader | None,
        codec: Codec,
        policy: Callable[[], CompiledPolicy],
        *,
        secret: bytes,
        clock: Callable[[], int],
        cases: CaseFile | None = None,
        queue: ReviewQueue | None = None,
    ) -> None:
        self._reader = reader
        self._codec = codec
        self._policy = policy
        self._key = seal_key(secret)
        self._clock = clock
        self._cases = cases
        self._queue = queue

    def pack(self, decision_id: str) -> Pack:
        """Everything about a decision. Raises ``HitlError`` when the topics do not know it."""
        records = self._story(decision_id)
        policy = self._policy()
        routed = routed_of(records)
        kind = routed.scored.decision.decision_type if routed else ""
        return make(
            decision_id,
            records,
            key=self._key,
            terms=policy.terms.get(kind),
            policy=(policy.version, policy.source),
            made_at=self._clock(),
        )

    def check(self, decision_id: str) -> Finding:
        """Whether what the topics (and the queue) say about a decision holds together."""
        try:
            records = self._story(decision_id)
        except ErasedError as error:
            return self._check_erased(decision_id, str(error))
        broken = [*check_records(records, self._key), *check_store(records, self._steps(records))]
        return self._finding(decision_id, records, broken)

    def check_pack(self, text: bytes) -> Finding:
        """Whether an evidence pack is what it was when it was made. Raises ``UnreadablePackError``."""
        try:
            pack = msgspec.json.decode(text, type=Pack)
        except msgspec.MsgspecError as error:
            raise UnreadablePackError(
                f"this is no evidence pack: {error}", hint="make one: hitl evidence DECISION_ID --out FILE"
            ) from error
        if pack.format != FORMAT:
            raise UnreadablePackError(
                f"this pack has format {pack.format}, this version reads {FORMAT}",
                hint="use the version that made it",
            )
        broken = list(check_file(pack.decision_id, pack.chain, pack.head, self._event, self._key))
        sealed = sum(record.seal is not None for record in pack.chain)
        return Finding(
            decision_id=pack.decision_id,
            records=len(pack.chain),
            sealed=sealed,
            broken=tuple(broken),
            key_id=key_id(self._key),
        )

    def _event(self, record: Evidence) -> Record:
        """What the record of a pack holds. What was erased since can be read here only: that it is what it
        was then, the pack's own chain and head say."""
        value = base64.b64decode(record.value, validate=True)
        try:
            return self._codec.decode(value)
        except DecodeError as error:
            if error.reason != "erased":
                raise
            return msgspec.convert(record.content, STRUCTS[f"{NAMESPACE}.{record.event}"])

    def _check_erased(self, decision_id: str, erased: str) -> Finding:
        """Seals are over what stands in the topic: they hold, or do not, also when nobody can read it."""
        reader = self._reader
        records = ciphertext(reader, decision_id) if reader is not None else []
        people = [record for record in records if record.topic in _SEALED_TOPICS]
        ours = partial(sealed, [self._key])
        broken = [
            Broken(record.position, "its seal does not hold, or is missing")
            for record in people
            if not is_ours(record, ours)
        ]
        return Finding(
            decision_id=decision_id,
            records=len(records),
            sealed=len(people) - len(broken),
            broken=tuple(broken),
            key_id=key_id(self._key),
            erased=erased,
        )

    def _story(self, decision_id: str) -> list[Told]:
        known = self._cases.briefs([decision_id])[0] if self._cases else None
        if self._reader is None:
            raise UsageError("without a log only packs can be checked")
        records = story(
            self._reader, self._codec, decision_id, since=known.received_at if known is not None else 0
        )
        if not records:
            raise HitlError(
                f"decision '{decision_id}' is in none of the topics",
                hint="was it submitted to this broker and prefix, and not longer ago than topics are kept?",
            )
        return records

    def _steps(self, records: list[Told]) -> Mapping[str, int]:
        """How far the queue says that each review of the decision is."""
        routed = routed_of(records)
        if routed is None or self._queue is None:
            return {}
        decision_id, route = routed.scored.decision.decision_id, routed.route
        steps: dict[str, int] = {}
        for kind in dict.fromkeys((*route.review_kinds, ReviewKind.SECOND_LOOK)):
            review_id = review_id_of(route.pool, decision_id, kind)
            try:
                steps[review_id] = self._queue.get(review_id).review.step
            except UnknownReview:
                continue  # the queue has forgotten it, or was emptied: the log is all there is
        return steps

    def _finding(self, decision_id: str, records: list[Told], broken: list[Broken]) -> Finding:
        return Finding(
            decision_id=decision_id,
            records=len(records),
            sealed=sum(one.evidence.seal is not None for one in records),
            broken=tuple(broken),
            key_id=key_id(self._key),
        )
