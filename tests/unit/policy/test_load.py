"""The loader: every problem at once, each with its exact place, and nothing but PolicyError."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from app.policy.compiled import compile_policy
from app.policy.load import load_policy, policy_from_text
from app.policy.problems import PolicyError
from app.policy.source import MAX_BYTES
from tests.unit.policy.texts import MINIMAL, with_lines

POLICIES = Path(__file__).parents[3] / "policies"
STARTING = Path(__file__).parents[3] / "app" / "policy" / "starting.yaml"


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        policy_from_text(text, file="policies/x.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("path", [*sorted(POLICIES.glob("*.yaml")), STARTING], ids=lambda path: path.name)
def test_every_policy_we_ship_is_fine_and_points_editors_to_the_schema(path):
    policy = load_policy(path)
    assert policy.content.decision_types
    assert policy.source.startswith("# yaml-language-server: $schema=policy.schema.json\n")


def test_ten_lines_are_enough_and_defaults_are_the_documented_ones():
    content = policy_from_text(MINIMAL).content
    decision_type = content.decision_types["expense.approval"]
    assert (decision_type.bands.high, decision_type.bands.low) == (0.90, 0.70)
    hours = {name: sla.duration // 3_600_000 for name, sla in content.sla_classes.items()}
    assert hours == {"urgent": 4, "standard": 24, "complex": 72, "policy_exception": 168}
    assert decision_type.on_deadline == "escalate"
    assert content.memory.history_length == 5


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "preset: flowcart",
            ":11:5 decision_types.expense.approval.preset: 'flowcart' is not a preset; "
            "did you mean flowchart?; allowed: flowchart, matrix",
        ),
        (
            "audit_rate: 1.2",
            ":11:5 decision_types.expense.approval.audit_rate: must be less than or equal to 1, not 1.2",
        ),
        (
            "audit_rate: .nan",
            ":11:5 decision_types.expense.approval.audit_rate: must be a finite number, not nan",
        ),
        (
            "audit_rate: often",
            ":11:5 decision_types.expense.approval.audit_rate: must be a number, not 'often'",
        ),
        ("rules: {a: 1}", ":11:5 decision_types.expense.approval.rules: must be a list, not {'a': 1}"),
        ("bands: 0.9", ":11:5 decision_types.expense.approval.bands: must be a mapping, not 0.9"),
        ("bands: {high: 0.6}", ":11:5 decision_types.expense.approval.bands: low (0.7) is above high (0.6)"),
        (
            "threshold_floor: 0.95",
            ":11:5 decision_types.expense.approval.threshold_floor: 0.95 is above bands.high (0.9): "
            "nothing could ever be automated",
        ),
        (
            "levels: {min: 4, max: 3, by_class: {}}",
            ":11:5 decision_types.expense.approval.levels: min (4) is above max (3)",
        ),
        (
            "levels: {max: 4}",
            ":11:5 decision_types.expense.approval.levels.by_class.critical: level 5 for critical "
            "consequence is above max (4); raise levels.max, or set levels.by_class",
        ),
        (
            "levels: {by_class: {low: 4, high: 3}}",
            ":11:14 decision_types.expense.approval.levels.by_class: a higher consequence class must not get "
            "less human involvement",
        ),
        (
            "expert_pool: reviewer",
            ":11:5 decision_types.expense.approval.expert_pool: pool 'reviewer' does not exist; "
            "did you mean reviewers?; allowed: reviewers",
        ),
        (
            "sla_class: fast",
            ":11:5 decision_types.expense.approval.sla_class: SLA class 'fast' does not exist; "
            "allowed: urgent, standard, complex, policy_exception",
        ),
        (
            "sla_by_class: {high: slow}",
            ":11:20 decision_types.expense.approval.sla_by_class.high: SLA class 'slow' does not exist; "
            "allowed: urgent, standard, complex, policy_exception",
        ),
        (
            "actions: [approve, approve]",
            ":11:24 decision_types.expense.approval.actions[1]: 'approve' is there twice",
        ),
        (
            "reason_codes: [{code: a, text: x}, {code: a, text: y}]",
            ":11:41 decision_types.expense.approval.reason_codes[1].code: 'a' is there twice",
        ),
        (
            "safe_default: rejct",
            ":11:5 decision_types.expense.approval.safe_default: 'rejct' is not one of the actions; "
            "did you mean reject?; allowed: approve, reject, modify, request_info",
        ),
        (
            "rules: [{name: nothing, text: x, when: true}]",
            ":11:13 decision_types.expense.approval.rules[0]: changes nothing; give it a min_level, pool, "
            "sla_class or approvals",
        ),
        (
            "rules: [{name: big, text: x, when: facts.amount >, min_level: 3}]",
            ":11:34 decision_types.expense.approval.rules[0].when: in the expression, column 15: "
            "Syntax error: the expression ends too early",
        ),
        (
            "rules: [{name: big, text: x, when: amount > 3.0, min_level: 3}]",
            ":11:34 decision_types.expense.approval.rules[0].when: in the expression, column 1: "
            "undeclared reference to 'amount'",
        ),
        (
            "rules: [{name: big, text: x, when: 1 + 1, min_level: 3}]",
            ":11:34 decision_types.expense.approval.rules[0].when: in the expression, column 1: "
            "gives DOUBLE, where true or false is needed",
        ),
        (
            "adjustments: [{name: a, text: x, shift: -1, half_life: 7d}]",
            ":11:49 decision_types.expense.approval.adjustments[0].half_life: needs starts_at: "
            "from when does the shift decay?",
        ),
        (
            "adjustments: [{name: a, text: x, shift: -1, starts_at: 2026-03-01T00:00:00}]",
            ":11:49 decision_types.expense.approval.adjustments[0].starts_at: 2026-03-01T00:00:00 has no "
            "time zone; write it like 2026-03-01T00:00:00Z",
        ),
        (
            "signals: {similarity: {weigth: 1}}",
            ":11:28 decision_types.expense.approval.signals.similarity.weigth: unknown field 'weigth'; "
            "did you mean weight?; allowed: action, below, prior, weight",
        ),
        (
            "fact_types: {amuont: number, amount: number}",
            None,
        ),
    ],
)
def test_a_problem_names_file_line_column_field_and_what_would_be_right(line, expected):
    if expected is None:
        policy_from_text(with_lines(line))
    else:
        assert problems(with_lines(line)) == [f"policies/x.yaml{expected}"]


def test_a_fact_that_is_not_declared_is_found_in_expressions():
    text = with_lines("fact_types: {amuont: number}").replace(
        "required_facts: [amount]", "required_facts: []"
    )
    (problem,) = problems(text)
    assert problem == (
        "policies/x.yaml:10:19 decision_types.expense.approval.consequence.financial.score: in the "
        "expression, column 7: facts.amount does not exist; did you mean amuont?; allowed: amuont"
    )


def test_all_problems_are_reported_at_once_fields_names_and_expressions_together():
    text = with_lines(
        "preset: matrx",
        "expert_pool: experts",
        "rules:",
        '  - {name: one, text: x, when: "facts.amount >", min_level: 3}',
        "  - {name: two, text: x, when: true, min_level: 7}",
        "colour: red",
    )
    assert [problem.split(" ")[0] for problem in problems(text)] == [
        "policies/x.yaml:11:5",
        "policies/x.yaml:12:5",
        "policies/x.yaml:14:30",
        "policies/x.yaml:15:42",
        "policies/x.yaml:16:5",
    ]


def test_what_only_follows_from_another_problem_is_not_reported():
    """The pool is there, but its definition is wrong: "does not exist" would mislead."""
    text = MINIMAL.replace("{title: Reviewers}", "{titel: Reviewers}")
    assert [problem.split(": ", 1)[1].split(";")[0] for problem in problems(text)] == [
        "is missing",
        "unknown field 'titel'",
    ]


@pytest.mark.parametrize(
    ("safe", "expected"),
    [
        (("risk: low", "on_deadline: safe_default", "safe_default: reject"), None),
        (("risk: low", "on_deadline: safe_default"), "on_deadline"),
        (("risk: low", "on_deadline: safe_default", "safe_default: approve"), "safe_default"),
        (("risk: low", "on_deadline: safe_default", "safe_default: request_info"), "safe_default"),
        (("risk: medium", "on_deadline: safe_default", "safe_default: reject"), "on_deadline"),
    ],
)
def test_a_deadline_never_approves_and_acts_by_itself_only_at_low_risk(safe, expected):
    text = with_lines(*safe)
    if expected is None:
        policy_from_text(text)
    else:
        (problem,) = problems(text)
        assert f" decision_types.expense.approval.{expected}: " in problem


def test_an_answer_may_be_taken_back_for_a_moment_only():
    policy_from_text(with_lines("undo_window: 5m"))
    (problem,) = problems(with_lines("undo_window: 5m1s"))
    assert " decision_types.expense.approval.undo_window: " in problem
    assert "5m1s is too long, whoever acts on the answer waits for it; 5m is the most" in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "policies/x.yaml:1:1 the file is empty; start with `name:` and `decision_types:`"),
        ("- a", "policies/x.yaml:1:1 the file is not a mapping; start with `name:` and `decision_types:`"),
        ("a: 1\nb: 2\na: 3\n", "policies/x.yaml:3:1 this key is there twice in the same mapping"),
        ("a: 1\n  b: 2\n", "policies/x.yaml:2:4 not valid YAML: mapping values are not allowed here"),
        ("1: 2\n", "policies/x.yaml:1:1 1: the key 1 is not text; put it in quotes"),
        (
            "a: !!python/object:os.system x\n",
            "policies/x.yaml:1:1 a: tags and other special YAML are not supported; write plain values",
        ),
        ("[" * 5000, "policies/x.yaml:1:1 not valid YAML: nested too deeply"),
        ("a: " + "x" * MAX_BYTES, "policies/x.yaml:1:1 the file is larger than 512 KiB"),
    ],
)
def test_what_is_no_policy_at_all(text, expected):
    assert problems(text) == [expected]


def test_an_alias_bomb_is_refused_quickly():
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert problems("\n".join(rows)) == [
        "policies/x.yaml:1:1 the file has more than 50000 values (aliases count each time)"
    ]


def test_aliases_within_reason_are_fine():
    text = (
        MINIMAL.replace("{score: facts.amount / 10000}", "&f {score: facts.amount / 10000}")
        + "      customer: *f\n"
    )
    assert policy_from_text(text).content.decision_types["expense.approval"].consequence.customer is not None


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(PolicyError, match=r"none\.yaml: can not be read: No such file") as missing:
        load_policy(tmp_path / "none.yaml")
    assert f"hitl policy init {tmp_path / 'none.yaml'}" in missing.value.hint
    (tmp_path / "binary.yaml").write_bytes(b"name: a\nb: \xff\n")
    with pytest.raises(PolicyError, match=r"binary\.yaml:2:1 the file is not UTF-8 text"):
        load_policy(tmp_path / "binary.yaml")


def test_the_version_names_the_content_not_the_layout():
    version = policy_from_text(MINIMAL).version
    assert len(version) == 12
    assert int(version, 16) >= 0
    loaded = YAML(typ="safe", pure=True).load(MINIMAL)
    reversed_json = json.dumps(dict(reversed(loaded.items())))
    assert policy_from_text(reversed_json).version == version
    assert policy_from_text("# a comment\n" + MINIMAL).version == version
    assert policy_from_text(with_lines("audit_rate: 0.2")).version != version
    assert (
        policy_from_text(with_lines("audit_rate: 1")).version
        == policy_from_text(with_lines("audit_rate: 1.0")).version
    )


def test_the_source_travels_and_loads_again():
    policy = load_policy(POLICIES / "example.yaml")
    again = policy_from_text(policy.source, file="policy.activated")
    assert (again.version, again.content) == (policy.version, policy.content)


# --- any text, any change ------------------------------------------------------------------------


def loads_or_says_why(text: str) -> None:
    try:
        policy_from_text(text)
    except PolicyError as error:
        assert error.problems
        assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_loaded_or_refused(text):
    loads_or_says_why(text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="abc:-[]{}&*!|>?'\"%@`#,.0123456789 \n\t<~", max_size=80))
def test_any_yaml_like_text_is_loaded_or_refused(text):
    loads_or_says_why(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
    max_leaves=5,
)


@st.composite
def changed_example(draw):
    """The example with one to three values, anywhere, replaced by anything."""
    document = YAML(typ="safe", pure=True).load((POLICIES / "example.yaml").read_text(encoding="utf-8"))
    for _ in range(draw(st.integers(1, 3))):
        holder = document
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(holder[key], dict | list) and draw(st.integers(0, 4)):
                holder = holder[key]
                continue
            holder[key] = draw(values)
            break
    return json.dumps(document, default=str)


@settings(max_examples=60, deadline=None)
@given(changed_example())
def test_any_change_of_a_good_policy_is_loaded_or_refused(text):
    loads_or_says_why(text)


def test_a_field_that_is_gone_says_what_to_do_instead():
    with pytest.raises(PolicyError) as refused:
        policy_from_text(
            MINIMAL.replace("    pool: reviewers\n", "    pool: reviewers\n    supervisor_pool: reviewers\n")
        )
    [problem] = refused.value.problems
    assert problem.field == "decision_types.expense.approval.supervisor_pool"
    assert "delete this line" in problem.message


# --- governance, and what types learn from one another --------------------------------------------

TWO_ADMINS = """\
people:
  ann: {title: Ann, roles: [admin]}
  ben: {title: Ben, roles: [admin]}
"""


@pytest.mark.parametrize(
    ("people", "said"),
    [("", "nobody is"), ("people:\n  ann: {title: Ann, roles: [admin]}\n", "only ann is")],
)
def test_two_people_must_be_there_before_two_are_asked_for(people, said):
    with pytest.raises(PolicyError) as refused:
        policy_from_text(f"{MINIMAL}governance: {{activation: two_people}}\n{people}")
    [problem] = refused.value.problems
    assert problem.field == "governance.activation"
    assert said in problem.message
    policy = policy_from_text(f"{MINIMAL}governance: {{activation: two_people}}\n{TWO_ADMINS}")
    assert compile_policy(policy).two_people_activate


def test_a_type_learns_from_types_that_there_are():
    [name] = policy_from_text(MINIMAL).content.decision_types
    for other, said in (("nothing.such", "nothing.such"), (name, "learns from itself")):
        with pytest.raises(PolicyError) as refused:
            policy_from_text(with_lines(f"learnings_from: [{other}]"))
        assert said in refused.value.problems[0].message
