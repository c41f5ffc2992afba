"""A memory that forgets: bounded, so that a reader of a year's log stays as small as one of a day's."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Latest(dict[K, V]):
    """The last ``most`` entries that were put in; what was put in longest ago goes first.

    >>> seen = Latest(2)
    >>> for name in "abac":
    ...     seen.put(name, None)
    >>> list(seen)
    ['a', 'c']
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def put(self, key: K, value: V) -> None:
        """Put in, as the latest."""
        self.pop(key, None)
        while len(self) >= self._most:
            del self[next(iter(self))]
        self[key] = value
