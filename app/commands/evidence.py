"""``hitl evidence``: everything about one decision, and whether anybody has changed it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from app.commands.in_force import policy_to_act_by
from app.commands.output import console, errors, print_json, print_remark
from app.composition.parts import connection_of, load_compiled_policy, now, open_codec, open_queue
from app.desk.evidence import EvidenceRoom, Finding
from app.domain.evidence_pack import Pack
from app.domain.words import LAST_SEEN, duration, moment
from app.errors import HitlError, UsageError
from app.settings import Settings, load_settings
from app.stream.reader import LogReader

SHOW, VERIFY = "show", "verify"


def evidence(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[show|verify] DECISION_ID|FILE", help="A decision's id; after `verify` also a pack."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Write the pack to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the pack, or the finding, as JSON.")] = False,
) -> None:
    """A decision's evidence pack: every record in a hash chain, who saw what when, and why, in plain words.

    `hitl evidence verify` checks a pack or the decision in the topics: exit code 1 and the first broken link
    when anything was changed, dropped, reordered or added (what that promises: docs/evidence.md).

    Example: `hitl evidence exp-001 --out exp-001.json` · `hitl evidence verify exp-001.json`
    """
    verb, target = _understood(words)
    settings = load_settings()
    if settings.secret_is_default:
        errors.print(
            "HITL_SECRET_FILE is not set: seals are made with the development key, which everybody knows",
            style="yellow", markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    if verb == VERIFY:
        _verify(settings, target, as_json=as_json)
        return
    pack = open_room(settings).pack(target)
    text = msgspec.json.format(msgspec.json.encode(pack), indent=1)
    if out is not None:
        try:
            out.write_bytes(text + b"\n")
        except OSError as error:
            raise HitlError(
                f"{out} can not be written: {error.strerror}", hint="choose a folder that exists"
            ) from error
        print_remark(f"wrote {out}")
    if as_json:
        print_json(pack)
    elif out is None:
        _print(pack)


def open_room(settings: Settings, *, offline: bool = False) -> EvidenceRoom:
    """The real parts. The store is asked where it is set, Kafka only when records are needed."""
    policy = load_compiled_policy(settings) if offline else policy_to_act_by(settings)
    parts = open_queue(settings, policy) if settings.redis_url and not offline else None
    reader = LogReader(connection_of(settings)) if not offline else None
    return EvidenceRoom(
        reader,
        open_codec(settings),
        lambda: policy,
        secret=settings.secret,
        clock=now,
        cases=parts.cases if parts else None,
        queue=parts.queue if parts else None,
    )


def _understood(words: list[str]) -> tuple[str, str]:
    if words in ([SHOW], [VERIFY]):
        raise UsageError(
            f"{words[0]} what?", hint=f"hitl evidence {words[0]} DECISION_ID" + "|FILE" * (words[0] == VERIFY)
        )
    if len(words) == 1:
        return SHOW, words[0]
    if len(words) == 2 and words[0] in (SHOW, VERIFY):
        return words[0], words[1]
    raise UsageError(
        f"'{' '.join(words)}' is not understood",
        hint="hitl evidence DECISION_ID, or hitl evidence verify DECISION_ID|FILE",
    )


def _verify(settings: Settings, target: str, *, as_json: bool) -> None:
    path = Path(target)
    if path.is_file():
        found = open_room(settings, offline=True).check_pack(path.read_bytes())
    else:
        found = open_room(settings).check(target)
    if as_json:
        print_json(found)
    else:
        _tell(found)
    if found.broken:
        raise typer.Exit(1)


def _tell(found: Finding) -> None:
    name = escape(found.decision_id)
    if found.erased:
        console.print(f"{name}: {escape(found.erased)}", highlight=False, soft_wrap=True)
    if not found.broken:
        text = f"{name}, {found.records} records, {found.sealed} sealed (key {found.key_id})"
        console.print(f"[green]holds[/green]: {text}", highlight=False, soft_wrap=True)
        if not found.sealed:
            console.print(
                "  no person touched it: nothing is sealed, only that its records agree is known",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
        return
    first, *others = found.broken
    console.print(f"[red]broken[/red]: {name}: {escape(str(first))}", highlight=False, soft_wrap=True)
    for one in others:
        console.print(f"  also: {escape(str(one))}", highlight=False, soft_wrap=True)


def _print(pack: Pack) -> None:
    console.print(f"[bold]{escape(pack.decision_id)}[/bold]")
    for sentence in pack.explanation:
        console.print(f"  {escape(sentence)}", highlight=False, soft_wrap=True)
    if pack.disclosure:
        console.print(f"  told to the person: {escape(pack.disclosure)}", highlight=False, soft_wrap=True)
    console.print(f"  policy {escape(pack.policy.version)} {escape(pack.policy.section)}", highlight=False)
    for look in pack.who_saw:
        shown = f"package {look.digest[:12]}" if look.digest else "the list entry"
        text = (
            f"{look.person} saw {shown} at {moment(look.since)} for {duration(look.duration)}; "
            f"last: {LAST_SEEN.get(look.ended, look.ended)}"
        )
        console.print(f"  {escape(text)}", highlight=False, soft_wrap=True)
    console.print(f"  chain: {pack.head.count} records, head {pack.head.hash[:16]}", highlight=False)
