"""Are there enough people in each pool? What its decision types need, against who is there in that hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from app.domain.people import Directory
from app.domain.quality.forecast import HOUR
from app.domain.quality.staffing import plan


class PoolStaffing(msgspec.Struct, frozen=True, kw_only=True):
    """One pool in its busiest hour (its beginning in ms UTC); people are counted by name."""

    pool: str
    hour: int
    needed: int
    there: int
    """Who work in the pool and are on no planned absence then."""
    away: int
    elsewhere: int
    """Of those there, who work in other pools, too: they can not be in both at once."""
    backups: int
    """People of its backup pools who do not work in it, and are there."""

    @property
    def short(self) -> int:
        """How many are missing, backups left aside."""
        return max(0, self.needed - self.there)


def pool_staffing(
    loads: Mapping[str, Sequence[float]],
    first: int,
    directory: Directory,
    backups: Mapping[str, frozenset[str]],
    *,
    shrinkage: float = 0.0,
) -> list[PoolStaffing]:
    """The pools in order of their names. ``loads`` has each pool's work in erlangs by hour from ``first``
    (ms UTC) on, ``backups`` the pools that help out; ``shrinkage`` as for ``plan``.

    Examples
    --------
    >>> from app.domain.people import Period, Profile
    >>> night = Period(HOUR, 2 * HOUR)
    >>> people = {
    ...     "ann": Profile(name="ann", pools=frozenset({"claims", "fraud"})),
    ...     "bob": Profile(name="bob", pools=frozenset({"claims"}), away=(night,)),
    ...     "cat": Profile(name="cat", pools=frozenset({"fraud"})),
    ... }
    >>> [claims] = pool_staffing(
    ...     {"claims": [0.1, 1.2]}, 0, Directory(people), {"claims": frozenset({"fraud"})}
    ... )
    >>> claims.hour == HOUR, claims.needed, claims.there, claims.away, claims.elsewhere, claims.backups
    (True, 2, 1, 1, 1, 1)
    >>> claims.short
    1
    """
    return [
        _staffing(pool, hours, first, directory, backups.get(pool, frozenset()), shrinkage)
        for pool, hours in sorted(loads.items())
        if hours
    ]


def _staffing(
    pool: str,
    hours: Sequence[float],
    first: int,
    directory: Directory,
    backups: frozenset[str],
    shrinkage: float,
) -> PoolStaffing:
    busiest = max(range(len(hours)), key=hours.__getitem__)
    at = first + busiest * HOUR
    named = [who for who in directory.people.values() if pool in who.pools]
    there = [who for who in named if who.absent(at) is None]
    return PoolStaffing(
        pool=pool,
        hour=at,
        needed=plan(hours[busiest], HOUR, shrinkage=shrinkage).people,
        there=len(there),
        away=len(named) - len(there),
        elsewhere=sum(len(who.pools) > 1 for who in there),
        backups=sum(
            bool(who.pools & backups) and pool not in who.pools and who.absent(at) is None
            for who in directory.people.values()
        ),
    )
