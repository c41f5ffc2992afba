"""The accounts file: hashed, private, whole, and read again when it changes."""

import json
import os
import stat
import threading

import pytest
from argon2 import PasswordHasher

from app.console.accounts import Accounts, AccountsFileError
from app.console.scopes import Scope
from app.errors import UsageError

PASSWORD = "correct horse battery"


@pytest.fixture
def make(tmp_path):
    """``make()``: the accounts as another process has them."""

    def made():
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        return Accounts(tmp_path / "deep" / "accounts.json", lambda: now[0], os.urandom, hasher)

    now = [1000]
    made.now = now
    return made


def test_a_password_is_right_for_its_person_only(make):
    accounts = make()
    assert not accounts.right_password("ann", PASSWORD)
    accounts.set_password("ann", PASSWORD, new=True)
    accounts.set_password("bob", PASSWORD + "!", new=True)
    assert accounts.right_password("ann", PASSWORD)
    assert not accounts.right_password("ann", PASSWORD + "!")
    assert not accounts.right_password("eve", PASSWORD)


def test_secrets_are_not_in_the_file_and_the_file_is_private(make):
    accounts = make()
    accounts.set_password("ann", PASSWORD, new=True)
    _, secret = accounts.create_token("ann", frozenset({Scope.READ}))
    text = accounts.path.read_text()
    assert PASSWORD not in text and secret.rpartition(".")[2] not in text
    assert "$argon2id$" in text
    assert stat.S_IMODE(accounts.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(accounts.path.parent.stat().st_mode) == 0o700


def test_another_process_sees_a_change_at_once(make):
    one, other = make(), make()
    one.set_password("ann", PASSWORD, new=True)
    assert other.right_password("ann", PASSWORD)
    one.set_password("ann", PASSWORD + "2", new=False)
    assert not other.right_password("ann", PASSWORD)
    one.remove("ann")
    assert other.account("ann") is None


def test_removing_a_person_removes_their_tokens(make):
    accounts = make()
    accounts.set_password("ann", PASSWORD, new=True)
    _, hers = accounts.create_token("ann", frozenset({Scope.READ}))
    _, other = accounts.create_token("svc", frozenset({Scope.SUBMIT}))
    assert accounts.remove("ann") == 1
    assert accounts.token(hers) is None
    assert accounts.token(other).scopes == {Scope.SUBMIT}


def test_the_name_of_a_token_is_never_taken_for_an_option(make):
    accounts = make()
    names = [accounts.create_token("ann", frozenset({Scope.READ}))[0] for _ in range(50)]
    assert len(set(names)) == 50 and all(name.isalnum() for name in names)


def test_a_token_is_over_at_its_time(make):
    accounts = make()
    name, secret = accounts.create_token("ann", frozenset({Scope.READ}), lasts=10)
    assert accounts.token(secret).owner == "ann"
    assert accounts.token(secret + "x") is None
    assert accounts.token(secret.removeprefix("hitl_")) is None
    make.now[0] += 10
    assert accounts.token(secret) is None
    accounts.revoke_token(name)
    with pytest.raises(UsageError):
        accounts.revoke_token(name)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_file_that_others_can_touch_is_refused(make, mode):
    accounts = make()
    accounts.set_password("ann", PASSWORD, new=True)
    accounts.path.chmod(mode)
    with pytest.raises(AccountsFileError) as error:
        make().right_password("ann", PASSWORD)
    assert "chmod 600" in error.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 9}', '{"people": {"ann": 1}}'])
def test_a_broken_file_lets_nobody_in_and_is_not_overwritten(make, text):
    accounts = make()
    accounts.set_password("ann", PASSWORD, new=True)
    accounts.path.write_text(text)
    for call in (
        lambda: accounts.right_password("ann", PASSWORD),
        lambda: accounts.set_password("bob", PASSWORD, new=True),
    ):
        with pytest.raises(AccountsFileError):
            call()
    assert accounts.path.read_text() == text


def test_a_crash_while_writing_leaves_the_old_file(make, monkeypatch):
    accounts = make()
    accounts.set_password("ann", PASSWORD, new=True)

    def crash(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="disk full"):
        accounts.set_password("bob", PASSWORD, new=True)
    assert list(json.loads(accounts.path.read_text())["people"]) == ["ann"]
    assert not [file for file in accounts.path.parent.iterdir() if file.name.startswith(".")]


def test_changes_at_the_same_time_are_all_kept(make):
    threads = [
        threading.Thread(target=make().set_password, args=(f"p{i}", PASSWORD), kwargs={"new": True})
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(make().book().people) == 8


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 257])
def test_a_password_has_a_length(make, password):
    with pytest.raises(UsageError):
        make().set_password("ann", password, new=True)


@pytest.mark.parametrize("name", ["", " ann", "a\nb", "x" * 101])
def test_a_name_is_a_name(make, name):
    with pytest.raises(UsageError):
        make().set_password(name, PASSWORD, new=True)


def test_adding_and_changing_are_two_things(make):
    accounts = make()
    with pytest.raises(UsageError, match="no account"):
        accounts.set_password("ann", PASSWORD, new=False)
    accounts.set_password("ann", PASSWORD, new=True)
    with pytest.raises(UsageError, match="already"):
        accounts.set_password("ann", PASSWORD, new=True)
