"""The console's Lua scripts: named, with the names of keys in front."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from app.console import keys
from app.review_queue import keys as queue_keys
from app.review_queue.store import Script

_NAMES = {
    "SESSION": keys.SESSION,
    "SESSIONS_OF": keys.SESSIONS_OF,
    "DUE": keys.DUE,
    "DELIVERY": keys.DELIVERY,
    "RECEIVERS": keys.RECEIVERS,
    "RECEIVER": keys.RECEIVER,
    "DEAD": keys.DEAD,
    "ARRIVALS": queue_keys.ARRIVALS,
    "OUTBOX": queue_keys.OUTBOX,
}


class ConsoleScript(Script):
    """One verb in Lua, from ``app/console/scripts``."""

    def __init__(self, name: str) -> None:
        self.name = name
        names = "".join(f"local {one} = '{value}'\n" for one, value in _NAMES.items())
        folder = files("app.console") / "scripts"
        self.text = names + (folder / f"{name}.lua").read_text(encoding="utf-8")
        self._sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
