"""Codes of what scoring may find wrong with a decision.

Every finding sends the decision to a person, except those in :data:`NOTICES`.
"""

from __future__ import annotations

ABSENT_PROBABILITY = "model_probability_absent"
"""The model gave no probability: confidence is unknown."""
INVALID_NUMBER = "_invalid"
"""Suffix, after the name of a signal or factor whose number is not one in [0, 1]."""
UNKNOWN_FACTOR = "_unknown"
"""Suffix, after the name of a consequence factor that could not be evaluated."""
UNUSABLE_CALIBRATION = "calibration_unusable"
"""The calibration's parameters are not finite."""
NO_WEIGHTS = "weights_absent"
"""The policy gives no weight to any signal or factor."""
MISSING_FACTS = "facts_missing"
"""Required facts are absent, null or of another type than declared."""
UNKNOWN_ACTION = "action_unknown"
"""The recommended action is not one this type allows."""
UNKNOWN_ALTERNATIVE = "alternative_unknown"
"""An alternative is not an action this type allows."""
FUTURE = "time_future"
"""``occurred_at`` lies further ahead than the policy believes."""
OLD = "time_old"
"""``occurred_at`` lies further back than the policy believes."""
DUE_BEFORE_OCCURRED = "due_before_occurred"
"""``due_at`` lies before the decision came up."""
DUE_PASSED = "due_passed"
"""``due_at`` had passed when the decision arrived."""

NOTICES = frozenset({UNKNOWN_ALTERNATIVE, DUE_PASSED})
"""Findings that a reviewer should read but that alone send nothing to a person."""
