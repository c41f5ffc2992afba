"""``hitl dlq``: dead letters - what failed, why, and what to do with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from app.commands.output import AsJson, console, errors, print_json, print_rows
from app.composition.parts import connection_of, now, open_codec, sealer, seals_of
from app.domain.words import moment
from app.errors import HitlError, UsageError
from app.settings import load_settings
from app.stream.codec import Codec
from app.stream.dead_letters import Letter
from app.stream.errors import DecodeError
from app.stream.letter_box import Closed, LetterBox

app = typer.Typer(
    help="Dead letters: records that could not be processed, kept byte for byte.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Reason = Annotated[str | None, typer.Option(help="Only letters with this reason.")]
Stage = Annotated[str | None, typer.Option(help="Only letters of this agent.")]


def _shaped(position: str | None) -> str | None:
    """What is no position is said before the broker is asked."""
    if position is not None and not re.fullmatch(r".+\[\d+\]@\d+", position):
        raise UsageError(
            f"'{position}' is no position of a dead letter",
            hint="`hitl dlq list` prints them, like 'deadletter[3]@17'",
        )
    return position


Position = Annotated[
    str | None, typer.Argument(help="A letter, as `hitl dlq list` names it.", callback=_shaped)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Everything = Annotated[bool, typer.Option("--all", help="Every open letter.")]

_COLUMNS = ("position", "reason", "stage", "source", "attempts", "first_failed_at", "message")


@app.command("list")
def list_letters(
    reason: Reason = None,
    stage: Stage = None,
    maximum: Annotated[int | None, typer.Option("--max", help="At most so many.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Open letters, oldest first: neither replayed nor discarded.

    Example: `hitl dlq list --reason malformed --max 20`
    """
    wanted = _filter(None, reason, stage)
    letters = [letter for letter in _box().letters() if wanted(letter)]
    print_rows(
        (_row(letter) for letter in letters[:maximum]), _COLUMNS, as_json=as_json, empty="no dead letters"
    )


@app.command()
def show(
    position: Annotated[str, typer.Argument(help="A letter, as `hitl dlq list` names it.")],
    as_json: AsJson = False,
) -> None:
    """One letter whole: why it failed, and its content, decoded where that is possible, else in hex.

    Example: `hitl dlq show 'deadletter[3]@17'`
    """
    found = [letter for letter in _box().letters() if letter.position == position]
    if not found:
        raise HitlError(f"{position}: no open dead letter there", hint="hitl dlq list")
    letter = found[0]
    row = {**_row(letter), "app_version": letter.app_version, **_content(open_codec(load_settings()), letter)}
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        console.print(f"[bold]{name.replace('_', ' ')}[/]  {escape(text)}", highlight=False, soft_wrap=True)


@app.command()
def replay(
    position: Position = None,
    reason: Reason = None,
    stage: Stage = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Send letters back to the topic they came from, with their original bytes and headers.

    A letter is replayed once, also when this command is killed and run again, or run twice at a time.

    Example: `hitl dlq replay --reason ValueError --dry-run` · `hitl dlq replay 'deadletter[3]@17'`
    """
    wanted = _filter(position, reason, stage, everything=everything)
    load_settings().require_secret()  # workers know a replayed record by our seal
    box = _box()
    if dry_run:
        _print_done(Closed([x for x in box.letters() if wanted(x)], []), "would replay", as_json=as_json)
        return
    _print_done(box.replay(wanted), "replayed", as_json=as_json)


@app.command()
def discard(
    why: Annotated[str, typer.Option("--why", help="Why nothing is to be done; kept on the mark.")],
    position: Position = None,
    reason: Reason = None,
    stage: Stage = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Close letters without replaying them. They stay readable on the topic until it forgets them.

    Example: `hitl dlq discard 'deadletter[3]@17' --why 'test record of the vendor'`
    """
    wanted = _filter(position, reason, stage, everything=everything)
    box = _box()
    if dry_run:
        _print_done(Closed([x for x in box.letters() if wanted(x)], []), "would discard", as_json=as_json)
        return
    _print_done(box.discard(wanted, why), "discarded", as_json=as_json)


def _box() -> LetterBox:
    settings = load_settings()
    return LetterBox(connection_of(settings), now, sealer(settings), seals_of(settings))


def _filter(
    position: str | None, reason: str | None, stage: str | None, *, everything: bool | None = None
) -> Callable[[Letter], bool]:
    """``everything`` is ``None`` where no choice is needed, else one must be made."""
    if everything is False and not (position or reason or stage):
        raise UsageError("which letters?", hint="name a position, --reason, --stage, or --all")

    def wanted(letter: Letter) -> bool:
        return (
            position in (None, letter.position)
            and reason in (None, letter.reason)
            and stage in (None, letter.stage)
        )

    return wanted


def _row(letter: Letter) -> dict[str, object]:
    return {
        "position": letter.position,
        "reason": letter.reason,
        "stage": letter.stage,
        "source": letter.source,
        "attempts": letter.attempts,
        "first_failed_at": moment(letter.first_failed_at),
        "message": letter.message,
    }


def _content(codec: Codec, letter: Letter) -> Mapping[str, object]:
    record = letter.record
    content: dict[str, object] = {
        "key": None if record.key is None else record.key.decode(errors="backslashreplace"),
        "headers": {
            name: value.decode(errors="backslashreplace")
            for name, value in record.headers
            if not name.startswith("dlq_")
        },
    }
    if letter.value_omitted is not None:
        return {**content, "value_omitted": letter.value_omitted}
    if record.value is None:
        return {**content, "value": None}
    try:
        return {**content, "value": msgspec.to_builtins(codec.decode(record.value))}
    except DecodeError as error:
        return {**content, "not_decoded": str(error), "value_hex": record.value.hex()}


def _print_done(done: Closed, what: str, *, as_json: bool) -> None:
    if as_json:
        for letter in done.closed:
            print_json({**_row(letter), "done": what})
    else:
        for letter in done.closed:
            console.print(f"{what} {escape(letter.position)} ({escape(letter.reason)})", highlight=False)
        nothing = "" if done.closed or done.gone else "; no open letter is meant: hitl dlq list"
        errors.print(f"{what}: {len(done.closed)}{nothing}", highlight=False)
    for letter in done.gone:
        errors.print(
            f"{escape(letter.position)} stays open: its value was too large to keep, and "
            f"{escape(letter.source)} is gone from its topic",
            style="yellow",
        )
    if done.gone:
        raise HitlError(f"{len(done.gone)} letters could not be replayed", hint="discard them with a reason")
