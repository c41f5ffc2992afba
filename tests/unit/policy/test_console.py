"""The ``console`` section: safe without it, bounded with it."""

import pytest

from app.policy.compiled import compile_policy
from app.policy.console import DAY, HOUR, MINUTE, Allowance
from app.policy.load import policy_from_text
from app.policy.problems import PolicyError

from .texts import MINIMAL


def compiled(text=""):
    return compile_policy(policy_from_text(MINIMAL + text)).console


def test_what_is_not_written_is_safe():
    terms = compiled()
    assert (terms.session_idle, terms.session_longest, terms.answers_kept) == (30 * MINUTE, 12 * HOUR, DAY)
    assert terms.guesses == Allowance(10, 30_000)
    assert terms.sign_ins_by_address == Allowance(30, 2_000)
    assert terms.changes == Allowance(120, 250)


def test_what_is_written_counts():
    text = (
        "console: {session_idle: 5m, session_longest: 8h, guesses: {burst: 3, per_minute: 0.5}, streams: 2}\n"
    )
    terms = compiled(text)
    assert (terms.session_idle, terms.session_longest, terms.streams) == (5 * MINUTE, 8 * HOUR, 2)
    assert terms.guesses == Allowance(3, 120_000)
    assert compiled("console: {guesses: {burst: 5}}\n").guesses == Allowance(5, 30_000)


@pytest.mark.parametrize(
    ("section", "field", "said"),
    [
        ("session_idle: 30d", "console.session_idle", "30d is out of bounds; use 1m to 12h"),
        ("session_idle: 5", "console.session_idle", "not a duration"),
        ("session_longest: 1m", "console.session_longest", "use 5m to 7d"),
        ("session_idle: 6h, session_longest: 1h", "console.session_idle", "longer than session_longest"),
        ("guesses: {burst: 1000000}", "console.guesses.burst", "less than or equal to 100"),
        ("guesses: {per_minute: 0}", "console.guesses.per_minute", "greater than 0"),
        ("changes: {burst: 5}", "console.changes.per_minute", "is missing"),
        ("streams: 0", "console.streams", "greater than or equal to 1"),
        ("sesion_idle: 5m", "console.sesion_idle", "did you mean session_idle?"),
    ],
)
def test_what_would_not_be_safe_is_refused_with_its_place(section, field, said):
    with pytest.raises(PolicyError) as refused:
        policy_from_text(f"{MINIMAL}console: {{{section}}}\n")
    [problem] = refused.value.problems
    assert problem.field == field
    assert said in problem.message
