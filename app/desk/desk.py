"""The one way in for everything that a person does to a review, whatever the entry.

Each method asks ``app.domain.authority`` first, then the queue. What the queue alone can know (who holds
the lease, who takes part in the decision already) it checks itself, in the call that changes the state.
"""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Iterator, Sequence

import msgspec

from app.desk.errors import IncompleteAnswerError, NotAllowedError
from app.desk.matter import actions_of, matter_of
from app.domain import context_package
from app.domain.answers import Verdict, completed, incomplete
from app.domain.authority import Deed, Denial, Matter, action_refused, refused
from app.domain.events import Answer, ReviewKind, ReviewRequested
from app.domain.gold import masked
from app.domain.people import Directory, Profile, Role
from app.domain.review import OVER, Refusal, Review, Reviewer, ReviewState, locate, review_id_of
from app.domain.terms import Terms
from app.policy.compiled import CompiledPolicy
from app.review_queue.errors import QueueError, UnknownReview
from app.review_queue.queue import ReviewQueue
from app.review_queue.values import Decided, Entry, Lease, PoolStats

_CANDIDATES = 32
"""How many of each queue's heads a claim looks at before it says that there is none for this person."""

_TAKEN_MEANWHILE = frozenset(
    {
        Refusal.ALREADY_CLAIMED,
        Refusal.ALREADY_DECIDED,
        Refusal.NOT_DISTINCT,
        Refusal.OFFERED,
        Refusal.NOT_SUPERVISOR,
        Refusal.WAITING,
        Refusal.UNKNOWN,
    }
)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a person may see of a review. ``withheld`` is there once a blind first answer was given."""

    review: Review
    event: ReviewRequested
    package: dict[str, object]
    answer: Answer | None
    withheld: dict[str, object] | None
    actions: tuple[str, ...]
    """What this person may answer."""
    denial: Denial | None
    """Why this person may not decide it, if so: said before any work goes into it."""


class Revealed(msgspec.Struct, frozen=True):
    """What was withheld, after the first answer."""

    review: Review
    withheld: dict[str, object]


class ReviewDesk:
    """``policy`` is asked at each call, so that an activated policy holds from the next deed on.
    ``read`` decodes a ReviewRequested record; ``clock`` gives ms UTC."""

    def __init__(
        self,
        queue: ReviewQueue,
        policy: Callable[[], CompiledPolicy],
        read: Callable[[bytes], ReviewRequested],
        clock: Callable[[], int],
    ) -> None:
        self._queue = queue
        self._policy = policy
        self._read = read
        self._clock = clock

    # --- people ------------------------------------------------------------------------------------

    @property
    def directory(self) -> Directory:
        """Everybody, as the policy in force has it."""
        return self._policy().directory

    @property
    def pools(self) -> tuple[str, ...]:
        """All pools of the policy in force."""
        return self._policy().pool_names

    def person(self, name: str) -> Profile:
        """The profile of an account. Raises ``NotAllowedError`` for a stranger."""
        profile = self.directory.find(name)
        if profile is None:
            raise NotAllowedError(
                Denial(
                    "unknown_person", f"nobody called '{name}' is in the policy", "see `people` in the policy"
                )
            )
        return profile

    def pools_of(self, who: Profile) -> tuple[str, ...]:
        """The pools whose queue this person may see, in the policy's order."""
        if Role.AUDITOR in who.roles:
            return self.pools
        mine = frozenset[str]().union(*(capacity.all_pools for capacity in self._capacities(who)))
        return tuple(pool for pool in self.pools if pool in mine)

    # --- taking work -------------------------------------------------------------------------------

    def claim_next(self, who: Profile, pool: str | None = None) -> Lease | None:
        """The most urgent review that this person may decide, in ``pool`` or in all of theirs."""
        if pool is not None and pool not in (*self.pools_of(who), *self._helps_out(who)):
            raise NotAllowedError(Denial("not_your_pool", f"{who.name} does not work in pool '{pool}'"))
        if pool is not None and who.unlimited and (lease := self._claim_head(who, pool)) is not None:
            return lease
        pools = [pool] if pool else [*self.pools_of(who), *self._helps_out(who)]
        for review in self._candidates(who, pools):
            entry = self._queue.get(review.review_id)
            if self._refused(who, Deed.CLAIM, entry) is not None:
                continue
            try:
                return _leased(self._queue.claim(review.review_id, self._reviewer(who, review.pool)))
            except QueueError as error:
                if error.refusal not in _TAKEN_MEANWHILE:
                    raise
        return None

    def _claim_head(self, who: Profile, pool: str) -> Lease | None:
        """One round trip, where nothing but a conflict of interest can stand in the way."""
        if who.absent(self._clock()):
            return None
        reviewer = self._reviewer(who, pool)
        lease = self._queue.claim_next(pool, reviewer)
        if lease is None:
            return None
        if self._refused(who, Deed.CLAIM, Entry(lease.review, lease.record, None)) is None:
            return _leased(lease)
        self._queue.release(
            lease.review.review_id, reviewer, lease.review.epoch, reason="not for this person"
        )
        return None

    def _candidates(self, who: Profile, pools: Sequence[str]) -> Iterator[Review]:
        """Heads of the queues that this person takes from, most urgent first."""
        shelves: list[Sequence[Review]] = []
        helps_out = self._helps_out(who)
        for pool in pools:
            if pool not in self._queue.pools:
                continue
            if pool in helps_out:
                shelves.append(self._queue.offered_to_backups(pool, limit=_CANDIDATES))
                continue
            shelves.append(self._queue.list(pool, limit=_CANDIDATES, offered_to=who.name))
            shelves.append(self._queue.list(pool, limit=_CANDIDATES))
            if pool in who.supervises:
                shelves.append(self._queue.list(pool, limit=_CANDIDATES, escalated=True))
        return heapq.merge(*shelves, key=lambda review: review.order)

    def claim(self, who: Profile, review_id: str) -> Lease:
        """Claim one review. Whoever holds it already gets a new epoch (another tab loses its own)."""
        self._admit(who, Deed.CLAIM, review_id)
        return _leased(self._queue.claim(review_id, self._reviewer(who, locate(review_id)[0])))

    def _helps_out(self, who: Profile) -> Sequence[str]:
        """Other pools, whose work is offered to one of this person's pools when it gets late."""
        return self._queue.helps_out(who.as_reviewer(""))

    # --- looking -----------------------------------------------------------------------------------

    def look(self, who: Profile, review_id: str) -> Look:
        """What this person may see of a review. That it was shown goes on the record."""
        look = self.glance(who, review_id)
        self._keep_second_look_blind(who, look)
        self._queue.seen(review_id, who.name, look.review.digest)
        return look

    def _keep_second_look_blind(self, who: Profile, look: Look) -> None:
        """Whoever may still be asked for the independent second answer must not read the first case."""
        review, decision = look.review, look.event.routed.scored.decision
        if (
            ReviewKind.SECOND_LOOK not in look.event.routed.route.review_kinds
            or review.kind is ReviewKind.SECOND_LOOK
            or review.holder == who.name
            or review.pool not in self.pools_of(who)
            or Role.AUDITOR in who.roles
        ):
            return
        with contextlib.suppress(UnknownReview):
            name = review_id_of(review.pool, decision.decision_id, ReviewKind.SECOND_LOOK)
            second = self._queue.get(name).review
            if second.state not in OVER and second.holder != who.name:
                raise NotAllowedError(
                    Denial(
                        "second_look_open",
                        "an independent second answer to this decision is still open",
                        "take this case to work on it, or look again when the other is answered",
                    )
                )

    def glance(self, who: Profile, review_id: str) -> Look:
        """As ``look``, for a line of a list: nobody has read the case by it, so nothing is recorded."""
        entry = self._queue.get(review_id)
        self._allow(who, Deed.LOOK, entry)
        event = self._read(entry.record)
        package = msgspec.json.decode(event.request.package, type=dict[str, object])
        capacities = self._fit(who, Deed.DECIDE, entry) or self._capacities(who)
        actions = tuple(a for a in actions_of(package) if action_refused(capacities, a) is None)
        revealed = who.name in entry.review.first_answers
        return Look(
            review=_discreet(entry.review),
            event=event,
            package=package,
            answer=entry.answer,
            withheld=self._withheld(event) if revealed else None,
            actions=actions,
            denial=self._refused(who, Deed.DECIDE, entry),
        )

    def list(
        self,
        who: Profile,
        pool: str,
        state: ReviewState = ReviewState.OPEN,
        offset: int = 0,
        limit: int = 50,
        *,
        escalated: bool = False,
        offered_to: str | None = None,
    ) -> Sequence[Review]:
        """A page of a pool's reviews in the order of their queue."""
        if pool not in self.pools_of(who):
            raise NotAllowedError(Denial("not_your_pool", f"{who.name} does not work in pool '{pool}'"))
        found = self._queue.list(pool, state, offset, limit, escalated=escalated, offered_to=offered_to)
        return [_discreet(review) for review in found]

    def stats(self, who: Profile) -> Sequence[PoolStats]:
        """The pools that this person may see, at this moment."""
        mine = frozenset(self.pools_of(who))
        return [pool for pool in self._queue.stats() if pool.pool in mine]

    # --- a person's work ---------------------------------------------------------------------------

    def extend(self, who: Profile, review_id: str, epoch: int) -> Review:
        """A heartbeat: the lease lasts from now again."""
        return _discreet(self._queue.extend(review_id, self._admit(who, Deed.EXTEND, review_id), epoch))

    def release(self, who: Profile, review_id: str, epoch: int, reason: str = "") -> Review:
        """Give it back unanswered."""
        return _discreet(
            self._queue.release(review_id, self._admit(who, Deed.RELEASE, review_id), epoch, reason=reason)
        )

    def reveal(self, who: Profile, review_id: str, epoch: int, action: str) -> Revealed:
        """Keep the blind first answer, then show what was withheld."""
        entry = self._queue.get(review_id)
        self._allow(who, Deed.REVEAL, entry)
        event = self._read(entry.record)
        actions = actions_of(msgspec.json.decode(event.request.package))
        self._allow_action(self._fit(who, Deed.REVEAL, entry), action, actions)
        review = self._queue.reveal(review_id, self._reviewer(who, entry.review.pool), epoch, action)
        return Revealed(_discreet(review), self._withheld(event))

    def decide(self, who: Profile, review_id: str, epoch: int, digest: str, verdict: Verdict) -> Decided:
        """Answer, bound to the lease and to what was shown. Safe to repeat.

        Raises ``NotAllowedError``, ``IncompleteAnswerError``, or what the queue says."""
        entry = self._queue.get(review_id)
        self._allow(who, Deed.DECIDE, entry)
        event = self._read(entry.record)
        decision = event.routed.scored.decision
        terms = self._terms(decision.decision_type)
        verdict = completed(verdict, decision.recommendation.action)
        actions = actions_of(msgspec.json.decode(event.request.package))
        documents = any(decision.decision_type in c.must_document for c in self._capacities(who))
        wrong = incomplete(verdict, actions, terms, must_document=documents)
        if wrong:
            raise IncompleteAnswerError(wrong)
        self._allow_action(self._fit(who, Deed.DECIDE, entry), verdict.action, actions)
        decided = self._queue.decide(
            review_id, self._reviewer(who, entry.review.pool), epoch, digest, verdict
        )
        return msgspec.structs.replace(decided, review=_discreet(decided.review))

    def request_info(self, who: Profile, review_id: str, epoch: int, question: str) -> Review:
        """Ask for information; the SLA clock stands still."""
        return _discreet(
            self._queue.request_info(
                review_id, self._admit(who, Deed.REQUEST_INFO, review_id), epoch, question
            )
        )

    def answer_info(self, who: Profile, review_id: str, information: str) -> Review:
        """Give the information; the review goes on."""
        return _discreet(
            self._queue.answer_info(review_id, self._admit(who, Deed.ANSWER_INFO, review_id), information)
        )

    # --- handing on --------------------------------------------------------------------------------

    def escalate(self, who: Profile, review_id: str, epoch: int | None, reason: str = "") -> Review:
        """Hand it to the pool's supervisors."""
        return _discreet(
            self._queue.escalate(review_id, self._admit(who, Deed.ESCALATE, review_id), epoch, reason=reason)
        )

    def delegate(self, who: Profile, review_id: str, to: str, epoch: int | None, reason: str = "") -> Review:
        """Offer it to one person, who must have the authority to decide it."""
        entry = self._queue.get(review_id)
        self._allow(who, Deed.DELEGATE, entry)
        fit = self._fit(who, Deed.DELEGATE, entry)
        if not any(c.delegates_to is None or to in c.delegates_to for c in fit):
            raise NotAllowedError(
                Denial(
                    "not_your_delegate", f"you may not hand work on to {to}", "see delegates_to in the policy"
                )
            )
        offered = entry.review.offered_to
        if offered not in ("", who.name) and entry.review.pool not in who.supervises:
            raise NotAllowedError(
                Denial("offered", f"it was given to {offered}", "a lead of the pool may reassign it")
            )
        receiver = self._receiver(entry, to)
        return _discreet(
            self._queue.delegate(
                review_id, self._reviewer(who, entry.review.pool), receiver, epoch, reason=reason
            )
        )

    def reassign(self, who: Profile, review_id: str, to: str, reason: str = "") -> Review:
        """A lead gives it to one person, also out of somebody's hands."""
        entry = self._queue.get(review_id)
        self._allow(who, Deed.REASSIGN, entry)
        receiver = self._receiver(entry, to)
        return _discreet(
            self._queue.reassign(review_id, self._reviewer(who, entry.review.pool), receiver, reason=reason)
        )

    def cancel(self, who: Profile, review_id: str, reason: str = "") -> Review:
        """Nobody needs the answer any more."""
        entry = self._queue.get(review_id)
        self._allow(who, Deed.CANCEL, entry)
        reviewer = self._reviewer(who, entry.review.pool)
        # An admin withdraws in every pool, and works in none of them by that.
        acting = msgspec.structs.replace(reviewer, pools=reviewer.pools | {entry.review.pool})
        return _discreet(self._queue.cancel(review_id, acting, reason=reason))

    def _receiver(self, entry: Entry, name: str) -> Reviewer:
        receiver = self.person(name)
        denial = self._refused(receiver, Deed.CLAIM, entry)
        if denial is not None:
            raise NotAllowedError(Denial("not_for_them", f"{name} may not decide it: {denial.text}"))
        return self._reviewer(receiver, entry.review.pool)

    # --- authority ---------------------------------------------------------------------------------

    def _admit(self, who: Profile, deed: Deed, review_id: str) -> Reviewer:
        entry = self._queue.get(review_id)
        self._allow(who, deed, entry)
        return self._reviewer(who, entry.review.pool)

    def _allow(self, who: Profile, deed: Deed, entry: Entry) -> None:
        denial = self._refused(who, deed, entry)
        if denial is not None:
            raise NotAllowedError(denial)

    def _refused(self, who: Profile, deed: Deed, entry: Entry) -> Denial | None:
        return refused(self._capacities(who), deed, self._matter(entry), self._clock())

    def allow_look(self, who: Profile, matter: Matter) -> None:
        """The same rules for a decision that nobody is asked about. Raises ``NotAllowedError``."""
        denial = refused(self._capacities(who), Deed.LOOK, matter, self._clock())
        if denial is not None:
            raise NotAllowedError(denial)

    def _fit(self, who: Profile, deed: Deed, entry: Entry) -> tuple[Profile, ...]:
        """The capacities in which the person may do this: a limit of one is no freedom of another."""
        matter, now = self._matter(entry), self._clock()
        return tuple(c for c in self._capacities(who) if refused((c,), deed, matter, now) is None)

    def _allow_action(self, capacities: Sequence[Profile], action: str, actions: Sequence[str]) -> None:
        if action not in actions:
            known = ", ".join(actions)
            raise IncompleteAnswerError(
                {
                    "action": Denial(
                        "unknown_action", f"'{action}' is not an action of this review", f"one of: {known}"
                    )
                }
            )
        denial = action_refused(capacities, action)
        if denial is not None:
            raise NotAllowedError(denial)

    def _capacities(self, who: Profile) -> tuple[Profile, ...]:
        return tuple(self.directory.capacities(who, self._clock()))

    def _reviewer(self, who: Profile, pool: str) -> Reviewer:
        """As the queue sees the person: also in a pool where they stand in for somebody."""
        pools = frozenset[str]().union(*(capacity.all_pools for capacity in self._capacities(who)))
        return Reviewer(name=who.name, pools=pools | who.all_pools, supervisor=pool in who.supervises)

    def _matter(self, entry: Entry) -> Matter:
        event = self._read(entry.record)
        policy, kind = self._policy(), event.routed.scored.decision.decision_type
        return matter_of(entry.review, event, policy.terms.get(kind), policy.backups)

    def _terms(self, decision_type: str) -> Terms | None:
        return self._policy().terms.get(decision_type)

    def _withheld(self, event: ReviewRequested) -> dict[str, object]:
        terms = self._terms(event.routed.scored.decision.decision_type)
        if terms is None:
            return {}
        text = context_package.reveal(event.routed, terms, kind=event.request.kind).text
        return msgspec.json.decode(text, type=dict[str, object])


def _discreet(review: Review) -> Review:
    """What others voted is nobody's business before all have: independent answers only. An item with known
    truth looks like any other."""
    hidden = tuple(msgspec.structs.replace(vote, verdict="") for vote in review.votes)
    return masked(msgspec.structs.replace(review, votes=hidden) if hidden else review)


def _leased(lease: Lease) -> Lease:
    return msgspec.structs.replace(lease, review=_discreet(lease.review))
