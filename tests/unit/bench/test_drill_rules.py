"""Rules at another pace: every window is shorter, every limit what it was."""

from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml import YAML

from bench.drill.rules import at_pace, rule_files, scaled, scaled_expression


def test_windows_offsets_and_subqueries_are_scaled_and_limits_are_not_but_a_week() -> None:
    text = "a:rate1h > 604800 and avg_over_time(b[1d:5m] offset 1w) > 3600"
    assert scaled_expression(text, 60) == (
        "a:rate1h > 10080 and avg_over_time(b[1440000ms:5000ms] offset 10080000ms) > 3600"
    )
    assert scaled("1h30m", 60) == "90000ms"


def test_every_rule_of_the_project_is_scaled(tmp_path: Path) -> None:
    waits = at_pace(rule_files(), 60, tmp_path)
    assert waits["HitlSourcePaused"] == "2m"
    for file in rule_files():
        written = YAML(typ="safe").load((tmp_path / file.name).read_text(encoding="utf-8"))
        for group in written["groups"]:
            for rule in group["rules"]:
                assert not re.search(r"(\[|offset )\d+[smhdw]\b", rule["expr"]), rule
                assert rule.get("for", "0ms").endswith("ms")


def test_a_prometheus_for_some_alerts_has_all_that_is_recorded_and_no_others(tmp_path: Path) -> None:
    everything = at_pace(rule_files(), 36_000, tmp_path)
    recorded = (tmp_path / "recording.yml").read_text(encoding="utf-8")
    assert "HitlDeadLetters" in everything
    assert list(at_pace(rule_files(), 36_000, tmp_path, ("HitlModelNotImproving",))) == [
        "HitlModelNotImproving"
    ]
    assert (tmp_path / "recording.yml").read_text(encoding="utf-8") == recorded
