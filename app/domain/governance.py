"""May this person do this to what governs decisions: the policy itself, and what people's overrides teach?
The one place that says so, beside ``app.domain.authority`` for reviews and standing rules. Pure.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from app.domain.authority import Denial, same_eyes
from app.domain.overrides import COACHING
from app.domain.people import Directory, Profile, Role


class PolicyDeed(StrEnum):
    """What can be done to put a policy in force."""

    ACTIVATE = "activate"
    """Alone, at once."""
    PROPOSE = "propose"
    CONFIRM = "confirm"
    REJECT = "reject"


class ItemDeed(StrEnum):
    """What can be done to a work item of a feedback sink."""

    LOOK = "look"
    ASSIGN = "assign"
    CLOSE = "close"


class ItemMatter(msgspec.Struct, frozen=True, kw_only=True):
    """What a deed about a work item is about. ``pool`` is that of its decision type, empty for a type that
    left the policy; ``about`` is the person whose answer it came from."""

    sink: str
    pool: str
    about: str
    assignee: str = ""


def policy_refused(
    directory: Directory, two_people: bool, name: str, deed: PolicyDeed, proposed_by: str, now: int
) -> Denial | None:
    """Why a person may not do this to put another policy in force at ``now`` (ms UTC); ``None`` allows it.

    ``directory`` and ``two_people`` are those of the policy in force: no proposal names its own
    confirmers. Where two people are asked for, both are admins, different people, and neither stands in for
    the other."""
    if deed is PolicyDeed.ACTIVATE:
        return _TWO_ARE_NEEDED if two_people else None
    who = directory.people.get(name)
    if not two_people or who is None:
        return _UNKNOWN if two_people else _ONE_IS_ENOUGH
    if Role.ADMIN not in who.roles and not (deed is PolicyDeed.REJECT and name == proposed_by):
        return Denial("not_admin", "only an admin may put a policy in force", "ask one: see `people`")
    return same_eyes(directory, who, proposed_by, now, "a policy") if deed is PolicyDeed.CONFIRM else None


_UNKNOWN = Denial("unknown_person", "nobody of this name is in the policy in force", "see `people` in it")
_ONE_IS_ENOUGH = Denial(
    "one_person",
    "the policy in force lets one person activate: there is nothing to propose",
    "hitl policy activate FILE",
)
_TWO_ARE_NEEDED = Denial(
    "two_people",
    "the policy in force wants two people behind the next one",
    "hitl policy propose FILE; another admin confirms it: hitl policy confirm",
)


def item_refused(directory: Directory, who: Profile, deed: ItemDeed, item: ItemMatter) -> Denial | None:
    """Why a person may not do this to a work item; ``None`` allows it.

    Coaching is between the person it is about and the leads of the pool; everything else is the pool's to
    read, and the leads' and admins' to hand out. Whoever has an item may close it."""
    leads = item.pool in who.supervises or directory.open_house
    coaching, admin = item.sink == COACHING, Role.ADMIN in who.roles
    if leads or (admin and not coaching):
        return None
    if deed is not ItemDeed.LOOK:
        has_it = who.name == item.assignee and deed is ItemDeed.CLOSE
        return None if has_it else _NOT_LEAD
    if who.name in (item.about, item.assignee):
        return None
    if coaching:
        return _PRIVATE
    if Role.AUDITOR in who.roles or item.pool in who.all_pools:
        return None
    return Denial("not_your_pool", f"{who.name} does not work in pool '{item.pool}'")


_NOT_LEAD = Denial(
    "not_lead", "only a lead of the pool may do this, and whoever has the item may close it", "ask a lead"
)
_PRIVATE = Denial("private", "coaching is between a person and the leads of the pool")
