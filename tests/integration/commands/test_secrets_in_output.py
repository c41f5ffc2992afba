"""No secret leaves by what our processes say: every setting holds a canary, all is said at debug level, all
fails, and no canary is in any output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from app.cli import app
from app.errors import HitlError
from app.settings import PROJECT, SECRET_FILES, load_settings
from tests.unit.policy.texts import MINIMAL

CANARY = "canary-5d41402abc4b2a76"
SAYS_EVERYTHING = """
import logging
import app.telemetry.logs as logs
import app.commands.console, app.commands.worker
for module in (app.commands.console, app.commands.worker):
    module.configure_logs = lambda: logs.configure_logs(logging.DEBUG)
logging.basicConfig(level=logging.DEBUG)
from app.cli import main
main()
"""
PEOPLE = "people: {ann: {title: Ann, pools: [reviewers], supervises: [reviewers]}}\n"
VERBS = (
    "doctor --json",
    "worker --agents scoring",
    "console --port 18231",
    "submit -",
    "review list --as ann",
    "policy activate",
    "webhooks test team_chat",
)


def canaries(folder: Path) -> dict[str, str]:
    """An environment in which every secret is a canary, and no service answers."""

    def file(name: str, text: str) -> str:
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o400)
        return str(path)

    hooks = {"team_chat": {"url": f"https://127.0.0.1:9/{CANARY}-hook", "secret": f"{CANARY}-webhook"}}
    return {
        "HITL_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "HITL_REDIS_URL": "redis://worker@127.0.0.1:9/0",
        "HITL_POLICY": file("policy.yaml", MINIMAL + PEOPLE + "webhooks: {team_chat: {}}\n"),
        "HITL_ACCOUNTS_FILE": str(folder / "accounts.json"),
        "HITL_WEBHOOKS_FILE": file("webhooks.json", json.dumps(hooks)),
        "HITL_OIDC_ISSUER": "http://127.0.0.1:9",
        "HITL_OIDC_CLIENT_ID": "hitl",
        "HITL_SECRET_FILE": file("secret", f"{CANARY}-evidence"),
        "HITL_PREVIOUS_SECRET_FILE": file("previous", f"{CANARY}-previous"),
        "HITL_REDIS_PASSWORD_FILE": file("password", f"{CANARY}-redis"),
        "HITL_OIDC_CLIENT_SECRET_FILE": file("oidc", f"{CANARY}-oidc"),
        "HITL_KAFKA_CONFIG": file(
            "kafka.properties",
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.username=worker\n"
            f"sasl.password={CANARY}-kafka\ndebug=all\n",
        ),
    }


def test_every_secret_has_a_canary(tmp_path: Path) -> None:
    env = canaries(tmp_path)
    assert set(SECRET_FILES) <= env.keys()
    settings = load_settings(env)
    assert CANARY in str(settings.redis_url)
    assert CANARY in settings.oidc_client_secret
    assert CANARY.encode() in settings.secret


def test_no_secret_is_in_what_a_process_says(tmp_path: Path) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(PROJECT),
        **canaries(tmp_path),
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SAYS_EVERYTHING, *verb.split()], cwd=tmp_path, env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for verb in VERBS
    ]  # fmt: skip
    said = {}
    try:
        for verb, process in zip(VERBS, running, strict=True):
            said[verb] = process.communicate(timeout=300)[0]
    finally:
        for process in running:
            process.kill()
    assert all(said.values()), {verb: text for verb, text in said.items() if not text}
    assert [verb for verb, text in said.items() if CANARY in text] == []
    for name in ("HITL_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9"):
        assert any(name in text for text in said.values())


def test_an_address_that_is_none_is_shown_without_its_password(tmp_path: Path) -> None:
    env = {name: value for name, value in canaries(tmp_path).items() if name != "HITL_REDIS_PASSWORD_FILE"}
    for address in (
        f"redis://:{CANARY}/x@store:1/0",
        f"http://u:{CANARY}@store",
        f"redis://store:x?password={CANARY}",
    ):
        done = CliRunner().invoke(app, ["queue", "stats"], env={**env, "HITL_REDIS_URL": address})
        assert isinstance(done.exception, HitlError)
        assert CANARY not in f"{done.output} {done.exception} {done.exception.hint}"
