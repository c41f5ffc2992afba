"""``hitl console``: the reviewer console and the JSON API, one process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from typing import Annotated

import typer

from app.commands.output import errors
from app.composition.console import open_console
from app.composition.parts import check_store, load_compiled_policy
from app.console.parts import Place
from app.errors import UsageError
from app.settings import Settings, load_settings
from app.telemetry.logs import configure_logs


def console(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where to listen.", min=1, max=65535)] = 8080,
    open_house: Annotated[
        bool,
        typer.Option("--open-house", help="The policy names nobody: let every account decide everything."),
    ] = False,
) -> None:
    """Run the reviewer console and the JSON API until it is stopped. SIGTERM finishes requests in hand.

    People sign in with `hitl people add NAME`; programs use `hitl token create`. Set HITL_CONSOLE_URL to
    the address that browsers use, https unless it is this machine only, and HITL_TRUSTED_PROXIES to the
    address of the proxy before it, unless that is on this machine: limits go by the visitor's address.

    Example: `hitl console --port 8080`
    """
    configure_logs()
    settings = load_settings()
    policy = load_compiled_policy(settings)
    url = settings.console_url or address(host, port)
    check(settings, url)
    check_store(settings)
    from app.console.server import ConsoleServer, listen  # noqa: PLC0415 - half a second that no other verb needs

    with (
        closing(listen(host, port)) as listening,
        open_console(settings, policy, url, open_house=open_house) as parts,
    ):
        server = ConsoleServer(parts)
        errors.print(f"console: {url} (stop with ctrl-c)", highlight=False, markup=False)
        server.run(sockets=[listening])


def address(host: str, port: int) -> str:
    """Where the console is found when nobody says so.

    >>> address("127.0.0.1", 8080), address("::1", 80)
    ('http://127.0.0.1:8080', 'http://[::1]:80')
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check(
    settings: Settings,
    url: str,
    tell: Callable[[str], None] = lambda text: errors.print(text, style="yellow"),
) -> None:
    """Refuse to start where it would not be safe. Raises ``UsageError``."""
    place = Place(url)
    if not place.secure and not place.loopback:
        raise UsageError(
            f"{url}: sign-in needs https anywhere but on this machine",
            hint="set HITL_CONSOLE_URL to the https address that your proxy serves",
        )
    if settings.oidc_issuer and not (
        settings.oidc_client_id and find_spec("authlib") and find_spec("httpx2")
    ):
        raise UsageError(
            "HITL_OIDC_ISSUER is set, but HITL_OIDC_CLIENT_ID or the extra `oidc` is missing",
            hint="pip install 'hitl-stream[oidc]', and set HITL_OIDC_CLIENT_ID",
        )
    settings.require_secret()
    if settings.secret_is_default:
        if place.secure:
            raise UsageError(
                "HITL_SECRET_FILE is not set: anybody could forge the sign-in form",
                hint="(umask 077; openssl rand -hex 32 > secret); set HITL_SECRET_FILE",
            )
        tell("HITL_SECRET_FILE is not set: a development key is used")
