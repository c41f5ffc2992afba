"""What is wrong with a policy file, and where: file, line, column, field, and what would be right."""

from __future__ import annotations

import msgspec

from app.errors import HitlError


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong. ``line`` and ``column`` count from 1; 0 for the file as a whole."""

    file: str
    line: int
    column: int
    field: str
    message: str
    allowed: tuple[str, ...] = ()

    def __str__(self) -> str:
        field = f" {self.field}:" if self.field else ""
        allowed = f"; allowed: {', '.join(self.allowed)}" if self.allowed else ""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else f"{self.file}:"
        return f"{place}{field} {self.message}{allowed}"


class PolicyError(HitlError):
    """A policy that can not be used. ``problems`` has all that is wrong, in the order of the file."""

    def __init__(
        self, problems: list[Problem], *, hint: str = "the fields are explained in docs/policy.md"
    ) -> None:
        self.problems = sorted(problems, key=lambda p: (p.line, p.column, p.field, p.message))
        super().__init__("\n".join(map(str, self.problems)), hint=hint)
