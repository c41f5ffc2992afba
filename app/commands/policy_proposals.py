"""``hitl policy propose``, ``pending``, ``confirm`` and ``reject``: two people behind the next policy."""

from __future__ import annotations

import getpass
import secrets
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from app.commands.activate import in_force, put_in_force, require_allowed, say, tell_changes
from app.commands.output import print_json, print_line, print_rows
from app.composition.parts import connection_of, now, open_codec
from app.composition.writing import open_writer
from app.domain.events import PolicyProposed
from app.domain.governance import PolicyDeed
from app.domain.policy_proposals import CONFIRMED, PROPOSED, REJECTED, latest, standing
from app.domain.words import moment
from app.errors import HitlError, UsageError
from app.policy.diff import diff_policies
from app.policy.load import Policy, load_policy, policy_from_text
from app.settings import Settings, load_settings
from app.stream.reader import LogReader
from app.stream.topics import Topic

As = Annotated[str | None, typer.Option("--as", help="Who you are; the user's name unless given.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ProposalId = Annotated[str, typer.Argument(help="As `hitl policy pending` prints it.")]
_COLUMNS = ("proposal_id", "version", "state", "proposed_by", "proposed_at", "changes", "reason")


def propose(
    file: Annotated[Path, typer.Argument(help="Policy file.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; whoever confirms it reads it.")],
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Propose a policy, where the one in force wants two people behind the next one.

    Nothing changes until another admin confirms it.

    Example: `hitl policy propose my-policy.yaml --reason 'audit of March' --as ann`
    """
    settings = load_settings()
    policy, before, name = load_policy(file), in_force(settings), who or getpass.getuser()
    require_allowed(settings, before, name, PolicyDeed.PROPOSE)
    if not reason.strip():
        raise UsageError("say why", hint="--reason 'what this is for'")
    at = now()
    event = PolicyProposed(
        proposal_id=f"p-{secrets.token_hex(4)}",
        step=PROPOSED,
        policy_version=policy.version,
        policy=policy.source,
        base_version=_base(settings, before),
        proposed_by=name,
        proposed_at=at,
        actor=name,
        at=at,
        reason=reason.strip(),
    )
    _write(settings, event)
    tell_changes(policy, before)
    if as_json:
        print_json({"proposal_id": event.proposal_id, "version": policy.version, "state": PROPOSED})
        return
    text = f"{event.proposal_id} proposed; another admin: hitl policy confirm {event.proposal_id}"
    print_line(text)


def pending(
    every: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False, as_json: AsJson = False
) -> None:
    """The policies that wait for a second person, and what each would change.

    Example: `hitl policy pending`
    """
    settings = load_settings()
    before = in_force(settings)
    base = _base(settings, before)
    rows = []
    for event in sorted(_proposals(settings).values(), key=lambda one: one.proposed_at):
        if event.step != PROPOSED and not every:
            continue
        rows.append(
            {
                "proposal_id": event.proposal_id,
                "version": event.policy_version,
                "state": standing(event, base),
                "proposed_by": event.proposed_by,
                "proposed_at": moment(event.proposed_at),
                "changes": "\n".join(_changes(settings, event, before)),
                "reason": event.reason,
                "by": event.actor,
                "at": moment(event.at),
            }
        )
    print_rows(rows, _COLUMNS, as_json=as_json, empty="no policy waits")


def confirm(proposal_id: ProposalId, who: As = None, as_json: AsJson = False) -> None:
    """Put a proposed policy in force. Needs another admin than the one who proposed it.

    Example: `hitl policy confirm p-1f0c9a2b --as ben`
    """
    settings = load_settings()
    event, before, name = _proposal(settings, proposal_id), in_force(settings), who or getpass.getuser()
    require_allowed(settings, before, name, PolicyDeed.CONFIRM, event.proposed_by)
    state = standing(event, _base(settings, before))
    if state == "outdated":
        raise HitlError(
            f"{proposal_id} was proposed against policy {event.base_version}, which is no longer in force",
            hint="propose it again: its changes are others now",
        )
    # 1. the policy; 2. the end of its proposal. A crash between the two leaves a proposal "in force", and
    # confirming it again ends it.
    if state != "in force":
        put_in_force(settings, _policy(event), before, name, event.proposed_by)
    _write(settings, msgspec.structs.replace(event, step=CONFIRMED, actor=name, at=now()))
    say(as_json, event.policy_version, before.version if before else None, "activated")


def reject(
    proposal_id: ProposalId,
    reason: Annotated[str, typer.Option("--reason", help="Why; others read it.")],
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """Say no to a proposed policy, or take the own proposal back.

    Example: `hitl policy reject p-1f0c9a2b --reason 'alpha is too high' --as ben`
    """
    settings = load_settings()
    event, name = _proposal(settings, proposal_id), who or getpass.getuser()
    require_allowed(settings, in_force(settings), name, PolicyDeed.REJECT, event.proposed_by)
    _write(
        settings, msgspec.structs.replace(event, step=REJECTED, actor=name, at=now(), reason=reason.strip())
    )
    say(as_json, event.policy_version, None, "rejected")


def _proposals(settings: Settings) -> dict[str, PolicyProposed]:
    codec, reader = open_codec(settings), LogReader(connection_of(settings))
    return latest(
        codec.decode_as(record.value, PolicyProposed)
        for record in reader.read_all([Topic.POLICY_PROPOSED])
        if record.value is not None
    )


def _proposal(settings: Settings, proposal_id: str) -> PolicyProposed:
    event = _proposals(settings).get(proposal_id)
    if event is None:
        raise UsageError(f"there is no proposal '{proposal_id}'", hint="see `hitl policy pending`")
    if event.step != PROPOSED:
        raise HitlError(f"{proposal_id} was {event.step} by {event.actor}", hint="propose it again")
    return event


def _base(settings: Settings, before: Policy | None) -> str:
    """The version that everybody goes by now."""
    return (before or load_policy(settings.policy_path)).version


def _policy(event: PolicyProposed) -> Policy:
    return policy_from_text(event.policy, file=f"policy {event.policy_version}")


def _changes(settings: Settings, event: PolicyProposed, before: Policy | None) -> list[str]:
    old = before or load_policy(settings.policy_path)
    return [str(change) for change in diff_policies(old.content, _policy(event).content)]


def _write(settings: Settings, event: PolicyProposed) -> None:
    with open_writer(settings) as writer:
        writer.write(Topic.POLICY_PROPOSED, event.proposal_id, event)
