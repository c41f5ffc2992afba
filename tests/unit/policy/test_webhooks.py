"""The ``webhooks`` section: who is told what."""

import re

import pytest

from app.domain.sla import EVENTS
from app.policy.compiled import compile_policy
from app.policy.load import policy_from_text
from app.policy.problems import PolicyError
from app.policy.webhooks import HookEvent, Template, WebhookTerms
from app.settings import PROJECT

from .texts import MINIMAL


def test_a_webhook_needs_a_name_and_no_more():
    hooks = compile_policy(policy_from_text(MINIMAL + "webhooks: {team_chat: {}}\n")).webhooks
    assert hooks == {"team_chat": WebhookTerms(name="team_chat", address="team_chat")}


def test_what_is_written_counts():
    text = (
        "webhooks:\n  chat: {address: slack_ops, template: slack, events: [escalated, sla_missed], "
        "pools: [reviewers], first_pause: 1s, longest_pause: 10m, give_up: 1d, most_waiting: 500}\n"
    )
    hook = compile_policy(policy_from_text(MINIMAL + text)).webhooks["chat"]
    assert (hook.address, hook.template, hook.give_up) == ("slack_ops", Template.SLACK, 86_400_000)
    assert hook.wants("escalated", "reviewers") and not hook.wants("claimed", "reviewers")
    assert not hook.wants("escalated", "others")


@pytest.mark.parametrize(
    ("hook", "field", "said"),
    [
        ("events: [escalatd]", "webhooks.chat.events[0]", "did you mean escalated?"),
        ("pools: [reviewer]", "webhooks.chat.pools[0]", "did you mean reviewers?"),
        ("template: irc", "webhooks.chat.template", "not a template"),
        ("url: https://chat.example", "webhooks.chat.url", "unknown field"),
        ("give_up: 10m", "webhooks.chat.give_up", "use 1h to 30d"),
        ("longest_pause: 5h, give_up: 2h", "webhooks.chat.longest_pause", "nothing would be tried again"),
        ("first_pause: 1h, longest_pause: 1m", "webhooks.chat.first_pause", "longer than longest_pause"),
    ],
)
def test_mistakes_are_named_with_their_place(hook, field, said):
    with pytest.raises(PolicyError) as refused:
        policy_from_text(f"{MINIMAL}webhooks: {{chat: {{{hook}}}}}\n")
    [problem] = refused.value.problems
    assert problem.field == field
    assert said in problem.message


def test_every_event_is_one_that_the_queue_writes():
    scripts = (PROJECT / "app" / "review_queue" / "scripts").glob("*.lua")
    written = set(re.findall(r"'([a-z_]+)'", "".join(path.read_text() for path in scripts)))
    found = {HookEvent.PATTERN_DETECTED, HookEvent.RETRAIN}  # in outcomes, by no queue
    assert {event.value for event in HookEvent} - found <= written | set(EVENTS.values()) | {"requested"}
