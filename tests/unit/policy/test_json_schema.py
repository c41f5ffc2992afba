"""The schema that editors use."""

from __future__ import annotations

from pathlib import Path

from app.policy.json_schema import policy_schema, policy_schema_text

COMMITTED = Path(__file__).parents[3] / "policies" / "policy.schema.json"


def test_the_committed_schema_is_in_sync():
    assert COMMITTED.read_text(encoding="utf-8") == policy_schema_text(), (
        "run `hitl policy schema > policies/policy.schema.json`"
    )


def test_every_field_is_explained():
    schema = policy_schema()
    parts = {"policy": schema, **schema["$defs"]}
    unexplained = [
        f"{part}.{name}"
        for part, definition in parts.items()
        for name, field in definition.get("properties", {}).items()
        if "description" not in field
    ]
    assert unexplained == []
