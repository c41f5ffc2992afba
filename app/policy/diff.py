"""What changed between two policies, and whether each change makes things stricter or looser.

Compared is what the policies mean: a default that is written out is no change. Rules, adjustments and
reason codes are matched by name, so that moving one does not look like changing all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from io import StringIO
from typing import Any

import msgspec
from ruamel.yaml import YAML

from app.policy.model import RISK_DEFAULTS, PolicyContent, Risk


class Effect(StrEnum):
    """What a change does to the share of decisions that people see."""

    STRICTER = "stricter"
    LOOSER = "looser"
    UNKNOWN = "unknown"
    """Depends on the decisions: either way, or both."""
    NONE = "none"
    """Words and display only."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One field that differs; ``None`` on the side where it is absent."""

    field: str
    old: Any
    new: Any
    effect: Effect

    def __str__(self) -> str:
        effect = "" if self.effect in (Effect.UNKNOWN, Effect.NONE) else f"  ({self.effect})"
        if self.new is None and isinstance(self.old, dict):
            return f"{self.field}: removed{effect}"
        if self.old is None and isinstance(self.new, dict):
            lines = [f"  {name}: {_shown(value)}" for name, value in self.new.items() if value not in _UNSAID]
            whole = [] if "question" in self.new else lines  # of a decision type most lines are defaults
            return "\n".join([f"{self.field}: added{effect}", *whole])
        return f"{self.field}: {_shown(self.old)} -> {_shown(self.new)}{effect}"


_MORE_IS_STRICTER = re.compile(
    r"\.(bands\.(high|low)|threshold_floor|levels\.(min|max|by_class\.\w+)|rules\[\w+\]\.(min_level|approvals)"
    r"|signals\.\w+\.below|audit_rate|evidence\.(floor|initial|scale)|min_volume|certainty_limit)$"
)
_LESS_IS_STRICTER = re.compile(
    r"\.(alpha|delta|consequence\.cuts\.\w+|adjustments\[\w+\]\.shift|signals\.\w+\.prior)$"
)
_WORDS = re.compile(
    r"(^|\.)(name|title|description|question|text|policy_reference|policy_text|disclosure\.\w+"
    r"|reason_codes\[\w+\](\.\w+)?)$"
)
_NAMED = {"rules": "name", "adjustments": "name", "reason_codes": "code"}
_UNSAID: tuple[object, ...] = (None, "", [], {})
_PRESETS = {"flowchart": 1, "matrix": 0}
_RISKS = {"low": 0, "medium": 1, "high": 2}
_ACTIVATIONS = {"one_person": 0, "two_people": 1}


def diff_policies(old: PolicyContent, new: PolicyContent) -> list[Change]:
    """Every difference in meaning, in the order of the new policy's fields."""
    return list(_compare("", effective(old), effective(new)))


def effective(content: PolicyContent) -> dict[str, Any]:
    """The whole policy as plain values, all defaults filled in."""
    values = content.model_dump(mode="json")
    for decision_type in values["decision_types"].values():
        alpha, delta, floor, scale = RISK_DEFAULTS[Risk(decision_type["risk"])]
        _fill(decision_type, alpha=alpha, delta=delta, threshold_floor=decision_type["bands"]["low"])
        _fill(decision_type["evidence"], floor=floor, initial=1.0, scale=scale)
        _fill(decision_type, expert_pool=decision_type["pool"])
    return values


def _fill(values: dict[str, Any], **defaults: object) -> None:
    for name, default in defaults.items():
        if values[name] is None:
            values[name] = default


def _compare(field: str, old: Any, new: Any) -> Iterator[Change]:  # noqa: ANN401 - plain values
    if old == new:
        return
    name = field.rpartition(".")[2]
    if name in _NAMED and isinstance(old, list) and isinstance(new, list):
        key = _NAMED[name]
        yield from _compare_parts(field, {i[key]: i for i in old}, {i[key]: i for i in new}, "[{}]")
        common = {i[key] for i in old} & {i[key] for i in new}
        orders = [[i[key] for i in items if i[key] in common] for items in (old, new)]
        if orders[0] != orders[1] and name == "rules":
            # The first rule that holds wins, so their order matters.
            yield Change(field=f"{field} (order)", old=orders[0], new=orders[1], effect=Effect.UNKNOWN)
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from _compare_parts(field, old, new, ".{}")
    else:
        yield Change(field=field, old=old, new=new, effect=_effect(field, old, new))


def _compare_parts(field: str, old: Mapping[str, Any], new: Mapping[str, Any], form: str) -> Iterator[Change]:
    for name in [*new, *(name for name in old if name not in new)]:
        path = field + form.format(name) if field else name
        yield from _compare(path, old.get(name), new.get(name))


def _effect(field: str, old: Any, new: Any) -> Effect:  # noqa: ANN401, PLR0911 - one line per kind of field
    whole = new if old is None else old
    if isinstance(whole, dict) and "question" in whole:  # a decision type came or went
        return Effect.UNKNOWN
    if _WORDS.search(field):
        return Effect.NONE
    if re.search(r"\.rules\[\w+\]$", field):
        return Effect.STRICTER if old is None else Effect.LOOSER
    if re.search(r"\.adjustments\[\w+\]$", field):
        shift = (new or old)["shift"]
        return Effect.STRICTER if (shift < 0) == (old is None) else Effect.LOOSER
    if field.endswith(".preset"):
        return _stricter_if(_PRESETS[new] > _PRESETS[old])
    if field == "governance.activation":
        return _stricter_if(_ACTIVATIONS[new] > _ACTIVATIONS[old])
    if field.endswith(".risk"):
        return _stricter_if(_RISKS[new] > _RISKS[old])
    if field.endswith(".required_facts"):
        more, fewer = set(new) - set(old), set(old) - set(new)
        return Effect.UNKNOWN if bool(more) == bool(fewer) else _stricter_if(bool(more))
    if _MORE_IS_STRICTER.search(field):
        return _stricter_if((new or 0) > (old or 0))
    if _LESS_IS_STRICTER.search(field) and isinstance(old, float | int) and isinstance(new, float | int):
        return _stricter_if(new < old)
    return Effect.UNKNOWN


def _stricter_if(stricter: bool) -> Effect:
    return Effect.STRICTER if stricter else Effect.LOOSER


def _shown(value: object) -> str:
    if value is None:
        return "(none)"
    return " ".join((value if isinstance(value, str) else _yaml(value)).split())


def _yaml(value: object) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # a switch of ruamel's representer
    yaml.width = 10_000
    text = StringIO()
    yaml.dump(value, text)
    return text.getvalue().removesuffix("...\n").rstrip("\n")
