"""A package as a page shows it: whole, in words, and with nothing that could act."""

import msgspec
import pytest

from app.composition.parts import load_compiled_policy
from app.console.pages.reading import read, safe_links
from app.domain import context_package
from app.domain.events import Arm, ReviewKind
from app.settings import load_settings
from tests.integration.review_queue.conftest import routed

TERMS = load_compiled_policy(load_settings({})).terms["expense.approval"]


def package(kind=ReviewKind.DECIDE, arm=Arm.SHOWN):
    event = routed()
    event = msgspec.structs.replace(event, route=msgspec.structs.replace(event.route, arm=arm))
    built = context_package.build(event, TERMS, [], [], kind=kind)
    revealed = context_package.reveal(event, TERMS, kind=kind)
    return msgspec.json.decode(built.text), msgspec.json.decode(revealed.text)


def test_every_part_of_the_package_is_read():
    page = read(package()[0])
    assert page.question == "Approve this expense report?"
    assert page.recommendation["action"] == "approve"
    assert page.confidence["probability"] == 0.8
    assert page.alternatives[0]["why_lower"].startswith("probability 0.05")
    assert [(fact.label, fact.value) for fact in page.facts] == [("Amount", "1240.5")]
    assert page.section == "Expense policy section 4.2"
    assert page.actions == ["approve", "reject", "modify", "request_info"]


def test_a_blind_package_has_no_ai_content_until_it_is_revealed():
    blind, revealed = package(arm=Arm.BLIND)
    page = read(blind)
    assert page.recommendation is None and page.confidence is None and not page.alternatives
    assert page.withheld and not page.people_alone
    after = read(blind, revealed)
    assert after.recommendation["action"] == "approve" and not after.withheld


def test_people_alone_are_not_asked_for_a_first_answer():
    page = read(package(ReviewKind.HUMAN_ONLY)[0])
    assert page.people_alone and page.recommendation is None


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/reviews",
        "https:///nohost",
        "http://bank.example@evil.example/",
        "http://[broken",
        "",
    ],
)
def test_only_plain_web_addresses_become_links(link):
    assert safe_links([link, "https://example.org/a?b=c"]) == ["https://example.org/a?b=c"]


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"key_facts": [1, 2]},
        {"key_facts": {"unreadable": "x"}, "alternatives": [None, 3]},
        {"decision_required": None, "confidence": "high", "historical_context": []},
    ],
)
def test_a_package_of_another_shape_is_still_shown(broken):
    assert read(broken).question == "A decision is needed"


def test_scores_are_rounded_and_named_as_people_say_them():
    page = read(
        {
            "decision_required": {
                "factors": {
                    "undo": {"score": 0.3},
                    "financial": {"score": 0.254321},
                    "customer": {"score": 0.5},
                }
            },
            "confidence": {"signals": {"model probability": 0.863612345, "similarity": None}},
        }
    )
    assert page.factors == [
        ("Impact on the customer", "0.50"),
        ("Financial impact", "0.25"),
        ("Of that, an undo takes away", "0.30"),
    ]
    assert page.signals == [("model probability", "0.86"), ("similarity", "not given")]
