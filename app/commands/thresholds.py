"""``hitl thresholds``: what automation rests on, key by key, and what people may do about it."""

from __future__ import annotations

import getpass
import secrets
from typing import Annotated

import msgspec
import typer

from app.commands.in_force import policy_to_act_by
from app.commands.output import AsJson, print_fields, print_json, print_line, print_rows
from app.commands.review import As
from app.commands.thresholds_evidence import (
    checks_since,
    evidence_of,
    print_evidence,
    read_evidence,
    read_state,
)
from app.composition.parts import connection_of, now, open_codec
from app.composition.writing import open_writer
from app.desk.errors import NotAllowedError
from app.domain.authority import Denial, order_refused
from app.domain.events import ThresholdOrder, ThresholdOrdered, ThresholdUpdated
from app.domain.routing import decision_type_of
from app.domain.words import moment
from app.errors import UsageError
from app.policy.checks import did_you_mean
from app.settings import Settings, load_settings
from app.stream.reader import LogReader
from app.stream.topics import Topic

app = typer.Typer(
    help="What automation rests on: thresholds, their evidence, and people's word. See docs/learning.md.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Key = Annotated[str, typer.Argument(help="Learning key, as `hitl thresholds list` prints it.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is announced with the change.")]

_COLUMNS = (
    "learning_key",
    "threshold",
    "certified",
    "labels",
    "errors",
    "labels_needed",
    "checked",
    "state",
    "updated_at",
)


@app.command("list")
def list_thresholds(as_json: AsJson = False) -> None:
    """The threshold in force of every learning key, with the evidence behind it.

    Example: `hitl thresholds list --json`
    """
    rows = [_row(update) for _, update in sorted(_announced(load_settings()).items())]
    print_rows(rows, _COLUMNS, as_json=as_json, empty="nothing has been learned: people decide")


@app.command()
def show(key: Key, as_json: AsJson = False) -> None:
    """One key: threshold, evidence, what the next step needs, and why, in words, as last announced; and all
    blind checks of the same epoch up to now, since more of them alone announce nothing.

    Example: `hitl thresholds show 'expense.approval|expenses:3'`
    """
    settings = load_settings()
    update = _known(settings, key)
    now_known = read_state(settings, key)
    since = checks_since(evidence_of(now_known), update) if now_known is not None else {}
    print_fields({**_row(update), "reason": update.reason, **since}, as_json=as_json)


@app.command()
def evidence(key: Key, as_json: AsJson = False) -> None:
    """What the threshold rests on: blind labels and errors by score, how well the announced probabilities
    did, and what was not counted, and why.

    Example: `hitl thresholds evidence 'expense.approval|expenses:3'`
    """
    print_evidence(read_evidence(load_settings(), key), as_json=as_json)


@app.command()
def freeze(key: Key, reason: Why, who: As = None, as_json: AsJson = False) -> None:
    """Automation of this key widens no further. Tightening goes on.

    Example: `hitl thresholds freeze 'expense.approval|expenses:3' --reason 'audit week' --as cleo`
    """
    _order(key, ThresholdOrder.FREEZE, reason, who, as_json)


@app.command()
def unfreeze(key: Key, reason: Why, who: As = None, as_json: AsJson = False) -> None:
    """Automation may widen again, also to what was certified meanwhile.

    Example: `hitl thresholds unfreeze 'expense.approval|expenses:3' --reason 'audit is over' --as cleo`
    """
    _order(key, ThresholdOrder.UNFREEZE, reason, who, as_json)


@app.command()
def rollback(key: Key, reason: Why, who: As = None, as_json: AsJson = False) -> None:
    """Back to the threshold before the last expansion, and frozen there. Repeat it to go further back;
    before the first expansion people decide everything, also where the policy has a threshold of its own.

    Example: `hitl thresholds rollback 'expense.approval|expenses:3' --reason 'complaints' --as cleo`
    """
    _order(key, ThresholdOrder.ROLLBACK, reason, who, as_json)


@app.command()
def confirm(
    key: Key,
    reason: Annotated[str, typer.Option("--reason", help="A remark; it is announced.")] = "looked at",
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Yes to the expansion that waits, where the policy says `expansion: confirm`.

    Example: `hitl thresholds confirm 'expense.approval|expenses:3' --as cleo`
    """
    _order(key, ThresholdOrder.CONFIRM, reason, who, as_json)


@app.command()
def restart(key: Key, reason: Why, who: As = None, as_json: AsJson = False) -> None:
    """Count evidence anew, with the whole delta: people decide everything until it is in. For what makes the
    past speak of something else, such as a repaired data source. It is your statement, and on record.

    Example: `hitl thresholds restart 'expense.approval|expenses:3' --reason 'feed repaired' --as cleo`
    """
    _order(key, ThresholdOrder.RESTART, reason, who, as_json)


def _order(key: str, order: ThresholdOrder, reason: str, who: str | None, as_json: bool) -> None:
    settings = load_settings()
    update = _known(settings, key)
    policy, name = policy_to_act_by(settings), who or getpass.getuser()
    person, terms = policy.directory.find(name), policy.terms.get(decision_type_of(key))
    if person is None:
        raise NotAllowedError(Denial("unknown_person", f"nobody called '{name}' is in the policy"))
    if terms is None:
        raise UsageError(
            f"the type of '{key}' is not in the policy", hint="nothing of it runs without a person anyway"
        )
    if (denial := order_refused(person, (terms.pool, terms.expert_pool))) is not None:
        raise NotAllowedError(denial)
    if order is ThresholdOrder.CONFIRM and update.awaiting is None:
        raise UsageError(
            f"nothing of '{key}' waits for a yes", hint="hitl thresholds show says what is missing"
        )
    event = ThresholdOrdered(
        order_id=secrets.token_hex(8),
        learning_key=key,
        order=order,
        actor=name,
        reason=reason,
        ordered_at=now(),
    )
    with open_writer(settings) as writer:
        writer.write(Topic.LEARNING_CASES, key, event)
    if as_json:
        print_json(msgspec.to_builtins(event))
        return
    text = f"{order.value}: ordered. The answer is an announcement: hitl thresholds show '{key}'"
    print_line(text)


def _announced(settings: Settings) -> dict[str, ThresholdUpdated]:
    codec, found = open_codec(settings), {}
    for record in LogReader(connection_of(settings)).read_all([Topic.THRESHOLDS_UPDATED]):
        update = codec.decode_as(record.value, ThresholdUpdated)
        found[update.learning_key] = update
    return found


def _known(settings: Settings, key: str) -> ThresholdUpdated:
    announced = _announced(settings)
    if key not in announced:
        raise UsageError(
            f"nothing was announced for '{key}'{did_you_mean(key, announced)}", hint="hitl thresholds list"
        )
    return announced[key]


def _row(update: ThresholdUpdated) -> dict[str, object]:
    state = "frozen" if update.frozen else "waits for a yes" if update.awaiting is not None else ""
    if update.canary_above is not None:
        state = ", ".join(part for part in (state, "canary") if part)
    return {
        "learning_key": update.learning_key,
        "threshold": update.threshold if update.threshold <= 1 else None,
        "certified": update.certified,
        "awaiting": update.awaiting,
        "canary_share": update.canary_share if update.canary_above is not None else None,
        "cap": update.cap or None,
        "labels": update.labels,
        "errors": update.errors,
        "labels_needed": update.labels_needed,
        "checked": update.evidence_probability,
        "error_estimate": update.error_estimate,
        "catch_rate": update.catch_rate,
        "delta_spent": update.delta_spent,
        "epoch": update.epoch,
        "version": update.version,
        "state": state or None,
        "actor": update.actor or None,
        "updated_at": moment(update.updated_at),
    }
