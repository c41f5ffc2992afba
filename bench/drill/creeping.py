"""Faults that creep: what people and producers do differently for days, weeks and months."""

from __future__ import annotations

import random
import threading
import time

from app.composition.parts import connection_of, open_codec
from app.domain.answers import Verdict
from app.domain.events import ObservationKind, ObservedOutcome, OverrideCategory
from app.domain.ids import derived_id
from app.stream.codec import Codec
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from app.stream.topics import Topic
from bench.drill.fault import Undo
from bench.drill.people import SUPERVISOR, SlowDesk, one_answer
from bench.drill.site import Site
from tests.chaos.whole_loop import LOOKED

SILENT = Verdict(action="", reasoning=".", reason_code="other")
"""The least that the desk takes: it asks for a reason, and a point is one."""
ALWAYS = 1.1
"""As a share of what the AI says that it is right: more than certain where it is sure."""
CHANGED = Verdict(
    action="reject", reasoning="the travel rule changed in May", category=OverrideCategory.POLICY_CHANGE
)


def truth(codec: Codec, decision_id: str, kind: ObservationKind, name: str) -> Outgoing:
    """What was found later about a decision; ``name`` makes it another report."""
    event = ObservedOutcome(
        observation_id=f"{name}-{decision_id}",
        decision_id=decision_id,
        kind=kind,
        correct_action="reject",
        observed_at=time.time_ns() // 1_000_000,
        source="drill",
        note="",
    )
    return Outgoing(Topic.OUTCOMES_OBSERVED, decision_id.encode(), codec.encode(event), [])


def reported(site: Site, kind: ObservationKind, each_second: float) -> Undo:
    """So many reports a second about decisions of the past, until it is undone."""
    codec, ended = open_codec(site.settings), threading.Event()
    draw, known = random.Random(kind), list(site.submitted)

    def report() -> None:
        publisher, number = Publisher(connection_of(site.settings), client_id="truth"), 0
        while not ended.wait(1 / each_second):
            number += 1
            publisher.send([truth(codec, draw.choice(known), kind, f"report-{time.time_ns()}-{number}")])
        publisher.close()

    thread = threading.Thread(target=report, daemon=True)
    thread.start()

    def undo() -> None:
        ended.set()
        thread.join()

    return undo


def few_errors(site: Site) -> Undo:
    """Later processes find an error every other second."""
    return reported(site, ObservationKind.DOWNSTREAM_ERROR, 0.5)


def many_errors(site: Site) -> Undo:
    """Eight times as many."""
    return reported(site, ObservationKind.DOWNSTREAM_ERROR, 4)


def few_findings(site: Site) -> Undo:
    """Auditors from outside find something every ten seconds, and the spot checks nothing."""
    site.rightness = ALWAYS
    return reported(site, ObservationKind.AUDIT_FINDING, 0.1)


def many_findings(site: Site) -> Undo:
    """Ten times as many."""
    return reported(site, ObservationKind.AUDIT_FINDING, 1)


def good_model(site: Site) -> Undo:
    """The AI is right in all that people check, so that it is certified to decide alone."""
    site.rightness = ALWAYS
    return lambda: None


def no_reasons(site: Site) -> Undo:
    """People override and do not say why, as far as the desk lets them."""
    for desk in site.people:
        desk.verdict = SILENT

    def undo() -> None:
        for desk in site.people:
            desk.verdict = LOOKED

    return undo


def item_waits(site: Site) -> Undo:
    """An answer says that the policy has changed, and nobody takes up what was drafted from it."""
    item = derived_id(one_answer(site, CHANGED).answer_id, "feedback.policy_updates")

    def undo() -> None:
        site.hitl("learnings", "close", item, "--result", "travel rule updated", "--as", SUPERVISOR)

    return undo


def slow_reviewers(site: Site) -> Undo:
    """Everybody takes eight seconds for what took none."""
    site.close_desks()
    for name in ("ann", "bo"):
        desk = SlowDesk(site, name, takes=8.0)
        desk.start()
        site.people.append(desk)

    def undo() -> None:
        site.close_desks()
        site.open_desks("ann", "bo")

    return undo
