"""`hitl doctor` names what is wrong with a console before people find out."""

import json
import secrets

import pytest

from app.commands import doctor_console
from app.composition.parts import now
from app.console.accounts import Accounts
from app.settings import load_settings
from tests.unit.policy.texts import MINIMAL

PEOPLE = "people: {ann: {title: Ann, pools: [reviewers]}, cleo: {title: Cleo, supervises: [reviewers]}}\n"


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """``ask(policy, accounts=[...], HITL_...=...)``: what is found, as (check, state, detail)."""

    def asking(policy=MINIMAL + PEOPLE, accounts=("ann",), what=doctor_console.console, **env):
        (tmp_path / "policy.yaml").write_text(policy, encoding="utf-8")
        (tmp_path / "secret").write_text("0123456789abcdef0123456789abcdef")
        usual = {
            "HITL_POLICY": str(tmp_path / "policy.yaml"),
            "HITL_ACCOUNTS_FILE": str(tmp_path / "accounts.json"),
            "HITL_SECRET_FILE": str(tmp_path / "secret"),
            "HITL_CONSOLE_URL": "https://reviews.example.org",
        }
        book = Accounts(tmp_path / "accounts.json", now, secrets.token_bytes)
        for name in accounts:
            book.set_password(name, "correct horse battery", new=True)
        settings = load_settings({name: value for name, value in (usual | env).items() if value})
        return [(one.check, one.state, one.detail) for one in what(settings)]

    return asking


def test_nothing_is_wrong_with_a_good_one(ask):
    assert ask() == [("console", "ok", "2 people can be let in")]


@pytest.mark.parametrize(
    ("wrong", "check", "state", "said"),
    [
        ({"policy": MINIMAL}, "console", "failed", "names nobody: every account could decide everything"),
        ({"accounts": ()}, "people", "failed", "nobody can sign in"),
        ({"accounts": ("ann", "zoe")}, "people", "warning", "without any authority: zoe"),
        ({"HITL_SECRET_FILE": ""}, "console", "failed", "HITL_SECRET_FILE is not set"),
        ({"HITL_CONSOLE_URL": ""}, "console", "warning", "serves this machine only"),
        ({"HITL_CONSOLE_URL": "http://reviews.example.org"}, "console", "failed", "needs https"),
        (
            {"policy": MINIMAL + "people: {ann: {title: Ann, supervises: [reviewers]}}\n"},
            "people", "warning", "nobody reviews in pool 'reviewers'",
        ),
        (
            {"policy": MINIMAL + "people: {ann: {title: Ann, pools: [reviewers]}}\n"},
            "people", "warning", "nobody supervises pool 'reviewers'",
        ),
        (
            {"policy": MINIMAL + PEOPLE + "console: {session_idle: 10h, session_longest: 5d}\n"},
            "sessions", "warning", "console.session_idle is 10h",
        ),
    ],
)  # fmt: skip
def test_each_mistake_is_named(ask, wrong, check, state, said):
    found = ask(**wrong)
    assert [one for one in found if one[:2] == (check, state) and said in one[2]], found


def test_a_console_that_nobody_means_to_run_fails_nothing(ask):
    found = ask(policy=MINIMAL, accounts=(), HITL_CONSOLE_URL="")
    assert {state for _, state, _ in found} == {"warning"}


def test_a_try_without_people_is_said_to_be_one(ask):
    """As under `hitl up`: there are accounts, nobody is named, and nobody said where people come from."""
    found = ask(policy=MINIMAL, HITL_CONSOLE_URL="", HITL_SECRET_FILE="")
    assert {state for _, state, _ in found} == {"warning"}
    assert "names nobody: every account could decide everything" in found[0][2]


def test_a_webhook_without_an_address_is_named(ask, tmp_path):
    policy = MINIMAL + PEOPLE + "webhooks: {team_chat: {}}\n"
    [nowhere] = ask(policy, what=doctor_console.webhooks)
    assert nowhere[1] == "failed"
    assert "nobody knows where" in nowhere[2]
    file = tmp_path / "webhooks.json"
    file.write_text(json.dumps({"other": {"url": "https://a.example", "secret": "0" * 16}}))
    file.chmod(0o600)
    env = {"HITL_POLICY": str(tmp_path / "policy.yaml"), "HITL_WEBHOOKS_FILE": str(file)}
    first = next(iter(doctor_console.webhooks(load_settings(env))))
    assert (first.state, first.detail) == ("failed", f"team_chat: {file} has no 'team_chat'")
