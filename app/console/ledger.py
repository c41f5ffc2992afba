"""The numbers behind the pages: Kafka's topics folded in memory by a thread of this process.

Nothing is stored; a restart reads the horizon again. What is shown is a snapshot that never changes, at
most a second old. Traffic comes from the tallies that routing writes for learning, not from the decisions
themselves: a few records a second, whatever the load.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import structlog

from app.domain.events import Record, ReviewDecided, SessionRecorded
from app.domain.ledger import LedgerFold
from app.domain.quality.reading import WORDS_PER_MINUTE
from app.domain.quality.session_figures import SessionFigures
from app.domain.quality.snapshot import Snapshot
from app.domain.rule_trial import RecentAnswers
from app.domain.terms import Terms
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.envelope import key_id_of
from app.stream.errors import DecodeError, TransientError
from app.stream.follower import Follower
from app.stream.records import Incoming
from app.stream.topics import Topic

log = structlog.get_logger("hitl.console")

TOPICS = (
    Topic.REVIEWS_OUTCOMES,
    Topic.REVIEWS_LIFECYCLE,
    Topic.LEARNING_CASES,
    Topic.OUTCOMES_OBSERVED,
    Topic.PATTERNS_DETECTED,
    Topic.SESSIONS_RECORDED,
    Topic.FEEDBACK_COACHING,
    Topic.LEARNINGS_CHANGED,
)
HORIZON = 35 * 86_400_000
"""How far back the topics are read, in ms: the four weeks of a forecast, and a week."""
FRESH = 1000
"""How old, in ms, a snapshot may become while records come in."""


class Ledger:
    """``clock`` gives ms UTC; ``snapshot`` may be called from any thread and never waits for the broker.

    ``terms`` and ``words_per_minute`` are asked for each record: an activated policy holds from the next
    one on."""

    def __init__(
        self,
        connection: Connection,
        codec: Codec,
        *,
        clock: Callable[[], int],
        terms: Callable[[], Mapping[str, Terms]] = dict,
        words_per_minute: Callable[[], float] = lambda: WORDS_PER_MINUTE,
        horizon: int = HORIZON,
    ) -> None:
        since = max(0, clock() - horizon)
        self._codec = codec
        self._clock = clock
        self._lock = threading.Lock()
        self.recent = RecentAnswers()
        """The last answers of each type: what a standing rule is tried on."""
        self._fold = LedgerFold(since=since, terms=terms, words_per_minute=words_per_minute)
        self._snapshot = self._fold.snapshot(caught_up=False)
        self._dirty = False
        self._asked_at = 0
        self._follower = Follower(connection, TOPICS, self._read, self._show, since=since)

    def start(self) -> None:
        """Begin to read; returns at once."""
        self._follower.start()

    def wait(self, timeout: float) -> bool:
        """Until everything that was there at the start is in the snapshot; False if it takes longer."""
        return self._follower.wait(timeout)

    def stop(self) -> None:
        """End the thread."""
        self._follower.stop()

    def snapshot(self) -> Snapshot:
        """Everything as it was at most a second ago."""
        return self._snapshot

    def session(self, session_id: str) -> SessionFigures | None:
        """One session as it is now."""
        with self._lock:
            return self._fold.sessions.get(session_id)

    def record(self, event: SessionRecorded) -> None:
        """Take what this process has just written: whoever wrote it sees it at once. The topic repeats it,
        which changes nothing."""
        with self._lock:
            self._fold.add(event)
            self._publish()

    def _read(self, record: Incoming) -> None:
        try:
            event: Record = self._codec.decode(record.value)
        except DecodeError as error:
            log.debug("not counted", position=record.position, error=str(error))
            return
        under = key_id_of(record.value)
        with self._lock:
            if isinstance(event, ReviewDecided):
                self.recent.add(event)
            self._fold.add(event, under.hex() if under else "")
            self._dirty = True

    def _show(self) -> None:
        late = self._follower.caught_up != self._snapshot.caught_up
        if not late and self._clock() - self._asked_at < FRESH:
            return
        self.forget_erased()
        if late or self._dirty:
            with self._lock:
                self._publish()

    def forget_erased(self) -> None:
        """Drop the cases of people who were erased from what is offered and from sessions."""
        self._asked_at = self._clock()
        with self._lock:
            keys = self._fold.keys()
        gone = {key_id for key_id in keys if self._gone(key_id)}
        if gone:
            with self._lock:
                self._fold.forget(gone)
                self._publish()

    def _gone(self, key_id: str) -> bool:
        """Whether nobody can read any more what is under a key."""
        try:
            return self._codec.is_erased(bytes.fromhex(key_id))
        except (TransientError, ValueError):  # it is in no topic: lost, or never a key
            return True

    def _publish(self) -> None:
        self._snapshot = self._fold.snapshot(caught_up=self._follower.caught_up)
        self._dirty = False
