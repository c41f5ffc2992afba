"""The verbs on real services: submit, observe, status, doctor, policy activate; and without any service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from app.domain.answers import Verdict
from app.domain.events import ReviewKind, ReviewRequested
from app.domain.review import Reviewer, review_id_of
from app.domain.words import moment
from app.review_queue.values import NewReview
from app.settings import PROJECT
from app.stream.topics import Topic
from tests.integration.conftest import deployed
from tests.integration.deployment import CODEC, NOW, ROOT, Deployment, Given, by_key, header, letters, until
from tests.unit.agents.parts import OTHER_TYPE, POLICY_TEXT

pytestmark = pytest.mark.broker

ADDRESS = "127.0.0.1:9"
NOWHERE = {
    "HITL_KAFKA_BOOTSTRAP_SERVERS": ADDRESS,
    "HITL_REDIS_URL": f"redis://{ADDRESS}/0",
    "HITL_POLICY": str(PROJECT / "policies" / "example.yaml"),
}


@pytest.fixture(scope="module")
def deployment(kafka: str, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One worker with every agent, for all tests of this module."""
    directory: Path = tmp_path_factory.mktemp("verbs")
    with deployed(kafka, store_url, directory) as made:
        made.worker()
        yield made


def line(name: str, probability: float | str = 0.97, **changes: object) -> str:
    decision = {
        "decision_id": name,
        "decision_type": "expense.approval",
        "occurred_at": f"{_iso(NOW - 1000)}",
        "subject": "emp-17",
        "recommendation": {"action": "approve", "probability": probability, "rationale": "matches policy"},
        "facts": {"amount": 40},
        "model": {"name": "expenses", "version": "3"},
        **changes,
    }
    return json.dumps(decision).replace('"NaN"', "NaN")


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def status(deployment: Deployment, name: str) -> dict[str, object]:
    done = deployment.hitl("status", name, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_submit_sends_what_is_good_and_accounts_for_the_rest(deployment: Deployment) -> None:
    file = deployment.directory / "decisions.jsonl"
    lines = [
        line("sub-1"),
        line("sub-2", 0.8),
        "not json",
        line("sub-1"),
        line("sub-3", "NaN"),
        line("sub-4", decision_type="loan.approval"),
        line("sub-5"),
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = deployment.hitl("submit", str(file))
    assert (done.returncode, done.stdout) == (1, "3 sent, 4 rejected\n")
    rejects = Path(f"{file}.rejected.jsonl")
    assert str(rejects) in done.stderr.replace("\n", "")
    found = [json.loads(text) for text in rejects.read_text(encoding="utf-8").splitlines()]
    assert [(entry["line"], entry["reason"]) for entry in found] == [
        (3, "invalid"),
        (4, "duplicate"),
        (5, "invalid"),
        (6, "unknown_type"),
    ]
    watch = deployment.watch
    until(lambda: {"sub-1", "sub-2", "sub-5"} <= by_key(watch[Topic.DECISIONS_ROUTED]).keys(), "all routed")

    # Sent again after the rejected lines were seen to: what was stored before is a duplicate, once each.
    file.write_text("\n".join([line("sub-1"), line("sub-3")]) + "\n", encoding="utf-8")
    assert deployment.hitl("submit", str(file)).returncode == 0
    until(lambda: "sub-3" in by_key(watch[Topic.DECISIONS_ROUTED]), "the corrected one")
    until(lambda: letters(watch[Topic.DEADLETTER]), "the repeated one")
    [letter] = letters(watch[Topic.DEADLETTER])
    assert (letter.key, header(letter, "dlq_reason")) == (b"sub-1", "duplicate")


def test_status_follows_a_decision_to_its_end(deployment: Deployment) -> None:
    file = deployment.directory / "status.jsonl"
    file.write_text(f"{line('auto')}\n{line('person', 0.8)}\n", encoding="utf-8")
    assert deployment.hitl("submit", str(file)).returncode == 0
    queue = deployment.queue.queue
    ann = Reviewer(name="ann", pools=frozenset({"expenses"}))
    until(lambda: "person" in [r.decision_id for r in queue.list("expenses", limit=500)], "the review")

    until(lambda: status(deployment, "auto")["state"] == "resolved", "the AI's answer")  # another partition
    automated = status(deployment, "auto")
    assert (automated["state"], automated["decided_by"], automated["action"]) == ("resolved", "ai", "approve")
    assert automated["level"] == 1

    waiting = status(deployment, "person")
    assert waiting["state"] == "waits for a person"
    [review] = waiting["reviews"]  # type: ignore[misc]
    assert review["state"] == "open"
    assert waiting["reasons"]

    lease = queue.claim(review["review_id"], ann)
    listed = deployment.hitl("review", "list", "--pool", "expenses")
    assert review["review_id"] not in listed.stdout
    assert "undecided as well: 1 claimed (--state claimed)" in listed.stderr
    verdict = Verdict(action="reject", reasoning="the vendor is unknown", reason_code="other")
    held = queue.decide(
        review["review_id"], ann, lease.review.epoch, lease.review.digest, verdict, undo_window=3_600_000
    ).review
    assert status(deployment, "person")["state"] == "answered"
    text = deployment.hitl("status", "person").stdout
    assert "person: answered" in text
    assert f"may be taken back until {moment(held.undo_until)}" in text
    back = queue.undo(held.review_id, ann, held.epoch)
    assert status(deployment, "person")["state"] == "waits for a person"

    queue.decide(held.review_id, ann, back.review.epoch, back.review.digest, verdict)
    until(lambda: "person" in by_key(deployment.watch[Topic.DECISIONS_RESOLVED]), "the resolution")
    resolved = status(deployment, "person")
    assert (resolved["state"], resolved["reviewer"], resolved["action"]) == ("resolved", "ann", "reject")

    truths = deployment.directory / "truths.jsonl"
    truth = {"decision_id": "auto", "kind": "downstream_error", "observed_at": _iso(NOW)}
    truths.write_text(json.dumps(truth) + "\n", encoding="utf-8")
    assert deployment.hitl("observe", str(truths)).returncode == 0
    until(lambda: deployment.queue.cases.cases(["auto"])[0].observed, "the truth is joined")  # type: ignore[union-attr]

    text = deployment.hitl("status", "person").stdout
    assert "person: resolved" in text
    assert "the vendor is unknown" in text

    asked = CODEC.decode_as(queue.get(held.review_id).record, ReviewRequested).request
    second = review_id_of("expenses", "person", ReviewKind.SECOND_LOOK)
    again = msgspec.structs.replace(asked, review_id=second, kind=ReviewKind.SECOND_LOOK)
    queue.enqueue(NewReview("person", again, b"nobody reads it here"))
    looks = status(deployment, "person")["reviews"]
    assert [(look["kind"], look["state"]) for look in looks][1:] == [("second_look", "open")], "of a finding"


def test_status_of_what_nobody_knows_fails_with_advice(deployment: Deployment) -> None:
    done = deployment.hitl("status", "never-submitted")
    assert (done.returncode, done.stdout) == (1, "")
    assert "never-submitted" in done.stderr
    assert "try:" in done.stderr


def test_status_shows_a_dead_letter(deployment: Deployment) -> None:
    deployment.write(Topic.DECISIONS_SUBMITTED, [Given(b"poison", b"poisoned")])
    until(
        lambda: "poisoned" in [(r.key or b"").decode() for r in deployment.watch[Topic.DEADLETTER]],
        "it is dead",
    )
    found = status(deployment, "poisoned")
    assert found["state"] == "dead letter"
    [letter] = found["dead_letters"]  # type: ignore[misc]
    assert letter["reason"] == "not_avro"


def test_doctor_finds_everything_there(deployment: Deployment) -> None:
    secret = deployment.directory / "secret"
    secret.write_text("0123456789abcdef" * 2)
    secret.chmod(0o400)
    done = deployment.hitl("doctor", "--json", HITL_SECRET_FILE=str(secret))
    findings = {(row["check"], row["state"]) for row in map(json.loads, done.stdout.splitlines())}
    assert findings >= {(name, "ok") for name in ("policy", "schemas", "broker", "topics", "store", "secret")}
    assert not [name for name, state in findings if state == "failed"]
    assert done.returncode == 0


def test_doctor_says_what_is_missing_and_what_to_do(deployment: Deployment) -> None:
    done = deployment.hitl("doctor", "--json", HITL_TOPIC_PREFIX="nobody.has.this.")
    rows = [json.loads(text) for text in done.stdout.splitlines()]
    [topics] = [row for row in rows if row["check"] == "topics"]
    assert (topics["state"], topics["do"]) == ("failed", "hitl topics apply")
    assert (
        "nobody.has.this.decisions.submitted" in topics["detail"] or "decisions.submitted" in topics["detail"]
    )
    assert done.returncode == 1


def test_activate_publishes_what_was_checked_and_says_what_changes(deployment: Deployment) -> None:
    newer, broken = deployment.directory / "newer.yaml", deployment.directory / "broken.yaml"
    newer.write_text(POLICY_TEXT + OTHER_TYPE, encoding="utf-8")
    broken.write_text(POLICY_TEXT.replace("facts.amount /", "facts.amuont /"), encoding="utf-8")

    refused = deployment.hitl("policy", "activate", str(broken))
    assert refused.returncode == 1
    assert "broken.yaml:19" in refused.stderr
    assert not deployment.watch[Topic.POLICY_ACTIVATED]

    done = deployment.hitl("policy", "activate", str(newer), "--as", "ann", "--json")
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    assert (first["result"], first["before"]) == ("activated", None)
    again = json.loads(deployment.hitl("policy", "activate", str(newer), "--json").stdout)
    assert (again["result"], again["version"]) == ("already in force", first["version"])
    assert len(deployment.watch.wait(Topic.POLICY_ACTIVATED, 1)) == 1

    back = deployment.directory / "policy.yaml"
    undone = deployment.hitl("policy", "activate", str(back), "--json")
    assert json.loads(undone.stdout)["before"] == first["version"]
    assert "changes" in undone.stderr


def test_submit_into_topics_that_do_not_exist_sends_nothing(deployment: Deployment) -> None:
    file = deployment.directory / "nowhere.jsonl"
    file.write_text(line("lost") + "\n", encoding="utf-8")
    done = deployment.hitl("submit", str(file), HITL_TOPIC_PREFIX="nobody.has.this.")
    assert done.returncode == 3
    assert "nobody.has.this.policy.activated" in done.stderr
    assert "hitl topics apply" in done.stderr
    assert not done.stdout


# --- no service at all --------------------------------------------------------------------------------

UNREACHABLE = (
    "submit FILE",
    "observe FILE",
    "status exp-1",
    "doctor",
    "policy activate",
    "topics list",
    "dlq list",
    "review list",
    "queue stats",
    "worker --agents scoring",
)


def test_without_services_every_verb_gives_up_and_names_them(tmp_path: Path) -> None:
    """All at a time: each takes as long as it waits for a broker, which must have an end."""
    decisions, truths = tmp_path / "d.jsonl", tmp_path / "o.jsonl"
    example = {"amount": 40, "currency": "EUR", "category": "travel"}
    decisions.write_text(line("a", facts=example) + "\n", encoding="utf-8")
    truth = {"decision_id": "a", "kind": "confirmed_correct", "observed_at": _iso(NOW)}
    truths.write_text(json.dumps(truth) + "\n", encoding="utf-8")
    env = {**{"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "COLUMNS": "200"}, **NOWHERE}
    running = {}
    for verb in UNREACHABLE:
        words = [
            word if word != "FILE" else str(decisions if "submit" in verb else truths)
            for word in verb.split()
        ]
        running[verb] = subprocess.Popen(
            [sys.executable, "-m", "app", *words],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    said = {}
    try:
        for verb, process in running.items():
            out, err = process.communicate(timeout=300)
            text = out if verb == "doctor" else err
            said[verb] = (process.returncode, ADDRESS in text or "HITL_KAFKA_BOOTSTRAP_SERVERS" in text)
    finally:
        for process in running.values():
            process.kill()
    assert said == dict.fromkeys(UNREACHABLE, (3, True))
