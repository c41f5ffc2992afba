"""YAML text -> plain values, with the place of every field.

Bounded: file size, number of values (an alias bomb is small as a file) and depth. Duplicate keys and
tags are refused. YAML 1.2: ``yes`` and ``on`` are words, not booleans.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from app.policy.checks import Path
from app.policy.problems import PolicyError, Problem

MAX_BYTES = 512 * 1024
MAX_VALUES = 50_000
MAX_DEPTH = 20

Places = dict[Path, tuple[int, int]]
"""Line and column, from 1, of the key (or list item) of each path."""


class _TooMuchError(Exception):
    """The document is larger than its file suggests."""


def field_name(path: Path) -> str:
    """``("rules", 0, "when")`` as ``rules[0].when``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def place_of(path: Path, places: Mapping[Path, tuple[int, int]]) -> tuple[int, int]:
    """Where ``path`` is, or else the nearest thing around it."""
    while path and path not in places:
        path = path[:-1]
    return places.get(path, (1, 1))


def read_yaml(text: str, file: str) -> tuple[dict[str, Any], Places]:
    """The document as plain dicts, lists and scalars, and where everything is.

    Raises ``PolicyError`` for whatever is not such a document, and nothing else.
    """
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise _refused(file, (1, 1), f"the file is larger than {MAX_BYTES // 1024} KiB")
    try:
        document = YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        raise _refused(file, _mark(error), "this key is there twice in the same mapping") from error
    except MarkedYAMLError as error:
        said = " ".join(filter(None, (error.context, error.problem)))
        raise _refused(file, _mark(error), f"not valid YAML: {said}") from error
    except (YAMLError, RecursionError) as error:
        said = str(error).split("\n")[0] if isinstance(error, YAMLError) else "nested too deeply"
        raise _refused(file, (1, 1), f"not valid YAML: {said}") from error
    except Exception as error:  # the parser trips over some malformed scalars and tags
        raise _refused(file, (1, 1), f"not valid YAML: {error}") from error
    if not isinstance(document, CommentedMap):
        said = "the file is empty" if document is None else "the file is not a mapping"
        raise _refused(file, (1, 1), f"{said}; start with `name:` and `decision_types:`")
    reading = _Reading(file)
    try:
        values = reading.plain(document, ())
    except _TooMuchError as error:
        raise _refused(file, (1, 1), str(error)) from error
    if reading.problems:
        raise PolicyError(reading.problems)
    return values, reading.places


class _Reading:
    """One walk through a document."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: Places = {(): (1, 1)}
        self.problems: list[Problem] = []
        self._values = 0

    def plain(self, value: object, path: Path) -> Any:  # noqa: ANN401 - any YAML value
        self._values += 1
        if self._values > MAX_VALUES:
            raise _TooMuchError(f"the file has more than {MAX_VALUES} values (aliases count each time)")
        if len(path) > MAX_DEPTH:
            raise _TooMuchError(f"the file is nested deeper than {MAX_DEPTH}")
        if isinstance(value, CommentedMap):
            return self._mapping(value, path)
        if isinstance(value, CommentedSeq):
            return self._sequence(value, path)
        return self._scalar(value, path)

    def _mapping(self, value: CommentedMap, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key in value:
            name = str(key)
            here = (*path, name)
            self._place(here, value.lc.data.get(key) if value.lc.data else None)
            if not isinstance(key, str):
                self._problem(here, f"the key {name} is not text; put it in quotes")
                continue
            mapping[name] = self.plain(value[key], here)
        return mapping

    def _sequence(self, value: CommentedSeq, path: Path) -> list[Any]:
        items = []
        for i, item in enumerate(value):
            here = (*path, i)
            self._place(here, value.lc.data.get(i) if value.lc.data else None)
            items.append(self.plain(item, here))
        return items

    def _scalar(self, value: object, path: Path) -> Any:  # noqa: ANN401 - any YAML scalar
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, TaggedScalar) or not isinstance(value, str | int | float | date):
            self._problem(path, "tags and other special YAML are not supported; write plain values")
            return None
        if isinstance(value, date):
            return value.isoformat()
        for kind in (str, int, float):
            if isinstance(value, kind):
                return kind(value)
        return None

    def _place(self, path: Path, mark: list[int] | None) -> None:
        if mark:
            self.places[path] = (int(mark[0]) + 1, int(mark[1]) + 1)

    def _problem(self, path: Path, message: str) -> None:
        line, column = place_of(path, self.places)
        self.problems.append(
            Problem(file=self.file, line=line, column=column, field=field_name(path), message=message)
        )


def _mark(error: MarkedYAMLError) -> tuple[int, int]:
    mark = error.problem_mark or error.context_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _refused(file: str, place: tuple[int, int], message: str) -> PolicyError:
    return PolicyError(
        [Problem(file=file, line=place[0], column=place[1], field="", message=" ".join(message.split()))]
    )
