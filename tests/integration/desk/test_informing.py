"""Information from outside: whose is taken, for which question, and how often."""

import msgspec
import pytest

from app.domain.answers import MAX_TEXT
from app.domain.events import InformationGiven
from app.domain.people import Directory, Profile
from app.domain.review import HOUR, ReviewState
from app.review_queue.errors import AskedEnough, StoreUnavailableError
from app.review_queue.store import open_client
from tests.integration.desk.test_desk import FINANCE, PEOPLE, POOLS, Office
from tests.integration.review_queue.conftest import client, codec  # noqa: F401 - fixtures
from tests.integration.review_queue.conftest import desk as store  # noqa: F401


@pytest.fixture
def office(store, codec):  # noqa: F811
    return Office(store, codec)


@pytest.fixture
def waiting(office):
    """A review whose holder asked for information."""
    return asked(office, office.ask())


def asked(office, review_id):
    ann = office.desk.person("ann")
    held = office.desk.claim(ann, review_id).review
    return office.desk.request_info(ann, review_id, held.epoch, "Which project?")


def information(review, **changes):
    event = InformationGiven(
        review_id=review.review_id,
        decision_id=review.decision_id,
        lease_epoch=review.epoch,
        information="Apollo",
        given_by="svc",
        given_at=0,
    )
    return msgspec.structs.replace(event, **changes)


def test_the_program_that_submitted_the_decision_answers(office, waiting):
    office.store.clock.advance(HOUR)
    assert office.desk.inform(information(waiting)) is None
    look = office.desk.look(office.desk.person("ann"), waiting.review_id)
    assert look.review.state is ReviewState.OPEN
    assert (look.review.question, look.review.information) == ("Which project?", "Apollo")
    assert look.review.informed_by == "svc"
    assert look.review.deadline == waiting.deadline + HOUR


@pytest.mark.parametrize(
    ("giver", "refused"),
    [
        ("ann", None),
        ("cleo", None),
        ("svc", None),
        ("nobody", "unknown_person"),
        ("eve", "not_your_pool"),
        ("sub", None),  # stands in for somebody of the pool
        ("emp-3", "unknown_person"),  # whom the decision is about
        ("", "unfit_text"),
        ("ann\x1b[2J", "unfit_text"),
    ],
)
def test_whose_information_is_taken(office, waiting, giver, refused):
    denial = office.desk.inform(information(waiting, given_by=giver))
    assert (denial and denial.code) == refused
    state = office.queue.get(waiting.review_id).review.state
    assert state is (ReviewState.WAITING if refused else ReviewState.OPEN)


def test_a_person_who_submitted_the_decision_does_not_steer_it(office, waiting):
    people = {person.name: person for person in (*PEOPLE, Profile(name="svc", pools=FINANCE))}
    office.policy = msgspec.structs.replace(office.policy, directory=Directory(people, POOLS))
    assert office.desk.inform(information(waiting)).code == "own_case"


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"decision_id": "exp-2"}, "other_decision"),
        ({"review_id": "finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e"}, "unknown"),
        ({"review_id": "nonsense"}, "not_a_review"),
        ({"review_id": ""}, "not_a_review"),
        ({"information": " "}, "unfit_text"),
        ({"information": "x" * (MAX_TEXT + 1)}, "unfit_text"),
        ({"lease_epoch": 7}, "other_question"),
        ({"lease_epoch": -1}, "other_question"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(office, waiting, changes, refused):
    assert office.desk.inform(information(waiting, **changes)).code == refused
    assert office.queue.get(waiting.review_id).review.state is ReviewState.WAITING


def test_late_and_repeated_information(office, waiting):
    event = information(waiting)
    assert office.desk.inform(event) is None
    first = office.queue.get(waiting.review_id).review
    assert office.desk.inform(event) is None  # the same again
    assert office.queue.get(waiting.review_id).review == first
    assert office.desk.inform(information(waiting, information="Zeus")).code == "not_waiting"
    again = asked(office, waiting.review_id)
    assert office.desk.inform(event).code == "other_question"
    assert office.desk.inform(information(again, information="Zeus")) is None
    office.desk.cancel(office.desk.person("root"), waiting.review_id)
    assert office.desk.inform(information(again)).code == "withdrawn"


def test_an_answer_at_an_entry_and_one_from_outside_count_once(office, waiting):
    office.desk.answer_info(office.desk.person("cleo"), waiting.review_id, "Zeus")
    assert office.desk.inform(information(waiting)).code == "not_waiting"
    assert office.queue.get(waiting.review_id).review.information == "Zeus"


def test_questions_come_to_an_end(office):
    review_id = office.ask()
    for _ in range(office.store.terms.max_questions):
        assert office.desk.inform(information(asked(office, review_id))) is None
    with pytest.raises(AskedEnough) as refusal:
        asked(office, review_id)
    assert "escalate" in refusal.value.hint
    held = office.queue.get(review_id).review
    assert (held.state, held.holder) == (ReviewState.CLAIMED, "ann")  # nothing is lost by asking


def test_an_outage_is_no_refusal(office, waiting):
    """Whoever feeds the desk waits for the store; nothing is judged meanwhile."""
    away = open_client("redis://127.0.0.1:1/0")
    there = office.queue._client
    office.queue._client = away
    with pytest.raises(StoreUnavailableError):
        office.desk.inform(information(waiting))
    with pytest.raises(StoreUnavailableError):
        office.desk.answer_info(office.desk.person("ann"), waiting.review_id, "Apollo")
    office.queue._client = there
    assert office.desk.inform(information(waiting)) is None


def test_a_connection_that_breaks_after_the_step_was_taken_changes_nothing(office, waiting, monkeypatch):
    """The caller can not know whether it counted: the same event again is the same result."""
    script = office.queue._scripts["resume"]

    class Breaks:
        def run(self, *call):
            script.run(*call)
            raise ConnectionResetError

    monkeypatch.setitem(office.queue._scripts, "resume", Breaks())
    with pytest.raises((StoreUnavailableError, ConnectionResetError)):
        office.desk.inform(information(waiting))
    monkeypatch.undo()
    steps = office.queue.get(waiting.review_id).review.step
    assert office.desk.inform(information(waiting)) is None
    assert office.queue.get(waiting.review_id).review.step == steps
