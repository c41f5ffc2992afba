"""Expressions of the policy, in CEL. The only module that touches the CEL library.

All expressions of one kind are evaluated as one CEL list, which costs little more than one of them.
Evaluation never raises: what fails is answered with a text that says why (the domain then treats it
as the reason to ask a person). Traps of the library that are handled here: errors come back as values,
an exhausted iteration budget raises, and a list is an error as soon as one of its items is.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from cel_expr_python import cel
from cel_expr_python.ext.ext_math import ExtMath

from app.domain.expression_context import (
    ASSESSMENT_FIELDS,
    DECISION_FIELDS,
    RECOMMENDATION_FIELDS,
    SIGNAL_FIELDS,
    Seen,
)
from app.domain.terms import Context
from app.policy.evaluation_words import in_words, kind
from app.policy.expression_text import ExpressionError, Used, joined, plain_source, plain_words, used_by

_BEFORE_SCORING: dict[str, Collection[str] | None] = {
    "facts": None,
    "recommendation": RECOMMENDATION_FIELDS,
    "signals": SIGNAL_FIELDS,
    "decision": DECISION_FIELDS,
}
_AFTER_SCORING: dict[str, Collection[str] | None] = {**_BEFORE_SCORING, "assessment": ASSESSMENT_FIELDS}

MOST_REMEMBERED = 1024
"""Sets of values for which the answers are remembered: evaluating is what costs."""
RUNS_TO_AN_ARENA = 256
"""Evaluations after which what they have taken of memory is given back."""
MOST_FAILED = 64
"""Failures more than successes after which two kinds are not evaluated together any more."""


def _environment(names: Collection[str]) -> Any:  # noqa: ANN401 - the library has no types
    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN), extensions=[ExtMath()])


class Expressions:
    """Expressions that are evaluated together, in order.

    ``conditions`` must be true or false; otherwise each is a number. ``texts`` that do not compile raise
    ``ExpressionError``: check each with ``check_number`` or ``check_condition`` first to report them all.

    ``ahead`` are conditions that will be asked about the same decisions: where they do not read the
    assessment they are evaluated in the same list, and find their answers in the context.
    """

    def __init__(
        self,
        texts: Sequence[str],
        *,
        conditions: bool,
        facts: Collection[str] | None = None,
        ahead: Expressions | None = None,
    ) -> None:
        self._answer = _condition if conditions else _number
        names = _AFTER_SCORING if conditions else _BEFORE_SCORING
        environment = _environment(names)
        self._sources = [plain_source(environment, text, names, facts) for text in texts]
        self._used = used_by(texts, names)
        self._remembered: dict[bytes, list[Any]] | None = {}
        self._found = 0
        self._arena, self._runs = cel.Arena(), 0
        self._one_at_a_time = threading.Lock()
        self._each = [environment.compile(source) for source in self._sources]
        self._together = _list_of(environment, self._sources)
        self._ahead: Expressions | None = None
        self._failed = 0
        if ahead is not None and texts and ahead._each and all(n != "assessment" for n, _ in ahead._used):
            self._with_ahead = _list_of(environment, self._sources + ahead._sources)
            self._used_with_ahead = joined(self._used, ahead._used)
            self._ahead = ahead if self._with_ahead is not None else None

    def evaluate(self, context: Context) -> list[Any]:
        """The values in order; a ``str`` says why one could not be had. Never raises. Not to be changed: the
        same list is given for the same values again. Threads take turns."""
        with self._one_at_a_time:
            return self._evaluate(context)

    def _evaluate(self, context: Context) -> list[Any]:
        seen = context if type(context) is Seen else None
        if seen is not None and seen.ahead is not None and seen.ahead[0] is self:
            return seen.ahead[1]
        memory = self._remembered
        if memory is None:
            if seen is not None and self._ahead is not None and self._ahead._remembered is None:
                values = self._evaluated_with(self._ahead, seen)
                if values is not None:
                    return values
            return self._evaluated(_narrowed(context, self._used))
        context = _narrowed(context, self._used)
        try:
            key = msgspec.msgpack.encode(context)
        except Exception:  # no value that a decision can have; the library says what it makes of it
            return self._evaluated(context)
        values = memory.get(key)
        if values is not None:
            self._found += 1
            return values
        if len(memory) >= MOST_REMEMBERED:
            # Facts that hardly ever repeat, such as amounts, are not worth the looking up.
            self._remembered = {} if self._found >= MOST_REMEMBERED else None
            self._found = 0
        values = memory[key] = self._evaluated(context)
        return values

    def _evaluated(self, context: Context) -> list[Any]:
        if self._together is not None:
            try:
                values = self._run(self._together, context).plain_value()
            except Exception:  # found out one by one below
                values = None
            if type(values) is list:
                return [self._answer(value) for value in values]
        return [self._one(expression, context) for expression in self._each]

    def _evaluated_with(self, ahead: Expressions, context: Seen) -> list[Any] | None:
        """The values, and in the context those of ``ahead``; ``None`` where one could not be had."""
        try:
            data = _narrowed(context, self._used_with_ahead)
            values = self._run(self._with_ahead, data).plain_value()
        except Exception:  # found out one by one
            values = None
        if type(values) is not list:
            self._failed += 1
            if self._failed > MOST_FAILED:
                self._ahead = None
            return None
        self._failed = max(0, self._failed - 1)
        count = len(self._each)
        context.ahead = (ahead, [_condition(value) for value in values[count:]])
        return [self._answer(value) for value in values[:count]]

    def _run(self, expression: Any, context: Context) -> Any:  # noqa: ANN401 - the library has no types
        """By position and with memory of our own for what comes up on the way: half the cost of a call."""
        self._runs += 1
        if self._runs >= RUNS_TO_AN_ARENA:
            self._arena, self._runs = cel.Arena(), 0
        return expression.eval(None, context, None, self._arena)

    def _one(self, expression: Any, context: Context) -> object:  # noqa: ANN401 - the library has no types
        try:
            value = self._run(expression, context)
            if value.type() == cel.Type.ERROR:
                return in_words(plain_words(str(value.plain_value())))
            return self._answer(value.plain_value())
        except Exception as error:  # the promise: evaluation never raises
            return in_words(plain_words(str(error)))


def _narrowed(context: Context, used: Used) -> Context:
    """Only what expressions name: handing values over to the library is what costs."""
    seen: Context = {}
    for name, fields in used:
        try:
            values = context[name]
        except KeyError:
            continue
        if fields is None or not isinstance(values, dict):
            seen[name] = values
        else:
            seen[name] = {field: values[field] for field in fields if field in values}
    return seen


def _list_of(environment: Any, sources: Sequence[str]) -> Any:  # noqa: ANN401 - the library has no types
    """One expression for the list of them all; ``None`` for a single one, and where it is too long."""
    if len(sources) < 2:
        return None
    try:
        # The line break ends a comment at the end of an expression.
        return environment.compile("[" + ",".join(f"dyn({s}\n)" for s in sources) + "]")
    except RuntimeError:  # each compiles, the list is too long for the library
        return None


def check_number(text: str, facts: Collection[str] | None = None) -> None:
    """Raise ``ExpressionError`` unless ``text`` can be evaluated to a number (consequence factors).

    ``facts`` are the only facts it may name; ``None`` allows any.
    """
    _check(text, _BEFORE_SCORING, facts, {"DOUBLE", "INT", "UINT", "DYN"}, "a number")


def check_condition(text: str, facts: Collection[str] | None = None) -> None:
    """Raise ``ExpressionError`` unless ``text`` can be evaluated to true or false (rules)."""
    _check(text, _AFTER_SCORING, facts, {"BOOL", "DYN"}, "true or false")


def _check(
    text: str,
    names: Mapping[str, Collection[str] | None],
    facts: Collection[str] | None,
    types: set[str],
    wanted: str,
) -> None:
    environment = _environment(names)
    expression = environment.compile(plain_source(environment, text, names, facts))
    returned = str(expression.return_type())
    if returned not in types:
        raise ExpressionError(f"gives {returned}, where {wanted} is needed")


def _number(value: object) -> float | str:
    if type(value) is float and value == value:  # noqa: PLR0124 - all but NaN, at once
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"gave {kind(type(value).__name__)}, not a number"
    return "gave NaN, not a number" if math.isnan(value) else float(value)


def _condition(value: object) -> bool | str:
    return value if isinstance(value, bool) else f"gave {kind(type(value).__name__)}, not yes or no"
