"""The review queue as Python sees it: one typed method for each verb, one round trip each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from app.domain.answers import Verdict
from app.domain.events import Answer
from app.domain.fatigue import FatigueLimits
from app.domain.review import (
    QueueTerms,
    Refusal,
    Review,
    Reviewer,
    ReviewState,
    answer_id,
    locate,
    requested,
    verdict,
)
from app.domain.review_steps import resume
from app.review_queue import keys as names
from app.review_queue.durability import Durability
from app.review_queue.errors import REFUSALS, BreakDue, NotYourPool, QueueError, UnknownReview
from app.review_queue.keys import Keys
from app.review_queue.state import completed, from_fields, ladder_text, pairs, to_fields
from app.review_queue.store import TOGETHER, Argument, Client, Script, reachable, run_all
from app.review_queue.values import Decided, Enqueued, Entry, Lease, NewReview, PoolStats, Undone

_VERBS = (
    "enqueue", "claim", "candidates", "extend", "release", "reveal", "decide", "expire", "request_info",
    "resume", "escalate", "delegate", "reassign", "cancel", "sla", "look", "settle", "undo", "stats",
)  # fmt: skip
_HEAD: tuple[Argument, Argument] = ("", "")
"""The place in the queues before all reviews."""
LOOKS_APART = 60_000
"""Shortest time, in ms, between two records that the same person looks at the same review."""
_COPIED = frozenset(("urgency", "arrival", "state"))  # enqueue.lua writes these itself


Authority = Callable[[Reviewer, str], Reviewer]


def admit(reviewer: Reviewer, pool: str) -> Reviewer:
    """The choke point: may this person work in this pool, and as a supervisor? Every verb asks it.

    Returns the person as the pool sees them. Raises ``NotYourPool``."""
    if pool not in reviewer.pools:
        raise NotYourPool(reviewer.name, pool)
    return reviewer


class ReviewQueue:
    """The queue of every pool.

    ``clock`` gives ms UTC. ``admit`` decides who may act in a pool. ``durability`` is how long, in ms,
    a decision waits for the store to have it on disk (0: not at all).
    """

    def __init__(
        self,
        client: Client,
        keys: Keys,
        pools: Sequence[str],
        *,
        terms: QueueTerms,
        clock: Callable[[], int],
        admit: Authority = admit,
        durability: int = 1500,
    ) -> None:
        self.pools = tuple(pools)
        self._client = client
        self._keys = keys
        self._terms = terms
        self._clock = clock
        self._admit = admit
        self._durability = Durability(client, durability)
        self._scripts = {name: Script(name) for name in _VERBS}

    def follow(self, terms: QueueTerms, pools: Sequence[str]) -> None:
        """Other terms and pools, from the next call on."""
        self._terms, self.pools = terms, tuple(pools)

    # --- work in -----------------------------------------------------------------------------------

    def enqueue_many(self, reviews: Sequence[NewReview]) -> list[Enqueued]:
        """Enqueue a batch; each once, however often it is repeated."""
        with reachable:
            answers = run_all(
                self._client, self._scripts["enqueue"], [self._enqueue_call(new) for new in reviews]
            )
        return [
            Enqueued(
                new.request.review_id,
                int(arrival),
                stored or new.record,
                repeated=bool(stored),
                trace=new.trace,
            )
            for new, (_, arrival, stored) in zip(reviews, answers, strict=True)
        ]

    def enqueue(self, review: NewReview) -> Enqueued:
        """Enqueue one review."""
        return self.enqueue_many([review])[0]

    def _enqueue_call(self, new: NewReview) -> tuple[str, list[Argument]]:
        review = requested(new.request, new.decision_id, 0, self._terms, new.trace)
        pool, name = locate(review.review_id)
        fields = [part for pair in to_fields(review).items() if pair[0] not in _COPIED for part in pair]
        due = "" if review.deadline is None else review.deadline
        return self._keys.pool(pool), [name, new.record, review.urgency, due, *fields]

    # --- a person's work ---------------------------------------------------------------------------

    def claim_next(self, pool: str, reviewer: Reviewer) -> Lease | None:
        """The most urgent review of the pool that this person may have; ``None`` when there is none."""
        return self._claim(pool, reviewer, "")

    def claim(self, review_id: str, reviewer: Reviewer) -> Lease:
        """Claim one review. Its holder gets a new epoch, which ends the older one (another tab)."""
        pool, name = locate(review_id)
        lease = self._claim(pool, reviewer, name)
        if lease is None:
            raise UnknownReview(review_id)
        return lease

    def helps_out(self, reviewer: Reviewer) -> Sequence[str]:
        """The pools that are not this person's, but whose backups this person's pools are: there
        ``claim_next`` finds what was offered to backups."""
        backups = self._terms.backups
        return [
            pool
            for pool in self.pools
            if pool not in reviewer.pools and not reviewer.pools.isdisjoint(backups.get(pool, ()))
        ]

    def _with_lease(self, reviewer: Reviewer, pool: str) -> Reviewer:
        """The person as ``pool`` sees them where only a lease is used or taken: members, and people of its
        backup pools, who are no supervisors here. Raises ``NotYourPool``."""
        if pool not in reviewer.pools:
            for own in sorted(reviewer.pools & self._terms.backups.get(pool, frozenset())):
                person = self._admit(reviewer, own)
                return msgspec.structs.replace(person, supervisor=False, backup=True)
        return self._admit(reviewer, pool)

    def _claim(self, pool: str, reviewer: Reviewer, name: str) -> Lease | None:
        person = self._with_lease(reviewer, pool)
        terms = self._terms
        flag, backup = _flag(person.supervisor), _flag(person.backup)
        arguments: list[Argument] = [self._clock(), person.name, flag, terms.lease, terms.candidates]
        limits = terms.fatigue.get(pool, FatigueLimits())
        arguments += [name, backup, limits.per_hour, limits.per_day, limits.rest]
        answer = self._first_that_fits(pool, arguments)
        if answer[0] == b"none":
            return None
        if answer[0] == b"break_due":
            raise BreakDue(f"{pool}.{name}" if name else pool, wait=int(answer[1]))
        if answer[0] != b"ok":
            raise _refusal(f"{pool}.{name}", answer)
        return Lease(from_fields(f"{pool}.{answer[3].decode()}", pairs(answer[1])), answer[2])

    def _first_that_fits(self, pool: str, arguments: Sequence[Argument]) -> Sequence[Any]:
        """What the script says once it has something to say, or has looked far enough."""
        place: Sequence[Argument] = _HEAD
        for _ in self._pages():
            with reachable:
                answer: Sequence[Any] = self._scripts["claim"].run(
                    self._client, self._keys.pool(pool), [*arguments, *place]
                )
            if answer[0] != b"none" or not answer[2]:
                break
            place = answer[1:]
        return answer

    def candidates(self, pool: str, reviewer: Reviewer) -> Iterator[Review]:
        """The open reviews that this person might claim, the most urgent first: read from the store a page
        at a time as they are asked for, and no more than ``QueueTerms.deepest``."""
        person = self._with_lease(reviewer, pool)
        asked: list[Argument] = [person.name, _flag(person.supervisor), _flag(person.backup)]
        place: Sequence[Argument] = _HEAD
        for _ in self._pages():
            with reachable:
                score, member, *found = self._scripts["candidates"].run(
                    self._client, self._keys.pool(pool), [*asked, self._terms.candidates, *place]
                )
            for name, fields in zip(found[::2], found[1::2], strict=True):
                yield from_fields(f"{pool}.{name.decode()}", pairs(fields))
            if not member:
                return
            place = (score, member)

    def _pages(self) -> range:
        """One for each call that a claim may take, to look at ``deepest`` reviews."""
        return range(0, max(1, self._terms.deepest), self._terms.candidates)

    def extend(self, review_id: str, reviewer: Reviewer, epoch: int) -> Review:
        """A heartbeat: the lease lasts from now again."""
        return self._step("extend", review_id, reviewer, epoch, self._terms.lease)

    def seen(self, review_id: str, who: str, digest: str) -> None:
        """Somebody was shown the package with this digest: once for each claim, then once a minute."""
        _, name = locate(review_id)
        self._run("look", review_id, [self._clock(), name, who, digest, LOOKS_APART])

    def release(self, review_id: str, reviewer: Reviewer, epoch: int, *, reason: str = "") -> Review:
        """Give it back unanswered."""
        return self._step("release", review_id, reviewer, epoch, _detail(reason=reason))

    def reveal(self, review_id: str, reviewer: Reviewer, epoch: int, action: str) -> Review:
        """Keep the blind first answer (in ``first_answers``); then the recommendation may be shown."""
        return self._step("reveal", review_id, reviewer, epoch, action)

    def request_info(self, review_id: str, reviewer: Reviewer, epoch: int, question: str) -> Review:
        """Ask for information; the lease ends and the SLA clock stands still."""
        detail, most = _detail(question=question), self._terms.max_questions
        return self._step("request_info", review_id, reviewer, epoch, question, most, detail)

    def answer_info(self, review_id: str, reviewer: Reviewer, information: str) -> Review:
        """The information: back to the queue, the deadline later by the working time of the pause."""
        person = self._admit(reviewer, locate(review_id)[0])
        return self._resume(review_id, person.name, information, None, _detail(information=information))

    def inform(self, review_id: str, by: str, information: str, epoch: int) -> Review:
        """Information from outside, for the question that was asked under ``epoch``. Safe to repeat."""
        return self._resume(review_id, by, information, epoch, _detail(information=information))

    def _resume(self, review_id: str, by: str, information: str, epoch: int | None, detail: bytes) -> Review:
        pool, name = locate(review_id)
        while True:
            seen = self._look(pool, name)
            now = self._clock()
            later = resume(seen, now, self._terms.calendars.get(seen.sla_class))
            if isinstance(later, Refusal):  # the script says so in one step with what it finds by now
                later = seen
            arguments: list[Argument] = [now, name, by, seen.paused_at, later.urgency]
            arguments += ["" if later.deadline is None else later.deadline, ladder_text(later), later.paused]
            arguments += [detail, information, "" if epoch is None else epoch]
            answer = self._run("resume", review_id, arguments)
            if answer[0] != b"moved":
                return from_fields(review_id, pairs(answer[1]))

    def escalate(
        self, review_id: str, reviewer: Reviewer, epoch: int | None = None, *, reason: str = ""
    ) -> Review:
        """Hand it to the pool's supervisors. An epoch is needed while the review is claimed."""
        boost = self._terms.escalation_boost
        return self._step(
            "escalate", review_id, reviewer, "" if epoch is None else epoch, boost, _detail(reason=reason)
        )

    def delegate(
        self, review_id: str, reviewer: Reviewer, to: Reviewer, epoch: int | None = None, *, reason: str = ""
    ) -> Review:
        """Offer it to one person of the pool. An epoch is needed while the review is claimed."""
        person = self._admit(to, locate(review_id)[0])
        flags = (_flag(reviewer.supervisor), person.name, _flag(person.supervisor))
        rest = (*flags, self._terms.max_delegations, _detail(to=person.name, reason=reason))
        return self._step("delegate", review_id, reviewer, "" if epoch is None else epoch, *rest)

    def reassign(self, review_id: str, who: Reviewer, to: Reviewer, *, reason: str = "") -> Review:
        """A supervisor gives it to one person, also out of somebody's hands: the old lease ends."""
        person = self._admit(to, locate(review_id)[0])
        pool, name = locate(review_id)
        actor = self._admit(who, pool)
        detail = _detail(to=person.name, reason=reason)
        arguments: list[Argument] = [self._clock(), name, actor.name, _flag(actor.supervisor)]
        arguments += [person.name, _flag(person.supervisor), detail]
        return from_fields(review_id, pairs(self._run("reassign", review_id, arguments)[1]))

    def cancel(self, review_id: str, who: Reviewer, *, reason: str = "") -> Review:
        """Nobody needs the answer any more; whoever holds it loses it. Safe to repeat."""
        return self._step("cancel", review_id, who, None, self._terms.memory, _detail(reason=reason))

    def withdraw(self, review_ids: Sequence[str], by: str, reason: str) -> list[bool]:
        """Cancel a producer's reviews, those that exist and wait for an answer; whether each is withdrawn
        now. Safe to repeat."""
        places = [locate(review_id) for review_id in review_ids]
        lead: list[Argument] = [by, self._terms.memory, _detail(reason=reason)]
        calls = [(self._keys.pool(pool), [self._clock(), name, *lead]) for pool, name in places]
        with reachable:
            answers = run_all(self._client, self._scripts["cancel"], calls)
        return [answer[0] == b"ok" for answer in answers]

    def decide(
        self,
        review_id: str,
        reviewer: Reviewer,
        epoch: int,
        digest: str,
        what: Verdict,
        *,
        undo_window: int = 0,
    ) -> Decided:
        """Answer, bound to the lease and to the package that was shown. Safe to repeat. For ``undo_window``
        ms it may be taken back, unless it is one of several that have to agree."""
        pool, name = locate(review_id)
        person = self._with_lease(reviewer, pool)
        now = self._clock()
        answer = Answer(
            answer_id="",
            review_id=review_id,
            reviewer=person.name,
            first_action=None,
            package_digest=digest,
            lease_epoch=epoch,
            claimed_at=0,
            decided_at=now,
            action=what.action,
            changes=what.changes,
            reasoning=what.reasoning,
            reason_code=what.reason_code,
            category=what.category,
            note=what.note,
            tags=list(what.tags),
        )
        answer = msgspec.structs.replace(answer, answer_id=answer_id(answer))
        terms = self._terms
        agreement = verdict(answer.action, answer.changes)
        content = msgspec.json.encode(answer)
        arguments: list[Argument] = [
            now,
            name,
            person.name,
            epoch,
            digest,
            answer.answer_id,
            agreement,
            content,
        ]
        arguments += [terms.memory, terms.escalation_boost, undo_window]
        with reachable:
            result, durable = self._durability.call(self._scripts["decide"], self._keys.pool(pool), arguments)
        if result[0] != b"ok":
            raise _refusal(review_id, result)
        review = from_fields(review_id, pairs(result[1]))
        final = completed(result[2], review) if result[2] else None
        return Decided(review, final, durable)

    def undo(self, review_id: str, reviewer: Reviewer, epoch: int) -> Undone:
        """Take the own answer back, which was given under ``epoch``, before it is final."""
        pool, name = locate(review_id)
        person = self._with_lease(reviewer, pool)
        arguments: list[Argument] = [self._clock(), name, person.name, epoch, self._terms.lease]
        with reachable:
            result, durable = self._durability.call(self._scripts["undo"], self._keys.pool(pool), arguments)
        if result[0] != b"ok":
            raise _refusal(review_id, result)
        review = from_fields(review_id, pairs(result[1]))
        return Undone(review, completed(result[2], review), durable)

    # --- the clock ---------------------------------------------------------------------------------

    def expire(self, pool: str, *, at_most: int = TOGETHER) -> list[str]:
        """Take back leases that have run out, at most so many; their review ids."""
        with reachable:
            answer = self._scripts["expire"].run(
                self._client, self._keys.pool(pool), [self._clock(), at_most]
            )
        return [f"{pool}.{name.decode()}" for name in answer[1:]]

    def settle(self, pool: str, *, at_most: int = TOGETHER) -> list[str]:
        """Make answers final that can not be taken back any more, at most so many; their review ids."""
        with reachable:
            answer = self._scripts["settle"].run(
                self._client, self._keys.pool(pool), [self._clock(), at_most, self._terms.memory]
            )
        return [f"{pool}.{name.decode()}" for name in answer[1:]]

    def sla(self, pool: str, *, at_most: int = TOGETHER) -> list[tuple[str, str]]:
        """Take the SLA steps that are due, at most so many: (review id, event) of each. Call it until
        nothing is left: a review that is far behind takes one step each time."""
        terms = self._terms
        boosts = (terms.raise_boost, terms.escalation_boost)
        with reachable:
            answer = self._scripts["sla"].run(
                self._client, self._keys.pool(pool), [self._clock(), at_most, *boosts, terms.memory]
            )
        return [
            (f"{pool}.{name.decode()}", event.decode())
            for name, event in zip(answer[1::2], answer[2::2], strict=True)
        ]

    def end_pauses(self, pool: str, *, at_most: int = TOGETHER) -> list[str]:
        """Let reviews go on whose question nobody answered for ``max_pause``, at most so many; their ids."""
        since = self._clock() - self._terms.max_pause
        waiting = self._keys.pool(pool, names.WAITING)
        with reachable:
            found = self._client.execute_command(
                "ZRANGE", waiting, "-inf", since, "BYSCORE", "LIMIT", 0, at_most
            )
        ended = []
        for name in found:
            review_id = f"{pool}.{name.decode()}"
            with suppress(QueueError):  # somebody was quicker
                self._resume(review_id, "sla", "", None, _detail(reason="nobody answered in time"))
                ended.append(review_id)
        return ended

    # --- looking -----------------------------------------------------------------------------------

    def get(self, review_id: str) -> Entry:
        """Everything about one review. Raises ``UnknownReview``."""
        pool, name = locate(review_id)
        pipe = self._client.pipeline(transaction=True)
        pipe.execute_command("HGETALL", self._keys.pool(pool, names.REVIEW, name))
        pipe.execute_command("GET", self._keys.pool(pool, names.REQUEST, name))
        pipe.execute_command("GET", self._keys.pool(pool, names.ANSWER, name))
        with reachable:
            fields, record, answer = pipe.execute()
        if not fields:
            raise UnknownReview(review_id)
        review = from_fields(review_id, _text_keys(fields))
        said = completed(answer, review) if answer else None
        given, taken_back = (said, None) if review.answer_id else (None, said)
        return Entry(review, record or b"", given, taken_back)

    def list(
        self,
        pool: str,
        state: ReviewState = ReviewState.OPEN,
        offset: int = 0,
        limit: int = 50,
        *,
        escalated: bool = False,
        offered_to: str | None = None,
    ) -> Sequence[Review]:
        """A page of reviews in the order of their queue: open ones by urgency (of the pool, its
        supervisors, or one person's offers), claimed ones by the end of the lease, waiting ones by time,
        and all that are over, however they ended, by time."""
        key = self._shelf(pool, state, escalated=escalated, offered_to=offered_to)
        return self._page(pool, key, offset, limit)

    def _page(self, pool: str, key: str, offset: int, limit: int) -> Sequence[Review]:
        with reachable:
            members = self._client.execute_command("ZRANGE", key, offset, offset + limit - 1)
            ids = [member.decode()[-36:] for member in members]
            pipe = self._client.pipeline(transaction=False)
            for name in ids:
                pipe.execute_command("HGETALL", self._keys.pool(pool, names.REVIEW, name))
            found = pipe.execute() if ids else []
        return [
            from_fields(f"{pool}.{name}", _text_keys(fields))
            for name, fields in zip(ids, found, strict=True)
            if fields
        ]

    def undoable(self, pool: str, offset: int = 0, limit: int = 50) -> Sequence[Review]:
        """A page of the answered reviews whose answer may still be taken back, the soonest final first."""
        return self._page(pool, self._keys.pool(pool, names.HELD), offset, limit)

    def _shelf(self, pool: str, state: ReviewState, *, escalated: bool, offered_to: str | None) -> str:
        if state is ReviewState.OPEN and offered_to is not None:
            return self._keys.pool(pool, names.OFFER, offered_to)
        if state is ReviewState.OPEN and escalated:
            return self._keys.pool(pool, names.SUPERVISOR)
        return self._keys.pool(pool, _SHELVES[state])

    def stats(self) -> Sequence[PoolStats]:
        """Every pool at this moment, O(log n) each."""
        now = self._clock()
        calls = [(self._keys.pool(pool), [now]) for pool in self.pools]
        with reachable:
            found = run_all(self._client, self._scripts["stats"], calls)
        return [_stats(pool, now, each) for pool, each in zip(self.pools, found, strict=True)]

    # --- the wire ----------------------------------------------------------------------------------

    def _look(self, pool: str, name: str) -> Review:
        with reachable:
            fields = self._client.execute_command("HGETALL", self._keys.pool(pool, names.REVIEW, name))
        if not fields:
            raise UnknownReview(f"{pool}.{name}")
        return from_fields(f"{pool}.{name}", _text_keys(fields))

    def _step(
        self, verb: str, review_id: str, reviewer: Reviewer, epoch: int | str | None, *rest: Argument
    ) -> Review:
        pool, name = locate(review_id)
        holds = epoch is not None and epoch != ""  # the lease says the rest
        person = self._with_lease(reviewer, pool) if holds else self._admit(reviewer, pool)
        lead: list[Argument] = [self._clock(), name, person.name]
        if epoch is not None:
            lead.append(epoch)
        return from_fields(review_id, pairs(self._run(verb, review_id, [*lead, *rest])[1]))

    def _run(self, verb: str, review_id: str, arguments: Sequence[Argument]) -> Sequence[Any]:
        """A verb on one review: ``ok``, or ``moved`` where it has to be asked anew, and what it gives. Raises
        the named error of a refusal."""
        pool, _ = locate(review_id)
        with reachable:
            answer: Sequence[Any] = self._scripts[verb].run(self._client, self._keys.pool(pool), arguments)
        if answer[0] not in (b"ok", b"moved"):
            raise _refusal(review_id, answer)
        return answer


_SHELVES = {
    ReviewState.OPEN: names.READY,
    ReviewState.CLAIMED: names.LEASES,
    ReviewState.WAITING: names.WAITING,
    ReviewState.DECIDED: names.DECIDED,
    ReviewState.WITHDRAWN: names.DECIDED,
    ReviewState.DEFAULTED: names.DECIDED,
}


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _detail(**facts: str) -> bytes:
    return msgspec.json.encode(facts)


def _text_keys(fields: Mapping[bytes, bytes]) -> dict[str, bytes]:
    return {name.decode(): value for name, value in fields.items()}


def _refusal(review_id: str, answer: Sequence[Any]) -> Exception:
    """The named error of a refusal, with the state and the first answer where there are."""
    review = from_fields(review_id, pairs(answer[1])) if len(answer) > 1 else None
    first = completed(answer[2], review) if review and len(answer) > 2 and answer[2] else None
    return REFUSALS[answer[0].decode()](review_id, review, first)


def _stats(pool: str, now: int, found: Sequence[Any]) -> PoolStats:
    everything, ready, supervisor, claimed, waiting, overdue, oldest, unpublished, broken, held = found
    return PoolStats(
        pool=pool,
        open=ready,
        supervisor=supervisor,
        offered=max(0, everything - ready - supervisor),
        claimed=claimed,
        waiting=waiting,
        overdue=overdue,
        oldest_age=max(0, now - int(oldest)) if oldest else None,
        unpublished=unpublished,
        broken=broken,
        held=held,
    )
