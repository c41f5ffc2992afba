"""``hitl learnings``: what people's answers taught, as work that somebody does."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from app.commands.in_force import policy_to_act_by
from app.commands.output import AsJson, print_fields, print_rows
from app.commands.review import As
from app.composition.parts import connection_of, now, open_codec
from app.composition.writing import open_writer
from app.desk.errors import NotAllowedError
from app.desk.learnings import LearningDesk
from app.domain.authority import Denial
from app.domain.events import LearningChanged
from app.domain.learning.reason_clusters import Cluster, cluster_words, new_codes, new_scenarios
from app.domain.learnings import SINKS, WORK, Item, Learnings
from app.domain.overrides import TRAINING
from app.domain.people import Profile
from app.domain.words import moment
from app.errors import UsageError
from app.policy.compiled import CompiledPolicy
from app.settings import Settings, load_settings
from app.stream.errors import DecodeError
from app.stream.reader import LogReader
from app.stream.topics import Topic

app = typer.Typer(
    help="What people's answers taught: drafts of rules, policy updates, coaching. See docs/patterns.md.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

ItemId = Annotated[str, typer.Argument(help="As `hitl learnings list` prints it.")]
OfType = Annotated[
    str | None, typer.Option("--type", help="Only this decision type, and those it learns from.")
]
_COLUMNS = ("item_id", "sink", "state", "assignee", "decision_type", "reviewer", "decided_at", "proposal")


@app.command("list")
def list_learnings(
    sink: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(SINKS)}; what needs somebody unless given.")
    ] = None,
    decision_type: OfType = None,
    closed: Annotated[bool, typer.Option("--all", help="Also what is closed.")] = False,
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """The work items that you may see, the latest first.

    Example: `hitl learnings list --sink exception_rules --as ann`
    """
    if sink is not None and sink not in SINKS:
        raise UsageError(f"there is no sink '{sink}'", hint=f"one of {', '.join(SINKS)}")
    desk, person, _ = open_learnings(who)
    sinks = frozenset({sink}) if sink else WORK
    rows = [
        row_of(item) for item in desk.list(person, sinks=sinks, decision_type=decision_type, closed=closed)
    ]
    empty = "nothing to learn from"
    trained = frozenset({TRAINING})
    if not (rows or sink) and (examples := desk.list(person, sinks=trained, decision_type=decision_type)):
        empty = f"nothing waits for anybody; {len(examples):,} training examples: --sink {TRAINING}"
    print_rows(rows, _COLUMNS, as_json=as_json, empty=empty)


@app.command()
def show(item_id: ItemId, who: As = None, as_json: AsJson = False) -> None:
    """One work item, with the case that it came from.

    Example: `hitl learnings show 4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --as ann`
    """
    desk, person, _ = open_learnings(who)
    print_fields(row_of(desk.show(person, item_id), whole=True), as_json=as_json)


@app.command()
def assign(
    item_id: ItemId,
    to: Annotated[str, typer.Option(help="Who sees to it.")],
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Give a work item to somebody.

    Example: `hitl learnings assign 4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --to ben --as ann`
    """
    desk, person, _ = open_learnings(who)
    print_fields(row_of(desk.assign(person, item_id, to)), as_json=as_json)


@app.command()
def close(
    item_id: ItemId,
    result: Annotated[str, typer.Option("--result", help="What came of it; others read it.")],
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Close a work item.

    Example: `hitl learnings close 4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e --result 'section 4.2 updated'`
    """
    desk, person, _ = open_learnings(who)
    print_fields(row_of(desk.close(person, item_id, result)), as_json=as_json)


@app.command()
def reasons(
    decision_type: OfType = None,
    fewest: Annotated[int, typer.Option(help="Answers that a proposal needs.", min=2)] = 5,
    people: Annotated[int, typer.Option(help="People that a proposal needs.", min=1)] = 2,
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """What people write again and again where no reason code fits: proposals of new codes and scenarios.

    Example: `hitl learnings reasons --type expense.approval --fewest 5`
    """
    desk, person, policy = open_learnings(who)
    shown = [item.feedback for item in desk.list(person, sinks=frozenset(SINKS), closed=True)]
    rows = []
    for name, terms in policy.terms.items():
        if decision_type not in (None, name):
            continue
        own = [feedback for feedback in shown if feedback.decision_type == name]
        known = frozenset(reason.code for reason in terms.reason_codes)
        for kind, clusters in (
            ("reason code", new_codes(own, known, fewest, people)),
            ("scenario", new_scenarios(own, fewest, people)),
        ):
            rows += [_cluster_row(kind, name, cluster) for cluster in clusters]
    columns = (
        "kind",
        "decision_type",
        "code",
        "count",
        "people",
        "category",
        "text",
        "condition",
        "examples",
    )
    print_rows(rows, columns, as_json=as_json, empty="nothing recurs often enough")


def open_learnings(who: str | None) -> tuple[LearningDesk, Profile, CompiledPolicy]:
    """The desk as the topics stand now, who is asking, and the policy in force."""
    settings = load_settings()
    policy, profile = who_asks(settings, who)

    def write(event: LearningChanged) -> None:
        with open_writer(settings) as writer:
            writer.write(Topic.LEARNINGS_CHANGED, event.item_id, event)

    return LearningDesk(read_learnings(settings), write, lambda: policy, now), profile, policy


def who_asks(settings: Settings, who: str | None) -> tuple[CompiledPolicy, Profile]:
    """The policy in force, and the person in it. Raises ``NotAllowedError`` for a stranger."""
    policy = policy_to_act_by(settings)
    name = who or getpass.getuser()
    profile = policy.directory.find(name)
    if profile is None:
        raise NotAllowedError(Denial("unknown_person", f"nobody called '{name}' is in the policy"))
    return policy, profile


def read_learnings(settings: Settings) -> Learnings:
    """Every item of the four sinks, with its last step."""
    known, codec = Learnings(), open_codec(settings)
    topics = [*(f"feedback.{sink}" for sink in SINKS), Topic.LEARNINGS_CHANGED]
    for record in LogReader(connection_of(settings)).read_all(topics):
        try:
            known.add(codec.decode(record.value))
        except DecodeError:
            continue  # nothing of ours: it taught nobody anything
    return known


def row_of(item: Item, *, whole: bool = False) -> dict[str, object]:
    """An item as verbs print it; ``whole`` with the case."""
    feedback, step = item.feedback, item.step
    row: dict[str, object] = {
        "item_id": feedback.feedback_id,
        "sink": feedback.sink,
        "state": item.state.value,
        "assignee": item.assignee or None,
        "decision_type": feedback.decision_type,
        "learned_from": item.learned_from or None,
        "decision_id": feedback.decision_id,
        "reviewer": feedback.reviewer,
        "decided_at": moment(feedback.decided_at),
        "proposal": feedback.proposal,
        "result": step.result if step and step.result else None,
    }
    if whole:
        row |= {
            "ai_action": feedback.ai_action,
            "final_action": feedback.final_action,
            "changes": feedback.changes,
            "category": feedback.category.value if feedback.category else None,
            "reason_code": feedback.reason_code,
            "reasoning": feedback.reasoning,
            "note": feedback.note,
            "facts": feedback.facts,
            "confidence": feedback.confidence,
            "last_step_by": step.actor if step else None,
            "last_step_at": moment(step.at) if step else None,
        }
    return row


def _cluster_row(kind: str, decision_type: str, cluster: Cluster) -> dict[str, object]:
    return {
        "kind": kind,
        "decision_type": decision_type,
        "code": cluster.code,
        "count": cluster.count,
        "people": cluster.people,
        "category": cluster.category,
        "text": cluster.text,
        "condition": cluster.condition or None,
        "examples": ", ".join(cluster.examples),
        "words": cluster_words(cluster),
    }
