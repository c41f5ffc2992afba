"""A batch in short strides, one step of the work at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

STRIDE = 128
"""Records that go through one step before the next step begins. Doing all steps for one record, or one
step for 2,000, costs about a fifth more: the code of a step and the data of a stride stay in the
processor's caches (`python -m bench profile`)."""


def strides(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """``items`` cut into runs of at most ``STRIDE``, in order.

    >>> [len(part) for part in strides(range(300))]
    [128, 128, 44]
    """
    for start in range(0, len(items), STRIDE):
        yield items[start : start + STRIDE]
