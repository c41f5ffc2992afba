"""A blind finding of an error is asked again of a second person: a false finding of one counts for nothing.

Reviewers are wrong about right answers, too. With 2 % of false findings and 1 % of real errors, two of three
findings are false, and no certificate at 2 % is within reach. Where a second person has to find the error as
well, false findings become the square of a small number, at the price of one more answer for each finding.
"""

from __future__ import annotations

from app.domain.context_package import is_blind
from app.domain.events import Arm, DecisionRouted, ReviewDecided, ReviewKind
from app.domain.resolution import HAND_ONS, agrees
from app.domain.routing import eligible
from app.domain.terms import Terms
from app.domain.working_time import due

_FINDING = frozenset({ReviewKind.REVIEW, ReviewKind.DECIDE, ReviewKind.AUDIT})


def is_confirmation(routed: DecisionRouted, kind: ReviewKind) -> bool:
    """Whether this second look was asked for because of an answer. A drawn one says something about how
    often people agree; this one does not."""
    return kind is ReviewKind.SECOND_LOOK and routed.route.arm is not Arm.SECOND_LOOK


def to_confirm(decided: ReviewDecided) -> bool:
    """Whether an answer is a finding that a second person should confirm, where the policy asks for that: of
    the evidence sample, blind, by one person, against the recommendation. A decision whose second look was
    drawn is answered twice already; and what is found about a shadow alone changes nothing for the version in
    charge, so that nobody is asked."""
    requested, answer = decided.requested, decided.answer
    routed, request = requested.routed, requested.request
    route = routed.route
    if not route.evidence or request.kind not in _FINDING or route.approvals > 1 or not eligible(routed):
        return False
    if ReviewKind.SECOND_LOOK in route.review_kinds or not is_blind(routed, request.kind):
        return False
    if answer.action in HAND_ONS:
        return False
    recommended = routed.scored.decision.recommendation.action
    if answer.first_action is not None:
        return not agrees(recommended, answer.first_action, None)
    return not agrees(recommended, answer.action, answer.changes)


def second_deadline(terms: Terms, sla_class: str, since: int) -> int | None:
    """When a confirmation that is asked for at ``since`` (ms UTC) is due; ``None`` without such a class."""
    duration = terms.sla_durations.get(sla_class)
    return None if duration is None else due(terms.sla_calendars.get(sla_class), since, duration)
