"""Who handed in which decision by the API: what makes a repeat harmless, and whose answer it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import StrEnum

import msgspec

from app.console.keys import ConsoleKeys
from app.console.lua import ConsoleScript
from app.domain.events import DecisionSubmitted
from app.domain.progress import Submission, identity_of
from app.review_queue.store import Argument, Client, reachable

_pack = msgspec.json.Encoder().encode
_submission = msgspec.json.Decoder(Submission)


class Standing(StrEnum):
    """What is known when a decision is handed in."""

    NEW = "new"
    AGAIN = "again"
    """The same was handed in before; nobody knows whether it got into the log."""
    STORED = "stored"
    """The same is in the log."""
    OTHER = "other"
    """The id belongs to another decision, or to somebody else's."""


class Submissions:
    """``kept_for`` gives for how many ms: as long as decisions are remembered."""

    def __init__(self, client: Client, keys: ConsoleKeys, kept_for: Callable[[], int]) -> None:
        self._client = client
        self._keys = keys
        self._kept_for = kept_for
        self._begin = ConsoleScript("submission_begin")

    def begin(self, decision_id: str, submission: Submission) -> Standing:
        """Note it, before it goes to the broker."""
        arguments: list[Argument] = [submission.owner, submission.digest, _pack(submission), self._kept_for()]
        with reachable:
            found = self._begin.run(self._client, self._keys.submission(decision_id), arguments)
        return Standing(found.decode())

    def stored(self, decision_id: str) -> None:
        """The broker has it."""
        with reachable:
            self._client.execute_command("HSET", self._keys.submission(decision_id), "stored", 1)

    def find(self, decision_id: str) -> Submission | None:
        """Who handed it in, ``None`` where nobody did by the API (or too long ago)."""
        with reachable:
            found = self._client.execute_command("HGET", self._keys.submission(decision_id), "submission")
        return _submission.decode(found) if found else None


def submission_of(decision: DecisionSubmitted, content: bytes, owner: str, at: int) -> Submission:
    """What is noted of a decision that ``owner`` hands in. ``content`` is the JSON as it came: a repeat is
    known by it also after an upgrade, which may read more fields. Their order means nothing."""
    plain = msgspec.json.encode(msgspec.json.decode(content), order="sorted")
    return Submission(
        owner=owner,
        identity=identity_of(
            decision.decision_id, decision.decision_type, decision.subject, decision.submitted_by
        ),
        digest=hashlib.sha256(plain).hexdigest(),
        at=at,
    )
