"""Whoever says nothing is safe: the defaults of docs/security.md."""

import inspect
import json
import secrets

import pytest
from typer.testing import CliRunner

from app.agents.books import PolicyBook, UnusablePolicyError
from app.cli import app
from app.commands import worker
from app.commands.console import check, console
from app.composition.console import open_console
from app.composition.parts import now, open_codec
from app.console.accounts import Accounts
from app.errors import UsageError
from app.policy.compiled import compile_policy
from app.policy.load import policy_from_text
from app.settings import load_settings
from tests.unit.policy.texts import MINIMAL

DAY = 86_400_000
PEOPLE = "people: {ann: {title: Ann, pools: [reviewers]}}\n"


def policy(text=MINIMAL + PEOPLE):
    return compile_policy(policy_from_text(text))


def test_the_console_listens_on_this_machine_only():
    assert inspect.signature(console).parameters["host"].default == "127.0.0.1"


@pytest.mark.parametrize("url", ["http://reviews.example.org", "http://0.0.0.0:8080", "http://10.0.0.7"])
def test_elsewhere_the_console_needs_https(url):
    with pytest.raises(UsageError, match="https"):
        check(load_settings({}), url, tell=lambda _text: None)


def test_a_policy_that_names_nobody_lets_nobody_in():
    assert inspect.signature(open_console).parameters["open_house"].default is False
    with pytest.raises(UnusablePolicyError, match="names nobody"):
        PolicyBook(open_codec(load_settings({})), policy(MINIMAL), names_people=True).require_activated()


def test_with_https_the_development_key_is_refused():
    with pytest.raises(UsageError, match="HITL_SECRET_FILE"):
        check(load_settings({}), "https://a.example", tell=lambda _text: None)


def test_with_a_broker_that_others_share_the_development_key_is_refused(monkeypatch):
    monkeypatch.setenv("HITL_KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")
    with pytest.raises(UsageError, match="HITL_SECRET_FILE"):
        check(load_settings(), "http://127.0.0.1", tell=lambda _text: None)
    with pytest.raises(UsageError, match="HITL_SECRET_FILE"):
        worker._work(["drift"], None)


def test_nothing_is_served_to_prometheus_and_nobody_is_called_unless_said():
    settings = load_settings({})
    assert settings.metrics_port is None
    assert settings.webhooks_file is None
    assert settings.oidc_issuer is None
    assert settings.oidc_claim == "sub"


def test_a_token_is_over_after_ninety_days_unless_said_otherwise(tmp_path):
    file = tmp_path / "accounts.json"
    for asked, days in (((), 90), (("--lasts", "12h"), 0.5), (("--lasts", "forever"), None)):
        words = ["token", "create", "svc", "--scope", "read", "--json", *asked]
        done = CliRunner().invoke(app, words, env={"HITL_ACCOUNTS_FILE": str(file)})
        name = json.loads(done.stdout)["name"]
        made = Accounts(file, now, secrets.token_bytes).book().tokens[name]
        lasts = None if made.expires_at is None else made.expires_at - made.created_at
        assert lasts == (None if days is None else days * DAY)


def test_sessions_end_by_themselves():
    terms = policy().console
    assert (terms.session_idle, terms.session_longest) == (DAY / 48, DAY / 2)


def test_nothing_is_automated_before_the_evidence_is_in_and_a_timeout_approves_nothing():
    shown = CliRunner().invoke(app, ["policy", "show", "deploy/policy.yaml"]).stdout
    assert "automation: certificate\n" in shown
    assert "safe_default: null\n" in shown
