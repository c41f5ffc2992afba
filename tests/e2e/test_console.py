"""People at real browsers, against a real store: work is done, nothing that was typed is lost."""

import re

import pytest
from playwright.sync_api import expect

from app.domain.review import ReviewState
from tests.e2e.steps import REASON, answers, fill, outcomes, review_of, take

MINUTE = 60_000
LATE_CASE = "Lena Fischer"


def test_a_first_case_from_sign_in_to_done(person, office):
    page = person("ann").page
    expect(page.get_by_role("heading", name="6 cases wait for somebody like you")).to_be_visible()
    page.get_by_role("button", name="Take the next case").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Approve this expense report?")
    expect(page.get_by_text("You hold this case")).to_be_visible()
    fill(page)
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    (answer,) = answers(office).values()
    assert (answer.reviewer, answer.action, answer.reasoning) == ("ann", "approve", REASON)
    assert page.evaluate("Object.keys(localStorage).filter(k => k.startsWith('hitl-draft')).length") == 0
    page.get_by_role("button", name="Take the next case").click()
    expect(page.get_by_text("You hold this case")).to_be_visible()


def test_by_keyboard_only(person, office):
    page = person("ann").page
    page.keyboard.press("n")
    expect(page.get_by_text("You hold this case")).to_be_visible()
    page.wait_for_load_state("load")
    page.keyboard.press("2")
    expect(page.get_by_role("radio", name="Reject")).to_be_checked()
    page.keyboard.press("w")
    page.keyboard.type(REASON + " 123?")  # digits and ? are text here, no shortcuts
    page.keyboard.press("Tab")
    page.keyboard.type("The AI misread")
    page.keyboard.press("Control+Enter")
    # High consequence and not what the AI recommends: asked once more.
    expect(page.get_by_role("heading", name="Please look once more")).to_be_visible()
    page.wait_for_load_state("load")
    page.locator("#confirmed").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    (answer,) = answers(office).values()
    assert (answer.action, answer.reason_code) == ("reject", "receipt_misread")
    assert answer.reasoning == REASON + " 123?"
    page.wait_for_load_state("load")
    page.keyboard.press("n")
    expect(page.get_by_text("You hold this case")).to_be_visible()


def test_shortcuts_can_be_switched_off(person, office):
    page = person("ann").page
    page.keyboard.press("?")
    page.get_by_label("Single-key shortcuts are on").uncheck()
    page.goto(office.url + "/", wait_until="load")
    page.keyboard.press("n")
    page.keyboard.press("h")
    expect(page.get_by_role("heading", name="My work")).to_be_visible()
    assert not office.queue.list("finance", ReviewState.CLAIMED)


def test_blind_first_then_reveal_then_keep_or_revise(person, office):
    page = take(person("ann"), office, "exp-4004")
    assert "matches policy 4.2" not in page.content() and "0.80" not in page.content()
    page.get_by_role("radio", name="Reject").check()
    page.get_by_role("button", name="Keep this answer and show the recommendation").click()
    expect(page.get_by_text("matches policy 4.2")).to_be_visible()
    expect(page.get_by_text("Your first answer was Reject")).to_be_visible()
    expect(page.get_by_role("radio", name="Reject")).to_be_checked()
    fill(page, "Approve")
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    answer = answers(office)["exp-4004"]
    assert (answer.first_action, answer.action) == ("reject", "approve")


def test_what_is_missing_is_said_and_the_text_stays(person, office):
    page = take(person("ann"), office, "exp-4002")
    page.get_by_label("Why?").fill(REASON)
    page.get_by_role("button", name="Submit my answer").click()
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("Choose what should happen")
    expect(summary).to_contain_text("Choose the reason that fits best")
    expect(summary).to_be_focused()
    expect(page.get_by_label("Why?")).to_have_value(REASON)
    summary.get_by_role("link", name="Choose what should happen").click()
    expect(page.locator("#action-1")).to_be_focused()


def test_changes_are_typed_and_only_what_changed_is_sent(person, office):
    page = take(person("ann"), office, "exp-4003")
    expect(page.get_by_label("Amount")).to_be_hidden()
    fill(page, "Approve with changes")
    page.get_by_label("Amount").fill("eighty")
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("alert")).to_contain_text("write a number")
    page.get_by_label("Amount").fill("80.5")
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    assert answers(office)["exp-4003"].changes == '{"amount":80.5}'


def test_an_answer_taken_back_fills_the_form_again_and_only_the_second_goes_out(person, office):
    page = take(person("ann"), office, "exp-4003")
    fill(page, "Approve with changes")
    page.get_by_label("Amount").fill("80.5")
    page.get_by_role("button", name="Submit my answer").click()
    undo = page.get_by_role("button", name="Undo: take my answer back")
    expect(undo).to_have_accessible_description(re.compile(r"you may take it back for another \d+ seconds"))
    undo.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").get_by_text("You took your answer back")).to_be_visible()
    for _ in range(2):
        expect(page.get_by_role("radio", name="Approve with changes")).to_be_checked()
        expect(page.get_by_label("Why?")).to_have_value(REASON)
        expect(page.get_by_label("Reason that fits best")).to_have_value("agrees")
        expect(page.get_by_label("Amount")).to_have_value("80.5")
        page.reload()
    fill(page, "Reject", "On second thoughts: no receipt.")
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    assert outcomes(office) == []
    office.clock.advance(10_000)
    undo.click()
    expect(page.get_by_role("heading", name="Your answer stands")).to_be_visible()
    office.queue.settle("finance")
    assert outcomes(office) == [("ann", "reject", "On second thoughts: no receipt.")]
    page.reload()
    expect(undo).to_have_count(0)


def test_a_lost_lease_is_told_and_the_text_is_kept(person, office):
    ann, bob = person("ann"), person("cleo")
    page = take(ann, office, "exp-4002")
    fill(page)
    office.clock.advance(2 * MINUTE)
    office.queue.expire("finance")
    take(bob, office, "exp-4002")
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="You no longer hold this case")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("cleo has it now")
    expect(page.get_by_label("Why?")).to_have_value(REASON)
    page.reload()
    expect(page.get_by_role("heading", name="cleo holds this case")).to_be_visible()
    fill(bob.page, reasoning="cleo's own words")
    bob.page.get_by_role("button", name="Give it back unanswered").click()
    expect(bob.page.get_by_text("You gave the case back")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Take this case").click()
    expect(page.get_by_label("Why?")).to_have_value(REASON)
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    assert answers(office)["exp-4002"].reviewer == "ann"


def test_the_heartbeat_tells_a_lost_lease_while_one_types(person, office):
    page = take(person("ann"), office, "exp-4002")
    page.get_by_label("Why?").fill(REASON)
    office.clock.advance(2 * MINUTE)
    office.queue.expire("finance")
    expect(page.get_by_role("heading", name="You no longer hold this case")).to_be_visible()
    expect(page.get_by_label("Why?")).to_have_value(REASON)
    page.get_by_role("button", name="Take it again").click()
    expect(page.get_by_text("You hold this case")).to_be_visible()
    expect(page.get_by_label("Why?")).to_have_value(REASON)


def test_the_server_is_away_and_comes_back(person, office):
    page = take(person("ann"), office, "exp-4002")
    fill(page)
    office.stop()
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="The desk can not be reached")).to_be_visible()
    expect(page.get_by_label("Why?")).to_have_value(REASON)
    office.start()
    page.reload()
    expect(page.get_by_label("Why?")).to_have_value(REASON)
    expect(page.get_by_role("radio", name="Approve", exact=True)).to_be_checked()
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()


def test_signed_out_meanwhile_keeps_the_text(person, office):
    page = take(person("ann"), office, "exp-4002")
    fill(page)
    office.sessions.end_all("ann")
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect(page.get_by_label("Why?")).to_have_value(REASON)
    assert not answers(office)


def test_nobody_is_given_what_somebody_else_typed(person, office):
    ann = person("ann")
    page = take(ann, office, "exp-4002")
    fill(page, reasoning="ann's own thoughts")
    office.sessions.end_all("ann")
    ann.name = "cleo"  # at the same browser
    ann.sign_in()
    expect(page.get_by_role("heading", name="My work")).to_be_visible()
    office.clock.advance(2 * MINUTE)
    office.queue.expire("finance")
    page = take(ann, office, "exp-4002")
    expect(page.get_by_label("Why?")).to_have_value("")


def test_two_browsers_race_for_the_same_case(person, office):
    ann, cleo = person("ann"), person("cleo")
    review_id = review_of(office, "exp-4002").review_id
    for racer in (ann, cleo):
        racer.go(f"/reviews/{review_id}")
    for racer in (ann, cleo):
        racer.page.get_by_role("button", name="Take this case").click(no_wait_after=True)
    for racer in (ann, cleo):
        held, lost = racer.page.get_by_text("You hold this case"), racer.page.get_by_text("was faster")
        expect(held.or_(lost)).to_be_visible()
    winner, loser = (ann, cleo) if ann.page.get_by_text("You hold this case").count() else (cleo, ann)
    expect(winner.page.get_by_text("You hold this case")).to_be_visible()
    expect(loser.page.get_by_role("heading", name=f"{winner.name} was faster")).to_be_visible()
    expect(loser.page.get_by_role("button", name="Submit my answer")).to_have_count(0)
    fill(winner.page)
    winner.page.get_by_role("button", name="Submit my answer").click()
    expect(winner.page.get_by_role("heading", name="Done")).to_be_visible()
    assert [answer.reviewer for answer in answers(office).values()] == [winner.name]


def test_two_tabs_of_one_person_give_one_answer(person, office):
    ann = person("ann")
    first = take(ann, office, "exp-4002")
    second = ann.context.new_page()
    second.goto(first.url)
    for tab in (first, second):
        fill(tab)
    first.get_by_role("button", name="Submit my answer").click()
    expect(first.get_by_role("heading", name="Done")).to_be_visible()
    second.get_by_label("Why?").fill("something else")
    second.get_by_role("button", name="Submit my answer").click()
    expect(second.get_by_role("alert")).to_contain_text("already answered")
    expect(second.get_by_label("Why?")).to_have_value("something else")
    assert answers(office)["exp-4002"].reasoning == REASON


def test_others_who_look_are_named(person, office):
    ann, cleo = person("ann"), person("cleo")
    take(ann, office, "exp-4002")
    expect(ann.page.locator("#presence")).not_to_contain_text("cleo")
    cleo.go(f"/reviews/{review_of(office, 'exp-4002').review_id}")
    expect(cleo.page.locator("#presence")).to_contain_text("Ann Ortega has this page open too")


def test_the_list_follows_the_queue(person, office):
    page = person("ann").page
    expect(page.get_by_role("heading", name="6 cases wait for somebody like you")).to_be_visible()
    office.ask("exp-5000", subject="Brand New")
    expect(page.get_by_role("link", name=re.compile("Brand New"))).to_be_visible()


@pytest.mark.parametrize("step", ["ask", "escalate", "hand"])
def test_handing_on(person, office, step):
    page = take(person("ann"), office, "exp-4002")
    words = {
        "ask": (
            "Ask for information",
            "What do you need to know?",
            "Ask and pause the case",
            "Your question is",
        ),
        "escalate": (
            "Escalate",
            "Why should a supervisor decide?",
            "Escalate to the supervisors",
            "Escalated",
        ),
        "hand": ("Hand to a colleague", "Why them?", "Hand it over", "Handed over"),
    }
    opener, label, button, said = words[step]
    page.locator("summary", has_text=opener).click()
    if step == "hand":
        page.get_by_label("To whom?").select_option("cleo")
    page.get_by_label(label).fill("Because of the vendor")
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text(said)).to_be_visible()
    review = office.queue.get(review_of_any(office, "exp-4002")).review
    assert {"ask": review.state is ReviewState.WAITING, "escalate": review.tier == 1}.get(
        step, review.offered_to == "cleo"
    )


def review_of_any(office, decision):
    from app.domain.events import ReviewKind  # noqa: PLC0415
    from app.domain.review import review_id_of  # noqa: PLC0415

    return review_id_of("finance", decision, ReviewKind.DECIDE)


def test_a_lead_reassigns_what_is_late(person, office):
    page = person("cleo").go("/lead")
    expect(page.get_by_text("1 late in all")).to_be_visible()
    page.get_by_label(re.compile(f"Give .*{LATE_CASE} to")).select_option("ann")
    page.get_by_role("button", name=re.compile(f"Reassign.*{LATE_CASE}")).click()
    expect(page.get_by_text("Reassigned.")).to_be_visible()
    assert office.queue.get(review_of_any(office, "exp-4001")).review.offered_to == "ann"


def test_what_others_wrote_stays_text(person, office):
    for name, paths in (
        ("ann", ["/", f"/reviews/{review_of(office, 'exp-4006').review_id}", "/decisions/exp-4006", "/me"]),
        ("cleo", ["/lead", "/sessions", "/sessions/over", "/sessions/open"]),
    ):
        visitor = person(name)
        for path in paths:
            page = visitor.go(path)
            page.wait_for_load_state("load")
            assert page.evaluate("window.hacked") is None, path
            assert page.locator("img").count() == 0, path
            assert "49" not in page.title()
        assert not [line for line in visitor.errors if "Content Security Policy" in line]


def test_without_scripts_everything_works(person, office):
    ann = person("ann", java_script_enabled=False)
    page = ann.page
    page.get_by_role("button", name="Take the next case").click()
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_text("Choose what should happen")).to_have_count(2)
    fill(page)
    page.get_by_role("button", name="Submit my answer").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    assert len(answers(office)) == 1
