"""``hitl webhooks``: who is told what happens to reviews, whether it arrives, and a message to try it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import closing
from typing import Annotated
from urllib.parse import urlsplit

import typer

from app.commands.in_force import policy_to_look_by
from app.commands.output import AsJson, print_json, print_rows
from app.composition.parts import now, store_of
from app.console.keys import ConsoleKeys
from app.console.outgoing import Outgoing
from app.console.post import post
from app.console.webhooks import Address, Told, delivery, headers_of, load_addresses
from app.domain.words import moment
from app.errors import HitlError, UsageError
from app.policy.webhooks import WebhookTerms
from app.settings import Settings, load_settings

app = typer.Typer(
    help="Webhooks: who is told what happens to reviews, and whether it arrives.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

TEST = "test"
"""The event of a message that only shows whether messages arrive."""


@app.command("list")
def list_webhooks(as_json: AsJson = False) -> None:
    """The webhooks of the policy, where they lead, and how things are.

    Example: `hitl webhooks list`
    """
    settings = load_settings()
    hooks, addresses = policy_to_look_by(settings).webhooks, _addresses(settings)
    with closing(store_of(settings)) as client:
        messages = Outgoing(client, ConsoleKeys(settings.topic_prefix))
        rows = [_row(hook, addresses.get(hook.address), messages) for hook in hooks.values()]
    columns = ("webhook", "template", "to", "told", "waiting", "arrived", "failures", "given_up", "why")
    print_rows(rows, columns, as_json=as_json, empty="the policy has no `webhooks`")


@app.command()
def test(
    name: Annotated[str, typer.Argument(help="Name of the webhook in the policy.")],
    as_json: AsJson = False,
) -> None:
    """Send one signed message, its event is `test`, and say whether it was taken.

    Example: `hitl webhooks test team-chat`
    """
    settings = load_settings()
    hooks = policy_to_look_by(settings).webhooks
    if name not in hooks:
        raise UsageError(
            f"the policy has no webhook '{name}'",
            hint=f"it has: {', '.join(hooks)}" if hooks else "add it to `webhooks` (docs/webhooks.md)",
        )
    hook = hooks[name]
    address = _addresses(settings).get(hook.address)
    if address is None:
        raise HitlError(
            f"HITL_WEBHOOKS_FILE has no '{hook.address}'", hint="add its url and secret (docs/webhooks.md)"
        )
    at = now()
    said = Told(
        event_id=str(uuid.uuid4()),
        event=TEST,
        at=moment(at),
        pool=TEST,
        review_id=TEST,
        actor="",
        link=settings.console_url or "http://127.0.0.1:8080",
    )
    message = delivery(said, hook)
    post(address.url, message.body, headers_of(message, address, at), allow_private=address.allow_private)
    if as_json:
        print_json({"webhook": name, "delivery_id": message.delivery_id, "result": "taken"})
    else:
        print(f"{name}: taken by {urlsplit(address.url).hostname}")


@app.command()
def dead(
    clear: Annotated[bool, typer.Option("--clear", help="Forget them afterwards.")] = False,
    as_json: AsJson = False,
) -> None:
    """Messages that were given up, newest first, and why.

    Example: `hitl webhooks dead --json`
    """
    settings = load_settings()
    with closing(store_of(settings)) as client:
        messages = Outgoing(client, ConsoleKeys(settings.topic_prefix))
        rows = messages.dead()
        columns = ("at", "hook", "event", "why", "delivery_id")
        print_rows(rows, columns, as_json=as_json, empty="nothing was given up")
        if clear:
            messages.clear_dead()


def _addresses(settings: Settings) -> Mapping[str, Address]:
    return {} if settings.webhooks_file is None else load_addresses(settings.webhooks_file)


def _row(hook: WebhookTerms, address: Address | None, messages: Outgoing) -> dict[str, object]:
    standing = messages.standing(hook.name)
    return {
        "webhook": hook.name,
        "template": hook.template.value,
        "to": urlsplit(address.url).hostname if address else f"no address '{hook.address}'",
        "told": ", ".join(sorted(hook.events)) or "everything",
        "pools": sorted(hook.pools),
        "waiting": standing.waiting,
        "arrived": standing.arrived,
        "failures": standing.failures,
        "given_up": standing.given_up,
        "why": standing.why or None,
    }
