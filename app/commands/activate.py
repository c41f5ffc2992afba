"""``hitl policy activate``: every running worker takes a policy, whole, between two batches."""

from __future__ import annotations

import getpass
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka.admin import AdminClient

from app.commands.output import console, errors, print_json
from app.composition.parts import POLICY_KEY, activated_policy, connection_of, now, open_queue
from app.composition.writing import open_writer
from app.desk.errors import NotAllowedError
from app.domain.events import PolicyActivated
from app.domain.governance import PolicyDeed, policy_refused
from app.errors import HitlError
from app.policy.compiled import compile_policy
from app.policy.diff import Effect, diff_policies
from app.policy.load import Policy, load_policy, policy_from_text
from app.policy.problems import PolicyError
from app.review_queue.values import PoolStats
from app.settings import Settings, load_settings
from app.stream.topics import Topic, TopicTable


def activate(
    file: Annotated[
        Path | None, typer.Argument(help="Policy file; HITL_POLICY, or else the example, unless given.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--as", help="Who activates it; the user's name unless given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a policy the one in force: checked, its pools' topics created, then published.

    Running workers take it between two batches, never half of it; workers that start later begin with
    it, whatever HITL_POLICY says. Where the policy in force wants two people behind the next one
    (`governance`), use `hitl policy propose` and `confirm`.

    Example: `hitl policy activate my-policy.yaml --as ann`
    """
    settings = load_settings()
    policy, name = load_policy(file or settings.policy_path), by or getpass.getuser()
    before = in_force(settings)
    if before is not None and before.version == policy.version:
        say(as_json, policy.version, before.version, "already in force")
        return
    if not _first_of_its_own(settings, policy, before):
        require_allowed(settings, before, name, PolicyDeed.ACTIVATE)
    put_in_force(settings, policy, before, name)
    say(as_json, policy.version, before.version if before else None, "activated")


def require_allowed(
    settings: Settings, before: Policy | None, name: str, deed: PolicyDeed, proposed_by: str = ""
) -> None:
    """Ask the policy that governs: what is in force, else the file of HITL_POLICY. Raises
    ``NotAllowedError``."""
    governing = compile_policy(before or load_policy(settings.policy_path))
    denial = policy_refused(
        governing.directory, governing.two_people_activate, name, deed, proposed_by, now()
    )
    if denial is not None:
        raise NotAllowedError(denial)


def _first_of_its_own(settings: Settings, policy: Policy, before: Policy | None) -> bool:
    """The first activation of the very file that everybody goes by changes nothing: one person is enough."""
    return before is None and load_policy(settings.policy_path).version == policy.version


def put_in_force(
    settings: Settings, policy: Policy, before: Policy | None, by: str, proposed_by: str = ""
) -> None:
    """Create what the policy needs, then publish it. Whoever calls has asked ``policy_refused``."""
    pools = compile_policy(policy).pool_names
    if before is not None:
        _require_done(settings, before, pools)
    connection = connection_of(settings)
    admin = AdminClient(connection.client("hitl-activate", {}))  # type: ignore[arg-type]  # takes callables too
    TopicTable.load().apply(admin, pools, connection.prefix)
    event = PolicyActivated(
        policy_version=policy.version,
        policy=policy.source,
        activated_by=by,
        activated_at=now(),
        proposed_by=proposed_by,
    )
    with open_writer(settings) as writer:
        writer.write(Topic.POLICY_ACTIVATED, POLICY_KEY, event)
    tell_changes(policy, before)


def tell_changes(policy: Policy, before: Policy | None) -> None:
    """How many fields differ in meaning, to standard error."""
    if before is not None:
        changes = diff_policies(before.content, policy.content)
        looser = sum(change.effect is Effect.LOOSER for change in changes)
        errors.print(f"{len(changes)} changes, {looser} of them looser", highlight=False)


def _require_done(settings: Settings, before: Policy, pools: Collection[str]) -> None:
    """A pool may only go when nothing is left in it: nobody would serve its reviews, settle its answers or
    publish its steps."""
    old = compile_policy(before)
    gone = set(old.pool_names) - set(pools)
    if not gone:
        return
    parts = open_queue(settings, old)
    for pool in parts.queue.stats():
        if pool.pool in gone and (left := _left_in(pool)):
            raise HitlError(
                f"pool '{pool.pool}' is not in this policy, but still in it are {', '.join(left)}",
                hint="keep the pool until hitl queue stats has none; put aside: hitl queue broken list",
            )


def _left_in(pool: PoolStats) -> list[str]:
    undecided = pool.open + pool.supervisor + pool.offered + pool.claimed + pool.waiting
    return [
        f"{count} {what}"
        for count, what in (
            (undecided, "undecided reviews"),
            (pool.held, "answers that may still be taken back"),
            (pool.unpublished, "steps on their way to Kafka"),
            (pool.broken, "steps that were put aside"),
        )
        if count
    ]


def in_force(settings: Settings) -> Policy | None:
    """What was activated last; ``None`` for nothing, or for what can not be used here."""
    latest = activated_policy(settings)
    if latest is None:
        return None
    try:
        return policy_from_text(latest.policy, file=f"policy {latest.policy_version}")
    except PolicyError:
        errors.print("what is activated now can not be used; changes against it can not be shown")
        return None


def say(as_json: bool, version: str, before: str | None, what: str) -> None:
    """The outcome of a step."""
    if as_json:
        print_json({"version": version, "before": before, "result": what})
        return
    console.print(f"policy {version} {what}" + (f" (before: {before})" if before else ""), highlight=False)
