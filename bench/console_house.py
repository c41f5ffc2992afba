"""A console as a large company has it: many open reviews, 200 people, weeks of answers, sessions, rules."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import msgspec

from app.console.app import create_console
from app.console.session_room import SessionRoom
from app.domain.events import PatternDetected, ReviewRequested, ScoreTally
from app.domain.people import Directory, Profile
from app.domain.quality.session_figures import SessionKind
from app.domain.quality.sessions import Given, Opening
from app.domain.review import Reviewer
from app.review_queue.store import Client
from app.review_queue.values import NewReview
from app.stream.codec import Codec
from app.stream.schemas import Schemas
from tests.integration.console.conftest import PEOPLE, POOLS, House
from tests.integration.review_queue.conftest import Desk
from tests.unit.domain import cases
from tests.unit.domain.test_ledger import Desk as Answering

PEOPLE_OF_THE_POOL = 200
ANSWERS = 20
"""Of each of them, in the ledger."""
LATE = 300
"""Reviews that are late already."""
HELD = 150
RULES = 30
ITEMS, INVITED = 30, 10
"""Of a session."""
HOUR = 3_600_000
FINANCE = frozenset({"finance"})


def furnished(client: Client, url: str, folder: Path, count: int) -> House:
    """The console, with ``count`` reviews open."""
    house = House(Desk(client, url), Codec(Schemas.load()), folder)
    names = [f"reviewer-{n:03d}" for n in range(PEOPLE_OF_THE_POOL)]
    staff = [Profile(name=name, title=name.title(), pools=FINANCE) for name in names]
    directory = Directory({person.name: person for person in (*PEOPLE, *staff)}, POOLS)
    house.policy = msgspec.structs.replace(house.policy, directory=directory)
    _fill(house, count)
    for name in names[:HELD]:
        assert house.queue.claim_next("finance", Reviewer(name=name, pools=FINANCE))
    _learn(house, names)
    _agree_on_rules(house)
    return house


def _fill(house: House, count: int) -> None:
    """So many open reviews, copies of a real one under other ids."""
    template = house.codec.decode_as(house.queue.get(house.ask("exp-0")).record, ReviewRequested)
    desk = house.store
    for start in range(1, count + HELD, 1000):
        new = []
        for n in range(start, min(count + HELD, start + 1000)):
            due = house.clock() + 60_000 * (n - LATE)
            request = desk.new(f"exp-{n}", pool="finance", deadline=due).request
            request = msgspec.structs.replace(
                request, package=template.request.package, package_digest=template.request.package_digest
            )
            record = house.codec.encode(ReviewRequested(routed=template.routed, request=request))
            new.append(NewReview(f"exp-{n}", request, record))
        house.queue.enqueue_many(new)


def _learn(house: House, people: list[str]) -> None:
    """What the ledger would have read: answers, traffic, patterns, two sessions of which one is over."""
    answering = Answering(terms=lambda: house.policy.terms)
    for n in range(ANSWERS):
        for m, who in enumerate(people):
            action = "reject" if (n + m) % 7 == 0 else "approve"
            tags = ["teaching_example"] if n == ANSWERS - 1 and m % 2 else []
            answering.answer(who, action, pool="finance", at=cases.NOW + n * HOUR + m, tags=tags)
    fold = answering.ledger
    for decision_type in house.policy.terms:
        for hour in range(24 * 28):
            tally = ScoreTally(
                learning_key=f"{decision_type}|model:1",
                epoch=1,
                bins=[10, 90, 60],
                policy_threshold=0.9,
                routed_at=cases.NOW - hour * HOUR,
            )
            fold.add(tally)
    for n in range(20):
        fold.add(_pattern(n))
    numbers = itertools.count(1)
    ledger = SimpleNamespace(
        snapshot=fold.snapshot,
        session=fold.sessions.get,
        record=fold.add,
        forget_erased=lambda: None,  # nobody is erased here
    )
    room = SessionRoom(
        ledger, house.parts.publisher.writer, clock=house.clock, new_id=lambda: f"s{next(numbers)}"
    )
    # A snapshot is made once a second in the background, and only looked at by pages.
    items = fold.snapshot().candidates[:ITEMS]
    for over in (False, True):
        opening = Opening(
            kind=SessionKind.CALIBRATION, title="Gifts", invited=("cleo", *people[:INVITED]), items=items
        )
        session = room.open("cleo", opening).session_id
        for who in people[:INVITED]:
            for item in items:
                given = Given(item_id=item.item_id, action="approve", reasoning="within the policy " * 8)
                room.answer(who, session, given)
        if over:
            room.close("cleo", session)
    shown = fold.snapshot()
    ledger.snapshot = lambda: shown
    house.parts = msgspec.structs.replace(house.parts, ledger=ledger, room=room)
    house.app = create_console(house.parts)


def _pattern(n: int) -> PatternDetected:
    return PatternDetected(
        pattern_id=f"p{n}",
        pattern="override_cluster",
        learning_key="expense.approval|expenses:3",
        segment=f"category = {n}",
        value=0.3,
        limit=0.2,
        count=50,
        text="People changed 30 % of the AI's answers here, 20 % elsewhere",
        action="look at the cases together",
        detected_at=cases.NOW + n,
    )


def _agree_on_rules(house: House) -> None:
    program = house.program("ann")
    for n in range(RULES):
        proposal = {
            "kind": "auto_approve",
            "decision_type": "expense.approval",
            "condition": f"facts.amount < {n + 1}",
            "action": "approve",
            "max_amount": n + 1,
            "reason": "tram tickets are always within the policy",
            "lifetime": "7d",
        }
        answer = program.post("/v1/rules", json=proposal)
        assert answer.status_code == 201, answer.text
