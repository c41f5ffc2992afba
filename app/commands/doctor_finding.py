"""What `hitl doctor` says of one thing that it looked at."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "warning", "failed"]


class Finding(msgspec.Struct, frozen=True):
    """The result of one check, with what to do about it. ``unreachable``: a service does not answer, or does
    not let us in."""

    check: str
    state: State
    detail: str
    do: str = ""
    unreachable: bool = False
