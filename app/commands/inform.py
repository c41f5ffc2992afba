"""``hitl inform``: a program outside gives what a reviewer asked for."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from app.commands.in_force import policy_to_look_by
from app.commands.output import console, print_json
from app.composition.parts import now, open_queue
from app.composition.writing import open_writer
from app.domain.events import InformationGiven
from app.settings import load_settings
from app.stream.topics import Topic


def inform(
    review_id: Annotated[str, typer.Argument(help="Review id, as `paused` in reviews.lifecycle has it.")],
    information: Annotated[str, typer.Argument(help="The answer to the question.")],
    by: Annotated[
        str | None,
        typer.Option("--as", help="Who gives it: `submitted_by` of the decision, or a person of the pool."),
    ] = None,
    epoch: Annotated[
        int | None, typer.Option(help="Which question: its `lease_epoch`; the open one unless given.", min=1)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Answer a request for information with an event: the review goes back to its queue with it.

    Safe to repeat. What can not be taken (another question, a review that is over, somebody who may not)
    becomes a dead letter that says why: `hitl dlq list`.

    Example: `hitl inform finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e "Project Apollo" --as svc-expenses`
    """
    settings = load_settings()
    parts = open_queue(settings, policy_to_look_by(settings))
    review = parts.queue.get(review_id).review
    event = InformationGiven(
        review_id=review_id,
        decision_id=review.decision_id,
        lease_epoch=review.epoch if epoch is None else epoch,
        information=information,
        given_by=by or getpass.getuser(),
        given_at=now(),
    )
    with open_writer(settings) as writer:
        writer.write(Topic.REVIEWS_INFORMATION, review.decision_id, event)
    if as_json:
        print_json(event)
    else:
        console.print(f"{review_id}: information sent", markup=False, highlight=False)
