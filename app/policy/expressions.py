"""Expressions of the policy, in CEL. The only module that touches the CEL library.

Three conveniences over plain CEL, applied when an expression is compiled:
numbers are floating point (``facts.amount / 1000`` just works), ``min`` and ``max`` exist, and names that
no decision can have (``facts.amuont``) are refused at once instead of failing in production.

All expressions of one kind are evaluated as one CEL list, which costs little more than one of them.
Evaluation never raises: what fails is answered with a text that says why (the domain then treats it
as the reason to ask a person). Traps of the library that are handled here: errors come back as values,
an exhausted iteration budget raises, and a list is an error as soon as one of its items is.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

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
from app.errors import HitlError
from app.policy.evaluation_words import in_words, kind

_BEFORE_SCORING: dict[str, Collection[str] | None] = {
    "facts": None,
    "recommendation": RECOMMENDATION_FIELDS,
    "signals": SIGNAL_FIELDS,
    "decision": DECISION_FIELDS,
}
_AFTER_SCORING: dict[str, Collection[str] | None] = {**_BEFORE_SCORING, "assessment": ASSESSMENT_FIELDS}

_TOKEN = re.compile(
    r"""
    (?P<comment>//[^\n]*)
  | (?P<string>[bB]?[rR]?[bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}
      |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<hex>0[xX][0-9a-fA-F]+[uU]?)
  | (?P<float>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
  | (?P<uint>\d+[uU])
  | (?P<int>\d+)
  | (?P<space>\s+)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_MESSAGE = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?=\n \||\nERROR:| \[[A-Z_]+\]$|$)", re.DOTALL)
_MATH = {"min": "math.least", "max": "math.greatest"}

_Used = list[tuple[str, tuple[str, ...] | None]]
"""Variables with the fields that expressions name of them; ``None``: any field may be meant."""

MOST_REMEMBERED = 1024
"""Sets of values for which the answers are remembered: evaluating is what costs."""
RUNS_TO_AN_ARENA = 256
"""Evaluations after which what they have taken of memory is given back."""
MOST_FAILED = 64
"""Failures more than successes after which two kinds are not evaluated together any more."""


class ExpressionError(HitlError):
    """An expression that can not be compiled. ``line`` and ``column`` count from 1 within it."""

    def __init__(
        self, message: str, *, line: int = 1, column: int = 1, allowed: Sequence[str] = (), hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.line = line
        self.column = column
        self.allowed = tuple(allowed)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


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
        self._sources = [_compiled_source(environment, text, names, facts) for text in texts]
        self._used = _used(texts, names)
        self._remembered: dict[bytes, list[Any]] | None = {}
        self._found = 0
        self._arena, self._runs = cel.Arena(), 0
        self._each = [environment.compile(source) for source in self._sources]
        self._together = _list_of(environment, self._sources)
        self._ahead: Expressions | None = None
        self._failed = 0
        if ahead is not None and texts and ahead._each and all(n != "assessment" for n, _ in ahead._used):
            self._with_ahead = _list_of(environment, self._sources + ahead._sources)
            self._used_with_ahead = _joined(self._used, ahead._used)
            self._ahead = ahead if self._with_ahead is not None else None

    def evaluate(self, context: Context) -> list[Any]:
        """The values in order; a ``str`` says why one could not be had. Never raises. Not to be changed: the
        same list is given for the same values again."""
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
                return in_words(_said(str(value.plain_value())))
            return self._answer(value.plain_value())
        except Exception as error:  # the promise: evaluation never raises
            return in_words(_said(str(error)))


def _narrowed(context: Context, used: _Used) -> Context:
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
    expression = environment.compile(_compiled_source(environment, text, names, facts))
    returned = str(expression.return_type())
    if returned not in types:
        raise ExpressionError(f"gives {returned}, where {wanted} is needed")


def _compiled_source(
    environment: Any,  # noqa: ANN401 - the library has no types
    text: str,
    names: Mapping[str, Collection[str] | None],
    facts: Collection[str] | None,
) -> str:
    """``text`` as plain CEL that is known to compile."""
    tokens = [_Token(m.lastgroup or "other", m.group(), m.start()) for m in _TOKEN.finditer(text)]
    _refuse_unknown_names(text, tokens, names, facts)
    floating, _ = _rewritten(tokens, floating=True)
    try:
        environment.compile(floating)
    except RuntimeError:
        # size() and indexes need integers: take the text as it stands before giving up.
        source, origins = _rewritten(tokens, floating=False)
        try:
            environment.compile(source)
        except RuntimeError as error:
            raise _explained(text, source, origins, str(error)) from error
        return source
    return floating


def _used(texts: Sequence[str], names: Collection[str]) -> _Used:
    """The variables that expressions name, with their fields; ``None``: any field may be meant."""
    used: dict[str, set[str] | None] = {}
    for text in texts:
        found = (_Token(m.lastgroup or "other", m.group(), m.start()) for m in _TOKEN.finditer(text))
        solid = [token for token in found if token.kind not in ("space", "comment")]
        for i, token in enumerate(solid):
            if token.kind != "word" or token.text not in names or (i and solid[i - 1].text == "."):
                continue
            following = [other.text for other in solid[i + 1 : i + 4]]
            fields = used.setdefault(token.text, set())
            if fields is not None and following[:1] == ["."] and following[2:] != ["("]:
                fields.add(following[1])
            else:  # facts["..."], facts.exists(...), size(facts), ...
                used[token.text] = None
    return [
        (name, None if fields is None else tuple(sorted(fields))) for name, fields in sorted(used.items())
    ]


def _joined(one: _Used, other: _Used) -> _Used:
    """What either names."""
    joined = dict(one)
    for name, fields in other:
        known = joined.get(name, ())
        joined[name] = None if known is None or fields is None else tuple(sorted({*known, *fields}))
    return sorted(joined.items())


def _rewritten(tokens: Sequence[_Token], *, floating: bool) -> tuple[str, list[int]]:
    """Plain CEL, and for each of its characters the offset in the original text."""
    source: list[str] = []
    origins: list[int] = []
    solid = [token for token in tokens if token.kind not in ("space", "comment")]
    following = {token.start: solid[i + 1].text for i, token in enumerate(solid[:-1])}
    before = ""
    for token in tokens:
        text = token.text
        if token.kind == "int" and floating:
            text += ".0"
        elif token.kind == "hex" and floating and text[-1] not in "uU":
            text = f"{float(int(text, 16))!r}"
        elif token.kind == "word" and text in _MATH and before != "." and following.get(token.start) == "(":
            text = _MATH[text]
        source.append(text)
        last = len(token.text) - 1
        origins.extend(token.start + min(i, last) for i in range(len(text)))
        if token.kind not in ("space", "comment"):
            before = token.text
    return "".join(source), origins


def _refuse_unknown_names(
    text: str,
    tokens: Sequence[_Token],
    names: Mapping[str, Collection[str] | None],
    facts: Collection[str] | None,
) -> None:
    """``facts.amuont`` would compile and then fail for every decision: refuse it here."""
    solid = [token for token in tokens if token.kind not in ("space", "comment")]
    for i, token in enumerate(solid):
        if token.kind != "word" or (i and solid[i - 1].text == "."):
            continue
        if token.text == "null":
            raise _at(text, token.start, "null is never seen here", hint="ask has(facts.x) or !has(facts.x)")
        if token.text == "assessment" and "assessment" not in names:
            raise _at(text, token.start, "assessment is not known before scoring; only rules can use it")
        if token.text not in names or len(solid) < i + 3 or solid[i + 1].text not in (".", "["):
            continue
        allowed = facts if token.text == "facts" else names[token.text]
        field = solid[i + 2]
        name = field.text
        if solid[i + 1].text == "[":
            if field.kind != "string":
                continue
            name = field.text.strip("'\"")
        if allowed is not None and name not in allowed:
            near = difflib.get_close_matches(name, allowed, 1)
            said = f"{token.text}.{name} does not exist" + (f"; did you mean {near[0]}?" if near else "")
            raise _at(text, field.start, said, allowed=sorted(allowed))


def _at(
    text: str, offset: int, message: str, *, allowed: Sequence[str] = (), hint: str = ""
) -> ExpressionError:
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return ExpressionError(message, line=line, column=column, allowed=allowed, hint=hint)


def _explained(text: str, source: str, origins: Sequence[int], error: str) -> ExpressionError:
    """The library's first complaint, at its place in the original text."""
    found = _MESSAGE.search(error)
    if not found:
        return ExpressionError(_said(error))
    line, column, message = int(found[1]), int(found[2]), found[3]
    if line < 1 or column < 1:
        return ExpressionError(_said(message), hint="use fewer nested parts: no more than 32 deep")
    starts = [0, *(i + 1 for i, character in enumerate(source) if character == "\n")]
    offset = min(starts[min(line, len(starts)) - 1] + column - 1, len(source))
    return _at(text, origins[offset] if offset < len(origins) else len(text), _said(message))


def _said(message: str) -> str:
    """The library's words without its codes and lists of tokens."""
    text = re.sub(
        r"^(UNKNOWN|NOT_FOUND|INTERNAL|INVALID_ARGUMENT|CANCELLED|ERROR)\s*:\s*", "", message.strip()
    )
    text = re.sub(r" \[[A-Z_]+\]$", "", text)
    text = re.sub(r" expecting \{.*\}", "", text, flags=re.DOTALL).replace(" (in container '')", "")
    text = text.replace("mismatched input '<EOF>'", "the expression ends too early")
    return text.split("\n")[0][:300] or "failed"


def _number(value: object) -> float | str:
    if type(value) is float and value == value:  # noqa: PLR0124 - all but NaN, at once
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"gave {kind(type(value).__name__)}, not a number"
    return "gave NaN, not a number" if math.isnan(value) else float(value)


def _condition(value: object) -> bool | str:
    return value if isinstance(value, bool) else f"gave {kind(type(value).__name__)}, not yes or no"
