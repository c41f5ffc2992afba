"""The file that says how simulated reviewers answer, with the place of whatever is wrong in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from app.errors import UsageError
from app.lab.reviewers import Reviewers
from app.policy.checks import did_you_mean
from app.policy.problems import PolicyError, Problem
from app.policy.source import Places, place_of, read_yaml

SHARES = ("sensitivity", "false_override", "anchoring", "gold_rate")
FIELDS = (*SHARES, "delay_decisions", "people")
MOST_PEOPLE = 1000


class ReviewersError(UsageError):
    """A reviewers file that can not be used; the message names file, line, column and field of each
    mistake."""


def reviewers_from(text: str, file: str) -> Reviewers:
    """The reviewers of a YAML (or JSON) text. What is left out keeps its default, in any order of keys.

    Raises ``ReviewersError`` with all that is wrong.

    >>> reviewers_from("anchoring: 0.2\\nsensitivity: 0.9\\ndelay_decisions: {mean: 50}", "r.yaml").delay_mean
    50.0
    """
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        return Reviewers()
    try:
        values, places = read_yaml(text, file)
    except PolicyError as error:
        raise _refused([_about_reviewers(problem) for problem in error.problems]) from error
    reading = _Reading(file, places)
    known = {name: value for name, value in values.items() if name in FIELDS}
    for name in values.keys() - known.keys():
        reading.wrong((name,), f"is not known{did_you_mean(name, FIELDS)}", FIELDS)
    found: dict[str, Any] = {name: reading.share((name,), known[name]) for name in SHARES if name in known}
    if "delay_decisions" in known:
        found["delay_mean"] = reading.delay(known["delay_decisions"])
    if "people" in known:
        found["people"] = reading.people(known["people"])
    if reading.problems:
        raise _refused(reading.problems)
    return Reviewers(**found)


class _Reading:
    def __init__(self, file: str, places: Places) -> None:
        self._file = file
        self._places = places
        self.problems: list[Problem] = []

    def wrong(self, path: tuple[str, ...], message: str, allowed: tuple[str, ...] = ()) -> None:
        line, column = place_of(path, self._places)
        problem = Problem(
            file=self._file, line=line, column=column, field=".".join(path), message=message, allowed=allowed
        )
        self.problems.append(problem)

    def share(self, path: tuple[str, ...], value: object) -> float:
        return self._number(path, value, 1.0, "a share from 0 to 1, like 0.9")

    def delay(self, value: object) -> float:
        path: tuple[str, ...] = ("delay_decisions",)
        wanted = "a number of decisions, 0 or more"
        if not isinstance(value, Mapping):
            return self._number(path, value, math.inf, f"{{mean: N}} with {wanted}")
        for name in value.keys() - {"mean"}:
            self.wrong((*path, str(name)), "is not known", ("mean",))
        if "mean" not in value:
            self.wrong(path, f"has no mean; write {{mean: N}} with {wanted}")
            return 0.0
        return self._number((*path, "mean"), value["mean"], math.inf, wanted)

    def people(self, value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= MOST_PEOPLE:
            return value
        self.wrong(("people",), f"is {_said(value)}; needed is a whole number from 2 to {MOST_PEOPLE}")
        return 2

    def _number(self, path: tuple[str, ...], value: object, most: float, wanted: str) -> float:
        # NaN is in no range; an infinite delay is no delay but silence.
        fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
        if not fits or math.isinf(float(value)):  # type: ignore[arg-type]  # a number, where it is reached
            self.wrong(path, f"is {_said(value)}; needed is {wanted}")
            return 0.0
        return float(value)  # type: ignore[arg-type]  # checked above


def _about_reviewers(problem: Problem) -> Problem:
    if not problem.message.startswith("the file is not a mapping"):
        return problem
    return msgspec.structs.replace(
        problem, message="the file is not a mapping; write `sensitivity: 0.9` or so"
    )


def _said(value: object) -> str:
    return msgspec.json.encode(value).decode() if isinstance(value, str | bool | None) else repr(value)


def _refused(problems: list[Problem]) -> ReviewersError:
    ordered = sorted(problems, key=lambda problem: (problem.line, problem.column, problem.field))
    return ReviewersError(
        "\n".join(map(str, ordered)),
        hint="the fields are explained in docs/lab.md; an empty file means people who are always right",
    )
