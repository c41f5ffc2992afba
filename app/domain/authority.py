"""May this person do this? The one place that says so, for every entry: console, API, command line. Pure.

A deed is refused by the first rule that speaks against it; the rules stand in ``_RULES`` in their
order. Whoever stands in for others may do what one of their capacities allows
(``app.domain.people.Directory.capacities``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

import msgspec

from app.domain.events import ConsequenceClass, ReviewKind
from app.domain.people import Directory, Profile, Role
from app.domain.progress import Routed, Submission
from app.domain.review import CLASS_RANK


class Deed(StrEnum):
    """Everything a person can do to a review."""

    LOOK = "look"
    CLAIM = "claim"
    EXTEND = "extend"
    RELEASE = "release"
    REVEAL = "reveal"
    DECIDE = "decide"
    UNDO = "undo"
    REQUEST_INFO = "request_info"
    ANSWER_INFO = "answer_info"
    ESCALATE = "escalate"
    DELEGATE = "delegate"
    REASSIGN = "reassign"
    CANCEL = "cancel"


JUDGING = frozenset({Deed.CLAIM, Deed.REVEAL, Deed.DECIDE})
"""Deeds that need the authority to judge the case. Handing it on needs none: who finds that a case is
above the own limit must be able to escalate it."""

_WITHOUT_READING = frozenset({Deed.LOOK, Deed.RELEASE, Deed.ESCALATE, Deed.CANCEL})


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """What a deed is about, as far as authority depends on it. ``has_amount``: cases of this type are
    about an amount; ``amount`` is that fact, ``None`` when the case does not say it."""

    review_id: str
    pool: str
    kind: ReviewKind
    decision_type: str
    consequence_class: ConsequenceClass
    has_amount: bool
    amount: float | None
    subject: str
    submitted_by: str
    backup_pools: frozenset[str] = frozenset()
    """Other pools to whose people the review is offered as well."""
    erased: bool = False
    """The person whom it is about was erased: who it was, and what was to be decided, nobody knows."""


class Denial(msgspec.Struct, frozen=True):
    """Why not: a stable code, and the words."""

    code: str
    text: str
    hint: str = ""


class RuleDeed(StrEnum):
    """Everything a person can do about a standing rule."""

    LOOK = "look"
    PROPOSE = "propose"
    APPROVE = "approve"
    REJECT = "reject"
    REVOKE = "revoke"


class RuleMatter(msgspec.Struct, frozen=True, kw_only=True):
    """What a deed about a standing rule is about. ``hardest`` is the most harmful and largest case that the
    rule covers, ``actions`` the recommendations that it covers."""

    hardest: Matter
    actions: tuple[str, ...]
    proposed_by: str = ""
    approved_by: str = ""


Rule = Callable[[Profile, Deed, Matter, int], Denial | None]


def refused(capacities: Iterable[Profile], deed: Deed, matter: Matter, now: int) -> Denial | None:
    """Why none of a person's capacities allows the deed at ``now`` (ms UTC); ``None`` allows it.

    The denial is that of the person's own authority, which comes first in ``capacities``."""
    first: Denial | None = None
    for profile in capacities:
        denial = _refused_as(profile, deed, matter, now)
        if denial is None:
            return None
        first = first or denial
    return first or Denial("unknown_person", "nobody of this name is in the policy")


def _refused_as(profile: Profile, deed: Deed, matter: Matter, now: int) -> Denial | None:
    return next((denial for rule in _RULES if (denial := rule(profile, deed, matter, now))), None)


def action_refused(capacities: Iterable[Profile], action: str) -> Denial | None:
    """Why a person may not answer with ``action``."""
    allowed: set[str] = set()
    for profile in capacities:
        if profile.actions is None or action in profile.actions:
            return None
        allowed |= profile.actions
    return Denial(
        "action_not_allowed",
        f"you may not answer '{action}'",
        f"allowed to you: {', '.join(sorted(allowed)) or 'nothing'}; or escalate the case",
    )


def information_refused(
    giver: str, people: Directory, capacities: Iterable[Profile], matter: Matter, now: int
) -> Denial | None:
    """Why information from outside is not taken from ``giver``; ``capacities`` are those of the person of
    this name. A person needs what it takes at any entry. Besides, the program that submitted the decision is
    asked what only it knows; but no person submits something and then steers it."""
    if giver == matter.submitted_by and giver not in people.people:
        return None
    return refused(capacities, Deed.ANSWER_INFO, matter, now)


def giver_of(name: str, submitted_by: str, people: Directory) -> str:
    """In whose name ``name``, admitted as the producer of a decision, gives information about it: a program,
    as a gateway is, in that under which it handed the decision in; a person in no other than the own."""
    return name if name in people.people else submitted_by


def is_producer(name: str, submission: Submission | None, routed: Routed | None) -> bool:
    """Whether ``name`` handed a decision in and may follow it. ``routed`` is what was routed under its id,
    ``None`` before that.

    An id proves nothing: whoever hands in another decision under an id that is taken must not see what
    becomes of the first."""
    mine = submission if submission is not None and submission.owner == name else None
    if routed is None:
        return mine is not None
    return routed.submitted_by == name or (mine is not None and mine.identity == routed.identity)


def rule_refused(
    directory: Directory, who: Profile, deed: RuleDeed, rule: RuleMatter, now: int
) -> Denial | None:
    """Why a person may not do this to a standing rule at ``now`` (ms UTC); ``None`` allows it.

    Proposing and approving need the own authority to decide every case that the rule covers: what is lent
    for an absence is lent for single cases. The two must be different people, neither standing in for the
    other; a role changes nothing about that. Ending a rule is easy: either of the two, a lead, an admin."""
    pool = rule.hardest.pool
    behind = who.name in (rule.proposed_by, rule.approved_by)
    ends = behind or pool in who.supervises or Role.ADMIN in who.roles
    if deed is RuleDeed.LOOK:
        if ends or Role.AUDITOR in who.roles or pool in who.all_pools:
            return None
        return Denial("not_your_pool", f"{who.name} does not work in pool '{pool}'")
    if deed is RuleDeed.REVOKE:
        return None if ends else _NOT_YOUR_RULE
    if deed is RuleDeed.REJECT and ends:
        return None
    if directory.open_house:
        return _OPEN_HOUSE
    same = None if deed is RuleDeed.PROPOSE else same_eyes(directory, who, rule.proposed_by, now, "a rule")
    return same or _beyond(who, rule, now)


_NOT_YOUR_RULE = Denial(
    "not_your_rule",
    "a rule is revoked by who proposed or approved it, a lead of the pool or an admin",
    "tell one of them",
)
_OPEN_HOUSE = Denial(
    "open_house", "this policy names nobody, so nobody can vouch for a rule", "name people in the policy"
)


def order_refused(who: Profile, pools: Iterable[str]) -> Denial | None:
    """Why a person may not steer the automation of a type: that is for a lead of one of its pools, or an
    admin."""
    if Role.ADMIN in who.roles or any(pool in who.supervises for pool in pools):
        return None
    return Denial("not_lead", f"{who.name} leads no pool of this type", "ask a lead of the pool or an admin")


def _beyond(who: Profile, rule: RuleMatter, now: int) -> Denial | None:
    """Which of the cases that a rule covers is beyond a person's own authority."""
    denial = _refused_as(who, Deed.DECIDE, rule.hardest, now)
    if denial is not None:
        text = f"the rule covers cases that you may not decide: {denial.text}"
        hint = "give the rule narrower bounds, or let somebody else do it"
        return Denial(denial.code, text, hint)
    return next((found for action in rule.actions if (found := action_refused((who,), action))), None)


def same_eyes(directory: Directory, who: Profile, proposed_by: str, now: int, what: str) -> Denial | None:
    """Why ``who`` is no second pair of eyes for ``what`` ("a rule") that somebody proposed."""
    if who.name == proposed_by:
        return Denial("four_eyes", f"{what} needs the approval of another person", "ask a colleague")
    proposer = directory.find(proposed_by)
    if proposer and ({who.name, *who.identities} & {proposer.name, *proposer.identities}):
        return Denial("four_eyes", f"{who.name} and {proposed_by} are the same person", "ask a colleague")
    pairs = ((who, proposed_by), (proposer, who.name)) if proposer else ((who, proposed_by),)
    if any(s.name == name and s.period.covers(now) for one, name in pairs for s in one.substitutes):
        return Denial("stand_in", f"you and {proposed_by} stand in for one another: that is one pair of eyes")
    return None


def _leads(profile: Profile, deed: Deed, matter: Matter, _now: int) -> Denial | None:
    leads = matter.pool in profile.supervises
    if deed is Deed.REASSIGN and not leads:
        return Denial("not_lead", f"only a lead of pool '{matter.pool}' may reassign its cases")
    if deed is Deed.CANCEL and not leads and Role.ADMIN not in profile.roles:
        return Denial("not_admin", "only an admin or a lead of the pool may withdraw a case")
    return None


def _pool(profile: Profile, deed: Deed, matter: Matter, _now: int) -> Denial | None:
    if matter.pool in profile.all_pools or matter.backup_pools & profile.pools:
        return None
    if (deed is Deed.LOOK and Role.AUDITOR in profile.roles) or deed is Deed.CANCEL:
        return None
    return Denial(
        "not_your_pool", f"{profile.name} does not work in pool '{matter.pool}'", "see `people` in the policy"
    )


def _away(profile: Profile, deed: Deed, _matter: Matter, now: int) -> Denial | None:
    """Who is away takes nothing new, and may still finish."""
    if deed is Deed.CLAIM and profile.absent(now):
        return Denial("away", "you are marked as away", "ask for the period of absence to be changed")
    return None


def _conflict(profile: Profile, deed: Deed, matter: Matter, _now: int) -> Denial | None:
    """Nobody judges, or even steers, what is about or from themselves or those close to them."""
    if deed is Deed.LOOK and Role.AUDITOR in profile.roles:
        return None
    own = {profile.name, *profile.identities}
    if matter.subject in own or matter.submitted_by in own:
        return Denial("own_case", "this case is about you, or comes from you", "somebody else will take it")
    if {matter.subject, matter.submitted_by} & profile.conflicts:
        return Denial("conflict_of_interest", "you have a conflict of interest in this case")
    return None


def _erased(_profile: Profile, deed: Deed, matter: Matter, _now: int) -> Denial | None:
    """What nobody can read, nobody can judge, or tell anybody about; it can be handed up, or ended."""
    if not matter.erased or deed in _WITHOUT_READING:
        return None
    return Denial(
        "erased",
        "the person whom this case is about was erased: nobody can read it, so nobody can decide it",
        "withdraw it, or escalate it to somebody who may",
    )


def _type(profile: Profile, deed: Deed, matter: Matter, _now: int) -> Denial | None:
    types = profile.decision_types
    if deed not in JUDGING or types is None or matter.decision_type in types:
        return None
    return Denial("type_not_allowed", f"you do not decide cases of type '{matter.decision_type}'")


def _class(profile: Profile, deed: Deed, matter: Matter, _now: int) -> Denial | None:
    if deed in JUDGING and CLASS_RANK[matter.consequence_class] < CLASS_RANK[profile.max_class]:
        return Denial(
            "above_your_class",
            f"the consequence is {matter.consequence_class.value}, you decide up to "
            f"{profile.max_class.value}",
            "escalate it",
        )
    return None


def _amount(profile: Profile, deed: Deed, matter: Matter, _now: int) -> Denial | None:
    """An amount that nobody knows is above every limit."""
    if deed not in JUDGING or profile.max_amount is None or not matter.has_amount:
        return None
    if matter.amount is None:
        return Denial(
            "amount_unknown", f"the amount is not known and you decide up to {profile.max_amount:,.0f}"
        )
    if not matter.amount <= profile.max_amount:
        return Denial(
            "above_your_amount",
            f"the amount is {matter.amount:,.2f}, you decide up to {profile.max_amount:,.0f}",
            "escalate it",
        )
    return None


_RULES: tuple[Rule, ...] = (_leads, _pool, _erased, _away, _conflict, _type, _class, _amount)
