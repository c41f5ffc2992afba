"""What stands around every page: the main menu, and the words that templates use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import Depends, Request
from starlette.datastructures import FormData

from app.console.errors import MissingScopeError
from app.console.identity import Visitor, count_read, identify, parts_of, signed_in
from app.console.pages.reading import action_label, label, sentence
from app.console.pages.standing import spoken
from app.console.rendering import TEMPLATES
from app.domain import words
from app.domain.people import Profile, Role


def in_person(visitor: Annotated[Visitor, Depends(signed_in)]) -> Visitor:
    """Pages do everything that a person may; a token, which may do a part of it, has the API for that."""
    if not visitor.session_id:
        raise MissingScopeError("pages are for people who signed in", hint="programs use the API under /v1")
    return visitor


Who = Annotated[Visitor, Depends(in_person)]
EVENTS = "/v1/events"
"""Where changes of the queues are told as they happen (server-sent events)."""


class MenuItem(msgspec.Struct, frozen=True):
    """An entry of the main menu."""

    href: str
    text: str


def leads(profile: Profile) -> bool:
    """Whether this person sees how others do: leads of a pool, and auditors."""
    return bool(profile.supervises) or Role.AUDITOR in profile.roles


def oversees(profile: Profile) -> bool:
    """Whether this person sees how the whole does: leads, auditors, and whoever keeps it running."""
    return leads(profile) or Role.ADMIN in profile.roles


def places_of(visitor: Visitor) -> Sequence[MenuItem]:
    """The main menu, as far as this person has something to do there."""
    lead = leads(visitor.profile)
    return (
        MenuItem("/", "My work"),
        *((MenuItem("/lead", "Lead"),) if lead else ()),
        MenuItem("/sessions", "Sessions"),
        MenuItem("/rules", "Rules"),
        *((MenuItem("/capacity", "Capacity"),) if lead else ()),
        *((MenuItem("/operations", "Operations"),) if oversees(visitor.profile) else ()),
        MenuItem("/me", "My numbers"),
    )


def unnoticed(request: Request) -> None:
    """For what a page asks by itself: no sign of life, so that a forgotten tab does not keep a session."""
    parts = parts_of(request)
    request.state.visitor = visitor = identify(parts, request, renew=False)
    count_read(parts, visitor)


async def posted(request: Request) -> FormData:
    """The form that was sent."""
    return await request.form()


Form = Annotated[FormData, Depends(posted)]


def text_of(form: FormData, name: str) -> str:
    """A field of the form as text; a file, or nothing, is empty."""
    value = form.get(name)
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else ""


def epoch_of(form: FormData) -> int:
    """The lease that a form was filled in under; 0, which no lease has, when it does not say."""
    text = text_of(form, "epoch")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


TEMPLATES.filters.update(count=words.count, sentence=sentence)
TEMPLATES.globals.update(
    places_of=places_of,
    action_label=action_label,
    label=label,
    spoken=spoken,
    moment=words.moment,
    events_url=EVENTS,
    OBSERVED=words.OBSERVED,
)
