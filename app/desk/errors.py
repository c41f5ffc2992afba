"""Why the desk says no."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.authority import Denial
from app.errors import HitlError


class NotAllowedError(HitlError):
    """The person's authority does not allow the deed. ``code`` is stable."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.text, hint=denial.hint)
        self.code = denial.code


class IncompleteAnswerError(HitlError):
    """The answer lacks something; ``fields`` says what, by field of the form."""

    exit_code = 2

    def __init__(self, fields: Mapping[str, Denial]) -> None:
        first = next(iter(fields.values()))
        rest = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
        super().__init__(first.text + rest, hint=first.hint)
        self.fields = dict(fields)
