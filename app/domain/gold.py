"""Items with known truth: past cases that come back beside real work, to see whether errors are caught.

A gold item is a real decision of the past whose truth is known, under an id of its own. For the reviewer it
is a decision like any other (level 4), and its recommendation is withheld as often. Its truth travels on the
route, in a reason of step ``arm``, which no context package shows. Its answer measures the reviewer: it
resolves nothing and teaches nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re

import msgspec

from app.domain.events import Arm, DecisionRouted, Reason, ReviewDecided, ReviewKind
from app.domain.ids import derived_id
from app.domain.resolution import HAND_ONS
from app.domain.review import Review

TRUTH = "truth"
"""Code of the reason that holds the known truth."""
DUE = "gold"
"""Code of the reason by which routing says that an item is due beside a decision."""
UNSEEN = "blind"
"""Code of the reason by which a gold item withholds its recommendation until the first answer."""
BURST = 5
"""A person's gold answers are shown with their truth in bursts of so many: feedback keeps eyes open, but one
answer at a time would give away which case was one. J. M. Wolfe et al., J. Exp. Psychol. Gen. 136 (2007)."""

_ARM = "arm"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DIGIT = re.compile(r"\d")


class GoldItem(msgspec.Struct, frozen=True, array_like=True):
    """A past decision with its truth. ``record`` is its DecisionRouted as published, frame included;
    ``source`` says who knows: an observation's kind, or ``teaching_example``."""

    item_id: str
    decision_type: str
    truth: str
    source: str
    record: bytes


def due(routed: DecisionRouted) -> bool:
    """Whether routing drew that an item with known truth should come beside this decision."""
    return any(reason.step == _ARM and reason.code == DUE for reason in routed.route.reasons)


def truth_of(routed: DecisionRouted) -> str | None:
    """The known truth of a gold item; ``None`` for a real decision."""
    if routed.route.arm is not Arm.GOLD:
        return None
    for reason in routed.route.reasons:
        if reason.step == _ARM and reason.code == TRUTH:
            return reason.text
    return None


def is_unseen(routed: DecisionRouted) -> bool:
    """Whether a gold item is answered before its recommendation is shown."""
    reasons = routed.route.reasons
    return routed.route.arm is Arm.GOLD and any(r.step == _ARM and r.code == UNSEEN for r in reasons)


def caught(decided: ReviewDecided) -> bool | None:
    """Whether an answered gold item was answered with its truth; ``None`` where there is nothing to judge:
    no gold item, or an answer that only hands the work on."""
    truth = truth_of(decided.requested.routed)
    if truth is None or decided.answer.action in HAND_ONS:
        return None
    return decided.answer.action == truth


def masked(review: Review) -> Review:
    """A review as its reviewer may see it: a gold item looks like any decision of level 4.

    >>> from app.domain.events import ConsequenceClass
    >>> review = Review(review_id="p.x", decision_id="d", kind=ReviewKind.GOLD, sla_class="standard",
    ...     consequence_class=ConsequenceClass.LOW, requested_at=0, digest="", urgency=0, arrival=0)
    >>> masked(review).kind.value
    'decide'
    """
    if review.kind is not ReviewKind.GOLD:
        return review
    return msgspec.structs.replace(review, kind=ReviewKind.DECIDE)


def item_of(routed: DecisionRouted, record: bytes, truth: str, source: str) -> GoldItem:
    """A past decision as an item."""
    decision = routed.scored.decision
    return GoldItem(derived_id(decision.decision_id, "gold"), decision.decision_type, truth, source, record)


def beside(item: DecisionRouted, truth: str, real: DecisionRouted, secret: bytes) -> DecisionRouted:
    """A past decision as it comes back beside a real one: same type, pool, deadline and time as the real
    one, facts and recommendation as they were, the recommendation withheld where the real one's is. Its id
    depends on the real one only: a batch that is tried again finds the item that it enqueued the first time.
    """
    decision, assessment = item.scored.decision, item.scored.assessment
    route, now = item.route, real.route
    identifier = disguised(secret, real.scored.decision.decision_id)
    shifted = real.scored.assessment.received_at - assessment.received_at
    reasons = [reason for reason in route.reasons if reason.step != _ARM]
    reasons.append(Reason(step=_ARM, code=TRUTH, text=truth))
    if now.arm in (Arm.BLIND, Arm.SECOND_LOOK):
        reasons.append(Reason(step=_ARM, code=UNSEEN, text="answered before the recommendation is shown"))
    replace = msgspec.structs.replace
    return DecisionRouted(
        scored=replace(
            item.scored,
            decision=replace(
                decision,
                decision_id=identifier,
                occurred_at=decision.occurred_at + shifted,
                due_at=real.scored.decision.due_at,
                links=[],
            ),
            assessment=replace(assessment, received_at=real.scored.assessment.received_at),
        ),
        route=replace(
            route,
            route_id=derived_id(identifier, "gold"),
            # the answer tells how reviewers are doing now, so it counts where the real one's does
            learning_key=now.learning_key,
            epoch=now.epoch,
            level=4,
            action=None,
            reasons=reasons,
            evidence=False,
            evidence_probability=0.0,
            audit=False,
            audit_probability=0.0,
            arm=Arm.GOLD,
            arm_probability=_share(real),
            review_kinds=[ReviewKind.GOLD],
            pool=now.pool,
            sla_class=now.sla_class,
            deadline=now.deadline,
            on_deadline=now.on_deadline,
            approvals=1,
            policy_version=now.policy_version,
        ),
    )


def disguised(secret: bytes, like: str) -> str:
    """An id of the same shape as ``like``: its letters and signs, other digits; a UUID becomes another.

    Ids without a digit get four. It may one day be the id of a real decision: whoever joins by decision
    id leaves reviews of kind ``gold`` out.

    >>> disguised(b"a secret", "exp-20417"), disguised(b"a secret", "exp-20418")
    ('exp-23226', 'exp-29093')
    """
    stream = hmac.digest(secret, f"gold\n{like}".encode(), "sha256")
    if _UUID.fullmatch(like):
        text = bytearray(stream[:16])
        text[6], text[8] = text[6] & 0x0F | 0x40, text[8] & 0x3F | 0x80
        name = text.hex()
        return f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"
    digits = str(int.from_bytes(hashlib.sha256(stream).digest(), "big"))
    places = [found.start() for found in _DIGIT.finditer(like)]
    if not places:
        return f"{like}-{digits[:4]}"
    fresh = places[1:] or places  # the first digit stays: ids keep their order of magnitude
    text_of = list(like)
    for place, digit in zip(fresh, digits, strict=False):
        text_of[place] = digit
    name = "".join(text_of)
    return name if name != like else f"{name}{digits[-1]}"


def _share(real: DecisionRouted) -> float:
    for reason in real.route.reasons:
        if reason.step == _ARM and reason.code == DUE and reason.limit is not None:
            return reason.limit
    return 0.0
