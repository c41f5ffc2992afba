"""``hitl people``: who may sign in to the console. What they may do is in the policy."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from app.commands.in_force import policy_to_look_by
from app.commands.output import AsJson, errors, print_rows
from app.composition.parts import now, store_of
from app.console.accounts import Accounts
from app.console.keys import ConsoleKeys
from app.console.sessions import Sessions
from app.domain.words import moment
from app.errors import UsageError
from app.settings import load_settings

app = typer.Typer(
    help="Accounts of the console: add, list, remove, password, sign-out.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Name = Annotated[str, typer.Argument(help="The person's name, as in `people` of the policy.")]
FromStdin = Annotated[
    bool, typer.Option("--stdin", help="Read the password from the first line of standard input.")
]


@app.command()
def add(name: Name, stdin: FromStdin = False) -> None:
    """Give a person an account. The password is asked for; it is never part of the command line.

    Example: `hitl people add ann`
    """
    accounts = open_accounts()
    accounts.set_password(name, _password(stdin), new=True)
    _warn_stranger(name)
    print(f"{name} can sign in")


@app.command()
def password(name: Name, stdin: FromStdin = False) -> None:
    """Give a person another password. Their sessions end.

    Example: `hitl people password ann`
    """
    open_accounts().set_password(name, _password(stdin), new=False)
    print(f"{name} has a new password; earlier sessions are over")


@app.command()
def remove(name: Name) -> None:
    """Take a person's account and tokens away. Their sessions end with the next request.

    Example: `hitl people remove ann`
    """
    tokens = open_accounts().remove(name)
    print(f"{name} can no longer sign in" + (f"; {tokens} tokens revoked" if tokens else ""))


@app.command("sign-out")
def sign_out(name: Name) -> None:
    """End every session of a person, at once, also of those who sign in elsewhere (OIDC).

    Example: `hitl people sign-out ann`
    """
    settings = load_settings()
    client, policy = store_of(settings), policy_to_look_by(settings)
    keys = ConsoleKeys(settings.topic_prefix)
    ended = Sessions(client, keys, lambda: policy.console, now, secrets.token_bytes).end_all(name)
    client.close()
    print(f"{name}: {ended} sessions ended")


@app.command("list")
def list_people(
    as_json: AsJson = False,
) -> None:
    """Everybody with an account, or in the policy, and how the two fit.

    Example: `hitl people list`
    """
    directory = policy_to_look_by(load_settings()).directory
    accounts = open_accounts().book().people
    rows: list[Mapping[str, object]] = []
    for name in sorted({*accounts, *directory.people}):
        profile, account = directory.find(name), accounts.get(name)
        rows.append(
            {
                "name": name,
                "title": profile.title if profile else None,
                "pools": ", ".join(sorted(profile.all_pools)) if profile else "not in the policy",
                "account": "password" if account else "none",
                "password_changed_at": moment(account.changed_at) if account else None,
            }
        )
    columns = ("name", "title", "pools", "account", "password_changed_at")
    print_rows(rows, columns, as_json=as_json, empty="nobody; add somebody with `hitl people add NAME`")


def open_accounts() -> Accounts:
    """The accounts file of this deployment."""
    return Accounts(load_settings().accounts_file, now, secrets.token_bytes)


def _password(stdin: bool) -> str:
    if stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError(
            "no terminal to type a password at", hint="pipe it: hitl people add NAME --stdin < password.txt"
        )
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _warn_stranger(name: str) -> None:
    settings = load_settings()
    directory = policy_to_look_by(settings).directory
    if directory.open_house:
        text = "the policy in force names nobody: `hitl console` needs `people:` in it, or --open-house"
        errors.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
    elif directory.find(name) is None:
        text = f"'{name}' is not in the policy yet: nobody of that name can decide anything"
        errors.print(text, style="yellow", markup=False)
