"""The two routing tables, without anything that changes their answer.

======================  ===============  ==================  ==============
flowchart               above high       low to high         below low
======================  ===============  ==================  ==============
low consequence         1                3                   4
higher consequence      3                3                   4
======================  ===============  ==================  ==============

======================  ===============  ==================
matrix                  above high       up to high
======================  ===============  ==================
low consequence         1                2
higher consequence      3                4
======================  ===============  ==================

With the default bands: .90 itself is not high, .70 itself is not low. A confidence that is no number is
low, and in the matrix never automated.
"""

from __future__ import annotations

from app.domain.events import ConsequenceClass
from app.domain.terms import Preset


def plain_level(
    preset: Preset, confidence: float, consequence: ConsequenceClass, *, high: float, low: float
) -> int:
    """The level that the preset alone gives; critical consequence is the policy's ``by_class``.

    >>> bands = {"high": 0.9, "low": 0.7}
    >>> [plain_level(Preset.FLOWCHART, p, ConsequenceClass.LOW, **bands) for p in (0.91, 0.9, 0.7, 0.69)]
    [1, 3, 3, 4]
    >>> [plain_level(Preset.MATRIX, 0.5, c, **bands) for c in (ConsequenceClass.LOW, ConsequenceClass.HIGH)]
    [2, 4]
    """
    harmless = consequence is ConsequenceClass.LOW
    if confidence > high:
        return 1 if harmless else 3
    if preset is Preset.FLOWCHART:
        return 3 if confidence >= low else 4
    return 2 if harmless and confidence >= 0.0 else 4
