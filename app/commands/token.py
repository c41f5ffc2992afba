"""``hitl token``: API tokens of programs."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.output import AsJson, print_json, print_rows
from app.commands.people import open_accounts
from app.console.scopes import Scope
from app.domain.words import moment
from app.errors import UsageError
from app.policy.durations import parse_duration

app = typer.Typer(help="API tokens: create, list, revoke.", no_args_is_help=True, rich_markup_mode="markdown")


@app.command()
def create(
    owner: Annotated[str, typer.Argument(help="As whom it acts: a person of the policy, or a service.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may be used for; give it several times.")],
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    lasts: Annotated[
        str, typer.Option(help="How long, such as 12h; 'forever' ends with `revoke` only.")
    ] = "90d",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a token and show it, this once: only its hash is kept.

    Example: `hitl token create svc-expenses --scope submit --lasts 30d`
    """
    name, secret = open_accounts().create_token(owner, frozenset(scope), note, _duration(lasts))
    if as_json:
        print_json({"name": name, "owner": owner, "token": secret})
    else:
        print(secret)


@app.command("list")
def list_tokens(
    as_json: AsJson = False,
) -> None:
    """Every token, without its secret.

    Example: `hitl token list`
    """
    rows = [
        {
            "name": name,
            "owner": token.owner,
            "scopes": ", ".join(sorted(token.scopes)),
            "note": token.note,
            "created_at": moment(token.created_at),
            "expires_at": None if token.expires_at is None else moment(token.expires_at),
        }
        for name, token in sorted(open_accounts().book().tokens.items())
    ]
    columns = ("name", "owner", "scopes", "note", "created_at", "expires_at")
    print_rows(rows, columns, as_json=as_json, empty="no tokens; make one with `hitl token create`")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The token's name, as `hitl token list` has it.")],
) -> None:
    """End a token, at once.

    Example: `hitl token revoke 9f2c41ab07`
    """
    open_accounts().revoke_token(name)
    print(f"{name} is revoked")


def _duration(text: str) -> int | None:
    if text == "forever":
        return None
    try:
        lasts = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--lasts {text}: {error}", hint="e.g. 90d, 12h or forever") from error
    if not isinstance(lasts, int) or lasts <= 0:
        raise UsageError(f"--lasts {text}: not a duration", hint="e.g. 90d, 12h or forever")
    return lasts
