"""Why the desk says no."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.authority import Denial
from app.errors import HitlError, UsageError


class NotAllowedError(HitlError):
    """The person's authority does not allow the deed. ``code`` is stable."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.text, hint=denial.hint)
        self.code = denial.code


class IncompleteAnswerError(UsageError):
    """The answer lacks something; ``fields`` says what, by field of the form."""

    def __init__(self, fields: Mapping[str, Denial]) -> None:
        first = next(iter(fields.values()))
        rest = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
        super().__init__(first.text + rest, hint=first.hint)
        self.fields = dict(fields)


class UnknownDecisionError(HitlError):
    """No such decision, or it is longer ago than the queue remembers."""

    def __init__(self, decision_id: str) -> None:
        super().__init__(
            f"decision '{decision_id}' is not remembered", hint="`hitl status` reads the whole log"
        )
