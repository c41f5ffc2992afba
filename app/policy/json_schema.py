"""JSON Schema of the policy file, for editors that explain and check while one types."""

from __future__ import annotations

import json
from typing import Any

from app.policy.model import PolicyContent


def policy_schema() -> dict[str, Any]:
    """The schema of what may be written (durations as text, defaults left out or not)."""
    schema = PolicyContent.model_json_schema(mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Policy of hitl-stream",
        "description": "When AI decides, when people must, and who. Reference: docs/policy.md",
    }


def policy_schema_text() -> str:
    """The schema as it is committed in ``policies/policy.schema.json``."""
    return json.dumps(policy_schema(), indent=2, ensure_ascii=False) + "\n"
