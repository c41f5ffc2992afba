"""`hitl people` and `hitl token`: secrets by prompt or standard input, shown once, kept as hashes."""

import json
import secrets
import stat

import pytest
from typer.testing import CliRunner

from app import cli
from app.composition.parts import now
from app.console.accounts import Accounts

PASSWORD = "correct horse battery"


@pytest.fixture
def hitl(tmp_path, monkeypatch):
    """``hitl("people", "add", ..., input=...)``; the accounts file is at ``hitl.path``."""
    path = tmp_path / "accounts.json"
    monkeypatch.setenv("HITL_ACCOUNTS_FILE", str(path))
    monkeypatch.delenv("HITL_POLICY", raising=False)

    def run(*arguments, **options):
        return CliRunner().invoke(cli.app, list(arguments), **options)

    run.path = path
    run.accounts = lambda: Accounts(path, now, secrets.token_bytes)
    return run


def test_a_person_from_first_to_last_day(hitl):
    assert hitl("people", "add", "ann", "--stdin", input=f"{PASSWORD}\n").exit_code == 0
    assert stat.S_IMODE(hitl.path.stat().st_mode) == 0o600
    assert hitl.accounts().right_password("ann", PASSWORD)
    [row] = [json.loads(line) for line in hitl("people", "list", "--json").stdout.splitlines()]
    assert (row["name"], row["account"]) == ("ann", "password")
    assert hitl("people", "password", "ann", "--stdin", input="another long one\n").exit_code == 0
    assert not hitl.accounts().right_password("ann", PASSWORD)
    assert hitl("people", "remove", "ann").exit_code == 0
    assert hitl("people", "list", "--json").stdout == ""


def test_a_password_can_not_be_given_on_the_command_line(hitl):
    assert hitl("people", "add", "ann", PASSWORD).exit_code == 2
    assert hitl("people", "add", "ann", "--password", PASSWORD).exit_code == 2
    refused = hitl("people", "add", "ann", input=f"{PASSWORD}\n")  # nobody at a terminal
    assert "--stdin" in refused.exception.hint


def test_a_token_is_shown_once(hitl):
    made = json.loads(
        hitl(
            "token", "create", "svc", "--scope", "submit", "--scope", "read", "--lasts", "90d", "--json"
        ).stdout
    )
    assert hitl.accounts().token(made["token"]).owner == "svc"
    listed = hitl("token", "list", "--json").stdout
    [row] = [json.loads(line) for line in listed.splitlines()]
    assert (row["name"], row["scopes"]) == (made["name"], "read, submit") and row["expires_at"]
    assert made["token"].rpartition(".")[2] not in listed + hitl.path.read_text()
    assert hitl("token", "revoke", made["name"]).exit_code == 0
    assert hitl.accounts().token(made["token"]) is None


@pytest.mark.parametrize("lasts", ["soon", "-1d", "0s", ""])
def test_a_duration_that_is_none_is_refused(hitl, lasts):
    assert hitl("token", "create", "svc", "--scope", "read", f"--lasts={lasts}").exit_code != 0


def test_a_scope_that_is_none_is_refused(hitl):
    assert hitl("token", "create", "svc", "--scope", "everything").exit_code == 2
    assert hitl("token", "create", "svc").exit_code == 2
