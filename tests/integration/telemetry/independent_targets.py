"""The 14 targets from the raw topics, by plain loops: nothing of the metrics' code is used.

    python -m tests.integration.telemetry.independent_targets localhost:9092 [PREFIX]

prints them as JSON. Numbers about days take everything that is in the topics: for a log younger than a day.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping

from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.reader import LogReader
from app.stream.records import Incoming
from app.stream.schemas import Schemas
from app.stream.topics import Topic

TOPICS = (
    "decisions.routed",
    "decisions.resolved",
    "reviews.outcomes",
    "reviews.lifecycle",
    "outcomes.observed",
    "learning.cases",
    "feedback.exception_rules",
    "feedback.policy_updates",
    "feedback.coaching",
    "learnings.changed",
    "patterns.detected",
)
MEASURING = ("gold", "calibration")


def targets(
    topics: Mapping[str, Iterable[Incoming]], requested: Iterable[Incoming], now: int
) -> dict[str, float | None]:
    """Name of a target -> its number, ``None`` where nothing happened. ``requested`` are the records of all
    topics of review requests; ``now`` is ms UTC."""
    codec = Codec(Schemas.load())
    events = {name: [(codec.decode(r.value), r) for r in topics.get(name, ())] for name in TOPICS}
    routed = {e.scored.decision.decision_id: e for e, _ in events["decisions.routed"]}
    asked = {e.request.review_id: e for e in (codec.decode(r.value) for r in requested)}
    answers = {
        e.answer.answer_id: e
        for e, _ in events["reviews.outcomes"]
        if hasattr(e, "answer") and e.requested.request.kind not in MEASURING
    }
    steps = {e.event_id: e for e, _ in events["reviews.lifecycle"]}
    return {
        **_efficiency(routed, asked, answers, steps),
        **_quality(routed, answers, events),
        **_learning(routed, answers, events, now),
    }


def _efficiency(routed, asked, answers, steps):
    late, in_time, escalated, over = set(), set(), set(), set()
    for step in steps.values():
        state = json.loads(step.state)
        if state.get("kind") in MEASURING:
            continue
        if step.event == "sla_missed":
            late.add(step.review_id)
        if step.event in ("decided", "withdrawn") or state.get("state") == "defaulted":
            over.add(step.review_id)
        if step.event == "decided" and state.get("deadline") is not None:
            in_time.add(step.review_id)
        if state.get("tier", 0) > 0:
            escalated.add(step.review_id)
    in_time -= late
    work = [name for name, one in asked.items() if one.request.kind not in MEASURING]
    seconds = [
        (one.answer.decided_at - one.answer.claimed_at) / 1000
        for one in answers.values()
        if 0 < one.answer.claimed_at <= one.answer.decided_at
    ]
    return {
        "automation_rate": _share(sum(one.route.level <= 2 for one in routed.values()), len(routed)),
        "review_time": _percentile(seconds, 0.95),
        "queue_depth": float(len(set(asked) - over)),
        "sla": _share(len(in_time), len(in_time | late)),
        "escalation_rate": _share(len(escalated), len(work)),
    }


def _quality(routed, answers, events):
    final = {e.routed.scored.decision.decision_id: e.resolution for e, _ in events["decisions.resolved"]}
    judged = [one for one in answers.values() if one.requested.request.kind in ("review", "decide")]
    shown = [
        one for one in judged if one.requested.routed.route.arm == "shown" and not one.requested.request.blind
    ]
    audits = [_differs(one) for one in answers.values() if one.requested.request.kind == "audit"]
    right, wrong = audits.count(False), audits.count(True)
    kinds: dict[str, int] = defaultdict(int)
    for seen in {e.observation_id: e for e, _ in events["outcomes.observed"]}.values():
        kinds[seen.kind] += 1
        done = final.get(seen.decision_id)
        if done is None:
            continue
        if seen.kind == "confirmed_correct" or (
            seen.kind == "ground_truth" and seen.correct_action == done.action
        ):
            right += 1
        elif seen.kind != "ground_truth" or seen.correct_action is not None:
            wrong += 1
    findings = audits.count(True) + kinds["audit_finding"]
    return {
        "accuracy": _share(right, right + wrong),
        "override_rate": _share(sum(map(_differs, shown)), len(shown)),
        "downstream_errors": _share(kinds["downstream_error"], len(routed)),
        "customer_incidents": float(kinds["customer_incident"]),
        "audit_findings": _share(findings, len(audits) + kinds["audit_finding"]),
    }


def _learning(routed, answers, events, now):
    overrides = [
        one for one in answers.values() if one.requested.request.kind != "human_only" and _differs(one)
    ]
    said = [
        one.answer.reason_code not in ("", "other") or one.answer.reasoning.strip() or one.answer.note.strip()
        for one in overrides
    ]
    labels = {
        e.label_id: (record.timestamp - e.decided_at) / 1000
        for e, record in events["learning.cases"]
        if hasattr(e, "label_id") and e.source in ("review", "observation")
    }
    closed = {e.item_id for e, _ in events["learnings.changed"] if e.state == "closed"}
    pending = [
        (now - e.decided_at) / 1000
        for sink in ("exception_rules", "policy_updates", "coaching")
        for e, _ in events[f"feedback.{sink}"]
        if e.feedback_id not in closed
    ]
    edge = sum(one.answer.category == "edge_case" for one in overrides)
    shifts = sum(e.pattern == "traffic_shift" for e, _ in events["patterns.detected"])
    return {
        "reasons_captured": _share(sum(map(bool, said)), len(said)),
        "feedback_latency": max([_percentile(list(labels.values()), 0.95) or 0.0, *pending]),
        "model_improvement": None,  # nothing is as old as it compares with
        "new_scenarios": float(edge + shifts),
    }


def _differs(decided) -> bool:
    answer = decided.answer
    recommended = decided.requested.routed.scored.decision.recommendation.action
    return answer.action != recommended or (answer.changes or "{}") not in ("{}", "null")


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _percentile(found: list[float], share: float) -> float | None:
    """The smallest value that so large a share does not exceed."""
    ordered = sorted(found)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def main(bootstrap: str, prefix: str = "") -> None:
    """Read a broker's topics and print the numbers."""
    import time  # noqa: PLC0415

    connection = Connection(bootstrap_servers=bootstrap, prefix=prefix)
    reader = LogReader(connection)
    names = [name for name in _names(connection) if name.startswith(str(Topic.REVIEWS_REQUESTED))]
    found: dict[str, list[Incoming]] = defaultdict(list)
    for record in reader.read_all([*TOPICS, *names]):
        found[record.topic].append(record)
    requested = [record for name in names for record in found[name]]
    print(json.dumps(targets(found, requested, int(time.time() * 1000)), indent=2))


def _names(connection: Connection) -> list[str]:
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415

    listed = AdminClient({"bootstrap.servers": connection.bootstrap_servers}).list_topics(timeout=60).topics
    return [connection.logical(name) for name in listed if name.startswith(connection.prefix)]


if __name__ == "__main__":
    main(*sys.argv[1:])
