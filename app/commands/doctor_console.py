"""What ``hitl doctor`` asks about the console: can people sign in, is somebody there for each pool, is the
door guarded, and do messages reach whom the policy names."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing

from app.agents.books import UnusablePolicyError, require_people
from app.commands.console import check
from app.commands.doctor_finding import Finding, State
from app.commands.in_force import policy_to_look_by
from app.composition.parts import now, store_of
from app.console.accounts import Accounts
from app.console.keys import ConsoleKeys
from app.console.outgoing import Outgoing
from app.console.parts import Place
from app.console.webhooks import load_addresses
from app.errors import UsageError
from app.policy.compiled import CompiledPolicy
from app.policy.console import DAY, HOUR
from app.policy.durations import format_duration
from app.settings import Settings

LONG_IDLE, LONG_SESSION = 2 * HOUR, DAY
"""ms from which on a session is worth a word: a screen that somebody left stays open that long."""


def console(settings: Settings) -> Iterator[Finding]:
    """The door: people, accounts, address, secret, sessions."""
    policy = policy_to_look_by(settings)
    found = [*_start(settings, policy), *_people(settings, policy), *_pools(policy), *_sessions(policy)]
    yield from found or [Finding("console", "ok", f"{len(policy.directory.people)} people can be let in")]


def webhooks(settings: Settings) -> Iterator[Finding]:
    """Who is told, where they are, and whether it arrives."""
    hooks = policy_to_look_by(settings).webhooks
    if not hooks:
        return
    if settings.webhooks_file is None:
        detail = f"{', '.join(hooks)}: in the policy, but nobody knows where they are"
        yield Finding("webhooks", "failed", detail, "set HITL_WEBHOOKS_FILE (docs/webhooks.md)")
        return
    addresses = load_addresses(settings.webhooks_file)
    well = True
    for hook in hooks.values():
        if hook.address not in addresses:
            well = False
            detail = f"{hook.name}: {settings.webhooks_file} has no '{hook.address}'"
            yield Finding("webhooks", "failed", detail, "add its url and secret")
    with closing(store_of(settings)) as client:
        messages = Outgoing(client, ConsoleKeys(settings.topic_prefix))
        standings = [messages.standing(name) for name in sorted(messages.receivers())]
        dead = messages.dead()
    for one in standings:
        if one.failures:
            well = False
            detail = (
                f"{one.receiver}: {one.failures} failures in a row, {one.waiting} messages wait: {one.why}"
            )
            yield Finding("webhooks", "warning", detail, f"hitl webhooks test {one.receiver}")
    if dead:
        well = False
        detail = f"{len(dead)} messages were given up, the last one to {dead[0]['hook']}: {dead[0]['why']}"
        yield Finding("webhooks", "failed", detail, "hitl webhooks dead; done with them: --clear")
    if well:
        yield Finding("webhooks", "ok", f"{len(hooks)} receivers, nothing given up")


def _start(settings: Settings, policy: CompiledPolicy) -> Iterator[Finding]:
    """What `hitl console` itself would refuse, and what it takes on loopback only."""
    url = settings.console_url
    try:
        require_people(policy)
    except UnusablePolicyError as error:
        do = "right for a try (`hitl up`); for more, name them in `people` (docs/authority.md)"
        yield Finding("console", "warning" if url is None else "failed", str(error), do)
    try:
        check(settings, url or "http://127.0.0.1", tell=lambda _text: None)
    except UsageError as error:
        yield Finding("console", _bad(settings), str(error), error.hint)
    if url is None or not Place(url).secure:
        detail = "HITL_CONSOLE_URL is not https: the console serves this machine only"
        yield Finding("console", "warning", detail, "put a proxy with https before it, and name its address")


def _bad(settings: Settings) -> State:
    """A console that is not meant to run (nobody said where, nobody has an account) fails nothing."""
    meant = settings.console_url is not None or settings.accounts_file.exists()
    return "failed" if meant else "warning"


def _people(settings: Settings, policy: CompiledPolicy) -> Iterator[Finding]:
    people = policy.directory.people
    book = Accounts(settings.accounts_file, now, secrets.token_bytes).book()
    if not book.people and settings.oidc_issuer is None:
        detail = (
            f"nobody can sign in: {settings.accounts_file} has no account, and HITL_OIDC_ISSUER is not set"
        )
        yield Finding("people", _bad(settings), detail, "hitl people add NAME")
    strangers = sorted({*book.people, *(token.owner for token in book.tokens.values())} - people.keys())
    if strangers and people:
        detail = f"in no policy, and so without any authority: {', '.join(strangers)}"
        yield Finding("people", "warning", detail, "name them in `people`, or: hitl people remove NAME")


def _pools(policy: CompiledPolicy) -> Iterator[Finding]:
    people = policy.directory.people.values()
    if not people:
        return
    for pool in policy.pool_names:
        if not any(pool in person.pools for person in people):
            detail = f"nobody reviews in pool '{pool}': its cases wait until they are late"
            yield Finding("people", "warning", detail, "name somebody in `people`")
        if not any(pool in person.supervises for person in people):
            detail = f"nobody supervises pool '{pool}': what is escalated there waits for nobody"
            yield Finding("people", "warning", detail, "give somebody `supervises`")


def _sessions(policy: CompiledPolicy) -> Iterator[Finding]:
    terms = policy.console
    for field, duration, most in (
        ("session_idle", terms.session_idle, LONG_IDLE),
        ("session_longest", terms.session_longest, LONG_SESSION),
    ):
        if duration > most:
            detail = f"console.{field} is {format_duration(duration)}: a screen that was left stays open"
            yield Finding("sessions", "warning", detail, f"{format_duration(most)} or less in the policy")
