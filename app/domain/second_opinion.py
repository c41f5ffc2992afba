"""A blind finding of an error is asked again of a second person: a false finding of one counts for nothing.

Reviewers are wrong about right answers, too. With 2 % of false findings and 1 % of real errors, two of three
findings are false, and no certificate at 2 % is within reach. Where a second person has to find the error as
well, false findings become the square of a small number, at the price of one more answer for each finding.
"""

from __future__ import annotations

from app.domain.context_package import is_blind
from app.domain.events import Arm, DecisionRouted, ReviewDecided, ReviewKind
from app.domain.resolution import HAND_ONS, JUDGING, differs
from app.domain.routing import eligible


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
    if not route.evidence or request.kind not in JUDGING or route.approvals > 1 or not eligible(routed):
        return False
    if ReviewKind.SECOND_LOOK in route.review_kinds or not is_blind(routed, request.kind):
        return False
    if answer.action in HAND_ONS:
        return False
    return differs(routed.scored.decision.recommendation.action, answer)
