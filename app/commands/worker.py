"""``hitl worker`` and ``hitl up``: the processes that do the work."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from app.agents import AGENTS
from app.commands.output import errors
from app.composition.console import open_console
from app.composition.parts import check_store, load_compiled_policy, now, store_of
from app.console.accounts import Accounts
from app.policy.compiled import CompiledPolicy
from app.review_queue.embedded import store
from app.review_queue.errors import StoreUnavailableError
from app.review_queue.keys import Keys
from app.review_queue.layout import ADVICE, laid_out_otherwise, told
from app.settings import Settings, load_settings
from app.stream.embedded_broker import EmbeddedBroker
from app.stream.topics import TopicTable
from app.telemetry.logs import configure_logs


def worker(
    agents: Annotated[
        str, typer.Option(help=f"Which agents, separated by commas: {', '.join(AGENTS)}.")
    ] = ",".join(AGENTS),
    slot: Annotated[
        str | None,
        typer.Option(help="Stable name of this worker among its peers; HITL_WORKER_SLOT unless given."),
    ] = None,
) -> None:
    """Run one worker until it is stopped. SIGTERM finishes the batch in hand.

    It runs in a process of its own below this one (on Linux), which starts it again at once when it is
    killed or crashes; when it ends by itself, this ends too, with its exit code.

    Scoring and routing together form one chain in one transaction; apart they are joined by the topic.
    Every worker of a deployment needs a slot of its own, and the same one after a restart.

    Example: `hitl worker --slot 1` · `hitl worker --agents scoring,routing --slot 2`
    """
    from app.composition.supervisor import supervise  # noqa: PLC0415 - Faust: a third of a second for this
    from app.composition.worker import rehearse  # noqa: PLC0415 - verb alone

    configure_logs()
    rehearse(load_settings())
    chosen = [name.strip() for name in agents.split(",") if name.strip()]
    supervise(lambda: _work(chosen, slot))


def _work(agents: Sequence[str], slot: str | None) -> None:
    """Places, secrets and the policy are read again each time: any of them may have changed."""
    from app.composition.worker import Worker  # noqa: PLC0415 - as above

    settings = load_settings()
    settings.require_secret()
    if slot is not None:
        settings = msgspec.structs.replace(settings, worker_slot=slot)
    process = Worker(settings, load_compiled_policy(settings), agents=agents)
    check_store(settings)
    if settings.secret_is_default:
        errors.print(
            "HITL_SECRET_FILE is not set: the evidence draw uses a development key that anybody can know",
            style="yellow",
        )
    _say_if_laid_out_otherwise(settings, process.policy().pool_names)
    if settings.metrics_port is not None:
        process.metrics.serve(settings.metrics_port)
    errors.print(f"worker {settings.worker_slot}: {', '.join(agents)}; stop with ctrl-c", highlight=False)
    process.run()


def up(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the embedded store; temporary unless given."),
    ] = None,
    port: Annotated[
        int, typer.Option(help="Where the console listens; 0 takes any port.", min=0, max=65535)
    ] = 8080,
) -> None:
    """Embedded broker, embedded store, one worker and the console, for development, until stopped.

    Prints the addresses to set in another terminal, and how to sign in. The embedded broker keeps
    everything in memory and enforces no transactions: it proves no guarantee and is never meant for
    production.

    Example: `hitl up`
    """
    configure_logs()
    settings = load_settings()
    policy = load_compiled_policy(settings)
    from app.composition.worker import Worker  # noqa: PLC0415 - as above
    from app.console.server import beside, listen  # noqa: PLC0415 - half a second that no other verb needs

    with tempfile.TemporaryDirectory(prefix="hitl-") as scratch:
        names = TopicTable.load().named(policy.pool_names)
        with (
            closing(listen("127.0.0.1", port)) as listening,
            store(settings.redis_url, data or Path(scratch)) as redis_url,
            EmbeddedBroker([settings.topic_prefix + name for name in names]) as broker,
        ):
            settings = msgspec.structs.replace(
                settings, redis_url=redis_url, kafka_bootstrap_servers=broker.bootstrap_servers
            )
            errors.print("embedded broker: in memory, no guarantees; stop with ctrl-c", style="dim")
            errors.print(f"export HITL_KAFKA_BOOTSTRAP_SERVERS={broker.bootstrap_servers}", highlight=False)
            errors.print(f"export HITL_REDIS_URL={redis_url}", highlight=False)
            settings = _with_people(settings, policy, Path(scratch))
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            with (
                open_console(settings, policy, url, open_house=True, embedded=True) as parts,
                beside(parts, listening),
            ):
                errors.print(f"console: {url}", highlight=False)
                process = Worker(settings, policy, embedded=True)
                if settings.metrics_port is not None:
                    process.metrics.serve(settings.metrics_port)
                    errors.print(
                        f"metrics: http://127.0.0.1:{settings.metrics_port}/metrics", highlight=False
                    )
                process.run()


def _say_if_laid_out_otherwise(settings: Settings, pools: Sequence[str]) -> None:
    """No reason not to work: only counts and lists are wrong. A store that is away is waited for."""
    with closing(store_of(settings)) as client, suppress(StoreUnavailableError):
        otherwise = laid_out_otherwise(client, Keys(settings.topic_prefix), pools)
        if otherwise:
            errors.print(f"{told(otherwise)}; {ADVICE}", style="yellow", highlight=False)


def _with_people(settings: Settings, policy: CompiledPolicy, scratch: Path) -> Settings:
    """Accounts for everybody in the policy (or one, where it names nobody), if there are none yet."""
    if settings.accounts_file.exists():
        return settings
    settings = msgspec.structs.replace(settings, accounts_file=scratch / "accounts.json")
    password = secrets.token_urlsafe(9)
    accounts = Accounts(settings.accounts_file, now, secrets.token_bytes)
    names = list(policy.directory.people) or ["dev"]
    for name in names:
        accounts.set_password(name, password, new=True)
    errors.print(f"export HITL_ACCOUNTS_FILE={settings.accounts_file}", markup=False, highlight=False)
    errors.print(f"sign in as {', '.join(names)} with the password {password}", markup=False, highlight=False)
    return settings
