"""Recording and alert rules at another pace: an hour that takes a minute."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

RULES = Path(__file__).resolve().parents[2] / "grafana" / "prometheus"
SHORTEST = 4.0
"""No window gets shorter than this many seconds: four scrapes make a rate."""

WEEK = 604800
"""The one limit of a rule that is a time people have: it gets shorter as windows do."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_WINDOW = re.compile(r"(\[|:|offset )(\d+)(ms|[smhdw])(?=[\]:\s),]|$)")
_LIMIT = re.compile(rf"> {WEEK}\b")
_PART = re.compile(r"(\d+)(ms|[smhdw])")


def scaled(text: str, pace: float) -> str:
    """A duration, ``pace`` times shorter.

    >>> scaled("1h", 60), scaled("5m", 60), scaled("1m", 60)
    ('60000ms', '5000ms', '4000ms')
    """
    seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return f"{round(max(seconds / pace, SHORTEST) * 1000)}ms"


def scaled_expression(expression: str, pace: float) -> str:
    """An expression with all its windows and offsets shorter. Limits in it stay what they are, but a week.

    >>> scaled_expression("rate(a_total[1h]) > 3600 and b offset 1w > 604800", 60)
    'rate(a_total[60000ms]) > 3600 and b offset 10080000ms > 10080'
    """
    shorter = _WINDOW.sub(lambda found: found[1] + scaled(found[2] + found[3], pace), expression)
    return _LIMIT.sub(f"> {WEEK / pace:g}", shorter)


def at_pace(
    files: Iterable[Path], pace: float, out: Path, only: Collection[str] | None = None
) -> dict[str, str]:
    """Write the rules of ``files`` at another pace into ``out``, of the alerts ``only`` these; returns the
    alerts, and what each of them waits for (``for:``) as the project has it."""
    yaml, waits = YAML(typ="safe"), dict[str, str]()
    for file in files:
        groups: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"))
        for group in groups["groups"]:
            group["interval"] = "1s"
            group["rules"] = [
                rule for rule in group["rules"] if only is None or rule.get("alert", "") in {"", *only}
            ]
            for rule in group["rules"]:
                if "alert" in rule:
                    waits[rule["alert"]] = rule.get("for", "at once")
                rule["expr"] = scaled_expression(rule["expr"], pace)
                for name in ("for", "keep_firing_for"):
                    if name in rule:
                        rule[name] = scaled(rule[name], pace)
        with (out / file.name).open("w", encoding="utf-8") as target:
            yaml.dump(groups, target)
    return waits


def rule_files() -> list[Path]:
    """The rules of the project."""
    return sorted(RULES.glob("*.yml"))
