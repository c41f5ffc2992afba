"""What people do at the console, step by step, and what the queue holds of it."""

import re

import msgspec
from playwright.sync_api import expect

from app.domain.review import ReviewState
from app.review_queue import keys as names

REASON = "Receipts are missing and the amount is above the limit for entertainment."


def review_of(office, decision):
    """A review of the finance pool by its decision."""
    for state in (ReviewState.OPEN, ReviewState.CLAIMED, ReviewState.DECIDED):
        for review in office.queue.list("finance", state, limit=100):
            if review.decision_id == decision:
                return review
    raise AssertionError(f"{decision} is nowhere")


def take(person, office, decision):
    """Claim a case from its page."""
    page = person.go(f"/reviews/{review_of(office, decision).review_id}")
    page.get_by_role("button", name="Take this case").click()
    expect(page.get_by_role("heading", name=re.compile("^Your (first )?answer$"))).to_be_visible()
    return page


def fill(page, action="Approve", reasoning=REASON, reason="agrees"):
    page.get_by_role("radio", name=action, exact=True).check()
    page.get_by_label("Why?").fill(reasoning)
    page.get_by_label("Reason that fits best").select_option(reason)


def answers(office):
    """Every answer that the queue has, by decision."""
    decided = office.queue.list("finance", ReviewState.DECIDED, limit=100)
    return {review.decision_id: office.queue.get(review.review_id).answer for review in decided}


def outcomes(office):
    """What goes out to those who act on answers: who, what and why."""
    outbox = office.store.keys.pool("finance", names.OUTBOX)
    entries = office.store.client.execute_command("XRANGE", outbox, "-", "+")
    told = [msgspec.json.decode(entry[b"@answer"]) for _, entry in entries if b"@answer" in entry]
    return [(answer["reviewer"], answer["action"], answer["reasoning"]) for answer in told]
