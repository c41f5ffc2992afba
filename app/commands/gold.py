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
from app.review_queue.gold import GoldStore
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
        int, typer.Option(help="Keep one case on which the AI was right for so many on which it was wrong.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Take cases whose truth is known from the log: observed outcomes, and answers tagged teaching_example.

    Cases on which the AI was wrong come first; as many on which it was right are taken with them, so that
    nobody learns to disagree with whatever looks odd.

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
    """Items that fit the policy: all on which the AI was wrong, and for each of them ``right`` others."""
    wrong_ones: list[GoldItem] = []
    right_ones: list[GoldItem] = []
    for decision_id, (routed, record) in found.stories.items():
        truth, source = found.truths[decision_id]
        decision = routed.scored.decision
        terms = policy.terms.get(decision.decision_type)
        if terms is None or truth not in terms.actions or truth in HAND_ONS or routed.route.level == 5:
            continue
        item = item_of(routed, record, truth, source)
        (right_ones if agrees(decision.recommendation.action, truth, None) else wrong_ones).append(item)
    return wrong_ones + right_ones[: right * len(wrong_ones)]


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
