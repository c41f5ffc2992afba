"""``hitl topics acls``: who needs what at the broker, printed, or granted."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from confluent_kafka.admin import AdminClient

from app.commands.output import AsJson, errors, print_rows
from app.composition.parts import connection_of
from app.errors import UsageError
from app.settings import load_settings
from app.stream.access import PRINCIPALS, Principal, allow, grants
from app.stream.topics import TopicTable

_COLUMNS = ("principal", "operation", "resource", "name", "prefixed")


def acls(
    apply: Annotated[
        bool, typer.Option("--apply", help="Create them at the broker; those that are there stay.")
    ] = False,
    user: Annotated[
        list[str] | None,
        typer.Option(help="Who a principal is to the broker, e.g. worker=User:CN=hitl; else User:NAME."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What worker, console, producer and consumer may do at the broker: all that they need, and no more.

    With `--apply` the entries are created; sign in as somebody who may alter the cluster. What a broker has
    beside them is left alone.

    Example: `hitl topics acls` · `hitl topics acls --apply --user worker=User:CN=hitl-worker`
    """
    settings = load_settings()
    wanted = grants(TopicTable.load(), settings.topic_prefix)
    users = _users(user or [])
    if apply:
        connection = connection_of(settings)
        admin = AdminClient(connection.client("hitl-acls", {}))  # type: ignore[arg-type]  # takes callables too
        allow(admin, wanted, users)
        errors.print(f"{len(wanted)} entries for {', '.join(users.values())}", markup=False, highlight=False)
        return
    rows = [{**msgspec.to_builtins(grant), "user": users[grant.principal]} for grant in wanted]
    print_rows(rows, _COLUMNS, as_json=as_json, empty="nothing is needed")


def _users(given: list[str]) -> dict[Principal, str]:
    users = {name: f"User:{name}" for name in PRINCIPALS}
    for text in given:
        name, _, user = text.partition("=")
        if name not in users or not user.startswith("User:"):
            raise UsageError(
                f"--user {text}: not a principal and its user",
                hint=f"one of {', '.join(PRINCIPALS)}, e.g. worker=User:CN=hitl-worker",
            )
        users[name] = user
    return users
