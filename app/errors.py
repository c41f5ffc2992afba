"""The one error root. A message says what happened, where, and what to do about it."""

from __future__ import annotations


class HitlError(Exception):
    """Root of every error this project raises on purpose.

    ``hint`` is the next thing the reader should try; the command line prints it on its own line.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(HitlError):
    """The command was called with something it can not work with."""

    exit_code = 2


class ServiceUnreachableError(HitlError):
    """A broker, store or registry that is needed does not answer."""

    exit_code = 3
