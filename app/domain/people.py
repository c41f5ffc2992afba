"""Who may act: people as the policy describes them, and who stands in for whom. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from app.domain.events import ConsequenceClass
from app.domain.review import CLASS_RANK, Reviewer

MAX_SUBSTITUTION_DEPTH = 2
"""A stand-in's stand-in is the last: authority must not wander off."""


class Role(StrEnum):
    """What a person may do besides reviewing. None of them widens what the person may decide."""

    AUDITOR = "auditor"
    """Looks at everything, acts on nothing."""
    ADMIN = "admin"
    """Manages accounts and withdraws decisions; decides only what the profile allows, as anybody."""


class Period(msgspec.Struct, frozen=True):
    """From ``start`` to before ``end``, ms UTC."""

    start: int
    end: int

    def covers(self, now: int) -> bool:
        """Is it now?

        >>> Period(10, 20).covers(10), Period(10, 20).covers(20)
        (True, False)
        """
        return self.start <= now < self.end


class Substitute(msgspec.Struct, frozen=True):
    """Somebody who stands in for a person for a while, within the limits of both."""

    name: str
    period: Period


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A person's authority. ``None`` in a limit means that there is none.

    ``identities`` are the names under which the person appears as subject or submitter of decisions,
    ``conflicts`` those of others about whom this person must not decide. ``sign_in`` is who the identity
    provider says that the person is.
    """

    name: str
    title: str = ""
    sign_in: str = ""
    pools: frozenset[str] = frozenset()
    supervises: frozenset[str] = frozenset()
    roles: frozenset[Role] = frozenset()
    decision_types: frozenset[str] | None = None
    max_class: ConsequenceClass = ConsequenceClass.CRITICAL
    max_amount: float | None = None
    actions: frozenset[str] | None = None
    must_document: frozenset[str] = frozenset()
    delegates_to: frozenset[str] | None = None
    identities: frozenset[str] = frozenset()
    conflicts: frozenset[str] = frozenset()
    away: tuple[Period, ...] = ()
    substitutes: tuple[Substitute, ...] = ()

    @property
    def all_pools(self) -> frozenset[str]:
        """The pools in which this person does anything at all."""
        return self.pools | self.supervises

    @property
    def unlimited(self) -> bool:
        """Nothing but conflicts of interest can stand between this person and a review of the pools."""
        return (
            self.decision_types is None
            and self.max_class is ConsequenceClass.CRITICAL
            and self.max_amount is None
        )

    def absent(self, now: int) -> Period | None:
        """The period of absence that ``now`` (ms UTC) is in."""
        return next((period for period in self.away if period.covers(now)), None)

    def as_reviewer(self, pool: str) -> Reviewer:
        """The person as the queue of ``pool`` sees them."""
        return Reviewer(name=self.name, pools=self.all_pools, supervisor=pool in self.supervises)


class Directory(msgspec.Struct, frozen=True):
    """Everybody, by name. ``open_house``: the policy names nobody, so that anybody may act in any of
    ``pools``, as a supervisor, too."""

    people: Mapping[str, Profile] = msgspec.field(default_factory=lambda: MappingProxyType({}))
    pools: frozenset[str] = frozenset()

    @property
    def open_house(self) -> bool:
        """Nobody is named."""
        return not self.people

    def find(self, name: str) -> Profile | None:
        """The profile of a name. In an open house, everybody has one."""
        if self.open_house:
            return Profile(name=name, title=name, pools=self.pools, supervises=self.pools)
        return self.people.get(name)

    def signed_in_as(self, identity: str) -> Profile | None:
        """Whom the identity provider means. Who has no ``sign_in`` of their own is known there by name.

        >>> people = {"ann": Profile(name="ann", sign_in="2489"), "bob": Profile(name="bob")}
        >>> found = [Directory(people).signed_in_as(identity) for identity in ("2489", "bob", "ann", "")]
        >>> [who and who.name for who in found]
        ['ann', 'bob', None, None]
        """
        if not identity or self.open_house:
            return self.find(identity) if identity else None
        return next((who for who in self.people.values() if identity == (who.sign_in or who.name)), None)

    def capacities(self, profile: Profile, now: int) -> Iterator[Profile]:
        """Everything as which a person may act at ``now``: as themselves first, then in place of those
        who are away and have named them, each time within the limits of both."""
        yield profile
        yield from self._standing_in(profile, profile, now, {profile.name}, MAX_SUBSTITUTION_DEPTH)

    def _standing_in(
        self, own: Profile, present: Profile, now: int, seen: set[str], depth: int
    ) -> Iterator[Profile]:
        if depth == 0:
            return
        for other in self.people.values():
            if other.name in seen or not any(
                s.name == present.name and s.period.covers(now) for s in other.substitutes
            ):
                continue
            combined = in_place_of(own, other)
            yield combined
            yield from self._standing_in(combined, other, now, {*seen, other.name}, depth - 1)


def in_place_of(own: Profile, other: Profile) -> Profile:
    """``own`` acting for ``other``: the other's pools, the narrower of every limit, both's conflicts.

    >>> ann = Profile(name="ann", pools=frozenset({"a"}), max_amount=100.0, identities=frozenset({"e1"}))
    >>> bob = Profile(name="bob", pools=frozenset({"b"}), supervises=frozenset({"b"}), max_amount=900.0)
    >>> both = in_place_of(ann, bob)
    >>> both.name, sorted(both.pools), sorted(both.supervises), both.max_amount
    ('ann', ['b'], [], 100.0)
    """
    return Profile(
        name=own.name,
        title=own.title,
        pools=other.pools,
        # Supervising is a trust in the person, it is not lent.
        supervises=other.supervises & own.supervises,
        roles=frozenset(),
        decision_types=_both(own.decision_types, other.decision_types),
        max_class=max(own.max_class, other.max_class, key=CLASS_RANK.__getitem__),
        max_amount=_least(own.max_amount, other.max_amount),
        actions=_both(own.actions, other.actions),
        must_document=own.must_document | other.must_document,
        delegates_to=_both(own.delegates_to, other.delegates_to),
        identities=own.identities | other.identities,
        conflicts=own.conflicts | other.conflicts,
        away=own.away,
    )


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _least(one: float | None, other: float | None) -> float | None:
    limits = [limit for limit in (one, other) if limit is not None]
    return min(limits, default=None)
