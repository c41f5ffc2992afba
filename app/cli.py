"""The ``hitl`` command: puts the verbs together, turns errors into words and exit codes.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 a needed service can not be reached.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from app import __version__
from app.commands import (
    acls,
    activate,
    console,
    demo,
    dlq,
    doctor,
    erase,
    evidence,
    export,
    gold,
    inform,
    lab,
    learnings,
    learnings_scan,
    metrics,
    people,
    policy,
    policy_proposals,
    queue,
    review,
    rules,
    status,
    submit,
    thresholds,
    token,
    topics,
    webhooks,
    withdraw,
    worker,
)
from app.commands.help import Verbs
from app.commands.output import errors
from app.errors import HitlError

app = typer.Typer(
    name="hitl",
    cls=Verbs,
    help="Human-in-the-loop decisions on Kafka: AI decides what it should, people decide what they must.",
    epilog="Example: `hitl demo` · `hitl submit decisions.jsonl` · `hitl review list --pool finance`",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
policy.app.command("activate")(activate.activate)
for verb in (
    policy_proposals.propose,
    policy_proposals.pending,
    policy_proposals.confirm,
    policy_proposals.reject,
):
    policy.app.command(verb.__name__)(verb)
app.add_typer(policy.app, name="policy")
topics.app.command("acls")(acls.acls)
app.add_typer(topics.app, name="topics")
app.add_typer(review.app, name="review")
app.add_typer(queue.app, name="queue")
app.add_typer(rules.app, name="rules")
learnings.app.command("scan")(learnings_scan.scan)
app.add_typer(learnings.app, name="learnings")
app.add_typer(thresholds.app, name="thresholds")
app.add_typer(dlq.app, name="dlq")
app.add_typer(export.app, name="export")
app.add_typer(gold.app, name="gold")
app.add_typer(lab.app, name="lab")
app.add_typer(people.app, name="people")
app.add_typer(token.app, name="token")
app.add_typer(metrics.app, name="metrics")
app.add_typer(webhooks.app, name="webhooks")
app.command("demo")(demo.demo)
app.command("up")(worker.up)
app.command("worker")(worker.worker)
app.command("console")(console.console)
app.command("submit")(submit.submit)
app.command("observe")(submit.observe)
app.command("withdraw")(withdraw.withdraw)
app.command("inform")(inform.inform)
app.command("status")(status.status)
app.command("evidence")(evidence.evidence)
app.command("doctor")(doctor.doctor)
app.command("erase")(erase.erase)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"hitl {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Human-in-the-loop decisions on Kafka."""


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """As any other way out: what a command started ends with it. Once is enough."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> None:
    """Entry point of the ``hitl`` script."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is signal.SIG_DFL:  # `nohup` has its way
            signal.signal(ending, _end)
    try:
        app()
    except HitlError as error:
        errors.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        if error.hint:
            errors.print(f"  try: {error.hint}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away (`hitl ... | head`): nothing is wrong.
        sys.stderr.close()
        sys.exit(0)
