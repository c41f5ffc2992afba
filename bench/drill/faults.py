"""The faults: what is done to a running deployment, and how it is undone."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import deque
from pathlib import Path

import redis

from app.composition.parts import connection_of, open_codec
from app.domain.events import Answer, ObservationKind, ReviewDecided, ReviewRequested
from app.review_queue.store import open_client
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from app.stream.schemas import Schemas, fingerprint
from app.stream.topics import Topic, pool_topic
from bench.drill import versions
from bench.drill.creeping import (
    ALWAYS,
    few_errors,
    few_findings,
    good_model,
    item_waits,
    many_errors,
    many_findings,
    no_reasons,
    slow_reviewers,
    truth,
)
from bench.drill.fault import Fault, Undo, nothing
from bench.drill.pipeline import requests_gone, right_gone, slow_worker
from bench.drill.site import Site


def broker_down(site: Site) -> Undo:
    """SIGKILL."""
    site.broker.kill()
    return site.broker.restart


def broker_frozen(site: Site) -> Undo:
    """SIGSTOP, for longer than transactions and sessions last: when it goes on it has fenced itself, and
    clients may have lost their coordinators."""
    pid = site.broker.pid
    if pid is None:
        raise RuntimeError("the broker does not run")
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


def store_down(site: Site) -> Undo:
    """The store ends, and comes back on its data."""
    site.store.stop()
    return site.store.start


def slow_store(site: Site) -> Undo:
    """Every command waits up to 0.4 s."""
    ended = threading.Event()

    def slow() -> None:
        client = open_client(site.store.url)
        while not ended.is_set():
            with contextlib.suppress(redis.RedisError):  # a timeout is what the fault is about
                client.execute_command("CLIENT", "PAUSE", "400", "ALL")
            time.sleep(0.05)

    thread = threading.Thread(target=slow, daemon=True)
    thread.start()

    def undo() -> None:
        ended.set()
        thread.join()
        open_client(site.store.url).execute_command("CLIENT", "UNPAUSE")

    return undo


def full_disk(site: Site) -> Undo:
    """The broker's disk has no byte left; room is made, and the broker started again if it ended."""
    filler = site.broker.data.parent / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
            file.flush()

    def undo() -> None:
        filler.unlink()
        site.broker.kill()
        site.broker.restart()

    return undo


def poison(site: Site) -> Undo:
    """Bytes that are no event."""
    site.poisoned.add("poison")
    publisher = Publisher(connection_of(site.settings), client_id="poison")
    records = [Outgoing(Topic.DECISIONS_SUBMITTED, b"poison", os.urandom(200), []) for _ in range(5000)]
    failed = publisher.send(records)
    publisher.close()
    if failed:
        raise RuntimeError(f"{len(failed)} not sent: {failed[0].reason}")
    return lambda: None


def reviewers_gone(site: Site) -> Undo:
    """Everybody goes home."""
    site.close_desks()
    return lambda: site.open_desks("ann", "bo")


def bad_ai(site: Site) -> Undo:
    """What the AI decided alone turns out wrong: errors downstream, and customers who are hurt."""
    codec, publisher = open_codec(site.settings), Publisher(connection_of(site.settings), client_id="truth")
    hurt, found = ObservationKind.CUSTOMER_INCIDENT, ObservationKind.DOWNSTREAM_ERROR
    publisher.send(
        [
            truth(codec, name, hurt if number % 20 == 0 else found, "late")
            for number, name in enumerate(site.submitted[-400:])
        ]
    )
    publisher.close()
    return lambda: None


def clock_jump(site: Site) -> Undo:
    """One worker's clock is an hour ahead."""
    site.stop(1)
    ahead = "import time\nreal = time.time_ns\ntime.time_ns = lambda: real() + 3_600_000_000_000"
    site.start(1, before=ahead)

    def undo() -> None:
        site.stop(1)
        site.start(1)

    return undo


def stuck_worker(site: Site) -> Undo:
    """SIGSTOP: it neither works nor leaves."""
    worker = site.workers[1]
    worker.signal_worker(signal.SIGSTOP)
    return lambda: worker.signal_worker(signal.SIGCONT)


def future_schema(site: Site) -> Undo:
    """A producer that is ahead writes with a schema that nobody here knows."""
    site.poisoned.add("future")
    root: Path = site.directory / "future"
    if not root.exists():
        versions.following(root)
    schema = Schemas.load(root / "schemas").current["DecisionScored"]
    value = b"\xc3\x01" + fingerprint(schema) + b"\0" * 40
    publisher = Publisher(connection_of(site.settings), client_id="future")
    failed = publisher.send([Outgoing(Topic.DECISIONS_SUBMITTED, b"future", value, [])] * 50)
    publisher.close()
    if failed:
        raise RuntimeError(f"{len(failed)} not sent: {failed[0].reason}")
    return lambda: None


def forged_answer(requested: ReviewRequested, answer_id: str, at: int) -> Answer:
    """As the answer to a review would look, for whoever has seen the request; ``at`` in ms UTC."""
    return Answer(
        answer_id=answer_id,
        review_id=requested.request.review_id,
        reviewer="ann",
        action="approve",
        changes=None,
        reasoning="trust me",
        reason_code="",
        category=None,
        note="",
        tags=[],
        first_action=None,
        package_digest=requested.request.package_digest,
        lease_epoch=1,
        claimed_at=at,
        decided_at=at,
    )


def forged_answers(site: Site) -> Undo:
    """Somebody who may write the topic, and has no key, answers for people."""
    site.poisoned.add("forged")
    codec, now = open_codec(site.settings), time.time_ns() // 1_000_000
    record = deque(site.log(pool_topic(site.policy.pool_names[0])), maxlen=1).pop()
    requested = codec.decode_as(record.value, ReviewRequested)
    answers = [forged_answer(requested, f"forged-{number}", now) for number in range(20)]
    forged = [codec.encode(ReviewDecided(requested=requested, answer=answer)) for answer in answers]
    publisher = Publisher(connection_of(site.settings), client_id="forger")
    failed = publisher.send([Outgoing(Topic.REVIEWS_OUTCOMES, b"forged", value, []) for value in forged])
    publisher.close()
    if failed:
        raise RuntimeError(f"{len(failed)} not sent: {failed[0].reason}")
    return lambda: None


FAULTS: tuple[Fault, ...] = (
    Fault(name="broker down", what="SIGKILL, back after 20 s", begin=broker_down, seconds=20),
    Fault(name="broker frozen", what="SIGSTOP, goes on after 20 s", begin=broker_frozen, seconds=20),
    Fault(name="store down", what="Valkey ends, back after 20 s", begin=store_down, seconds=20),
    Fault(name="slow store", what="each command waits up to 0.4 s, 40 s", begin=slow_store, seconds=40),
    Fault(name="full disk", what="no byte left for the broker, 20 s", begin=full_disk, seconds=20),
    Fault(name="poison flood", what="5,000 records that are no event", begin=poison, seconds=20),
    Fault(name="schema from the future", what="50 records nobody can read", begin=future_schema, seconds=20),
    Fault(name="worker stuck", what="SIGSTOP to one of two, 40 s", begin=stuck_worker, seconds=40),
    Fault(name="clock jump", what="one of two workers is an hour ahead, 40 s", begin=clock_jump, seconds=40),
    Fault(name="reviewers gone", what="nobody answers for 180 s (3 h)", begin=reviewers_gone, seconds=180),
    Fault(
        name="AI gone bad",
        what="400 decisions turn out wrong, people override most, 100 s",
        begin=bad_ai,
        seconds=100,
        rightness=0.3,
    ),
    Fault(
        name="AI overconfident",
        what="sure of everything, wrong in 4 of 10, 150 s",
        begin=nothing,
        seconds=150,
        sure=1.0,
        rightness=0.6,
    ),
    Fault(name="forged answers", what="20 answers without a seal", begin=forged_answers, seconds=20),
    Fault(
        name="nobody looks",
        what="people agree with everything, 190 s (eight days)",
        begin=nothing,
        seconds=190,
        rightness=1000.0,  # more than certain, whatever the AI says
    ),
    Fault(name="steps put aside", what="requests of five answers are gone", begin=requests_gone, seconds=30),
    Fault(name="right gone", what="nobody may write decisions.routed, 40 s", begin=right_gone, seconds=40),
    Fault(
        name="worker slow",
        what="one of two takes 0.1 s for each of 30 decisions a second, 150 s",
        begin=slow_worker,
        seconds=150,
        rate=60,
    ),
    Fault(
        name="no reasons",
        what="people override and do not say why, 90 s (four days)",
        begin=no_reasons,
        seconds=90,
        rightness=0.5,
    ),
    Fault(
        name="slow reviewers",
        what="everybody takes eight seconds instead of none, 60 s (two days and a half)",
        begin=slow_reviewers,
        seconds=60,
        usual=nothing,
        before=40,
    ),
    Fault(
        name="item waits",
        what="nobody takes up a policy update, 200 s (eight days)",
        begin=item_waits,
        seconds=200,
    ),
    Fault(
        name="errors downstream",
        what="eight times as many as usual, 40 s (two weeks)",
        begin=many_errors,
        seconds=40,
        usual=few_errors,
        before=40,
    ),
    Fault(
        name="audits find more",
        what="auditors from outside find ten times as many as usual, 60 s (25 days)",
        begin=many_findings,
        seconds=60,
        rightness=ALWAYS,
        usual=few_findings,
        before=76,
    ),
    Fault(
        name="model worse",
        what="sure in 4 of 10 instead of 8, and eight times as many errors later, 60 s (25 days)",
        begin=many_errors,
        seconds=60,
        sure=0.4,
        usual=good_model,
        before=150,
    ),
)
