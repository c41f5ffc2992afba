"""What a policy's author writes, as plain CEL.

Three conveniences over plain CEL: numbers are floating point (``facts.amount / 1000`` just works), ``min``
and ``max`` exist, and names that no decision can have (``facts.amuont``) are refused at once instead of
failing in production. A mistake is told at its place in the author's text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from app.errors import HitlError

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

Used = list[tuple[str, tuple[str, ...] | None]]
"""Variables with the fields that expressions name of them; ``None``: any field may be meant."""


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


def plain_source(
    environment: Any,  # noqa: ANN401 - the library has no types
    text: str,
    names: Mapping[str, Collection[str] | None],
    facts: Collection[str] | None,
) -> str:
    """``text`` as plain CEL that compiles in ``environment``. Raises ``ExpressionError`` where there is none.

    ``names`` are the variables with the fields they can have, ``facts`` the only facts; ``None`` allows any.
    """
    tokens = _tokens(text)
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


def used_by(texts: Sequence[str], names: Collection[str]) -> Used:
    """The variables that expressions name, with their fields; ``None``: any field may be meant."""
    used: dict[str, set[str] | None] = {}
    for text in texts:
        solid = _solid(_tokens(text))
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


def joined(one: Used, other: Used) -> Used:
    """What either names."""
    joined = dict(one)
    for name, fields in other:
        known = joined.get(name, ())
        joined[name] = None if known is None or fields is None else tuple(sorted({*known, *fields}))
    return sorted(joined.items())


def _tokens(text: str) -> list[_Token]:
    return [_Token(m.lastgroup or "other", m.group(), m.start()) for m in _TOKEN.finditer(text)]


def _solid(tokens: Sequence[_Token]) -> list[_Token]:
    """Without spaces and comments."""
    return [token for token in tokens if token.kind not in ("space", "comment")]


def _rewritten(tokens: Sequence[_Token], *, floating: bool) -> tuple[str, list[int]]:
    """Plain CEL, and for each of its characters the offset in the original text."""
    source: list[str] = []
    origins: list[int] = []
    solid = _solid(tokens)
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
    solid = _solid(tokens)
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
        return ExpressionError(plain_words(error))
    line, column, message = int(found[1]), int(found[2]), found[3]
    if line < 1 or column < 1:
        return ExpressionError(plain_words(message), hint="use fewer nested parts: no more than 32 deep")
    starts = [0, *(i + 1 for i, character in enumerate(source) if character == "\n")]
    offset = min(starts[min(line, len(starts)) - 1] + column - 1, len(source))
    return _at(text, origins[offset] if offset < len(origins) else len(text), plain_words(message))


def plain_words(message: str) -> str:
    """The library's words without its codes and lists of tokens."""
    text = re.sub(
        r"^(UNKNOWN|NOT_FOUND|INTERNAL|INVALID_ARGUMENT|CANCELLED|ERROR)\s*:\s*", "", message.strip()
    )
    text = re.sub(r" \[[A-Z_]+\]$", "", text)
    text = re.sub(r" expecting \{.*\}", "", text, flags=re.DOTALL).replace(" (in container '')", "")
    text = text.replace("mismatched input '<EOF>'", "the expression ends too early")
    return text.split("\n")[0][:300] or "failed"
