"""Oneself and, for leads, the people of their pools."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter

from app.console.api.models import MeOut, PeopleOut
from app.console.api.route import ApiRoute, Lead, Parts, Reader
from app.console.api.shapes import finite, person_out
from app.console.parts import ConsoleParts

router = APIRouter(prefix="/v1", route_class=ApiRoute, tags=["people"])


@router.get("/me")
def me(parts: Parts, visitor: Reader) -> MeOut:
    """Who you are, what you may decide, and how it went."""
    return MeOut(
        person=person_out(visitor.profile, parts.clock()),
        scopes=sorted(visitor.scopes),
        numbers=_numbers(parts, visitor.name),
    )


@router.get("/people")
def people(parts: Parts, visitor: Lead) -> PeopleOut:
    """The people of the pools that you lead."""
    now = parts.clock()
    mine = visitor.profile.supervises
    found = [person for person in parts.directory.people.values() if person.all_pools & mine]
    return PeopleOut(items=[person_out(person, now) for person in found])


def _numbers(parts: ConsoleParts, name: str) -> dict[str, Any] | None:
    if parts.ledger is None or (figures := parts.ledger.snapshot().reviewers.get(name)) is None:
        return None
    told: dict[str, Any] = finite(msgspec.to_builtins(figures, str_keys=True))
    return told
