"""Every error has its kind, every kind its explanation, and insides stay inside."""

import importlib
import pkgutil
from pathlib import Path

import pytest

import app
from app.console.problems import KINDS, UNEXPECTED, kind_of, problem
from app.errors import HitlError, ServiceUnreachableError
from app.review_queue.errors import REFUSALS
from app.stream.errors import TransientError

DOCS = Path(app.__file__).parent.parent / "docs" / "api.md"


def families():
    """Every error of ours, whatever part of the project it is in."""
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.endswith("__main__") and ".demo" not in module.name:
            importlib.import_module(module.name)
    found, new = set(), {HitlError}
    while new:
        found |= new
        new = {sub for cls in new for sub in cls.__subclasses__()} - found
    return sorted(found, key=lambda cls: cls.__name__)


INTERNAL = {
    "LearningRecordError",
    "LearningStateError",
    "NotDeliveredError",
    "RefusedRecordsError",
    "RequestGoneError",
    "StoreNotEmptyError",
    "UnreadablePackError",
}
"""Errors of workers and of the command line: no request leads to them. Were one to, it would be a bug."""


def test_errors_that_people_can_cause_are_never_called_a_bug():
    surprising = {
        cls.__name__ for cls in families() if kind_of(cls.__new__(cls)) is UNEXPECTED and _reachable(cls)
    }
    assert surprising <= INTERNAL


def _reachable(cls):
    return cls.__module__.startswith(("app.console", "app.desk", "app.review_queue", "app.domain"))


@pytest.mark.parametrize("outage", [ServiceUnreachableError, TransientError])
def test_an_outage_is_worth_another_try(outage):
    told, headers = problem(outage("kafka:9092 is away"), base="http://localhost", request_id="r")
    assert (told.status, headers["Retry-After"]) == (503, "2") and "kafka" not in told.detail


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=lambda cls: cls.__name__)
def test_each_refusal_of_the_queue_is_the_callers(refusal):
    error = refusal("finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e")
    told, _ = problem(error, base="http://localhost", request_id="r")
    assert told.status in (403, 404, 409)
    assert told.code == refusal.refusal.value and told.detail and told.hint


def test_every_kind_is_explained_in_the_documentation():
    text = DOCS.read_text(encoding="utf-8")
    for kind in KINDS:
        assert f"`{kind.name}`" in text, kind.name
        assert kind.title and kind.meaning


def test_kinds_are_told_apart():
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    "error", [RuntimeError("10.0.0.9"), ServiceUnreachableError("10.0.0.9", hint="10.0.0.9")]
)
def test_what_speaks_of_our_insides_is_not_told(error):
    told, headers = problem(error, base="http://localhost", request_id="r")
    assert "10.0.0.9" not in told.detail + told.hint
    assert told.status in (500, 503)
    assert ("Retry-After" in headers) is (told.status == 503)
