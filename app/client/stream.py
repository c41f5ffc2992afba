"""Server-sent events, line by line (the part of the HTML standard that the console uses)."""

from __future__ import annotations

import json

from app.client.values import Progress, progress_of


class EventReader:
    """Reads one connection. Gives each state as its event is complete; ``last_event_id`` is where the next
    connection goes on after a break, which forgets an event that was not whole."""

    def __init__(self, last_event_id: str = "") -> None:
        self.last_event_id = self._id = last_event_id
        self._data: list[str] = []

    def feed(self, line: str) -> Progress | None:
        """The next line, without its end; a state when it ends an event.

        >>> EventReader().feed(": still here") is None
        True
        """
        if not line:
            data, self._data = "\n".join(self._data), []
            if not data:
                return None
            self.last_event_id = self._id
            return progress_of(json.loads(data))
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            self._id = value
        elif field == "data":
            self._data.append(value)
        return None
