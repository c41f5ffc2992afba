"""``hitl gold``: past cases with known truth that come back beside real work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
import typer

from app.commands.in_force import policy_to_act_by, policy_to_look_by
from app.commands.output import AsJson, console, print_json, print_rows
from app.composition.parts import connection_of, now, open_codec, open_queue
from app.domain.events import DecisionRouted, ObservedOutcome, ReviewDecided
from app.domain.gold import GoldItem, item_of
from app.domain.resolution import HAND_ONS, agrees
from app.errors import HitlError, UsageError
from app.policy.compiled import CompiledPolicy
from app.policy.durations import parse_duration
from app.review_queue.gold import MOST, GoldStore
from app.settings import Settings, load_settings
from app.stream.codec import Codec
from app.stream.errors import DecodeError
from app.stream.reader import LogReader
from app.stream.records import Incoming
from app.stream.topics import Topic

app = typer.Typer(
    help="Items with known truth: past cases that measure whether errors are caught.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

TEACHING = "teaching_example"


class Found(msgspec.Struct):
    """What the log offers."""

    truths: dict[str, tuple[str, str]] = msgspec.field(default_factory=dict)
    """Decision id -> (truth, who knows it)."""
    stories: dict[str, tuple[DecisionRouted, bytes]] = msgspec.field(default_factory=dict)


@app.command()
def collect(
    since: Annotated[str, typer.Option(help="How far back to look, e.g. 30d.")] = "30d",
    right: Annotated[
        int,
        typer.Option(help="So many cases on which the AI was right, for each on which it was wrong.", min=0),
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Take cases whose truth is known from the log: observed outcomes, and answers tagged teaching_example.

    The latest on which the AI was wrong, and as many on which it was right, so that nobody learns to disagree
    with whatever looks odd. Of each decision type 500 items are kept.

    Example: `hitl gold collect --since 90d`
    """
    settings = load_settings()
    policy, codec = policy_to_act_by(settings), open_codec(settings)
    start = now() - _duration(since)
    found = look_for(codec, LogReader(connection_of(settings)), start)
    items = chosen(found, policy, right)
    new = _store(settings, policy).add(items)
    if as_json:
        print_json({"known": len(found.truths), "taken": len(items), "new": new})
    else:
        console.print(f"{len(found.truths)} known truths, {len(items)} items taken, {new} of them new")


@app.command("list")
def list_items(as_json: AsJson = False) -> None:
    """The items of every decision type, the next one first.

    Example: `hitl gold list --json`
    """
    settings = load_settings()
    policy = policy_to_look_by(settings)
    store = _store(settings, policy)
    rows = [
        {
            "decision_type": item.decision_type,
            "item_id": item.item_id,
            "truth": item.truth,
            "source": item.source,
        }
        for name in sorted(policy.terms)
        for item in store.items(name)
    ]
    columns = ("decision_type", "item_id", "truth", "source")
    print_rows(rows, columns, as_json=as_json, empty="no items: hitl gold collect")


@app.command()
def drop(
    decision_type: Annotated[str, typer.Argument(help="Decision type of the item.")],
    item_id: Annotated[str, typer.Argument(help="As `hitl gold list` prints it.")],
) -> None:
    """Take an item out, e.g. because its truth is disputed.

    Example: `hitl gold drop expense.approval 6f0c1f7e-0f3d-5b1e-9a44-3f1f3c1d9c55`
    """
    settings = load_settings()
    if not _store(settings, policy_to_look_by(settings)).drop(decision_type, item_id):
        raise HitlError(f"{decision_type} has no item {item_id}", hint="see `hitl gold list`")
    console.print("dropped")


def look_for(codec: Codec, reader: LogReader, since: int) -> Found:
    """Truths of the log and the decisions they speak of. An observed truth wins over an answer."""
    found = Found()
    for event, _ in _events(codec, reader.read_since([Topic.REVIEWS_OUTCOMES], since)):
        if isinstance(event, ReviewDecided) and TEACHING in event.answer.tags:
            answer = event.answer
            if answer.action not in HAND_ONS and answer.changes is None:
                decision = event.requested.routed.scored.decision
                found.truths.setdefault(decision.decision_id, (answer.action, TEACHING))
    for event, _ in _events(codec, reader.read_since([Topic.OUTCOMES_OBSERVED], since)):
        if isinstance(event, ObservedOutcome) and event.correct_action is not None:
            found.truths[event.decision_id] = event.correct_action, event.kind.value
    for event, record in _events(codec, reader.read_since([Topic.DECISIONS_ROUTED], since)):
        if isinstance(event, DecisionRouted) and event.scored.decision.decision_id in found.truths:
            found.stories[event.scored.decision.decision_id] = event, record.value or b""
    return found


def chosen(found: Found, policy: CompiledPolicy, right: int) -> list[GoldItem]:
    """Items that fit the policy, by type: the latest on which the AI was wrong, each with ``right`` others
    behind it, as many as a ring holds."""
    wrong_ones: dict[str, list[GoldItem]] = {}
    right_ones: dict[str, list[GoldItem]] = {}
    for decision_id, (routed, record) in reversed(found.stories.items()):
        truth, source = found.truths[decision_id]
        decision = routed.scored.decision
        terms = policy.terms.get(decision.decision_type)
        if terms is None or truth not in terms.actions or truth in HAND_ONS or routed.route.level == 5:
            continue
        as_advised = agrees(decision.recommendation.action, truth, None)
        kind = right_ones if as_advised else wrong_ones
        kind.setdefault(decision.decision_type, []).append(item_of(routed, record, truth, source))
    return [
        item
        for name, wrong in wrong_ones.items()
        for item in _mixed(wrong, right_ones.get(name, []), right)[:MOST]
    ]


def _mixed(wrong: list[GoldItem], others: list[GoldItem], right: int) -> list[GoldItem]:
    """Nobody is shown all errors first.

    >>> _mixed(["w1", "w2"], ["r1", "r2", "r3"], 1), _mixed(["w1", "w2"], ["r1", "r2", "r3"], 2)
    (['w1', 'r1', 'w2', 'r2'], ['w1', 'r1', 'r2', 'w2', 'r3'])
    """
    return [
        item
        for place, one in enumerate(wrong)
        for item in (one, *others[right * place : right * (place + 1)])
    ]


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--since {error}") from error


def _events(codec: Codec, records: Iterable[Incoming]) -> Iterable[tuple[object, Incoming]]:
    for record in records:
        try:
            yield codec.decode(record.value), record
        except DecodeError:
            continue


def _store(settings: Settings, policy: CompiledPolicy) -> GoldStore:
    parts = open_queue(settings, policy)
    return GoldStore(parts.client, parts.keys)
