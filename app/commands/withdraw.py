"""``hitl withdraw``: a producer takes a decision back."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from app.commands.output import console, print_json
from app.composition.parts import now
from app.composition.writing import open_writer
from app.domain.events import DecisionWithdrawn
from app.settings import load_settings
from app.stream.topics import Topic


def withdraw(
    decision_id: Annotated[str, typer.Argument(help="The producer's id of the decision.")],
    reason: Annotated[str, typer.Option(help="Why, for the reviewers.")] = "",
    by: Annotated[
        str | None, typer.Option("--as", help="Who withdraws it; the user's name unless given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Nobody needs this decision any more: its open reviews end unanswered, also those in somebody's hands.

    What is answered already stays answered, and what ran alone goes on being checked. A blind check that ends
    unanswered counts as an error of the AI: withdrawing can not make automation look better. Withdrawing
    twice changes nothing; a decision that has not arrived yet is withdrawn when it does.

    Example: `hitl withdraw exp-001 --reason "cancelled by the employee"`
    """
    event = DecisionWithdrawn(
        decision_id=decision_id, reason=reason, withdrawn_by=by or getpass.getuser(), at=now()
    )
    with open_writer(load_settings()) as writer:
        writer.write(Topic.DECISIONS_WITHDRAWN, decision_id, event)
    if as_json:
        print_json(event)
    else:
        console.print(f"{decision_id}: withdrawal sent", markup=False, highlight=False)
