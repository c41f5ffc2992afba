"""``hitl lab shadow``: a policy decides beside the one in force, on the stream, without acting."""

from __future__ import annotations

import queue
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Annotated

import msgspec
import typer
from rich.live import Live

from app.agents.rule_book import RuleBook
from app.commands.lab_log import UNSEALED, UNSEALED_TEXT, begin_anew
from app.commands.lab_output import By, Html, PolicyFile, Report, Require, judge, write_reports
from app.commands.lab_screen import screen
from app.commands.output import errors
from app.composition.parts import activated_policy, connection_of, open_codec, seals_of
from app.domain.events import (
    CalibrationUpdated,
    DecisionRouted,
    ObservedOutcome,
    Record,
    ReviewDecided,
    ThresholdUpdated,
)
from app.domain.standing_rules import RulesInForce
from app.errors import UsageError
from app.lab.beside import Again, Beside
from app.lab.comparison import Comparison, compare
from app.lab.comparison_words import text
from app.lab.page import comparison_page
from app.lab.requirements import failures, requirements
from app.policy.compiled import CompiledPolicy, compile_policy
from app.policy.durations import parse_duration
from app.policy.load import load_policy
from app.settings import Settings, load_settings
from app.stream.broadcast import Broadcast
from app.stream.errors import DecodeError, TransientError
from app.stream.follower import Follower
from app.stream.records import Incoming
from app.stream.seals import is_ours
from app.stream.topics import Topic

FOLLOWED = (Topic.DECISIONS_ROUTED, Topic.REVIEWS_OUTCOMES, Topic.OUTCOMES_OBSERVED)
DIFFERENCES = 8
"""Last decisions at another level that are shown."""
TICK_SECONDS = 0.25


def shadow(
    policy: PolicyFile = None,
    by: By = None,
    maximum: Annotated[int | None, typer.Option("--max", help="End after so many decisions.", min=1)] = None,
    lasting: Annotated[
        str | None, typer.Option("--for", help="End after this long, such as 30m or 2h.")
    ] = None,
    report: Report = None,
    html: Html = None,
    require: Require = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line a decision, and at the end the report.")
    ] = False,
) -> None:
    """Let a policy decide beside the one in force, from now on, without acting: what would change?

    Reads what workers routed and people answered; writes to no topic and no store, and joins no consumer
    group, so that nobody notices. Ctrl-C ends it with the report.

    Example: `hitl lab shadow --policy candidate.yaml --by region --for 8h --html shadow.html`

    In a pipeline: `hitl lab shadow ... --max 1000 --require 'newly_alone<=50'`
    """
    settings = load_settings()
    tried = compile_policy(load_policy(policy or settings.policy_path))
    ends = None if lasting is None else time.monotonic() + _seconds(lasting)
    required = requirements(require or [], compare(Beside(tried, b""), 0.0))
    began = time.monotonic()
    with _terminable(), Shadow(settings, tried, by or []) as beside:
        errors.print(
            f"policy '{tried.name}' {tried.version} decides beside the one in force from here on;"
            " ctrl-c ends it with the report",
            markup=False,
            highlight=False,
        )
        with _watched(beside, began, as_json=as_json) as tell, suppress(KeyboardInterrupt):
            beside.follow(tell, ends, maximum)
    result = beside.report(time.monotonic() - began)
    failed = failures(required, result)
    write_reports(report, html, result, lambda: comparison_page(result, "shadowed"))
    print(msgspec.json.encode({"report": result}).decode() if as_json else text(result, "shadowed"))
    judge(required, failed)


class Shadow:
    """Follows the stream in threads; decides in the caller's."""

    def __init__(self, settings: Settings, tried: CompiledPolicy, facts: list[str]) -> None:
        self._codec, self._sealed = open_codec(settings), seals_of(settings)
        self._rules = RuleBook(self._codec, self._sealed)
        self.beside = Beside(tried, settings.secret, facts, self._standing)
        self._anew = begin_anew(activated_policy(settings), tried)
        self._heard: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
        connection = connection_of(settings)
        self._broadcasts = [
            Broadcast(connection, Topic.THRESHOLDS_UPDATED, self._heard.put),
            Broadcast(connection, Topic.CALIBRATION_UPDATED, self._heard.put),
            Broadcast(connection, Topic.RULES_CHANGED, self._rules.hear),
        ]
        self._follower = Follower(connection, FOLLOWED, self._heard.put, lambda: None, from_end=True)
        self._open = ExitStack()

    def __enter__(self) -> Shadow:
        """Raises ``BrokerUnreachableError`` when the broker does not answer."""
        try:
            for broadcast in self._broadcasts:
                self._open.callback(broadcast.stop)
                broadcast.start()
            self._follower.start()
            self._open.callback(self._follower.stop)
            while not self._follower.wait(TICK_SECONDS):
                pass
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def follow(self, tell: Callable[[Again | None], object], ends: float | None, maximum: int | None) -> None:
        """Decide until ``ends`` (monotonic seconds) or ``maximum`` decisions. ``tell`` hears of each decision
        and, with ``None``, several times a second."""
        while (ends is None or time.monotonic() < ends) and (
            maximum is None or len(self.beside.decisions) < maximum
        ):
            tell(None)
            try:
                record = self._heard.get(timeout=TICK_SECONDS)
            except queue.Empty:
                continue
            again = self._take(record)
            if again is not None:
                tell(again)

    def report(self, elapsed: float) -> Comparison:
        """What there is to say by now."""
        return compare(self.beside, elapsed, self._anew)

    def _standing(self, decision_type: str) -> RulesInForce:
        """Of this moment: what stands is approved and ends while we look."""
        return self._rules()(decision_type)

    def _take(self, record: Incoming) -> Again | None:
        """The decision, if the record is one."""
        event = self._read(record)
        if isinstance(event, ThresholdUpdated | CalibrationUpdated):
            self.beside.announced.hear(event)
        elif isinstance(event, DecisionRouted):
            return self.beside.routed(event)
        elif isinstance(event, ReviewDecided):
            if is_ours(record, self._sealed):
                self.beside.answered(event)
            else:
                self.beside.rejected.add(record.offset, UNSEALED, UNSEALED_TEXT)
        elif isinstance(event, ObservedOutcome):
            self.beside.observed(event)
        return None

    def _read(self, record: Incoming) -> Record | None:
        try:
            return None if record.value is None else self._codec.decode(record.value)
        except (DecodeError, TransientError) as error:
            reason = error.reason if isinstance(error, DecodeError) else "unreadable"
            self.beside.rejected.add(record.offset, reason, str(error))
            return None


@contextmanager
def _watched(shadow: Shadow, began: float, *, as_json: bool) -> Iterator[Callable[[Again | None], None]]:
    """Lines for a program, a table for whoever watches, or nothing until the report."""
    if as_json:
        yield _printed
        return
    if not errors.is_terminal:
        yield lambda _again: None
        return
    different: deque[Again] = deque(maxlen=DIFFERENCES)
    with Live(console=errors, transient=True, auto_refresh=False) as live:
        due = 0.0

        def tell(again: Again | None) -> None:
            nonlocal due
            if again is not None and again.level != again.level_logged:
                different.append(again)
            now = time.monotonic()
            if now < due:
                return
            live.update(screen(shadow.report(now - began), different), refresh=True)
            # Counting takes longer the more there is: at most a twentieth of the time.
            due = max(now + 2 * TICK_SECONDS, now + 20 * (time.monotonic() - now))

        yield tell


def _printed(again: Again | None) -> None:
    if again is None:
        return
    line = {
        "decision_id": again.decision_id,
        "level": again.level,
        "level_logged": again.level_logged,
        "automated": again.alone,
        "automated_logged": again.was_alone,
        "answers": len(again.people),
        "answers_logged": len(again.people_logged),
        "why": again.why,
    }
    print(msgspec.json.encode(line).decode(), flush=True)


def _seconds(text: str) -> float:
    try:
        return parse_duration(text) / 1000
    except ValueError as error:
        raise UsageError(f"--for {text}: {error}", hint="like 30m, 8h or 2d") from error


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does: with the report."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
