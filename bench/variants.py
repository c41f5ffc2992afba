"""What is compared: how each variant is started, and what it promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.processes import PROJECT, python_module

QUIX_VERSION = "3.28.1"
QUIX_HOME = PROJECT / ".cache" / f"bench-quix-{QUIX_VERSION}"


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One way to do the same work. ``commands`` are its processes, all started together."""

    name: str
    title: str
    promise: str
    commands: tuple[tuple[str, ...], ...]
    sources: int = 1
    """How many of the processes share `decisions.submitted`."""
    extra: bool = False
    """Not part of the throughput comparison."""
    encrypts: bool = False
    """With the policy's ``privacy.encrypt``."""
    share: float = 1.0
    """Part of the records it gets: enough for a steady state, few enough for slow variants."""


def _worker(agents: str, slot: int) -> tuple[str, ...]:
    return tuple(python_module("app", "worker", "--agents", agents, "--slot", str(slot)))


def _quix(style: str) -> tuple[str, ...]:
    return (str(QUIX_HOME / "bin" / "python"), "-m", "bench.peers.quix_streams", style)


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(
            name="bare",
            title="bare loop: confluent-kafka + our codec and rules",
            promise="none (no transaction)",
            commands=(tuple(python_module("bench.peers.bare_loop")),),
        ),
        Variant(
            name="fused",
            title="our worker, fused",
            promise="exactly-once",
            commands=(_worker("scoring,routing", 0),),
        ),
        Variant(
            name="staged",
            title="our workers, staged (scoring, routing)",
            promise="exactly-once",
            commands=(_worker("scoring", 0), _worker("routing", 1)),
        ),
        Variant(
            name="fused-two",
            title="our worker, fused, two of them",
            promise="exactly-once",
            commands=(_worker("scoring,routing", 0), _worker("scoring,routing", 1)),
            sources=2,
        ),
        Variant(
            name="all",
            title="our worker, all agents",
            promise="exactly-once",
            commands=(tuple(python_module("app", "worker", "--slot", "0")),),
            extra=True,
        ),
        Variant(
            name="encrypted",
            title="our worker, fused, encrypting",
            promise="exactly-once",
            commands=(_worker("scoring,routing", 0),),
            extra=True,
            encrypts=True,
        ),
        Variant(
            name="bare-two",
            title="bare loop, two of them",
            promise="none (no transaction)",
            commands=(tuple(python_module("bench.peers.bare_loop")),) * 2,
            sources=2,
        ),
        Variant(
            name="quix",
            title="Quix Streams, our codec and rules",
            promise="exactly-once",
            commands=(_quix("codec"),),
            share=0.6,
        ),
        Variant(
            name="quix-naive",
            title="Quix Streams as its users write it (fastavro both ways)",
            promise="exactly-once",
            commands=(_quix("naive"),),
            share=0.4,
        ),
        Variant(
            name="faust",
            title="plain Faust agent, our codec and rules",
            promise="none (acks what failed)",
            commands=(tuple(python_module("bench.peers.plain_faust")),),
            share=0.15,
        ),
    )
}


def prepare_quix() -> None:
    """Quix Streams pins other versions of what we use: it gets a virtualenv of its own, once."""
    python = QUIX_HOME / "bin" / "python"
    if (QUIX_HOME / ".complete").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(QUIX_HOME)], check=True)
    shared = ["fastavro", "msgspec", "cel-expr-python", "pydantic", "ruamel.yaml", "numpy"]
    pinned = [line for line in _constraints() if line.partition("==")[0] in set(shared) - {"pydantic"}]
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", f"quixstreams=={QUIX_VERSION}", "pydantic", *pinned],
        check=True,
    )
    (QUIX_HOME / ".complete").touch()


def _constraints() -> list[str]:
    return (PROJECT / "constraints.txt").read_text(encoding="utf-8").split()


def environment(bootstrap: str, prefix: str, redis_url: str | None, policy: Path) -> dict[str, str]:
    """What every variant is told, in the project's own variables."""
    return {
        "HITL_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "HITL_TOPIC_PREFIX": prefix,
        "HITL_POLICY": str(policy),
        "PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "PYTHONUNBUFFERED": "1",
        **({"HITL_REDIS_URL": redis_url} if redis_url else {}),
    }
