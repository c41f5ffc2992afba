"""An office for browser tests: the console on a port of its own, real store, people, cases and numbers."""

import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import msgspec
import uvicorn

from app.console.app import create_console
from app.domain.events import ConsequenceClass, ReviewKind
from app.domain.quality.figures import (
    Agreement,
    Anchoring,
    DayCount,
    Funnel,
    FunnelPoint,
    GoldFeedback,
    GoldFigures,
    Handling,
    HourCount,
    PatternFigures,
    PoolFigures,
    ReviewerFigures,
    RubberStamp,
    Signal,
    SignalName,
    VolumeFigures,
)
from app.domain.quality.session_figures import (
    SessionAnswer,
    SessionFigures,
    SessionItem,
    SessionKind,
    SessionScore,
)
from app.domain.quality.snapshot import Snapshot
from tests.integration.console.conftest import PASSWORD, House
from tests.kafka_broker import free_ports
from tests.processes import PATIENCE, until

HOUR = 3_600_000
HOSTILE = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>{{7*7}}'


class Office(House):
    """A house with a front door. ``url`` is where browsers find it."""

    def __init__(self, store, codec, folder):
        [self.port] = free_ports(1)
        super().__init__(store, codec, folder, url=f"http://127.0.0.1:{self.port}")
        store.clock.now = time.time_ns() // 1_000_000
        # The store's leases last a minute of its own clock; pages report every two real seconds.
        self.policy = msgspec.structs.replace(self.policy, lease=8_000)
        numbers = SimpleNamespace(snapshot=lambda: numbers_at(self.clock()))
        room = SimpleNamespace(session=self._session)
        self.parts = msgspec.structs.replace(self.parts, ledger=numbers, room=room)
        for name in ("ann", "bob", "cleo", "sam"):
            self.accounts.set_password(name, PASSWORD, new=True)
        self.start()

    def _session(self, name):
        return numbers_at(self.clock()).sessions.get(name)

    def start(self):
        """Open the door; returns when somebody answers."""
        config = uvicorn.Config(
            create_console(self.parts),
            host="127.0.0.1",
            port=self.port,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until(lambda: self.server.started, "the console has started")

    def stop(self):
        """Close it, as a restart does: whoever is connected is cut off."""
        self.server.force_exit = self.server.should_exit = True
        self.thread.join(PATIENCE)

    def ask(self, decision="exp-1", **more):
        """At risk from a quarter of the time on."""
        due = more.setdefault("due", HOUR)
        more.setdefault("ladder", [self.clock() + due // 4, 0, 0, 0])
        return super().ask(decision, **more)

    def furnish(self):
        """A morning's work: late, at risk, easy, blind, escalated, and one that an attacker wrote."""
        ask = self.ask
        self.store.clock.advance(-5 * HOUR)
        ask(
            "exp-4001",
            subject="Lena Fischer",
            due=4 * HOUR,
            harm=ConsequenceClass.HIGH,
            facts={
                "category": "entertainment",
                "currency": "EUR",
                "amount": 2480.0,
                "tenure_days": 1204,
                "receipts": False,
            },
        )
        self.store.clock.advance(5 * HOUR)
        ask(
            "exp-4002",
            subject="Omar Haddad",
            due=HOUR // 2,
            ladder=[self.clock(), 0, 0, 0],
            harm=ConsequenceClass.MEDIUM,
            facts={"category": "travel", "currency": "EUR", "amount": 642.3, "tenure_days": 40},
        )
        ask(
            "exp-4003",
            subject="Mia Novak",
            due=20 * HOUR,
            kind=ReviewKind.REVIEW,
            facts={"category": "books", "currency": "EUR", "amount": 87.9, "tenure_days": 610},
        )
        ask(
            "exp-4004",
            subject="Jonas Weber",
            due=22 * HOUR,
            blind=True,
            facts={"category": "gifts", "currency": "EUR", "amount": 180.0, "tenure_days": 90},
        )
        ask(
            "exp-4005",
            subject="Sara Lind",
            due=23 * HOUR,
            facts={"category": "travel", "currency": "SEK", "amount": 9120.0},
        )
        ask("exp-4006", subject=HOSTILE, due=30 * HOUR, facts={"category": HOSTILE, HOSTILE: "x"})
        return self


@contextmanager
def office(store, codec, folder):
    """An office until the end of the block."""
    place = Office(store, codec, folder)
    try:
        yield place
    finally:
        place.stop()


def numbers_at(now):
    """What a ledger would say: four reviewers, one of whom agrees too easily."""
    names = ("ann", "bob", "cleo", "dan")
    points = tuple(
        FunnelPoint(
            reviewer=name,
            answers=answers,
            observed=observed,
            expected=expected,
            ratio=observed / expected,
            z=z,
            lower=max(0, 1 - 3 / expected**0.5),
            upper=1 + 3 / expected**0.5,
            flagged=abs(z) > 3,
        )
        for name, answers, observed, expected, z in (
            ("ann", 210, 31.0, 28.4, 0.5),
            ("bob", 160, 19.0, 22.0, -0.6),
            ("cleo", 90, 12.0, 11.1, 0.3),
            ("dan", 240, 3.0, 33.0, -5.2),
        )
    )
    handling = Handling(answers=200, median=252_000, quartiles=(120_000, 410_000))
    signals = (
        Signal(
            name=SignalName.OVERRIDES,
            fired=True,
            value=0.09,
            limit=0.48,
            count=240,
            text="3 changes where colleagues make about 33 on like cases",
        ),
        Signal(
            name=SignalName.GOLD,
            fired=True,
            value=0.3,
            limit=0.8,
            count=10,
            text="caught 3 of 10 known errors of the AI",
        ),
        Signal(
            name=SignalName.ANCHORING,
            fired=None,
            value=None,
            limit=None,
            count=4,
            text="asked first only 4 times: not enough to tell",
        ),
        Signal(
            name=SignalName.READING,
            fired=False,
            value=0.1,
            limit=0.5,
            count=240,
            text="1 in 10 answers came faster than the case can be read",
        ),
    )
    day = now - now % (24 * HOUR)
    days = tuple(
        DayCount(day=day - (13 - i) * 24 * HOUR, answered=8 + i * 5 % 11, agreed=6 + i * 5 % 9)
        for i in range(14)
    )
    gold = GoldFigures(wrong=12, caught=10, right=20, confirmed=19, rate=0.83, lower=0.61)
    reviewers = {
        point.reviewer: ReviewerFigures(
            name=point.reviewer,
            pools=("finance",),
            answered=point.answers,
            overridden=int(point.observed),
            agreed=point.answers - int(point.observed),
            today=7,
            handling=handling,
            funnel=point,
            days=days,
            gold=gold,
            anchoring=Anchoring(
                blind=22, blind_overrides=5, shown=140, shown_overrides=20, gap=0.08, lower=-0.05, upper=0.2
            ),
            rubber_stamp=RubberStamp(
                signals=signals, fired=2 if point.reviewer == "dan" else 0, agreement=0.987
            ),
            gold_feedback=(
                GoldFeedback(
                    item_id="g1",
                    decision_type="expense.approval",
                    answered="reject",
                    truth="reject",
                    recommended="approve",
                    answered_at=now,
                    right=True,
                ),
            ),
        )
        for point in points
    }
    agreement = Agreement(
        items=42,
        raters=2,
        observed=0.91,
        expected=0.4,
        coefficient=0.85,
        standard_error=0.05,
        lower=0.75,
        upper=0.95,
    )
    finance = PoolFigures(
        pool="finance",
        answered=700,
        overridden=65,
        on_time=684,
        late=16,
        escalated=9,
        reviewers=names,
        handling=handling,
        funnel=Funnel(points=points),
        agreement=agreement,
        gold=gold,
    )
    first = now - now % HOUR - 14 * 24 * HOUR
    hours = tuple(
        HourCount(hour=first + i * HOUR, routed=(n := 40 if 7 <= i % 24 <= 17 else 4), automated=int(n * 0.7))
        for i in range(14 * 24)
    )
    volume = VolumeFigures(
        decision_type="expense.approval",
        hours=hours,
        routed=sum(h.routed for h in hours),
        automated=sum(h.automated for h in hours),
        automation_rate=0.7,
        handling=handling,
    )
    package = msgspec.json.encode(
        {
            "decision_required": {"question": "Approve this expense report?", "subject": HOSTILE},
            "key_facts": {"amount": 320, "category": "entertainment"},
            "policy_reference": {"section": "4.2", "text": "Entertainment needs approval."},
            "available_actions": ["approve", "reject"],
        }
    ).decode()
    items = tuple(
        SessionItem(
            item_id=f"item-{i}",
            decision_type="expense.approval",
            package=package,
            actions=("approve", "reject"),
            recommended="approve",
            source="disagreement",
            answered=("reject",),
            pool="finance",
        )
        for i in range(3)
    )
    answers = tuple(
        SessionAnswer(
            reviewer=name, item_id=item.item_id, action=action, reasoning=HOSTILE, answered_at=now, right=None
        )
        for name, action in (("ann", "approve"), ("cleo", "reject"))
        for item in items
    )
    shared = {"kind": SessionKind.CALIBRATION, "opened_by": "cleo", "opened_at": now, "items": items}
    sessions = {
        "open": SessionFigures(
            session_id="open", title="Gifts, November", invited=("ann", "bob", "cleo"), **shared
        ),
        "over": SessionFigures(
            session_id="over",
            title="Travel, October",
            invited=("ann", "cleo"),
            answers=answers,
            closed_at=now,
            agreement=agreement,
            by_item={"item-0": 0.0, "item-1": 1.0, "item-2": 0.0},
            scores=(SessionScore(reviewer="ann", answered=3, right=0, judged=0),),
            **shared,
        ),
    }
    pattern = PatternFigures(
        pattern_id="p",
        pattern="rising",
        learning_key="k",
        decision_type="expense.approval",
        segment="",
        value=0.3,
        limit=0.2,
        count=60,
        text="Overrides of travel expenses are rising: 30 % this week",
        action="look at the travel rules",
        detected_at=now,
    )
    return Snapshot(
        at=now,
        since=first,
        caught_up=True,
        records=1000,
        reviewers=reviewers,
        pools={"finance": finance},
        volumes={"expense.approval": volume},
        patterns=(pattern,),
        sessions=sessions,
        candidates=items,
    )
