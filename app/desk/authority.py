"""Who is asking, and what that person may do: what every deed of the desk begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from app.desk.case import ReviewCase
from app.desk.errors import IncompleteAnswerError, NotAllowedError
from app.desk.matter import erased_matter, item_matter, matter_of
from app.domain.answers import no_answer
from app.domain.authority import Deed, Denial, Matter, action_refused, refused
from app.domain.events import ReviewRequested
from app.domain.people import Directory, Profile, Role
from app.domain.quality.session_figures import SessionItem
from app.domain.review import Reviewer
from app.policy.compiled import CompiledPolicy
from app.review_queue.queue import ReviewQueue
from app.review_queue.values import Entry
from app.stream.errors import DecodeError


class Authority:
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

    def allow_look(self, who: Profile, matter: Matter) -> None:
        """The same rules for a decision that nobody is asked about. Raises ``NotAllowedError``."""
        denial = refused(self._capacities(who), Deed.LOOK, matter, self._clock())
        if denial is not None:
            raise NotAllowedError(denial)

    def unfit_items(self, who: Profile, items: Iterable[SessionItem]) -> Denial | None:
        """The same rules for the past cases of a session: why this person may not see all of them."""
        capacities, now = self._capacities(who), self._clock()
        # Of which pool an item of an earlier version was, nobody knows: then it takes a lead of all.
        anywhere = next(iter(self.pools), "") if who.supervises.issuperset(self.pools) else ""
        matters = (item_matter(item, item.pool or anywhere) for item in items)
        return next((no for one in matters if (no := refused(capacities, Deed.LOOK, one, now))), None)

    # --- what a deed begins with -------------------------------------------------------------------

    def _case(self, review_id: str) -> ReviewCase:
        """Raises ``UnknownReview``."""
        return self._opened(self._queue.get(review_id))

    def _opened(self, entry: Entry) -> ReviewCase:
        policy = self._policy()
        try:
            event = self._read(entry.record)
        except DecodeError as error:
            if error.reason != "erased":
                raise
            matter = erased_matter(entry.review, policy.backups)
            return ReviewCase(entry=entry, event=None, matter=matter, terms=None, erased=str(error))
        terms = policy.terms.get(event.routed.scored.decision.decision_type)
        matter = matter_of(entry.review, event, terms, policy.backups)
        return ReviewCase(entry=entry, event=event, matter=matter, terms=terms)

    def _admit(self, who: Profile, deed: Deed, review_id: str) -> Reviewer:
        case = self._case(review_id)
        self._allow(who, deed, case)
        return self._reviewer(who, case.review.pool)

    def _allow(self, who: Profile, deed: Deed, case: ReviewCase) -> None:
        denial = self._refused(who, deed, case)
        if denial is not None:
            raise NotAllowedError(denial)

    def _refused(self, who: Profile, deed: Deed, case: ReviewCase) -> Denial | None:
        return refused(self._capacities(who), deed, case.matter, self._clock())

    def _fit(self, who: Profile, deed: Deed, case: ReviewCase) -> tuple[Profile, ...]:
        """The capacities in which the person may do this: a limit of one is no freedom of another."""
        now = self._clock()
        return tuple(c for c in self._capacities(who) if refused((c,), deed, case.matter, now) is None)

    def _allow_action(self, capacities: Sequence[Profile], action: str, actions: Sequence[str]) -> None:
        if unknown := no_answer(action, actions):
            raise IncompleteAnswerError({"action": unknown})
        denial = action_refused(capacities, action)
        if denial is not None:
            raise NotAllowedError(denial)

    def _capacities(self, who: Profile) -> tuple[Profile, ...]:
        return tuple(self.directory.capacities(who, self._clock()))

    def _reviewer(self, who: Profile, pool: str) -> Reviewer:
        """As the queue sees the person: also in a pool where they stand in for somebody."""
        pools = frozenset[str]().union(*(capacity.all_pools for capacity in self._capacities(who)))
        return Reviewer(name=who.name, pools=pools | who.all_pools, supervisor=pool in who.supervises)
