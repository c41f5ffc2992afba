"""Who saw what of a review, when, and for how long: from the steps on record. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from app.domain.events import ReviewLifecycle
from app.domain.undo import HELD, UNDONE

GAP = 15 * 60_000
"""A longer silence, in ms, ends a look: nobody can tell whether the page was still in front of anybody."""
_LOOKING = frozenset({"claimed", "looked", "extended", "revealed", UNDONE})
"""Signs that somebody has the case before them."""
_ENDING = frozenset({"decided", HELD, "voted", "disagreed", "released", "paused", "escalated", "delegated"})
"""Signs that somebody has just put it down."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One person's uninterrupted look at one review. Times in ms UTC; ``duration`` is at least so long:
    from the first sign of the person to the last."""

    review_id: str
    person: str
    since: int
    until: int
    duration: int
    digest: str
    """Of the package that was shown; empty where nothing says that it was."""
    recommendation_revealed_at: int | None
    """When a withheld recommendation was shown, in a blind review."""
    ended: str
    """What the person did last."""


def who_saw(steps: Iterable[ReviewLifecycle]) -> list[Seen]:
    """Everybody's looks, in the order of their beginning.

    Examples
    --------
    >>> def step(event, at, actor="ann", detail=""):
    ...     return ReviewLifecycle(event_id=f"{at}", review_id="p.1", decision_id="d", pool="p", event=event,
    ...         actor=actor, at=at, lease_epoch=1, state="{}", detail=detail)
    >>> looks = who_saw([step("claimed", 0), step("looked", 100, detail='{"digest":"ab"}'),
    ...     step("extended", 60_000), step("decided", 95_000), step("looked", 7_200_000, "lee")])
    >>> [(one.person, one.duration, one.digest, one.ended) for one in looks]
    [('ann', 95000, 'ab', 'decided'), ('lee', 0, '', 'looked')]
    """
    looks: list[Seen] = []
    open_looks: dict[tuple[str, str], Seen] = {}
    answered: set[tuple[str, str]] = set()
    for step in sorted(steps, key=lambda one: (one.at, one.event_id)):
        if step.event not in _LOOKING | _ENDING or not step.actor:
            continue
        key = step.review_id, step.actor
        if step.event == HELD:
            answered.add(key)
        elif step.event == UNDONE:
            answered.discard(key)
        elif step.event == "decided" and key in answered:
            continue  # the clock made it final, whatever the person was looking at by then
        look = open_looks.get(key)
        if look is not None and step.at - look.until > GAP:
            looks.append(open_looks.pop(key))
            look = None
        if look is None and step.event in _ENDING:
            continue
        open_looks[key] = _longer(look, step)
        if step.event in _ENDING:
            looks.append(open_looks.pop(key))
    looks.extend(open_looks.values())
    return sorted(looks, key=lambda one: (one.since, one.person))


def _longer(look: Seen | None, step: ReviewLifecycle) -> Seen:
    digest = _digest(step.detail) if step.event == "looked" else ""
    revealed = step.at if step.event == "revealed" else None
    if look is None:
        return Seen(
            review_id=step.review_id,
            person=step.actor,
            since=step.at,
            until=step.at,
            duration=0,
            digest=digest,
            recommendation_revealed_at=revealed,
            ended=step.event,
        )
    return msgspec.structs.replace(
        look,
        until=step.at,
        duration=step.at - look.since,
        digest=digest or look.digest,
        recommendation_revealed_at=look.recommendation_revealed_at or revealed,
        ended=step.event,
    )


def _digest(detail: str) -> str:
    try:
        return str(msgspec.json.decode(detail, type=dict[str, str]).get("digest", ""))
    except msgspec.MsgspecError:
        return ""
