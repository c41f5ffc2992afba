"""`hitl demo` says in words what it can not work with, before anything is started."""

import sys

import pytest

from app.commands.demo import FEWEST, MOST, demo
from app.errors import HitlError, UsageError


@pytest.mark.parametrize("decisions", [FEWEST - 1, MOST + 1])
def test_a_number_of_decisions_that_the_data_does_not_have_is_refused(decisions):
    with pytest.raises(UsageError, match="not possible"):
        demo(decisions=decisions, seed=7, exit_=True, report=None)


def test_a_report_into_nowhere_is_refused_before_the_run(tmp_path):
    with pytest.raises(UsageError, match="is no folder"):
        demo(decisions=FEWEST, seed=7, exit_=True, report=tmp_path / "nowhere" / "report.json")


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("app.demo.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(HitlError, match="numpy is missing") as error:
        demo(decisions=FEWEST, seed=7, exit_=True, report=None)
    assert "hitl-stream[demo]" in error.value.hint
