"""Answers become lessons, and a shadow earns its place without acting."""

import pytest
from msgspec.structs import replace

from app.composition.parts import load_compiled_policy
from app.demo import succession
from app.demo.chapter import Chapter, Version
from app.demo.chapter_page import _lines, _verdict
from app.demo.embedded import demo_settings
from app.demo.lending import DECISION_TYPE, load_applications, shuffled
from app.demo.model import FACTS, LendingModel, Lesson
from app.demo.retraining import _described, lessons
from app.demo.succession import STRIDE, Contest
from app.settings import load_settings

SEED = 7
FEW = ("housing_to_income", "loan_to_value", "condominium")


def row(decision, label="approve", split="train", weight="2.5", **facts):
    columns = {f"fact_{name}": "0.5" for name in FACTS} | {f"fact_{n}": v for n, v in facts.items()}
    known = {"decision_id": decision, "label": label, "split": split, "weight": weight, "ai_right": "true"}
    return known | columns


def test_a_decision_teaches_once_and_the_last_answer_stands():
    (lesson,) = lessons([row("a", "approve"), row("a", "reject")], "train")
    assert (lesson.action, lesson.weight) == ("reject", 2.5)


def test_what_was_set_aside_for_testing_teaches_nobody():
    rows = [row("a"), row("b", split="test")]
    assert len(lessons(rows, "train")) == len(lessons(rows, "test")) == 1
    made = _described(rows)
    assert (made.decisions, made.train, made.test) == (2, 1, 1)


def test_what_is_not_whole_or_no_answer_teaches_nobody():
    assert lessons([row("a", loan_to_value=""), row("b", "modify")], "train") == []


def test_facts_come_back_as_they_were():
    (lesson,) = lessons([row("a", self_employed="true", condominium="false")], "train")
    assert (lesson.facts["self_employed"], lesson.facts["condominium"]) == (True, False)
    assert lesson.facts["loan_to_value"] == 0.5


@pytest.fixture(scope="module")
def contest():
    applications = shuffled(load_applications(), SEED)
    terms = load_compiled_policy(demo_settings(load_settings({}), SEED)).terms[DECISION_TYPE]
    first = LendingModel(Lesson.of(applications[:300]), SEED, FEW)
    second = LendingModel(Lesson.of(applications[300:900]), SEED)
    return lambda: Contest(replace(terms, guaranteed=True), applications[1300:], first, second, SEED)


def test_in_shadow_nothing_of_the_second_version_acts(contest):
    made = contest()
    done = [each for stride in made._strides(0, 4 * STRIDE, made._in_shadow) for each in stride]
    assert {each.line.learning_key.rpartition(":")[2] for each in done} == {"1"}
    assert all(len(each.routed.route.shadows) == 1 for each in done)
    key = f"{DECISION_TYPE}|{succession.MODEL}:2"
    update = made._simulation.thresholds[key]
    assert update.labels > 0, "its own key collects evidence"


def test_the_second_version_in_charge_goes_on_with_what_its_shadow_earned(contest, monkeypatch):
    monkeypatch.setattr(succession, "SHADOWED", 5 * STRIDE)
    monkeypatch.setattr(succession, "IN_CHARGE", STRIDE)
    monkeypatch.setattr(succession, "COMPARED", STRIDE)
    found, again = contest().run(), contest().run()
    assert found == again, "the same seed gives the same"
    assert found.evidence_second.automates
    assert found.after.automated.hits > 0, "from its first decision in charge"
    assert [step.in_shadow is None for step in found.steps] == [False] * 5 + [True]
    model = found.before
    assert model.decisions == found.after.decisions == STRIDE


def chapter(contest, monkeypatch):
    for name in ("SHADOWED", "IN_CHARGE", "COMPARED"):
        monkeypatch.setattr(succession, name, STRIDE)
    found = contest().run()
    version = Version(name="1", facts=3, trained_on=300, log_loss=0.3)
    fields = {name: getattr(found, name) for name in found.__struct_fields__}
    return Chapter(
        seed=SEED, alpha=0.08, delta=0.1, answered=10, training_set=_described([row("a")]), first=version,
        second=version, held_out=3, simulated=["Programs."], elapsed_s=1.0, **fields,
    )  # fmt: skip


def test_the_page_says_what_was_not_reached(contest, monkeypatch):
    page = chapter(contest, monkeypatch)
    assert "did not earn it" in _verdict(page)
    assert any("never" in line for line in _lines(page))
    better = replace(page.after, automated=replace(page.after.automated, share=0.9))
    wrong = replace(better, error=replace(better.error, share=0.09))
    assert "under the same limit" in _verdict(replace(page, after=better))
    assert "ABOVE THE LIMIT" in _verdict(replace(page, after=wrong))
