"""How often each standing rule was used, and how its spot checks went, in the store."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.domain.standing_rules import SpotChecks
from app.review_queue import keys as names
from app.review_queue.keys import Keys
from app.review_queue.store import Client, Script, reachable, run_all

_FIELDS = ("uses", "checked", "overridden")


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What one record says about a rule. Records of a partition come in the order of their offsets; one that
    comes again, after a retry, counts no second time."""

    rule_id: str
    topic: str
    partition: int
    offset: int
    used: bool = False
    checked: bool = False
    overridden: bool = False


class RuleTallies:
    """Counts by rule. They begin anew with an empty store: what is known of a rule's errors is then less,
    its end is in the topic."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._tally = Script("rule_tally")

    def count(self, sights: Sequence[Sight]) -> list[SpotChecks]:
        """Count records, each once; what is known of its rule after each."""
        if not sights:
            return []
        calls = [(self._keys.rules(), _arguments(one)) for one in sights]
        with reachable:
            return [_checks(row) for row in run_all(self._client, self._tally, calls)]

    def of(self, rule_ids: Sequence[str]) -> dict[str, SpotChecks]:
        """What is known of each rule. One round trip."""
        if not rule_ids:
            return {}
        pipe = self._client.pipeline(transaction=False)
        for rule_id in rule_ids:
            pipe.execute_command("HMGET", self._keys.rules(names.RULE, rule_id), *_FIELDS)
        with reachable:
            rows = pipe.execute()
        return {rule_id: _checks(row) for rule_id, row in zip(rule_ids, rows, strict=True)}


def _arguments(one: Sight) -> Sequence[str | int]:
    return (
        one.rule_id,
        f"{one.topic}[{one.partition}]",
        one.offset,
        int(one.used),
        int(one.checked),
        int(one.overridden),
    )


def _checks(row: Sequence[bytes | None]) -> SpotChecks:
    return SpotChecks(*(int(value or 0) for value in row))
