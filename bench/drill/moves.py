"""What operators do on purpose, and the disasters that they prepare for. Each on a deployment of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from confluent_kafka.admin import AdminClient

from app.stream.schemas import Schemas, fingerprint
from app.stream.topics import Topic
from bench.drill import versions
from bench.drill.site import PREFIX, Site

RATE = 60


class Moved(msgspec.Struct, frozen=True):
    """How a move went."""

    what: str
    happened: str
    verdict: str


Move = Callable[[Site], str]


def upgrade(site: Site) -> str:
    """To the next version and back, one worker at a time, under load, with a schema that grows."""
    first = versions.now(site.directory / "this")
    later = versions.following(site.directory / "next")
    for slot in (0, 1):
        site.start(slot, root=first)
    _up(site, 0, 1)
    new = versions.announce(later, first)
    site.schemas = first / "schemas"
    readers, turns = [(0, first), (1, first)], [(0, later), (1, later), (1, first), (0, first)]
    exchange(site, [*readers, *turns], RATE * 16)
    return (
        f"{len(new)} schemas announced, then 6 restarts: readers, up, up, down, down; "
        f"the next version scored {scored_by(later, site)} decisions"
    )


def exchange(site: Site, order: Sequence[tuple[int, Path]], each: int) -> None:
    """Workers for those of another version, one at a time, while ``each`` decisions come in."""
    for slot, root in order:
        feeder = site.feed(each, RATE)
        _restart(site, slot, root)
        site.fed(feeder)


def scored_by(version: Path, site: Site) -> int:
    """How many decisions a version scored whose schema is its own."""
    schema = fingerprint(Schemas.load(version / "schemas").current["DecisionScored"])
    return sum((record.value or b"")[2:10] == schema for record in site.log(Topic.DECISIONS_SCORED))


def roll_from(revision: str) -> Move:
    """From a committed version to this one and back, one worker at a time, under load."""

    def move(site: Site) -> str:
        """From an earlier version to this one and back, under load."""
        before = versions.committed(revision, site.directory / "before")
        after = versions.now(site.directory / "after")
        new = versions.announce(after, before)
        for slot in (0, 1):
            site.start(slot, root=before)
        _up(site, 0, 1)
        exchange(site, [(0, after), (1, after), (1, before), (0, before)], RATE * 16)
        return f"{revision[:7]} and this version, {len(new)} schemas announced, 4 restarts"

    return move


def scale(site: Site) -> str:
    """From one worker to three and back to one, under load."""
    site.start(0)
    _up(site, 0)
    feeder = site.feed(RATE * 60, RATE)
    for slot in (1, 2):
        site.start(slot)
        _up(site, slot)
    for slot in (2, 1):
        site.stop(slot)
    site.fed(feeder)
    return "1, 2, 3, 2, 1 workers"


def restore(site: Site) -> str:
    """Everything is lost and comes back from copies; producers send again what came after the copy."""
    _live(site, 600)
    _quiet(site)
    copies = site.directory / "copies"
    site.broker.kill()
    shutil.copytree(site.broker.data, copies / "kafka")
    site.store.stop()
    shutil.copytree(site.directory / "store", copies / "store")
    site.broker.start()
    site.store.start()
    before, repeated = dict(site.answered), list(site.repeated)
    _live(site, 300)
    _quiet(site)
    site.broker.kill()
    site.store.stop()
    for name, at in (("kafka", site.broker.data), ("store", site.directory / "store")):
        shutil.rmtree(at)
        shutil.copytree(copies / name, at)
    site.broker.start()
    site.store.start()
    site.answered.clear()
    site.answered.update(before)
    site.repeated[:] = repeated
    site.feed_again(300)
    _start_again(site)
    return "broker and store deleted, copied back; the 300 decisions after the copy were sent again"


def empty_store(site: Site) -> str:
    """The store is gone with all it held; it is rebuilt from the log."""
    _live(site, 900, answers=False)
    _quiet(site)
    site.store.stop()
    shutil.rmtree(site.directory / "store")
    site.store.start()
    rebuilt = site.hitl("queue", "rebuild")
    verified = site.hitl("queue", "verify")
    _start_again(site)
    site.fed(site.feed(200, RATE))
    return (
        f"{rebuilt.stdout.strip()}; verify ended with {verified.returncode}: {verified.stdout.strip()[-60:]}"
    )


def lost_log(site: Site) -> str:
    """Every topic is gone, without a copy; the store is still there."""
    _live(site, 600, answers=False)
    _quiet(site)
    waiting = site.waiting()
    admin = AdminClient({"bootstrap.servers": site.broker.bootstrap})
    ours = [name for name in admin.list_topics(timeout=10).topics if name.startswith(PREFIX)]
    for future in admin.delete_topics(ours, operation_timeout=30).values():
        future.result(60)
    site.submitted.clear()
    site.repeated.clear()
    site.apply_topics()
    _start_again(site)
    site.fed(site.feed(200, RATE))
    site.settle()
    left = site.waiting()
    resolved = site.resolved()
    survived = len(waiting & {name for name in waiting if name not in left})
    return (
        f"{len(waiting)} reviews waited in the store, {survived} of them were answered afterwards, "
        f"{resolved} decisions are resolved in the new log; history, labels and thresholds are lost"
    )


def lost_secret(site: Site) -> str:
    """HITL_SECRET_FILE is lost while people answer; the workers start with a new one."""
    site.start(0)
    site.start(1)
    _up(site, 0, 1)
    site.open_desks("ann", "bo")
    site.fed(site.feed(RATE * 10, RATE))
    for worker in site.workers.values():
        worker.kill()
    site.secret.write_text("another secret of the drill, as long", encoding="utf-8")
    site.close_desks()
    checked = site.hitl("evidence", "verify", next(iter(site.decided())))
    _start_again(site)
    site.fed(site.feed(200, RATE))
    site.settle()
    listed = site.hitl("dlq", "list", "--reason", "unsealed_answer", "--json")
    said = (checked.stdout.strip().splitlines() or [""])[0][:100]
    return (
        f"{len(listed.stdout.splitlines())} answers were published and not resolved yet: dead letters; "
        f"the evidence of an older decision ends with {checked.returncode}: {said}"
    )


def _restart(site: Site, slot: int, root: Path) -> None:
    site.stop(slot)
    site.start(slot, root=root)
    _up(site, slot)


def _up(site: Site, *slots: int) -> None:
    for slot in slots:
        site.up(slot)


def _live(site: Site, count: int, *, answers: bool = True) -> None:
    for slot in (0, 1):
        site.start(slot)
    _up(site, 0, 1)
    if answers:
        site.open_desks("ann", "bo")
    site.fed(site.feed(count, RATE * 3))
    site.settle()


def _quiet(site: Site) -> None:
    site.close_desks()
    site.settle()
    site.stop()


def _start_again(site: Site) -> None:
    for slot in (0, 1):
        site.start(slot)
    _up(site, 0, 1)
    site.open_desks("cy", "di")


def in_git() -> bool:
    """Whether an earlier version can be had."""
    found = subprocess.run(["git", "rev-parse", "HEAD~1"], capture_output=True, check=False)
    return found.returncode == 0
