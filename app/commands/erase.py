"""``hitl erase``: the data of a person becomes unreadable, everywhere."""

from __future__ import annotations

import getpass
import time
from typing import Annotated

import msgspec
import typer

from app.commands.in_force import policy_to_act_by
from app.commands.output import errors, print_json, print_line, print_rows
from app.composition.parts import QueueParts, connection_of, now, open_codec, open_keys, open_queue
from app.composition.writing import open_writer
from app.console.keys import ConsoleKeys
from app.domain.review import Review
from app.domain.words import moment
from app.errors import HitlError, UsageError
from app.policy.compiled import CompiledPolicy
from app.review_queue.forgetting import forget, forget_gold, on_their_way, reviews_of
from app.review_queue.gold import GoldStore
from app.settings import Settings, load_settings
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.erasure import Held, Holdings, cut_off, erasures, look, replaced, unread
from app.stream.reader import LogReader
from app.stream.topics import Topic, TopicTable, pool_topic

LOOK_SECONDS = 2.0
_COLUMNS = ("topic", "encrypted", "readable", "readable until")


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and what was done. ``remains`` are topics with records that stay readable until their
    retention ends; ``on_disk`` are old keys that the broker has yet to compact away."""

    subject: str
    applied: bool
    decisions: int
    reviews: int
    topics: tuple[Held, ...]
    remains: tuple[str, ...]
    keys_erased: int = 0
    store_keys: int = 0
    on_disk: int = 0


def erase(
    subject: Annotated[str, typer.Argument(help="The subject of decisions, as producers name it.")],
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without: only say what would be.")] = False,
    why: Annotated[str, typer.Option("--why", help="Reason or request number, without personal data.")] = "",
    by: Annotated[str | None, typer.Option("--as", help="Who erases; the user's name unless given.")] = None,
    wait: Annotated[
        float, typer.Option("--wait", help="Seconds to wait until the old key has left the disk.", min=0)
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Erase a person: records become unreadable for ever, and the store forgets them (docs/privacy.md).

    Without --apply nothing is changed. It ends with 1 where work on the person's decisions is still open,
    and where records stay readable until their retention ends; run again, it does what is left to do.

    Example: `hitl erase emp-1042` · `hitl erase emp-1042 --apply --why "request 2026-17" --as ann`
    """
    if apply and not why.strip():
        raise UsageError("why?", hint='give a reason for the record: --why "request 2026-17"')
    settings = load_settings()
    policy, connection = policy_to_act_by(settings), connection_of(settings)
    parts, codec, reader = open_queue(settings, policy), open_codec(settings), LogReader(connection)
    found = _look(settings, policy, codec, reader, subject)
    reviews = reviews_of(parts.queue, found.decisions)
    done = _report(found, reviews, applied=False)
    if apply:
        _refuse_open_work(connection, parts, found, reviews)
        actor = by or getpass.getuser()
        done = _erase(settings, policy, connection, parts, found, reviews, why=why.strip(), actor=actor)
        left = _await_compaction(settings, codec, reader, subject, wait)
        done = msgspec.structs.replace(done, on_disk=left)
    _print(done, as_json=as_json)
    if apply and done.remains:
        raise HitlError(
            f"records about {subject} stay readable in {', '.join(done.remains)} until their retention ends",
            hint="docs/privacy.md says what is never encrypted; `privacy: {encrypt: true}` before data comes",
        )


def _look(
    settings: Settings, policy: CompiledPolicy, codec: Codec, reader: LogReader, subject: str
) -> Holdings:
    keys = open_keys(settings)
    try:
        ids = keys.ids_of(subject)
    finally:
        keys.close()
    return look(reader, codec, subject, ids, [pool_topic(pool) for pool in policy.pool_names])


def _refuse_open_work(
    connection: Connection, parts: QueueParts, found: Holdings, reviews: list[Review]
) -> None:
    """Nothing of the person may be under way: nobody could finish it."""
    if waiting := [review for review in reviews if not review.over]:
        names = ", ".join(sorted({review.decision_id for review in waiting})[:5])
        raise HitlError(
            f"{len(waiting)} reviews are not over (decisions {names})",
            hint=f"let people answer, or end what nobody can: hitl review cancel {waiting[0].review_id}",
        )
    told = on_their_way(parts.client, parts.keys, parts.queue.pools, found.decisions)
    behind = ["the outbox"] if told else []
    behind += unread(connection, found)
    if behind:
        raise HitlError(
            f"records of this person in {', '.join(behind)} are not processed yet",
            hint="run the workers, look at `hitl status` and `hitl queue broken list`, then run this again",
        )


def _erase(
    settings: Settings,
    policy: CompiledPolicy,
    connection: Connection,
    parts: QueueParts,
    found: Holdings,
    reviews: list[Review],
    *,
    why: str,
    actor: str,
) -> Erasure:
    # Each step may be repeated; the keys go last, because they say which records are the person's.
    # 1. The store forgets reviews, answers, briefs and history.
    handed_in = ConsoleKeys(settings.topic_prefix).submission
    besides = [handed_in(decision_id) for decision_id in found.decisions]
    gone = forget(parts.client, parts.keys, reviews, found.subject, found.decisions, besides)
    gone += forget_gold(GoldStore(parts.client, parts.keys), tuple(policy.terms), found.decisions)
    # 2. What producers wrote is not encrypted: it is cut off, up to what is scored.
    cut_off(connection, found)
    # 3. The keys are erased. From here on nobody reads the records again.
    with open_writer(settings) as writer:
        for key_id, event in erasures(found, at=now(), by=actor, why=why):
            writer.write(Topic.PRIVACY_KEYS, key_id, event)
    done = _report(found, reviews, applied=True)
    return msgspec.structs.replace(done, keys_erased=len(found.key_ids), store_keys=gone)


def _await_compaction(settings: Settings, codec: Codec, reader: LogReader, subject: str, wait: float) -> int:
    """How many erased keys are still on the broker's disk. A compacted topic forgets what stands before its
    last segment: the erasure is written again, which closes the segment once it is old enough."""
    deadline = time.monotonic() + wait
    while left := replaced(reader, codec, subject):
        if time.monotonic() >= deadline:
            break
        with open_writer(settings) as writer:
            for event in left:
                writer.write(Topic.PRIVACY_KEYS, event.key_id, event)
        time.sleep(LOOK_SECONDS)
    return len(left)


def _report(found: Holdings, reviews: list[Review], *, applied: bool) -> Erasure:
    remains = [held.topic for held in found.topics if held.plain and held.topic != Topic.DECISIONS_SUBMITTED]
    return Erasure(
        subject=found.subject,
        applied=applied,
        decisions=len(found.decisions),
        reviews=len(reviews),
        topics=found.topics,
        remains=tuple(remains),
    )


def _print(done: Erasure, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    rows = [
        {"topic": one.topic, "encrypted": one.encrypted, "readable": one.plain, "readable until": _until(one)}
        for one in done.topics
    ]
    print_rows(rows, _COLUMNS, as_json=False, empty=f"the topics hold nothing about {done.subject}")
    text = f"{done.subject}: {done.decisions} decisions, {done.reviews} reviews in the store"
    print_line(text)
    if not done.applied:
        errors.print("nothing was changed; --apply erases", markup=False, highlight=False)
        return
    text = f"erased: {done.keys_erased} keys, {done.store_keys} entries of the store"
    print_line(text)
    if done.on_disk:
        errors.print(
            f"{done.on_disk} erased keys are still on the broker's disk until it compacts privacy.keys; see"
            " them go: run this again with --wait 7200",
            style="yellow", markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip


def _until(held: Held) -> str:
    if held.last_plain is None:
        return ""
    if held.topic == Topic.DECISIONS_SUBMITTED:
        return "cut off at once"
    specs = TopicTable.load().specs
    name = held.topic if held.topic in specs else Topic.REVIEWS_REQUESTED
    return moment(held.last_plain + (specs[name].retention_hours or 0) * 3_600_000)
