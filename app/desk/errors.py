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


class NotTheProducerError(UnknownDecisionError):
    """No such decision of this producer; whether there is one of somebody else's is not told."""

    def __init__(self, decision_id: str) -> None:
        HitlError.__init__(
            self,
            f"'{decision_id}' is no decision of yours",
            hint="a token follows what its owner submitted, as long as decisions are remembered",
        )


class InvalidRuleError(IncompleteAnswerError):
    """A standing rule can not be taken as it is; ``fields`` says why, by field of the form."""


class UnknownRuleError(HitlError):
    """No such rule, or none that this person may see."""

    def __init__(self, rule_id: str) -> None:
        super().__init__(f"there is no rule '{rule_id}' for you", hint="see `hitl rules list`")


class RuleConflictError(HitlError):
    """The rule is in a state in which this is not possible."""

    def __init__(self, rule_id: str, state: str) -> None:
        super().__init__(
            f"rule {rule_id} is {state}", hint="what is over stays over: propose a new rule instead"
        )
        self.code = state


class UnknownLearningError(HitlError):
    """No such work item, or none that this person may see."""

    def __init__(self, item_id: str) -> None:
        super().__init__(f"there is no learning '{item_id}' for you", hint="see `hitl learnings list`")


class LearningConflictError(HitlError):
    """The work item is closed already."""

    def __init__(self, item_id: str, by: str) -> None:
        super().__init__(f"{item_id} was closed by {by}", hint="see `hitl learnings show`")
