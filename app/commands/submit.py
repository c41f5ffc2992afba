"""``hitl submit`` and ``hitl observe``: JSON Lines -> topics, with every rejected line accounted for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.commands.in_force import policy_to_act_by
from app.commands.output import errors, print_json, print_remark
from app.composition.writing import open_writer
from app.domain.events import DecisionSubmitted, ObservedOutcome, Record
from app.domain.submission import Rejected, parse_decision, parse_observation
from app.errors import UsageError
from app.settings import load_settings
from app.stream.topics import Topic

Parser = Callable[[bytes], Record | Rejected]


class Outcome(msgspec.Struct):
    """What became of a file."""

    sent: int = 0
    rejected: int = 0
    rejects_file: str | None = None
    first_reason: str | None = None
    """Line and message of the first rejected one."""


def submit(
    file: Annotated[str, typer.Argument(help="JSON Lines, one decision a line; '-' reads standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Publish decisions to `decisions.submitted`.

    Lines that can not be taken are written with their reason to FILE.rejected.jsonl (for standard
    input: stdin.rejected.jsonl) and the exit code is 1; all other lines are sent.

    Example: `hitl submit decisions.jsonl`
    """
    seen: set[str] = set()

    def parse(line: bytes) -> DecisionSubmitted | Rejected:
        decision = parse_decision(line)
        if isinstance(decision, Rejected):
            return decision
        if decision.decision_type not in policy.terms:
            known = ", ".join(sorted(policy.terms))
            return Rejected(
                "unknown_type", f"decision_type '{decision.decision_type}'; the policy knows: {known}"
            )
        if decision.decision_id in seen:
            return Rejected("duplicate", f"decision_id '{decision.decision_id}' stands twice in this file")
        seen.add(decision.decision_id)
        return decision

    with _lines(file) as lines:
        policy = policy_to_act_by(load_settings())
        _publish(file, lines, parse, Topic.DECISIONS_SUBMITTED, as_json=as_json)


def observe(
    file: Annotated[
        str, typer.Argument(help="JSON Lines, one observation a line; '-' reads standard input.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Publish later truths about decisions to `outcomes.observed`.

    Each line: decision_id, kind (confirmed_correct, ground_truth, downstream_error,
    customer_incident, audit_finding), observed_at, and optionally correct_action, source, note.

    Example: `hitl observe truths.jsonl`
    """
    with _lines(file) as lines:
        _publish(file, lines, parse_observation, Topic.OUTCOMES_OBSERVED, as_json=as_json)


def _publish(file: str, lines: Iterable[bytes], parse: Parser, topic: Topic, *, as_json: bool) -> None:
    outcome = Outcome()
    rejects = Path("stdin.rejected.jsonl" if file == "-" else f"{file}.rejected.jsonl")
    rejects.unlink(missing_ok=True)
    with open_writer(load_settings()) as writer, _progress() as advance:
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if not text:
                continue
            event = parse(text)
            if isinstance(event, Rejected):
                _reject(rejects, number, text, event, outcome)
            else:
                writer.write(topic, _decision_id(event), event)
                outcome.sent += 1
            advance(outcome)
    if as_json:
        print_json(outcome)
    else:
        print(f"{outcome.sent} sent, {outcome.rejected} rejected")
    if outcome.rejected:
        print_remark(f"{outcome.first_reason}")
        errors.print(f"all rejected lines and why: {outcome.rejects_file}", markup=False)
        raise typer.Exit(1)


def _decision_id(event: Record) -> str:
    assert isinstance(event, DecisionSubmitted | ObservedOutcome)  # noqa: S101 - narrows the parsers' results
    return event.decision_id


def _reject(path: Path, number: int, line: bytes, rejected: Rejected, outcome: Outcome) -> None:
    entry = {
        "line": number,
        "reason": rejected.reason,
        "message": rejected.message,
        "input": line.decode(errors="replace"),
    }
    with path.open("ab") as stream:
        stream.write(msgspec.json.encode(entry) + b"\n")
    outcome.rejected += 1
    outcome.rejects_file = str(path)
    outcome.first_reason = outcome.first_reason or f"line {number}: {rejected.message}"


@contextmanager
def _lines(file: str) -> Iterator[Iterable[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        stream: IO[bytes] = Path(file).open("rb")  # noqa: SIM115 - closed by the with below
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror}", hint="give a JSON Lines file, or - for standard input"
        ) from error
    with stream:
        yield stream


@contextmanager
def _progress() -> Iterator[Callable[[Outcome], None]]:
    if not sys.stderr.isatty():
        yield lambda _outcome: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("sending")
        yield lambda outcome: progress.update(
            task, description=f"{outcome.sent} sent, {outcome.rejected} rejected"
        )
