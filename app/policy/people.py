"""The ``people`` section of the policy: who may decide what. Compiled to ``app.domain.people``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import Field, StringConstraints

from app.domain.events import ConsequenceClass
from app.domain.people import Directory, Period, Profile, Role, Substitute
from app.policy.fields import Instant, Part, PoolName, Text, TypeName, Word

PersonName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.@-]{0,63}$")]
"""An account name, such as ``ann`` or ``ann@example.org``."""

PartyName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A subject or submitter, as decisions name them."""


class Absence(Part):
    """A time in which a person takes nothing new."""

    start: Instant
    """From then on."""
    end: Instant
    """Until before then."""


class StandIn(Absence):
    """A time in which another person may act in this person's pools, within the limits of both."""

    person: PersonName
    """Who stands in."""


class Person(Part):
    """What one person may do. What is not written is not limited; nothing is widened by a role."""

    title: Text
    """The person's name, as colleagues know it."""
    sign_in: PartyName | None = None
    """Who the identity provider says that this is (the claim HITL_OIDC_CLAIM); unset: the account name."""
    pools: tuple[PoolName, ...] = ()
    """Where this person reviews."""
    supervises: tuple[PoolName, ...] = ()
    """Where this person takes what was escalated, reassigns, and sees how the work goes."""
    roles: tuple[Role, ...] = ()
    """auditor: sees everything, decides nothing. admin: manages accounts, withdraws cases."""
    decision_types: tuple[TypeName, ...] | None = None
    """Only these kinds of decisions."""
    max_class: ConsequenceClass = ConsequenceClass.CRITICAL
    """Nothing of a higher consequence class."""
    max_amount: Annotated[float, Field(ge=0)] | None = None
    """Nothing above this amount, for kinds of decisions with an amount_fact."""
    actions: tuple[Word, ...] | None = None
    """Only these answers."""
    must_document: tuple[TypeName, ...] = ()
    """Kinds of decisions for which this person has to leave a note as well."""
    delegates_to: tuple[PersonName, ...] | None = None
    """Only to these people may this person hand work on."""
    identities: tuple[PartyName, ...] = ()
    """Names under which this person is subject or submitter of decisions: nobody decides the own case."""
    conflicts: tuple[PartyName, ...] = ()
    """Subjects and submitters about whom this person must not decide."""
    away: tuple[Absence, ...] = ()
    """Holidays and other absences."""
    substitutes: tuple[StandIn, ...] = ()
    """Who stands in, and when. A stand-in's stand-in is the last."""


def directory_of(people: Mapping[str, Person], pools: Iterable[str]) -> Directory:
    """The section as the domain works with it."""
    return Directory(
        MappingProxyType({name: _profile(name, person) for name, person in people.items()}),
        frozenset(pools),
    )


def _profile(name: str, person: Person) -> Profile:
    return Profile(
        name=name,
        title=person.title,
        sign_in=person.sign_in or "",
        pools=frozenset(person.pools),
        supervises=frozenset(person.supervises),
        roles=frozenset(person.roles),
        decision_types=_limit(person.decision_types),
        max_class=person.max_class,
        max_amount=person.max_amount,
        actions=_limit(person.actions),
        must_document=frozenset(person.must_document),
        delegates_to=_limit(person.delegates_to),
        identities=frozenset(person.identities),
        conflicts=frozenset(person.conflicts),
        away=tuple(_period(absence) for absence in person.away),
        substitutes=tuple(Substitute(one.person, _period(one)) for one in person.substitutes),
    )


def _limit(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _period(absence: Absence) -> Period:
    return Period(round(absence.start.timestamp() * 1000), round(absence.end.timestamp() * 1000))
