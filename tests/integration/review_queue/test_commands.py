"""``hitl review`` and ``hitl queue`` as a person types them, on a real store."""

import json

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from app.commands import queue, queue_broken, review
from app.commands.queue_log import QueueLog
from app.composition.parts import load_compiled_policy, seals_of
from app.domain import context_package
from app.domain.events import ConsequenceClass, ReviewKind, ReviewRequest, ReviewRequested
from app.domain.review import review_id_of
from app.errors import HitlError, UsageError
from app.review_queue import errors
from app.review_queue.values import NewReview
from app.settings import load_settings

from .conftest import routed
from .test_rebuild import Log

HOUR = 3_600_000


@pytest.fixture
def office(desk, codec, monkeypatch):
    """The commands, connected to the test's store; every verb as a call that returns its output."""
    monkeypatch.setenv("HITL_REDIS_URL", desk.url)
    monkeypatch.setenv("HITL_TOPIC_PREFIX", desk.prefix)
    monkeypatch.delenv("HITL_POLICY", raising=False)
    monkeypatch.setattr("app.commands.output.console.width", 200, raising=False)
    policy = load_compiled_policy(load_settings())
    return Office(desk, codec, policy, monkeypatch)


class Office:
    def __init__(self, desk, codec, policy, monkeypatch):
        self.desk, self.codec, self.policy, self.monkeypatch = desk, codec, policy, monkeypatch
        self.terms = policy.terms["expense.approval"]
        self.pool = self.terms.pool
        self.real = queue.connect(load_settings())
        self.log = Log(desk, codec)
        self.log.relay = None

    def reads_its_log(self):
        """`hitl queue` reads the test's log instead of Kafka, sealed or not as it is."""

        def read_log(choice):
            records = [record for *_, record in self.log.records]
            return QueueLog(records, self.codec.decode, seals_of(load_settings()), choice)

        with_log = msgspec.structs.replace(self.real, read_log=read_log)
        self.monkeypatch.setattr(queue, "connect", lambda _: with_log)

    def empty(self):
        """The store is lost."""
        keys = self.desk.client.execute_command("KEYS", f"{self.desk.prefix}*")
        if keys:
            self.desk.client.execute_command("DEL", *keys)

    def ask(self, decision="exp-001", kind=ReviewKind.DECIDE, approvals=1):
        now = self.real.clock()
        event = routed(decision, at=now)
        package = context_package.build(event, self.terms, [], [], kind=kind)
        request = ReviewRequest(
            review_id=review_id_of(self.pool, decision, kind),
            kind=kind,
            pool=self.pool,
            sla_class="standard",
            consequence_class=ConsequenceClass.LOW,
            requested_at=now,
            deadline=now + 2 * HOUR,
            approvals=approvals,
            blind=context_package.is_blind(event, kind),
            package=package.text,
            package_digest=package.digest,
        )
        record = self.codec.encode(ReviewRequested(routed=event, request=request))
        done = self.real.queue.enqueue(NewReview(decision, request, record))
        self.log.write(f"reviews.requested.{self.pool}", record, done.headers)
        return done.review_id

    def __call__(self, *words, app=review.app, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words])
        if isinstance(result.exception, HitlError):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.stdout

    def json(self, *words, **options):
        return [json.loads(line) for line in self(*words, "--json", **options).splitlines()]


def test_a_review_from_the_list_to_the_answer(office):
    identifier = office.ask()
    (row,) = office.json("list")
    assert (row["review_id"], row["state"], row["due_in"][0]) == (identifier, "open", "1")
    page = office("show", identifier)
    for words in (
        "Decision required",
        "matches policy 4.2",
        "amount",
        "Available actions",
        "Deadline",
        "unusual vendor",
    ):
        assert words in page
    assert "claimed, epoch 1" in office("claim", "--pool", office.pool, "--as", "ann")
    office("extend", identifier, "--as", "ann")
    decide = ("decide", identifier, "--action", "approve", "--reasoning", "receipt matches", "--as", "ann")
    assert "decided, approve by ann" in office(*decide)
    assert "decided, approve by ann" in office(*decide)  # a retry
    shown = office.json("show", identifier)[0]
    assert (shown["answer"]["reasoning"], shown["review"]["state"]) == ("receipt matches", "decided")
    with pytest.raises(errors.AlreadyDecided):
        office(*decide[:3], "reject", *decide[4:])


def test_a_blind_review_shows_the_recommendation_only_after_an_answer(office):
    identifier = office.ask(kind=ReviewKind.SECOND_LOOK)
    office("claim", identifier, "--as", "ann")
    assert "matches policy 4.2" not in office("show", identifier) + office("show", identifier, "--json")
    assert "matches policy 4.2" in office("reveal", identifier, "--action", "reject", "--as", "ann")
    (done,) = office.json(
        "decide", identifier, "--action", "approve", "--reasoning", "convinced", "--as", "ann"
    )
    assert (done["answer"]["first_action"], done["answer"]["action"]) == ("reject", "approve")


def test_handing_on(office):
    identifier = office.ask()
    office("claim", identifier, "--as", "ann")
    office("request-info", identifier, "--question", "Which project?", "--as", "ann")
    assert "Which project?" in office("show", identifier)
    office("answer-info", identifier, "--information", "Apollo", "--as", "bob")
    office("delegate", identifier, "--to", "bob", "--as", "ann")
    assert office.json("list", "--offered-to", "bob", "--pool", office.pool)[0]["review_id"] == identifier
    office("claim", identifier, "--as", "bob")
    office("release", identifier, "--as", "bob")
    assert "tier 1" in office("escalate", identifier, "--as", "bob", "--reason", "above my limit")
    with pytest.raises(errors.NotSupervisor):
        office("claim", identifier, "--as", "bob")
    office("claim", identifier, "--as", "sue", "--supervisor")


def test_wrong_use_says_what_is_right(office):
    identifier = office.ask()
    with pytest.raises(errors.StaleLease):
        office("extend", identifier, "--as", "ann")
    office("claim", identifier, "--as", "ann")
    with pytest.raises(UsageError, match="not an action") as wrong:
        office("decide", identifier, "--action", "shrug", "--reasoning", "x", "--as", "ann")
    assert "approve" in wrong.value.hint
    with pytest.raises(UsageError, match="JSON object"):
        office(
            "decide", identifier, "--action", "approve", "--reasoning", "x", "--changes", "[1]", "--as", "ann"
        )
    with pytest.raises(UsageError, match="not a review id"):
        office("show", "nonsense")
    assert "nothing for ann" in office("claim", "--pool", office.policy.pool_names[-1], "--as", "ann")
    assert "nothing for bob" in office("claim", "--as", "bob")


def test_stats(office):
    office.ask("d1")
    office.ask("d2")
    office("claim", "--pool", office.pool, "--as", "ann")
    row = next(row for row in office.json("stats", app=queue.app) if row["pool"] == office.pool)
    assert (row["open"], row["claimed"], row["overdue"]) == (1, 1, 0)
    assert office.pool in office("stats", app=queue.app)


def test_verify_and_rebuild(office):
    office.reads_its_log()
    identifier = office.ask()
    assert "agree" in office("verify", app=queue.app)
    name = identifier.rpartition(".")[2]
    office.desk.client.execute_command("HSET", office.desk.keys.pool(office.pool, "review:", name), "tier", 2)
    (difference,) = [row for row in office.json("verify", app=queue.app, code=1) if row["what"] == "tier"]
    assert (difference["log"], difference["store"]) == ("0", "2")
    with pytest.raises(HitlError, match="not empty"):
        office("rebuild", app=queue.app)
    office.empty()
    assert office.json("rebuild", app=queue.app)[0]["reviews"] == 1
    assert "agree" in office("verify", app=queue.app)


@pytest.mark.parametrize("app", [review.app, queue.app, queue_broken.app])
def test_every_verb_has_an_example(app):
    command = typer.main.get_command(app)
    for verb in command.commands.values():
        if hasattr(verb, "commands"):  # a group, whose verbs are looked at by themselves
            continue
        assert "Example: `hitl " in verb.help, verb.name
        assert "--json" in [option for param in verb.params for option in param.opts], verb.name
