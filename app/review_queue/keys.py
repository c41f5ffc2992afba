"""Every key the store holds, by name: what it is, how big it gets, and how long it lives.

A pool's keys share one hash tag, so that one Lua call may touch all of them wherever keys are spread by
tags. Today one server holds them all (docs/sizing.md). Lua sees the same names: :func:`lua_names` is put
in front of every script.
"""

from __future__ import annotations

# --- one pool: <prefix>hitl:{<pool>}:... ----------------------------------------------------------
REVIEW = "review:"
"""+ uuid, hash: the state of a review. While undecided: no TTL, a review never disappears by itself.
Over: ``QueueTerms.memory``, so that a late second answer and a replayed request are recognised.
Every field is short: one value over 64 bytes would turn the hash into a hash table, twice the size."""
REQUEST = "request:"
"""+ uuid, string: the ReviewRequested record as published, the only copy. TTL as REVIEW."""
ANSWER = "answer:"
"""+ uuid, string: the answer, JSON; one that was taken back stays, for whoever gave it to go on from. TTL as
REVIEW."""
PEOPLE = "people:"
"""+ decision id, hash: who holds (uuid) or has answered (=uuid) which review of a decision. An item with
known truth is noted under its uuid: its id is no decision's, and may be that of a real one some day. Exists
only from the first claim on. Once an answer is final: TTL as REVIEW."""
LOOKED = "looked:"
"""+ uuid:person, string: under which epoch and when this person was last shown the package. TTL a minute:
it only keeps looks from being recorded too often."""
READY = "ready"
"""Sorted set of open reviews, by urgency; see ``scripts/_shared.lua`` for score and member."""
SUPERVISOR = "supervisor"
"""As READY, for reviews that were escalated."""
OFFER = "offer:"
"""+ person, sorted set: as READY, for reviews delegated to this person, or reserved for them."""
RESERVED = "reserved"
"""Sorted set of open reviews that the system has handed out, by when they are anybody's again."""
GIVEN = "given:"
"""+ decision type, sorted set of people, by when each was last handed a review of the type. One member a
person; no TTL."""
TAKEN = "taken:"
"""+ person, sorted set of the reviews this person took last, by when: whether a break is due. Kept only where
the policy has fatigue limits, and no more than they need; TTL a day."""
BACKUPS = "backups"
"""As READY, for reviews that the people of the pool's backup pools may take as well. Each of them stays in
READY or OFFER, too: the first claim takes it out of both."""
LEASES = "leases"
"""Sorted set of claimed reviews, by the time the lease runs out."""
WAITING = "waiting"
"""Sorted set of reviews whose clock stands still, by the time it stopped."""
DEADLINES = "deadlines"
"""Sorted set of undecided reviews whose clock runs, by deadline: what is overdue."""
CLOCK = "clock"
"""Sorted set of undecided reviews whose clock runs, by the time of their next SLA step. A safe default that
waits for the holder to finish has no time until then."""
UNDECIDED = "undecided:"
"""+ SLA class:state, sorted set of the undecided reviews of this class in this state, by the time of the
request: depth and oldest age. Together they are all undecided reviews."""
CLASSES = "classes"
"""Set of the SLA classes that this pool ever had; no TTL."""
MOST_CLASSES = 100
"""Of those that are looked at: more than a policy has."""
DECIDED = "decided"
"""Sorted set of reviews that are over, by time. Members older than ``memory`` go a few per decision."""
HELD = "held"
"""Sorted set of answered reviews whose answer may still be taken back, by when it is final. Until then they
have no TTL: an answer that nobody was told of must not disappear. Each of them is in DECIDED, too."""
ARRIVALS = "arrivals"
"""Counter: the order of arrival, which breaks ties. Lives as long as the store."""
LAYOUT = "layout"
"""String: the VERSION of the layout under which the pool got its first review. Lives as long as the store."""
VERSION = "2"
"""The layout that this file describes. It changes where reviews of before would not be found where they
belong: since 2 they are all in UNDECIDED."""
OUTBOX = "outbox"
"""Stream: every step, until it was delivered to Kafka. Trimmed by acknowledgement, never by length."""
BROKEN = "outbox:broken"
"""Stream: entries that the relay could not turn into events, until `hitl queue broken` brings them back."""

# --- cases and duplicates: <prefix>hitl:{cases}:..., <prefix>hitl:{seen}:... ----------------------
CASES = "cases"
"""Hash tag of all case keys: a batch is remembered or read in one call."""
CASE = "case:"
"""+ decision id, string: the brief of a decision. TTL ``memory``: an outcome may arrive that late."""
FATE = "fate:"
"""+ decision id, hash: ``resolution``, ``observed`` and ``withdrawn``, of decisions people took, that turned
out otherwise, or that their producer took back. TTL ``memory``."""
SUBJECT = "subject:"
"""+ subject, sorted set of its last decision ids by time, bounded. TTL ``memory`` after the last."""
PRECEDENTS = "precedents:"
"""+ decision type, sorted set of the last decisions people took, bounded. TTL as SUBJECT."""
SEEN = "seen"
"""Hash tag; + decision id, string: where the decision was first read. TTL ``duplicate_window``."""

# --- items with known truth: <prefix>hitl:{gold}:... ---------------------------------------------
GOLD = "gold"
"""Hash tag of the rings."""
RING = "ring:"
"""+ decision type, list of past decisions with their truth, the next one first; bounded. No TTL: a copy,
made from the log by ``hitl gold collect``."""

# --- standing rules: <prefix>hitl:{rules}:... ----------------------------------------------------
RULES = "rules"
"""Hash tag of what is counted about standing rules."""
RULE = "rule:"
"""+ rule id, hash: ``uses``, ``checked``, ``overridden``, and for each partition that told of the rule the
offset that was counted last. No TTL: a dozen short fields for each rule there ever was."""

TALLY = "{tally}:"
"""+ ``h`` hour or ``d`` day since 1970, hash: what was counted for the targets, TTL a day or two months; +
``now``, hash: their gauges, TTL a minute."""
READER = "{reader}:lease"
"""String: which process reads the figures that all share. TTL twenty seconds."""

GROUP = "relay"
"""The consumer group of every outbox."""

_LUA = (
    "REVIEW", "REQUEST", "ANSWER", "PEOPLE", "READY", "SUPERVISOR", "OFFER", "LEASES", "WAITING",
    "DEADLINES", "CLOCK", "BACKUPS", "UNDECIDED", "CLASSES", "MOST_CLASSES", "DECIDED", "ARRIVALS",
    "LAYOUT", "VERSION", "OUTBOX", "BROKEN", "CASE", "FATE", "SUBJECT", "PRECEDENTS", "LOOKED", "RESERVED",
    "GIVEN", "TAKEN", "HELD", "RULE",
)  # fmt: skip


class Keys:
    """Key names under one prefix (the topic prefix, so that test and production can share a store)."""

    def __init__(self, prefix: str = "") -> None:
        self._root = f"{prefix}hitl:"

    def pool(self, pool: str, name: str = "", item: str = "") -> str:
        """A key of one pool; without a name, what all of them begin with (KEYS[1] of every script)."""
        return f"{self._root}{{{pool}}}:{name}{item}"

    def cases(self, name: str = "", item: str = "") -> str:
        """A key of the case file; without a name, what all of them begin with."""
        return f"{self._root}{{{CASES}}}:{name}{item}"

    def seen(self, decision_id: str = "") -> str:
        """Where a decision was first read; without an id, what all of these keys begin with."""
        return f"{self._root}{{{SEEN}}}:{decision_id}"

    def gold(self, name: str, item: str) -> str:
        """A ring of items with known truth."""
        return f"{self._root}{{{GOLD}}}:{name}{item}"

    def rules(self, name: str = "", item: str = "") -> str:
        """What is counted about a standing rule; without a name, what all of these keys begin with."""
        return f"{self._root}{{{RULES}}}:{name}{item}"

    def tally(self) -> str:
        """What all keys of the targets' sums begin with."""
        return f"{self._root}{TALLY}"

    def reader(self) -> str:
        """The lease of the process that reads the figures."""
        return f"{self._root}{READER}"


def lua_names() -> str:
    """The names of this file as Lua locals."""
    names = globals()
    return "".join(f"local {name} = '{names[name]}'\n" for name in _LUA)
