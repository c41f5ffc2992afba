"""The console's Lua scripts: named, with the key names of ``keys.py`` in front."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from app.console import keys
from app.review_queue.store import Script

_NAMES = ("SESSION", "SESSIONS_OF")


class ConsoleScript(Script):
    """One verb in Lua, from ``app/console/scripts``."""

    def __init__(self, name: str) -> None:
        self.name = name
        names = "".join(f"local {one} = '{getattr(keys, one)}'\n" for one in _NAMES)
        folder = files("app.console") / "scripts"
        self.text = names + (folder / f"{name}.lua").read_text(encoding="utf-8")
        self._sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
