"""A policy file -> ``Policy``, or every problem in it at once with file, line, column and field."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from app.policy import checks
from app.policy.checks import Finding, Kind, did_you_mean
from app.policy.model import PolicyContent
from app.policy.problems import PolicyError, Problem
from app.policy.source import MAX_BYTES, Places, field_name, place_of, read_yaml


@dataclass(frozen=True)
class Policy:
    """A policy that passed every check.

    ``version`` names its content: the same for two files that differ only in comments, layout or the
    order of keys. ``source`` is the whole text, as it travels in ``policy.activated``.
    """

    content: PolicyContent
    version: str
    source: str
    file: str


def load_policy(path: Path) -> Policy:
    """Read and check the policy at ``path``. Raises ``PolicyError`` with all problems."""
    name = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        return policy_from_text(data.decode("utf-8-sig"), file=name)
    except OSError as error:
        message = f"can not be read: {error.strerror}"
        raise PolicyError(
            [Problem(file=name, line=0, column=0, field="", message=message)],
            hint="is the path right? It is HITL_POLICY where none is given. A first policy: "
            f"hitl policy init {name}",
        ) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = "the file is not UTF-8 text"
        raise PolicyError([Problem(file=name, line=line, column=1, field="", message=message)]) from error


@lru_cache(maxsize=1)
def policy_from_text(text: str, *, file: str = "policy") -> Policy:
    """Check the policy in ``text``; ``file`` is what problems call it. Raises ``PolicyError``.

    The last one is kept: a worker that is forked again finds it checked, unless the file has changed."""
    values, places = read_yaml(text, file)
    content, findings = _validated(values)
    if content is None or findings:
        raise PolicyError([_problem(finding, file, places) for finding in findings])
    return Policy(content=content, version=content_version(values), source=text, file=file)


def content_version(values: Mapping[str, Any]) -> str:
    """First 12 hex digits of the SHA-256 of the canonical content."""
    text = json.dumps(_canonical(values), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _canonical(value: object) -> object:
    """1.0 and 1 are the same number in a policy."""
    if isinstance(value, dict):
        return {name: _canonical(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _validated(values: dict[str, Any]) -> tuple[PolicyContent | None, list[Finding]]:
    """The content, and everything wrong with it.

    Fields are checked first. What is wrong is then left out, so that the checks between fields can run
    on the rest: one reading of the file reports both. A finding that only follows from what was left out
    is not reported.
    """
    findings: list[Finding] = []
    left_out: list[checks.Path] = []
    rest = copy.deepcopy(values)
    for _ in range(10):
        try:
            content = PolicyContent.model_validate(rest)
        except ValidationError as error:
            found = [_finding(detail, values) for detail in error.errors(include_url=False)]
            if not left_out:
                findings = found
            gone: list[checks.Path] = []
            for finding in found:
                if not any(path == finding.path[: len(path)] for path in gone):
                    gone.append(_leave_out(rest, finding.path))
            left_out += gone
            if () in gone:
                return None, findings
            continue
        findings += [f for f in checks.check(content) if not _follows_from(f, left_out)]
        return content, findings
    return None, findings


def _leave_out(values: dict[str, Any], path: checks.Path) -> checks.Path:
    """Remove what is at ``path``; where it is missing or an item of a list, what it is missing from."""
    while path:
        holder = _at(values, path[:-1])
        if isinstance(holder, dict) and path[-1] in holder:
            del holder[path[-1]]
            return path
        path = path[:-1]
    return ()


def _at(values: Any, path: checks.Path) -> Any:  # noqa: ANN401 - any YAML value
    """What is at ``path``, or ``None``."""
    for part in path:
        if isinstance(values, dict):
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return None
    return values


def _follows_from(finding: Finding, left_out: list[checks.Path]) -> bool:
    """Whether ``finding`` may only be there because something else was left out of the file."""
    fields = {path[2] for path in left_out if len(path) > 2 and path[:2] == finding.path[:2]}
    if any(
        path == finding.path[: len(path)] or finding.path == path[: len(finding.path)] for path in left_out
    ):
        return True
    if finding.kind is Kind.NAME:
        return any(path[0] in ("pools", "sla_classes", "calendars") for path in left_out)
    if finding.kind is Kind.EXPRESSION:
        return "fact_types" in fields and bool(finding.allowed)
    return bool(fields)


def _problem(finding: Finding, file: str, places: Places) -> Problem:
    line, column = place_of(finding.path, places)
    return Problem(
        file=file,
        line=line,
        column=column,
        field=field_name(finding.path),
        message=finding.message,
        allowed=finding.allowed,
    )


def _finding(detail: Any, values: dict[str, Any]) -> Finding:  # noqa: ANN401 - pydantic's ErrorDetails
    """One of pydantic's errors in the words of the policy file."""
    path = tuple(part for part in detail["loc"] if part != "[key]")
    while path and _at(values, path[:-1]) is None:  # a type's name that pydantic adds
        path = path[:-1]
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    name = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        known = tuple(sorted(_fields(path[:-1])))
        said = _GONE.get(name) or f"unknown field '{name}'{did_you_mean(name, known)}"
        return Finding(path, said, known)
    if kind == "missing":
        return Finding(path, "is missing")
    if kind == "enum":
        allowed = _choices(str(context["expected"]))
        named = detail["loc"][-1:] != ("[key]",) and not isinstance(path[-1], int)
        what = _a(name) if named else "known here"
        said = f"{given!r} is not {what}{did_you_mean(str(given), allowed)}"
        return Finding(path, said, allowed)
    if kind == "value_error":
        return Finding(path, str(context["error"]))
    if kind == "string_pattern_mismatch":
        what = "key" if detail["loc"][-1:] == ("[key]",) else "name"
        return Finding(path, f"{given!r} can not be used as a {what}; it must match {context['pattern']}")
    return Finding(
        path, _PLAIN.get(kind, "{said}, not {given}").format(said=_said(detail), given=_short(given))
    )


_GONE = {
    "supervisor_pool": "is no field any more, it never moved anything: what is escalated is for those who "
    "`supervise` the review's pool; delete this line",
}
"""Fields that older files may have."""

_PLAIN = {
    "string_type": "must be text, not {given}",
    "float_type": "must be a number, not {given}",
    "float_parsing": "must be a number, not {given}",
    "int_type": "must be a whole number, not {given}",
    "int_parsing": "must be a whole number, not {given}",
    "int_from_float": "must be a whole number, not {given}",
    "dict_type": "must be a mapping, not {given}",
    "model_type": "must be a mapping, not {given}",
    "tuple_type": "must be a list, not {given}",
}


def _said(detail: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    text = str(detail["msg"]).replace("Input should be", "must be").replace("a valid ", "a ")
    return text[:1].lower() + text[1:]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _a(name: str) -> str:
    words = name.replace("_", " ")
    return f"{'an' if words[:1] in 'aeiou' else 'a'} {words}"


def _choices(expected: str) -> tuple[str, ...]:
    return tuple(part.strip("' ") for part in expected.replace(" or ", ",").split(",") if part.strip())


def _fields(path: checks.Path) -> Iterator[str]:
    """Names of the fields that the model has at ``path``."""
    kind: Any = PolicyContent
    for part in path:
        model = _model(kind)
        if model is not None:
            field = model.model_fields.get(str(part))
            kind = field.annotation if field else None
        else:
            arguments = get_args(kind)
            kind = arguments[1] if get_origin(kind) is dict else arguments[0] if arguments else None
    if model := _model(kind):
        yield from model.model_fields


def _model(kind: Any) -> type[BaseModel] | None:  # noqa: ANN401 - a type annotation
    """The model in ``kind``, through Annotated and Optional; none for dict and tuple."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) in (dict, tuple):
        return None
    if get_origin(kind) in (Union, UnionType) or hasattr(kind, "__metadata__"):
        return next((m for a in get_args(kind) if (m := _model(a))), None)
    return None
