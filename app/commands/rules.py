"""``hitl rules``: standing rules, proposed by one person and approved by another."""

from __future__ import annotations

import getpass
import logging
import secrets
from typing import Annotated

import typer

from app.agents.rule_book import RuleBook
from app.commands.in_force import policy_to_act_by
from app.commands.learnings import open_learnings
from app.commands.output import AsJson, print_fields, print_json, print_line, print_rows
from app.commands.review import As
from app.composition.parts import connection_of, now, open_codec, open_rules, seals_of, store_of
from app.composition.writing import open_writer
from app.desk.errors import LearningConflictError, NotAllowedError
from app.desk.rules import RuleDesk, RuleView
from app.domain.authority import Denial
from app.domain.events import ConsequenceClass, Feedback, ReviewDecided, RuleChanged, RuleKind
from app.domain.learnings import ItemState
from app.domain.overrides import RULES
from app.domain.people import Profile
from app.domain.rule_proposal import Proposal
from app.domain.rule_trial import RecentAnswers
from app.domain.words import moment
from app.errors import UsageError
from app.policy.durations import parse_duration
from app.settings import load_settings
from app.stream.errors import DecodeError
from app.stream.reader import LogReader
from app.stream.topics import Topic
from app.telemetry.logs import configure_logs

app = typer.Typer(
    help="Standing rules: what two people agree on for a while. See docs/rules.md.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

RuleId = Annotated[str, typer.Argument(help="Rule id, as `hitl rules list` prints it.")]
Why = Annotated[str, typer.Option("--reason", help="Why; others read it.")]
LOOK_BACK = 14 * 86_400_000
"""How far, in ms, a trial looks back."""

_COLUMNS = (
    "rule_id",
    "state",
    "kind",
    "decision_type",
    "expires_at",
    "uses",
    "checked",
    "overridden",
    "reason",
)


@app.command("list")
def list_rules(who: As = None, as_json: AsJson = False) -> None:
    """The rules that you may see: in force first, then those that wait for approval, then the others.

    Example: `hitl rules list --as ann`
    """
    desk, person = _open(who)
    rows = [_row(view) for view in desk.list(person)]
    print_rows(rows, _COLUMNS, as_json=as_json, empty="no rules")


@app.command()
def show(rule_id: RuleId, who: As = None, as_json: AsJson = False) -> None:
    """One rule, and what it would have done to the cases that people answered in the last two weeks.

    Example: `hitl rules show r-1f0c9a2b --as ann`
    """
    desk, person = _open(who, trial=True)
    view = desk.show(person, rule_id)
    row = {**_row(view), "trial": desk.trial(person, rule_id).words}
    print_fields(row, as_json=as_json)


@app.command()
def propose(
    decision_type: Annotated[
        str, typer.Argument(help="Decisions of this type only; the draft's with --from-draft.")
    ] = "",
    when: Annotated[str, typer.Option(help="CEL condition, as in the policy's rules.")] = "",
    reason: Why = "",
    from_draft: Annotated[
        str | None, typer.Option(help="An exception that an answer drafted: `hitl learnings list`.")
    ] = None,
    lifetime: Annotated[str, typer.Option(help="How long it holds: 12h, 14d.")] = "7d",
    kind: Annotated[
        RuleKind | None, typer.Option(help="What it does; auto_approve, with --from-draft an exception.")
    ] = None,
    action: Annotated[str, typer.Option(help="The recommendation that it covers; empty for any.")] = "",
    max_class: Annotated[
        ConsequenceClass, typer.Option(help="Up to this consequence.")
    ] = ConsequenceClass.LOW,
    max_amount: Annotated[float | None, typer.Option(help="Up to this amount.")] = None,
    min_level: Annotated[int, typer.Option(help="Exceptions: at least this level.", min=3, max=5)] = 3,
    pool: Annotated[str | None, typer.Option(help="Exceptions: the expert pool.")] = None,
    source_review: Annotated[str | None, typer.Option(help="The review that gave rise to it.")] = None,
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Propose a rule. Nothing changes until another person with the same authority approves it.

    With `--from-draft ID` the type, the condition and the reason are those that an edge case drafted, as far
    as they are not given; the draft is closed with the rule's id.

    Example: `hitl rules propose expense.approval --when 'facts.amount < 50' --action approve --max-amount 50
    --reason 'tram tickets' --lifetime 14d --as ann`
    """
    try:
        life = parse_duration(lifetime)
    except ValueError as error:
        raise UsageError(str(error)) from error
    draft = _draft(from_draft, who) if from_draft else None
    desk, person = _open(who)
    proposal = Proposal(
        kind=kind or (RuleKind.EXCEPTION if draft else RuleKind.AUTO_APPROVE),
        decision_type=decision_type or (draft.decision_type if draft else ""),
        condition=when or (draft.proposal if draft else ""),
        reason=reason or (draft.reasoning or draft.note if draft else ""),
        lifetime=life,
        action=action,
        max_class=max_class,
        max_amount=max_amount,
        min_level=min_level,
        pool=pool,
        source_review=source_review,
    )
    view = desk.propose(person, proposal)
    if draft is not None:  # the rule is there: what is left of the draft is its end
        open_learnings(who)[0].settle(person, draft.feedback_id, f"rule {view.standing.rule.rule_id}")
    _say(view, as_json, "proposed; somebody else approves it: hitl rules approve")


@app.command()
def approve(
    rule_id: RuleId,
    reason: Annotated[str, typer.Option("--reason", help="A remark.")] = "",
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Put a rule in force that somebody else proposed. Look at `hitl rules show` first.

    Example: `hitl rules approve r-1f0c9a2b --as ben`
    """
    desk, person = _open(who)
    _say(desk.approve(person, rule_id, reason), as_json, "in force")


@app.command()
def reject(rule_id: RuleId, reason: Why, who: As = None, as_json: AsJson = False) -> None:
    """Say no to a proposal.

    Example: `hitl rules reject r-1f0c9a2b --reason 'too wide' --as ben`
    """
    desk, person = _open(who)
    _say(desk.reject(person, rule_id, reason), as_json, "rejected")


@app.command()
def revoke(rule_id: RuleId, reason: Why, who: As = None, as_json: AsJson = False) -> None:
    """End a rule at once, for good: who proposed or approved it, a lead of the pool, an admin.

    Example: `hitl rules revoke r-1f0c9a2b --reason 'prices changed' --as ann`
    """
    desk, person = _open(who)
    _say(desk.revoke(person, rule_id, reason), as_json, "revoked")


def _draft(item_id: str, who: str | None) -> Feedback:
    """The open draft of an exception, as far as this person may see it."""
    learnings, person, _ = open_learnings(who)
    item = learnings.show(person, item_id)
    if item.feedback.sink != RULES:
        raise UsageError(
            f"{item_id} is no draft of a rule, but a piece of {item.feedback.sink}",
            hint="hitl learnings list --sink exception_rules",
        )
    if item.state is ItemState.CLOSED:
        raise LearningConflictError(item_id, item.step.actor if item.step else "")
    return item.feedback


def _open(who: str | None, *, trial: bool = False) -> tuple[RuleDesk, Profile]:
    """The desk as the topic stands now, and who is asking."""
    configure_logs(logging.ERROR)  # a broken rule is worth a line, beside what the verb prints
    settings = load_settings()
    policy, codec, reader = (
        policy_to_act_by(settings),
        open_codec(settings),
        LogReader(connection_of(settings)),
    )
    book, recent = RuleBook(codec, seals_of(settings)), RecentAnswers()
    for record in reader.read_all([Topic.RULES_CHANGED]):
        book.hear(record)
    if trial:
        for record in reader.read_since([Topic.REVIEWS_OUTCOMES], now() - LOOK_BACK):
            try:
                event = codec.decode(record.value)
            except DecodeError:
                continue  # a dead letter of its reader
            if isinstance(event, ReviewDecided):
                recent.add(event)

    def write(key: str, event: RuleChanged) -> None:
        with open_writer(settings) as writer:
            writer.write(Topic.RULES_CHANGED, key, event)

    desk = open_rules(
        settings,
        lambda: policy,
        store_of(settings),
        book,
        write,
        recent.of,
        clock=now,
        draw=secrets.token_hex,
    )
    name = who or getpass.getuser()
    profile = policy.directory.find(name)
    if profile is None:
        raise NotAllowedError(Denial("unknown_person", f"nobody called '{name}' is in the policy"))
    return desk, profile


def _say(view: RuleView, as_json: bool, text: str) -> None:
    if as_json:
        print_json(_row(view))
        return
    print_line(f"{view.standing.rule.rule_id} {text}")


def _row(view: RuleView) -> dict[str, object]:
    rule, approved, ended = view.standing.rule, view.standing.approved, view.standing.ended
    return {
        "rule_id": rule.rule_id,
        "state": view.state.value,
        "kind": rule.kind.value,
        "decision_type": rule.decision_type,
        "condition": rule.condition,
        "action": rule.action or None,
        "max_class": rule.max_class.value,
        "max_amount": rule.max_amount,
        "min_level": rule.min_level,
        "pool": rule.pool,
        "reason": rule.reason,
        "source_review": rule.source_review,
        "proposed_by": rule.proposed_by,
        "proposed_at": moment(rule.proposed_at),
        "approved_by": approved.actor if approved else None,
        "approved_at": moment(approved.at) if approved else None,
        "expires_at": moment(rule.expires_at),
        "ended_by": ended.actor if ended else None,
        "ended_at": moment(ended.at) if ended else None,
        "end_reason": ended.reason if ended else None,
        "uses": view.checks.uses,
        "checked": view.checks.checked,
        "overridden": view.checks.overridden,
    }
