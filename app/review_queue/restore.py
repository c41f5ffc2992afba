"""Writes what the log says into an empty store, and compares a store with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from app.domain.review import CLASS_RANK, OVER, QueueTerms, Review, ReviewState, locate
from app.domain.sla import next_step
from app.errors import HitlError
from app.review_queue import keys as names
from app.review_queue.cases import CaseFile
from app.review_queue.figures import STATES
from app.review_queue.keys import Keys
from app.review_queue.rebuild import Kept, QueueImage, people
from app.review_queue.state import from_fields, people_of, to_fields
from app.review_queue.store import Argument, Client, Pipe, reachable

CHUNK = 500

T = TypeVar("T")

Expected = list[tuple[str, str, int]]
"""Sorted-set memberships of a review: key, member, score."""


class Difference(msgspec.Struct, frozen=True):
    """Where store and log disagree. ``log`` and ``store`` are short texts, empty for "is not there"."""

    review_id: str
    what: str
    log: str
    store: str


class Restored(msgspec.Struct, frozen=True):
    """What was written. ``unclear`` as in ``QueueImage``."""

    reviews: int
    briefs: int
    seen: int
    unclear: list[str]


class StoreNotEmptyError(HitlError):
    """A rebuild would mix the log with what people are working on."""


class Restorer:
    """Applies and verifies images. ``clock`` gives ms UTC: what would have been forgotten by now stays so."""

    def __init__(
        self,
        client: Client,
        keys: Keys,
        cases: CaseFile,
        *,
        terms: QueueTerms,
        clock: Callable[[], int],
    ) -> None:
        self._client = client
        self._keys = keys
        self._cases = cases
        self._terms = terms
        self._clock = clock

    # --- rebuild -----------------------------------------------------------------------------------

    def apply(self, image: QueueImage, progress: Callable[[int], None] = lambda _: None) -> Restored:
        """Write an image into an empty store. Raises ``StoreNotEmptyError``. May be repeated after
        it broke off: what marks a pool as filled is written last."""
        alive = {review_id: kept for review_id, kept in image.reviews.items() if self._left(kept.review) != 0}
        with reachable:
            self._refuse_used({locate(review_id)[0] for review_id in image.reviews})
            for chunk in _chunks(list(alive.values())):
                pipe = self._client.pipeline(transaction=False)
                for kept in chunk:
                    self._write(pipe, kept)
                pipe.execute()
                progress(len(chunk))
            self._write_people([kept.review for kept in alive.values()])
            seen = self._write_seen(image)
        self._cases.remember_briefs(list(image.briefs.values()))
        self._cases.resolved(list(image.resolved.values()))
        self._cases.observed(list(image.observed.values()))
        self._cases.withdrawn(list(image.withdrawn.values()))
        with reachable:
            self._write_arrivals([kept.review for kept in image.reviews.values()])
        return Restored(len(alive), len(image.briefs), seen, image.unclear)

    def require_empty(self, pools: Iterable[str]) -> None:
        """Before the log is read, which takes its time. Raises ``StoreNotEmptyError``."""
        with reachable:
            self._refuse_used(pools)

    def _refuse_used(self, pools: Iterable[str]) -> None:
        for pool in sorted(pools):
            if self._client.execute_command("EXISTS", self._keys.pool(pool, names.ARRIVALS)):
                raise StoreNotEmptyError(
                    f"pool '{pool}' is not empty",
                    hint="compare: hitl queue verify; to begin anew: stop all workers, empty the store",
                )

    def _write(self, pipe: Pipe, kept: Kept) -> None:
        review = kept.review
        pool, name = locate(review.review_id)
        key = self._keys.pool
        pipe.execute_command("HSET", key(pool, names.REVIEW, name), *_flat(to_fields(review)))
        pipe.execute_command("SET", key(pool, names.REQUEST, name), kept.record)
        for zset, member, score in self._places(review):
            pipe.execute_command("ZADD", zset, score, member)
        pipe.execute_command("SADD", key(pool, names.CLASSES), review.sla_class)
        kinds = [names.REVIEW, names.REQUEST]
        if kept.answer:
            stored = msgspec.structs.replace(kept.answer, first_action=None, claimed_at=0)
            pipe.execute_command("SET", key(pool, names.ANSWER, name), msgspec.json.encode(stored))
            kinds.append(names.ANSWER)
        left = self._left(review)
        if left is not None:
            for kind in kinds:
                pipe.execute_command("PEXPIRE", key(pool, kind, name), left)

    def _write_people(self, reviews: Sequence[Review]) -> None:
        decisions: dict[tuple[str, str], list[Review]] = defaultdict(list)
        for review in reviews:
            decisions[review.pool, people_of(review)].append(review)
        for chunk in _chunks(list(decisions.items())):
            pipe = self._client.pipeline(transaction=False)
            for (pool, decision), siblings in chunk:
                parts = people(siblings)
                if not parts:
                    continue
                key = self._keys.pool(pool, names.PEOPLE, decision)
                pipe.execute_command("HSET", key, *_flat(parts))
                left = [self._left(review) for review in siblings if review.over]
                if left and not any(_in_hand(review) for review in siblings):
                    pipe.execute_command("PEXPIRE", key, max(one or 0 for one in left))
            pipe.execute()

    def _write_arrivals(self, reviews: Sequence[Review]) -> None:
        last: dict[str, int] = defaultdict(int)
        for review in reviews:
            last[review.pool] = max(last[review.pool], review.arrival)
        for pool, arrival in last.items():
            self._client.execute_command("SET", self._keys.pool(pool, names.LAYOUT), names.VERSION)
            self._client.execute_command("SET", self._keys.pool(pool, names.ARRIVALS), arrival)

    def _write_seen(self, image: QueueImage) -> int:
        now = self._clock()
        count = 0
        for chunk in _chunks(list(image.seen.items())):
            pipe = self._client.pipeline(transaction=False)
            for decision, position in chunk:
                left = self._terms.duplicate_window - max(0, now - image.briefs[decision].received_at)
                if left > 0:
                    pipe.execute_command("SET", self._keys.seen(decision), position, "PX", left)
                    count += 1
            pipe.execute()
        return count

    def _left(self, review: Review) -> int | None:
        """For how long a review is still known, in ms: ``None`` for ever, 0 not any more."""
        if not review.over:
            return None
        return max(0, review.decided_at + self._terms.memory - self._clock())

    # --- verify ------------------------------------------------------------------------------------

    def verify(self, image: QueueImage, pools: Sequence[str]) -> Iterator[Difference]:
        """Every difference between the log and the store, review by review. Steps that are still in
        the outbox show up as differences: the store is ahead of the log then."""
        expected = {
            review_id: kept for review_id, kept in image.reviews.items() if self._left(kept.review) != 0
        }
        for chunk in _chunks(list(expected.values())):
            yield from self._compare(chunk)
        for pool in pools:
            for review_id in self._known(pool):
                if review_id not in expected:
                    yield Difference(review_id, "review", "", "in the store")

    def _compare(self, chunk: Sequence[Kept]) -> Iterator[Difference]:
        pipe = self._client.pipeline(transaction=False)
        places = [self._places(kept.review) for kept in chunk]
        for kept, zsets in zip(chunk, places, strict=True):
            pool, name = locate(kept.review.review_id)
            pipe.execute_command("HGETALL", self._keys.pool(pool, names.REVIEW, name))
            pipe.execute_command("GET", self._keys.pool(pool, names.REQUEST, name))
            pipe.execute_command("EXISTS", self._keys.pool(pool, names.ANSWER, name))
            for zset, member, _ in zsets:
                pipe.execute_command("ZSCORE", zset, member)
        with reachable:
            found = iter(pipe.execute())
        for kept, zsets in zip(chunk, places, strict=True):
            review_id = kept.review.review_id
            fields, record, answered = next(found), next(found), next(found)
            scores = [next(found) for _ in zsets]
            if not fields:
                yield Difference(review_id, "review", kept.review.state.value, "")
                continue
            stored = from_fields(review_id, {name.decode(): value for name, value in fields.items()})
            yield from _different_fields(kept.review, stored)
            if record != kept.record:
                yield Difference(
                    review_id, "request", f"{len(kept.record)} bytes", f"{len(record or b'')} bytes"
                )
            if kept.answer and not answered:
                yield Difference(review_id, "answer", kept.answer.action, "")
            for (zset, _, score), there in zip(zsets, scores, strict=True):
                if there is None or int(float(there)) != score:
                    yield Difference(
                        review_id, zset, str(score), "" if there is None else str(int(float(there)))
                    )

    def _known(self, pool: str) -> Iterator[str]:
        """Ids of all reviews in the pool's indexes, a page at a time."""
        with reachable:
            classes = self._client.execute_command("SMEMBERS", self._keys.pool(pool, names.CLASSES))
        shelves = [
            self._keys.pool(pool, names.UNDECIDED, f"{name.decode()}:{state.value}")
            for name in sorted(classes)
            for state in STATES
        ]
        for key in (*shelves, self._keys.pool(pool, names.DECIDED)):
            start = 0
            while True:
                with reachable:
                    members = self._client.execute_command("ZRANGE", key, start, start + CHUNK - 1)
                yield from (f"{pool}.{member.decode()}" for member in members)
                if len(members) < CHUNK:
                    break
                start += CHUNK

    def _places(self, review: Review) -> Expected:
        """The sorted sets a review must be in. The member of a queue is made in ``_shared.lua``."""
        pool, name = locate(review.review_id)
        key = self._keys.pool
        if review.state in OVER:
            decided = (key(pool, names.DECIDED), name, review.decided_at)
            held = (key(pool, names.HELD), name, review.undo_until)
            return [decided, held] if review.undo_until else [decided]
        shelf = key(pool, names.UNDECIDED, f"{review.sla_class}:{review.state.value}")
        places: Expected = [(shelf, name, review.requested_at)]
        if review.state is ReviewState.WAITING:
            return [*places, (key(pool, names.WAITING), name, review.paused_at)]
        if review.deadline is not None:
            places.append((key(pool, names.DEADLINES), name, review.deadline))
        step = next_step(review)
        if step is not None:
            places.append((key(pool, names.CLOCK), name, step[1]))
        if review.state is ReviewState.CLAIMED:
            return [*places, (key(pool, names.LEASES), name, review.lease_until)]
        rank = CLASS_RANK[review.consequence_class]
        member = f"{rank}.{review.requested_at:013d}.{review.arrival:010d}.{name}"
        if review.backups and not review.tier:
            places.append((key(pool, names.BACKUPS), member, review.urgency))
        if review.reserved_until:
            places.append((key(pool, names.RESERVED), name, review.reserved_until))
        if review.offered_to:
            return [*places, (key(pool, names.OFFER, review.offered_to), member, review.urgency)]
        queue = names.SUPERVISOR if review.tier else names.READY
        return [*places, (key(pool, queue), member, review.urgency)]


def _in_hand(review: Review) -> bool:
    """Whether somebody holds the review, or may have it back."""
    return review.state is ReviewState.CLAIMED or review.undo_until > 0


def _different_fields(log: Review, store: Review) -> Iterator[Difference]:
    for field in Review.__struct_fields__:
        there, here = getattr(log, field), getattr(store, field)
        if there != here:
            yield Difference(log.review_id, field, str(there), str(here))


def _flat(fields: dict[str, str | bytes] | dict[str, str]) -> list[Argument]:
    return [part for pair in fields.items() for part in pair]


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
