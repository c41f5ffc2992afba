"""Opening, answering and closing sessions: checked against what is known, written to the topic, shown at
once. Who may open one is asked by the pages (a supervisor); who may answer is in the session itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from app.console.ledger import Ledger
from app.domain.events import SessionRecorded
from app.domain.quality.session_figures import SessionFigures
from app.domain.quality.sessions import Given, Opening, SessionRefusedError, answered, closed, opened
from app.stream.topics import Topic


class SessionRoom:
    """``with open_writer() as writer`` publishes, stored at the end of the block (``ConsoleParts``).
    ``new_id`` gives an unpredictable id."""

    def __init__(
        self,
        ledger: Ledger,
        open_writer: Callable[[], Any],
        *,
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._ledger = ledger
        self._open_writer = open_writer
        self._clock = clock
        self._new_id = new_id
        self._one_at_a_time = threading.Lock()

    def open(self, by: str, opening: Opening) -> SessionFigures:
        """Open a session. Raises ``SessionRefusedError``, also for a case whose person was erased since it
        was offered: it would stand in the topic in the clear. Raises when the broker does not take it."""
        self._ledger.forget_erased()
        offered = {item.item_id for item in self._ledger.snapshot().candidates}
        if any(item.key_id and item.item_id not in offered for item in opening.items):
            raise SessionRefusedError(
                "a chosen case can not be read any more: its person was erased, or newer cases came",
                hint="choose again from what is offered now",
            )
        session_id = self._new_id()
        self._write(opened(session_id, opening, by, self._clock()))
        return self.session(session_id)

    def answer(self, by: str, session_id: str, given: Given) -> SessionFigures:
        """Answer an item, once and for good. Raises ``SessionRefusedError`` saying why not."""
        with self._one_at_a_time:  # two tabs: the first answer stands
            self._write(answered(self.session(session_id), given, by, self._clock()))
        return self.session(session_id)

    def close(self, by: str, session_id: str) -> SessionFigures:
        """End a session; from now on everybody sees everything."""
        session = self.session(session_id)
        if session.closed_at is None:
            self._write(closed(session, by, self._clock()))
        return self.session(session_id)

    def session(self, session_id: str) -> SessionFigures:
        """One session as it is now. Raises ``SessionRefusedError`` for an unknown one."""
        found = self._ledger.session(session_id)
        if found is None:
            raise SessionRefusedError("there is no such session", hint="see the list of sessions")
        return found

    def _write(self, event: SessionRecorded) -> None:
        with self._open_writer() as writer:
            writer.write(Topic.SESSIONS_RECORDED, event.session_id, event)
        self._ledger.record(event)
