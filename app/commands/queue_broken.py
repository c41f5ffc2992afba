"""``hitl queue broken``: steps that the relay could not publish and put aside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated

import msgspec
import typer

from app.commands.in_force import policy_to_look_by
from app.commands.output import AsJson, console, print_json, print_remark, print_rows
from app.composition.parts import connection_of, open_codec, open_queue
from app.domain.events import Record, ReviewRequested
from app.errors import UsageError
from app.review_queue.broken import BrokenStep, BrokenSteps
from app.settings import load_settings
from app.stream.errors import DecodeError
from app.stream.reader import LogReader
from app.stream.records import Incoming
from app.stream.topics import pool_topic

app = typer.Typer(
    help="Steps of people that the relay could not publish and put aside: see them, bring them back.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Entries = Annotated[list[str] | None, typer.Argument(help="Entries, as `hitl queue broken list` names them.")]
Everything = Annotated[bool, typer.Option("--all", help="Every one of them.")]

_COLUMNS = ("entry", "pool", "decision_id", "event", "actor", "request_gone", "why")


@app.command("list")
def list_steps(as_json: AsJson = False) -> None:
    """Which steps of people Kafka was never told, and why; oldest first.

    Example: `hitl queue broken list`
    """
    rows = (msgspec.structs.asdict(step) for step in _broken()[0])
    print_rows(rows, _COLUMNS, as_json=as_json, empty="nothing was put aside")


@app.command("put-back")
def put_back(entries: Entries = None, everything: Everything = False, as_json: AsJson = False) -> None:
    """Back into the outbox: the relay tries again. Do it when the cause is mended.

    A request that is gone from the store, and is needed, is brought back from its topic: an answer is
    published with it, and it names the key where the policy encrypts. Exit code 1 when one could not be put
    back. Should Kafka have one already, it is recognised as a repeat while decisions are remembered.

    Example: `hitl queue broken put-back --all`
    """
    broken, encrypts = _broken()
    chosen = _chosen(broken, entries, everything)
    needed = [step for step in chosen if step.request_gone and (encrypts or step.is_outcome)]
    kept = _read_requests(needed) if needed else Requests({}, {})
    count = 0
    for step in chosen:
        request = kept.found.get(step.review_id)
        if step in needed and request is None:
            print_remark(f"{step.entry} stays: {kept.missing(step)}")
        elif broken.put_back(step, request):
            count += 1
        else:
            print_remark(
                f"{step.entry}: somebody was quicker, or there is nothing in it (hitl queue broken discard)"
            )
    if as_json:
        print_json({"put_back": count, "left": len(chosen) - count})
    else:
        console.print(f"{count} put back; the workers' relay publishes them: hitl queue stats")
    if count < len(chosen):
        raise typer.Exit(1)


@app.command()
def discard(
    entries: Entries = None,
    everything: Everything = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Throw steps away for ever: neither the log nor anybody who reads it learns of them, nor of this. Keep
    what `hitl queue broken list --json` prints.

    Example: `hitl queue broken discard finance/1767225600000-0`
    """
    broken, _ = _broken()
    chosen = _chosen(broken, entries, everything)
    for step in chosen:
        print_remark(f"{step.decision_id}: {step.event} by {step.actor or '-'}")
    if chosen and not yes:
        typer.confirm(f"Throw {len(chosen)} away for ever?", abort=True, err=True)
    count = sum(broken.discard(step) for step in chosen)
    if as_json:
        print_json({"discarded": count})
    else:
        console.print(f"{count} discarded")


class Requests(msgspec.Struct, frozen=True):
    """By review id: the record of the request as it was found, or why it could not be read."""

    found: Mapping[str, bytes]
    unreadable: Mapping[str, str]

    def missing(self, step: BrokenStep) -> str:
        """What is said of a step whose request was not found."""
        topic = pool_topic(step.pool)
        if why := self.unreadable.get(step.review_id):
            return f"a request of {step.decision_id} in {topic} can not be read: {why}"
        return (
            f"the request of {step.review_id} is not in {topic} any more. If nobody needs the step: "
            "hitl queue broken discard"
        )


def _broken() -> tuple[BrokenSteps, bool]:
    """The steps, and whether the policy encrypts."""
    settings = load_settings()
    policy = policy_to_look_by(settings)
    parts = open_queue(settings, policy)
    return BrokenSteps(parts.client, parts.keys, policy.pool_names), policy.encrypts


def _chosen(
    broken: Iterable[BrokenStep], entries: Sequence[str] | None, everything: bool
) -> list[BrokenStep]:
    if bool(entries) == everything:
        raise UsageError(
            "say which steps, or --all", hint="`hitl queue broken list` names them in its first column"
        )
    found = list(broken)
    if everything:
        return found
    unknown = set(entries or ()) - {step.entry for step in found}
    if unknown:
        raise UsageError(
            f"nothing was put aside as {', '.join(sorted(unknown))}",
            hint="`hitl queue broken list` names what there is; somebody may have put it back",
        )
    return [step for step in found if step.entry in (entries or ())]


def _read_requests(steps: Sequence[BrokenStep]) -> Requests:
    settings = load_settings()
    topics = sorted({pool_topic(step.pool) for step in steps})
    records = LogReader(connection_of(settings)).read_all(topics)
    return requests_of(steps, records, open_codec(settings).decode)


def requests_of(
    steps: Sequence[BrokenStep],
    records: Iterable[Incoming],
    decode: Callable[[bytes | None], Record],
) -> Requests:
    """The record of each step's request out of the pools' topics.

    Where a person's data was erased nobody can tell the reviews of one decision apart, and need not: all
    are under one key, and only the name of that key is still of use."""
    of: dict[tuple[str, bytes], set[str]] = {}
    for step in steps:
        of.setdefault((pool_topic(step.pool), step.decision_id.encode()), set()).add(step.review_id)
    found: dict[str, bytes] = {}
    erased: dict[str, bytes] = {}
    unreadable: dict[str, str] = {}
    for record in records:
        wanted = of.get((record.topic, record.key or b""))
        if wanted is None or record.value is None:
            continue
        try:
            event = decode(record.value)
        except DecodeError as error:
            if error.reason == "erased":
                erased.update(dict.fromkeys(wanted, record.value))
            else:
                unreadable.update(dict.fromkeys(wanted, str(error)))
            continue
        if isinstance(event, ReviewRequested) and event.request.review_id in wanted:
            found[event.request.review_id] = record.value
    return Requests(erased | found, unreadable)
