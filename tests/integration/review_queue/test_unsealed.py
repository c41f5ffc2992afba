"""A rebuild believes steps and answers that our relay sealed, and no others."""

import msgspec
import pytest
from typer.testing import CliRunner

from app.commands import queue
from app.commands.queue_log import NothingSealedError, Unsealed
from app.composition.parts import sealer
from app.domain.events import (
    Answer,
    ReviewDecided,
    ReviewDefaulted,
    ReviewLifecycle,
    ReviewRequested,
    SafeDefault,
)
from app.domain.review import ReviewState
from app.review_queue.outbox import LIFECYCLE, OUTCOMES, OutboxRelay
from app.settings import load_settings
from app.stream.records import Incoming

from .test_commands import office  # noqa: F401 - a fixture

OPEN, DECIDED, DEFAULTED = ReviewState.OPEN, ReviewState.DECIDED, ReviewState.DEFAULTED


class Case:
    """One review that ann has answered, and one that nobody has."""

    def __init__(self, office):  # noqa: F811
        self.office = office
        self.answered, self.waits = office.ask("d1"), office.ask("d2")
        office("claim", self.answered, "--as", "ann")
        office("decide", self.answered, "--action", "approve", "--reasoning", "fits", "--as", "ann")
        self.relay().run_once()
        self.true = len(office.log.records)
        office.reads_its_log()

    def relay(self):
        office = self.office  # noqa: F811
        return OutboxRelay(
            office.desk.client, office.desk.keys, [office.pool], office.codec, self.published, name="r",
            clock=office.real.clock, seal=sealer(load_settings()),
        )  # fmt: skip

    def published(self, records):
        for record in records:
            self.write(record.topic, record.key, record.value, record.headers)

    def write(self, topic, key, value, headers=()):
        records = self.office.log.records
        at = self.office.real.clock()
        read = Incoming(topic, 0, len(records), key, value, list(headers), at)
        records.append((topic, self.office.codec.decode(value), read))

    def forge(self, topic, event):
        """What somebody with the right to write can do who has not our secret."""
        _, _, true = self.office.log.records[self.true - 1]
        self.write(topic, b"d2", self.office.codec.encode(event), true.headers)  # with another's seal

    def rebuilt(self, *words):
        """What `rebuild` says to programs and to people, and the state of both reviews after it."""
        self.office.empty()
        done = CliRunner().invoke(queue.app, ["rebuild", "--json", *words])
        if done.exception is not None:
            raise done.exception
        states = [self.office.real.queue.get(one).review.state for one in (self.answered, self.waits)]
        return msgspec.json.decode(done.stdout), " ".join(done.stderr.split()), states


@pytest.fixture
def case(office):  # noqa: F811
    return Case(office)


def forged_answer(case):
    now = case.office.real.clock()
    return Answer(
        answer_id="forged", review_id=case.waits, reviewer="mallory", first_action=None,
        package_digest="a" * 64, lease_epoch=1, claimed_at=now, decided_at=now, action="approve",
        changes=None, reasoning="x", reason_code="", category=None, note="", tags=[],
    )  # fmt: skip


def request(case):
    return case.office.codec.decode_as(case.office.real.queue.get(case.waits).record, ReviewRequested)


def decided(case):
    return OUTCOMES, ReviewDecided(requested=request(case), answer=forged_answer(case))


def defaulted(case):
    now = case.office.real.clock()
    default = SafeDefault(
        default_id="forged", review_id=case.waits, action="reject", deadline=now, taken_at=now
    )
    return OUTCOMES, ReviewDefaulted(requested=request(case), default=default)


def held(case):
    """The worst of them: once it is final, the relay publishes it under our own seal."""
    answer = forged_answer(case)
    review = msgspec.structs.replace(
        case.office.real.queue.get(case.waits).review, state=DECIDED, step=99, epoch=1, holder="mallory",
        answer_id="forged", decided_at=answer.decided_at, undo_until=answer.decided_at + 1,
    )  # fmt: skip
    return LIFECYCLE, ReviewLifecycle(
        event_id="forged", review_id=case.waits, decision_id="d2", pool=case.office.pool, event="answer_held",
        actor="mallory", at=answer.decided_at, lease_epoch=1, state=msgspec.json.encode(review).decode(),
        detail=msgspec.json.encode(answer).decode(),
    )  # fmt: skip


def aside(case):
    """An answer counts wherever it is read from, so that its topic is no way round."""
    return "decisions.routed", decided(case)[1]


@pytest.mark.parametrize(
    ("forgery", "state"), [(decided, DECIDED), (defaulted, DEFAULTED), (held, DECIDED), (aside, DECIDED)]
)
def test_what_bears_no_seal_of_ours_closes_no_review(case, forgery, state):
    case.forge(*forgery(case))
    restored, said, states = case.rebuilt()
    assert (restored["reviews"], restored["unsealed"], states) == (2, 1, [DECIDED, OPEN])
    assert "1 record bears no seal of ours" in said
    assert case.office.log.records[-1][2].position in said
    assert "hitl dlq list --reason unsealed_answer" in said
    assert "agree" in case.office("verify", app=queue.app)
    assert case.office.real.queue.settle(case.office.pool) == []
    assert case.relay().run_once() == 0
    # It would have been believed: that is why nobody else may say so.
    restored, said, states = case.rebuilt("--unsealed", Unsealed.BELIEVE)
    assert (restored["unsealed"], states) == (1, [DECIDED, state])
    assert "believed, as you said" in said


def test_the_secret_before_is_accepted_as_everywhere(case, monkeypatch, tmp_path):
    (tmp_path / "old").write_bytes(load_settings().secret)
    (tmp_path / "new").write_text("a secret that nobody has used before")
    monkeypatch.setenv("HITL_SECRET_FILE", str(tmp_path / "new"))
    monkeypatch.setenv("HITL_PREVIOUS_SECRET_FILE", str(tmp_path / "old"))
    restored, said, states = case.rebuilt()
    assert (restored["unsealed"], said, states) == (0, "", [DECIDED, OPEN])


def test_with_a_lost_secret_the_operator_says_what_is_to_become_of_answers(case, monkeypatch, tmp_path):
    (tmp_path / "new").write_text("a secret that nobody has used before")
    monkeypatch.setenv("HITL_SECRET_FILE", str(tmp_path / "new"))
    with pytest.raises(NothingSealedError, match="no step or answer in the log bears our seal") as refused:
        case.rebuilt()
    assert "HITL_PREVIOUS_SECRET_FILE" in refused.value.hint
    assert case.office.desk.client.execute_command("KEYS", f"{case.office.desk.prefix}*") == []
    restored, said, states = case.rebuilt("--unsealed", "believe")
    assert (restored["unsealed"] > 0, states) == (True, [DECIDED, OPEN])
    restored, said, states = case.rebuilt("--unsealed", "leave-out")
    assert (restored["unsealed"] > 0, states) == (True, [OPEN, OPEN])
    assert "wait again" in said
