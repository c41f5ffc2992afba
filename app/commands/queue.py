"""``hitl queue``: what waits for people, and whether it is what the log says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from app.commands import queue_broken
from app.commands.in_force import policy_to_look_by
from app.commands.output import AsJson, console, errors, print_json, print_rows
from app.commands.queue_log import QueueLog, Unsealed
from app.composition.parts import connection_of, now, open_codec, open_queue, seals_of
from app.domain.events import ReviewRequested
from app.domain.review import QueueTerms, Reviewer
from app.domain.terms import Terms
from app.review_queue.queue import ReviewQueue
from app.review_queue.rebuild import LogRecord, QueueImage, fold
from app.review_queue.restore import Restorer
from app.settings import Settings, load_settings
from app.stream.reader import LogReader
from app.stream.topics import Topic, pool_topic

app = typer.Typer(
    help="The review queue: how full it is, and whether it is what the log says.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.add_typer(queue_broken.app, name="broken")

OnUnsealed = Annotated[
    Unsealed | None,
    typer.Option(
        "--unsealed",
        help="Steps and answers without our seal are left out, unless you say `believe`, for a lost secret. "
        "Where none bears our seal, you have to say which (docs/evidence.md).",
    ),
]


class Desk(msgspec.Struct, frozen=True):
    """What the verbs of ``review`` and ``queue`` work with."""

    queue: ReviewQueue
    restorer: Restorer
    terms: QueueTerms
    types: Mapping[str, Terms]
    """Decision types of the policy."""
    reviewer: Callable[[str, bool], Reviewer]
    """The person of a name, as a supervisor or not."""
    read_request: Callable[[bytes], ReviewRequested]
    read_log: Callable[[Unsealed | None], QueueLog]
    """Everything that a rebuild needs, decoded; reads Kafka when iterated."""
    clock: Callable[[], int]


def connect(settings: Settings) -> Desk:
    """The real parts. Kafka is only asked when the log is read."""
    policy = policy_to_look_by(settings)
    parts = open_queue(settings, policy)
    codec = open_codec(settings)
    pools = policy.pool_names

    def read_log(choice: Unsealed | None) -> QueueLog:
        topics = [
            Topic.DECISIONS_ROUTED,
            *(pool_topic(pool) for pool in pools),
            Topic.REVIEWS_LIFECYCLE,
            Topic.REVIEWS_OUTCOMES,
            Topic.DECISIONS_RESOLVED,
            Topic.DECISIONS_WITHDRAWN,
            Topic.OUTCOMES_OBSERVED,
        ]
        records = LogReader(connection_of(settings)).read_all(topics)
        return QueueLog(records, codec.decode, seals_of(settings), choice)

    return Desk(
        queue=parts.queue,
        restorer=Restorer(parts.client, parts.keys, parts.cases, terms=parts.terms, clock=now),
        terms=parts.terms,
        types=policy.terms,
        reviewer=lambda name, supervisor: Reviewer(name=name, pools=frozenset(pools), supervisor=supervisor),
        read_request=lambda record: codec.decode_as(record, ReviewRequested),
        read_log=read_log,
        clock=now,
    )


@app.command()
def stats(as_json: AsJson = False) -> None:
    """Depth of every pool by state, what is overdue, and the age of the oldest review.

    Example: `hitl queue stats --json`
    """
    rows = [msgspec.structs.asdict(pool) for pool in connect(load_settings()).queue.stats()]
    if not as_json:
        for row in rows:
            row["oldest"] = _age(row["oldest_age"])
    columns = (
        "pool",
        "open",
        "supervisor",
        "offered",
        "claimed",
        "waiting",
        "overdue",
        "oldest",
        "held",
        "unpublished",
        "broken",
    )
    print_rows(rows, columns, as_json=as_json, empty="the policy has no pools")


@app.command()
def rebuild(on_unsealed: OnUnsealed = None, as_json: AsJson = False) -> None:
    """Fill an empty store from the Kafka log: reviews in their order, leases, pauses, cases, duplicates.

    A store in use is left alone. Stop the workers first, so that the log stands still, and set the workers'
    HITL_SECRET_FILE: steps and answers count only under a seal.

    Example: `hitl queue rebuild`
    """
    desk = connect(load_settings())
    desk.restorer.require_empty(desk.queue.pools)
    log = desk.read_log(on_unsealed)
    with _progress() as progress:
        image = _image(desk, log, progress)
        task = progress.add_task("reviews written", total=None, count=0)
        restored = desk.restorer.apply(image, lambda n: _advance(progress, task, n))
    _tell(log)
    if as_json:
        print_json({**msgspec.structs.asdict(restored), "unsealed": log.unsealed})
        return
    console.print(
        f"{restored.reviews} reviews, {restored.briefs} cases, {restored.seen} seen decisions restored"
    )
    for line in restored.unclear:
        errors.print(f"unclear: {line}", markup=False, highlight=False)


@app.command()
def verify(on_unsealed: OnUnsealed = None, as_json: AsJson = False) -> None:
    """Compare the store with the Kafka log and list every difference; exit code 1 when there is one.

    Steps that are still on their way to Kafka (`unpublished` in `hitl queue stats`), or were put aside
    (`broken`), show up here. As for a rebuild, steps and answers count only under a seal.

    Example: `hitl queue verify --json`
    """
    desk = connect(load_settings())
    log = desk.read_log(on_unsealed)
    with _progress() as progress:
        image = _image(desk, log, progress)
    _tell(log)
    differences = [msgspec.structs.asdict(one) for one in desk.restorer.verify(image, desk.queue.pools)]
    print_rows(
        differences, ("review_id", "what", "log", "store"), as_json=as_json, empty="store and log agree"
    )
    for line in image.unclear:
        errors.print(f"unclear: {line}", markup=False, highlight=False)
    if differences:
        raise typer.Exit(1)


def _image(desk: Desk, log: QueueLog, progress: Progress) -> QueueImage:
    return fold(_counted(log, progress, "records read"), desk.terms)


def _tell(log: QueueLog) -> None:
    if log.unsealed:
        errors.print(log.told(), style="yellow", markup=False, highlight=False, soft_wrap=True)


def _age(ms: object) -> str:
    if not isinstance(ms, int):
        return ""
    minutes = ms // 60_000
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def _progress() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}: {task.fields[count]}"), TimeElapsedColumn())
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)


def _counted(records: Iterable[LogRecord], progress: Progress, what: str) -> Iterator[LogRecord]:
    task = progress.add_task(what, total=None, count=0)
    for count, record in enumerate(records, start=1):
        if count % 1000 == 0:
            progress.update(task, count=count)
        yield record


def _advance(progress: Progress, task: TaskID, done: int) -> None:
    progress.update(task, count=progress.tasks[task].fields["count"] + done)
