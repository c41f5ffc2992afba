"""The ``webhooks`` section of the policy: who is told what happens to reviews and what is found in their
outcomes, and in which form.

Where a receiver is and with which secret messages are signed is no behaviour: ``HITL_WEBHOOKS_FILE``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

import msgspec
from pydantic import Field

from app.policy.console import DAY, HOUR, SECOND, between
from app.policy.fields import Duration, Part, PoolName, Word


class Template(StrEnum):
    """The form of a message."""

    JSON = "json"
    """Every field by name, for programs."""
    SLACK = "slack"
    """One line with a link, as Slack's incoming webhooks take it (and Mattermost's)."""
    TEAMS = "teams"
    """An adaptive card with a button, as Microsoft Teams' workflows take it."""


class HookEvent(StrEnum):
    """What may happen to a review, in the words of `reviews.lifecycle`; and what may be found in outcomes."""

    REQUESTED = "requested"
    CLAIMED = "claimed"
    DECIDED = "decided"
    VOTED = "voted"
    DISAGREED = "disagreed"
    RELEASED = "released"
    LEASE_EXPIRED = "lease_expired"
    DELEGATED = "delegated"
    REASSIGNED = "reassigned"
    ESCALATED = "escalated"
    PAUSED = "paused"
    RESUMED = "resumed"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    SLA_AT_RISK = "sla_at_risk"
    SLA_RAISED = "sla_raised"
    OFFERED_TO_BACKUPS = "offered_to_backups"
    SLA_ESCALATED = "sla_escalated"
    SLA_MISSED = "sla_missed"
    DEADLINE_RULE = "deadline_rule"
    PATTERN_DETECTED = "pattern_detected"
    """Something in the outcomes that a person should look at (docs/patterns.md)."""
    RETRAIN = "retrain"
    """A sign that the model is no longer the right one."""


class Webhook(Part):
    """One receiver: a chat's channel or a program."""

    address: Word | None = None
    """Name of its address and secret in HITL_WEBHOOKS_FILE; the webhook's own name unless given."""
    template: Template = Template.JSON
    """The form of its messages: json, slack or teams."""
    events: tuple[HookEvent, ...] = ()
    """What it is told; everything unless given."""
    pools: tuple[PoolName, ...] = ()
    """About which pools; all unless given."""
    first_pause: Annotated[Duration, between(SECOND, HOUR)] = 5 * SECOND
    """What did not arrive is sent again after this long, 1s to 1h, then after twice as long, and so on."""
    longest_pause: Annotated[Duration, between(SECOND, DAY)] = HOUR
    """But never after longer than this, 1s to 1d."""
    give_up: Annotated[Duration, between(HOUR, 30 * DAY)] = 3 * DAY
    """A message that did not arrive for this long is given up, 1h to 30d, and `hitl doctor` says so."""
    most_waiting: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """When more messages than this wait, the next one due is given up for each that comes."""


class WebhookTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as the console works with it. Empty sets mean all; durations in ms."""

    name: str
    address: str
    template: Template = Template.JSON
    events: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    first_pause: int = 5 * SECOND
    longest_pause: int = HOUR
    give_up: int = 3 * DAY
    most_waiting: int = 10_000

    def wants(self, event: str, *pools: str) -> bool:
        """Whether this receiver is told of an event that concerns these pools. Steps that only the queue
        cares about are told to nobody."""
        asked = self.events or _EVENTS
        return event in asked and (not self.pools or not self.pools.isdisjoint(pools))

    def pause(self, failures: int) -> int:
        """ms before the next attempt, after so many earlier failures.

        >>> hook = WebhookTerms(name="chat", address="chat")
        >>> hook.pause(0), hook.pause(1), hook.pause(50)
        (5000, 10000, 3600000)
        """
        return min(self.longest_pause, self.first_pause << min(failures, 20))


_EVENTS = frozenset(event.value for event in HookEvent)


def webhook_terms(section: Mapping[str, Webhook]) -> Mapping[str, WebhookTerms]:
    """The section compiled, by name."""
    return MappingProxyType(
        {
            name: WebhookTerms(
                name=name,
                address=hook.address or name,
                template=hook.template,
                events=frozenset(event.value for event in hook.events),
                pools=frozenset(hook.pools),
                first_pause=hook.first_pause,
                longest_pause=hook.longest_pause,
                give_up=hook.give_up,
                most_waiting=hook.most_waiting,
            )
            for name, hook in section.items()
        }
    )
