"""How verbs print to people and to programs."""

from __future__ import annotations

import json

import pytest

from app.commands.output import print_fields, print_rows


@pytest.fixture
def noisy() -> dict[str, object]:
    return {"delta_spent": 0.04750000000000001, "amount": 12_345_678.25, "labels": 3}


def test_people_read_rounded_numbers_and_programs_exact_ones(
    noisy: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert str(noisy["delta_spent"]) != "0.0475"
    print_fields(noisy, as_json=False)
    assert capsys.readouterr().out.splitlines() == ["delta spent: 0.0475", "amount: 12345678.25", "labels: 3"]
    print_fields(noisy, as_json=True)
    assert json.loads(capsys.readouterr().out) == noisy


def test_a_table_is_rounded_as_well(noisy: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([noisy], ["delta_spent", "amount"], as_json=False, empty="nothing")
    assert capsys.readouterr().out.splitlines()[1].split() == ["0.0475", "12345678.25"]
