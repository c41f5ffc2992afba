"""Simulated reviewers: people with stated strengths and weaknesses, in place of real ones.

What a simulated reviewer answers is drawn from the truth with the error rates below, so how often
people are right in the demo is an assumption that goes in, not a finding that comes out; the report
says so. What the demo does show is what the system makes of people who are like this.

Every draw is a hash of seed, decision, reviewer and purpose: an answer never depends on which thread
was faster or who claimed first.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist

import msgspec

from app.demo.lending import APPROVE, REJECT
from app.demo.model import describe
from app.demo.underwriting import LIMITS
from app.domain.events import OverrideCategory
from app.domain.terms import Fact, ReasonCode

OTHER = "other"


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a decision type's pools a reviewer takes from."""

    title: str
    pools: tuple[str, ...]
    supervises: bool = False
    """Takes what is escalated, in all of the type's pools."""


UNDERWRITER = Role(title="underwriter", pools=("pool",))
SENIOR = Role(title="senior underwriter", pools=("pool", "expert_pool"))
LEAD = Role(title="head of underwriting", pools=("expert_pool",), supervises=True)


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A simulated reviewer. Shares in [0, 1]."""

    name: str
    role: Role
    sensitivity: float
    """Share of the AI's errors that this person catches when the recommendation is withheld."""
    false_override: float
    """Share of the AI's right answers that this person wrongly changes."""
    anchoring: float
    """Share of the catches that are lost when the recommendation is shown."""
    minutes: float
    """Median handling time in simulated minutes."""
    writes_other: float
    """Share of overrides explained in free text instead of a reason from the list."""


PROFILES = (
    Profile(
        name="ana.silva", role=SENIOR, sensitivity=0.90, false_override=0.02, anchoring=0.10, minutes=7,
        writes_other=0.05,
    ),
    Profile(
        name="ben.okafor", role=UNDERWRITER, sensitivity=0.85, false_override=0.03, anchoring=0.20, minutes=6,
        writes_other=0.10,
    ),
    Profile(
        name="chloe.martin", role=UNDERWRITER, sensitivity=0.80, false_override=0.02, anchoring=0.45,
        minutes=4, writes_other=0.20,
    ),
    Profile(
        name="david.kim", role=SENIOR, sensitivity=0.92, false_override=0.02, anchoring=0.10, minutes=9,
        writes_other=0.05,
    ),
    Profile(
        name="emma.larsen", role=SENIOR, sensitivity=0.94, false_override=0.01, anchoring=0.05, minutes=11,
        writes_other=0.05,
    ),
    Profile(
        name="farid.haddad", role=LEAD, sensitivity=0.95, false_override=0.01, anchoring=0.05, minutes=14,
        writes_other=0.0,
    ),
)  # fmt: skip

REVISES = 0.5
"""Share of wrong first answers that a reviewer takes back when the withheld recommendation, which is
right, is revealed. Right first answers are given up with the reviewer's ``anchoring``."""

CATEGORY_WEIGHTS = {
    OverrideCategory.AI_ERROR: 0.70,
    OverrideCategory.EDGE_CASE: 0.20,
    OverrideCategory.POLICY_CHANGE: 0.07,
    OverrideCategory.HUMAN_ERROR: 0.03,
}
"""Why simulated reviewers say that they changed an answer; the data set does not tell."""


OTHER_NOTES = (
    "a co-signer with a steady income was named on the phone",
    "a gift letter covers part of the down payment",
    "the property was revalued after the application",
    "the employer confirmed a permanent contract",
)

Chance = Callable[[str], float]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer has in front of them. ``recommendation`` is ``None`` while it is withheld or when
    there is none; ``revealed`` is what a blind review shows after the first answer."""

    decision_id: str
    recommendation: str | None
    revealed: str | None
    facts: Mapping[str, Fact]
    reason_codes: Sequence[ReasonCode]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the reviewer answers. ``first_action`` only after a blind first answer; times in ms."""

    action: str
    first_action: str | None
    reasoning: str
    reason_code: str
    category: OverrideCategory | None
    note: str
    tags: list[str]
    handling: int


def draw(seed: int, *parts: str) -> float:
    """A number in [0, 1) that depends on its arguments alone.

    >>> draw(7, "hmda-0001", "ana.silva", "catch") == draw(7, "hmda-0001", "ana.silva", "catch")
    True
    """
    digest = hashlib.blake2b("\x1f".join((str(seed), *parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def reply(profile: Profile, shown: Shown, *, advised: str, truth: str, seed: int) -> Reply:
    """The answer of one simulated reviewer.

    ``advised`` is what the AI recommended, shown or not: the error model is stated against it.
    ``truth`` is what the lender did.
    """

    def chance(purpose: str) -> float:
        return draw(seed, shown.decision_id, profile.name, purpose)

    blind_answer = _answer(profile, advised, truth, chance, anchored=False)
    first: str | None = None
    if shown.recommendation is not None:
        action = _answer(profile, advised, truth, chance, anchored=True)
    elif shown.revealed is not None:
        first = blind_answer
        action = _revised(profile, first, advised, truth, chance("revise"))
    else:
        action = blind_answer
    code, category, note = _reason(profile, shown, action, advised, chance)
    return Reply(
        action=action,
        first_action=first,
        reasoning=_reasoning(shown, action, advised, first),
        reason_code=code,
        category=category,
        note=note,
        tags=_tags(category, chance("tag")),
        handling=_handling(profile.minutes, chance("speed"), changed=action != advised),
    )


def stated(profiles: Sequence[Profile] = PROFILES) -> list[str]:
    """The reviewers' numbers in one line each, for the report."""
    return [
        f"{p.name}, {p.role.title}: catches {p.sensitivity:.0%} of the AI's errors "
        f"({p.sensitivity * (1 - p.anchoring):.0%} when shown its answer), "
        f"wrongly changes {p.false_override:.0%}, about {p.minutes:g} min"
        for p in profiles
    ]


def _answer(profile: Profile, advised: str, truth: str, chance: Chance, *, anchored: bool) -> str:
    if advised == truth:
        return _opposite(advised) if chance("false override") < profile.false_override else advised
    catches = profile.sensitivity * (1 - profile.anchoring if anchored else 1)
    return truth if chance("catch") < catches else advised


def _revised(profile: Profile, first: str, advised: str, truth: str, chance: float) -> str:
    if first == advised:
        return first
    gives_in = profile.anchoring if first == truth else REVISES
    return advised if chance < gives_in else first


def _opposite(action: str) -> str:
    return REJECT if action == APPROVE else APPROVE


def _reason(
    profile: Profile, shown: Shown, action: str, advised: str, chance: Chance
) -> tuple[str, OverrideCategory | None, str]:
    """Reason code, category and note; a note is written where the code is ``other``."""
    if action == advised:
        codes = [reason.code for reason in shown.reason_codes if reason.category is None]
        return (codes[0], None, "") if codes else (OTHER, None, "the recommendation is right")
    category = _pick(CATEGORY_WEIGHTS, chance("category"))
    fitting = [reason for reason in shown.reason_codes if reason.category == category]
    if not fitting or chance("other") < profile.writes_other:
        return OTHER, category, OTHER_NOTES[int(chance("note") * len(OTHER_NOTES))]
    return fitting[int(chance("code") * len(fitting))].code, category, ""


def _reasoning(shown: Shown, action: str, advised: str, first: str | None) -> str:
    """Two short sentences from the facts: what decided it, and how it relates to the recommendation."""
    decisive = _decisive(shown.facts, action)
    revised = (
        "" if first is None or first == action else f" After seeing the recommendation I no longer {first}."
    )
    if shown.recommendation is None and first is None:
        return f"I {action}: {decisive}."
    agreement = "as recommended" if action == advised else f"the recommendation to {advised} overlooks it"
    return f"I {action}: {decisive}; {agreement}.{revised}"


def _decisive(facts: Mapping[str, Fact], action: str) -> str:
    """The fact that speaks most for ``action``, by the written underwriting rules."""
    known = [limit for limit in LIMITS if isinstance(facts.get(limit.fact), bool | int | float)]
    if not known:
        return "too little is known"

    def margin(fact: str, most: float, plain: float) -> float:
        return (most - float(facts[fact] or 0)) / plain

    ordered = sorted(known, key=lambda limit: margin(limit.fact, limit.most, limit.plain))
    fact = ordered[-1 if action == APPROVE else 0].fact
    return describe(fact, facts[fact])


def _tags(category: OverrideCategory | None, chance: float) -> list[str]:
    if category is OverrideCategory.AI_ERROR:
        return ["train_on_this"]
    if category is OverrideCategory.POLICY_CHANGE:
        return ["policy_issue"]
    if category is OverrideCategory.EDGE_CASE and chance < 0.5:
        return ["teaching_example"]
    return []


def _handling(minutes: float, chance: float, *, changed: bool) -> int:
    """Log-normal around the median, half as long again when the answer differs from the AI's; ms."""
    spread = math.exp(0.5 * NormalDist().inv_cdf(min(max(chance, 1e-6), 1 - 1e-6)))
    return round(minutes * 60_000 * spread * (1.5 if changed else 1.0))


def _pick(weights: Mapping[OverrideCategory, float], chance: float) -> OverrideCategory:
    reached = 0.0
    for category, weight in weights.items():
        reached += weight
        if chance < reached:
            return category
    return next(iter(weights))
