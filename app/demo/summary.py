"""Folds the topics into the report. Pure: the same log and knowledge give the same report."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from statistics import median

from app.demo.findings import automated_checks, blind_arm, changes
from app.demo.log import Known, Log, advised, decision_id
from app.demo.report import (
    Accuracy,
    Check,
    DayRow,
    DeadRow,
    Flow,
    GroupRow,
    LevelRow,
    PatternRow,
    PlantedRow,
    Report,
    ReviewerRow,
    Run,
    Share,
    Sla,
    Threshold,
    share,
)
from app.domain.events import DecidedBy, DecisionResolved, DecisionRouted
from app.domain.words import LEVELS

MINUTE = 60_000


def summarise(log: Log, known: Known, run: Run) -> Report:
    """The report. Counts that do not reconcile are reported as such, never hidden."""
    return Report(
        seed=known.seed,
        decision_type=known.decision_type,
        applications=len(known.applications),
        model=known.model,
        flow=flow(log, known),
        automation=share(sum(_automated(r) for r in log.routed), len(log.routed)),
        levels=_levels(log, known),
        days=_days(log),
        human_work=share(
            len({event.requested.routed.scored.decision.decision_id for event in log.answers}),
            len(log.routed),
        ),
        accuracy=_accuracy(log, known),
        changes=changes(log, known),
        blind=blind_arm(log, known),
        checks=automated_checks(log, known),
        thresholds=_thresholds(log, known),
        patterns=_patterns(log),
        sla=_sla(log, known),
        reviewers=_reviewers(log, known),
        dead_letters=_dead(log),
        planted=_planted(log, known),
        groups=_groups(log, known),
        simulated=list(known.simulated),
        assumed_reviewers=list(known.reviewers),
        next_steps=list(known.next_steps),
        run=run,
    )


def flow(log: Log, known: Known) -> Flow:
    """Where every submitted record is, and whether the counts of the topics agree."""
    routed = {decision_id(event) for event in log.routed}
    resolved = {decision_id(event.routed) for event in log.resolved}
    requested = {event.request.review_id for event in log.requested}
    answered = set(log.final_answers)
    dead = sum(letter.stage in ("scoring", "routing") for letter in log.dead)
    checks = [
        _check("records submitted = decisions routed + dead letters", known.records, len(routed) + dead),
        _check(
            "decisions routed = resolved + still open", len(routed), len(resolved) + len(routed - resolved)
        ),
        _check("every decision was routed once", len(log.routed), len(routed)),
        _check("every resolved decision was resolved once", len(log.resolved), len(resolved)),
        _check("no answer without a decision", len(resolved - routed), 0),
        _check("reviews requested = answered + still open", len(requested), len(answered | requested)),
    ]
    return Flow(
        records=known.records,
        decisions=len(routed),
        dead_letters=dead,
        dead_elsewhere=len(log.dead) - dead,
        resolved=len(resolved),
        open=len(routed - resolved),
        reviews_requested=len(requested),
        reviews_answered=len(answered),
        reviews_open=len(requested - answered),
        checks=checks,
        reconciled=all(check.holds for check in checks),
    )


def _check(text: str, left: int, right: int) -> Check:
    return Check(text=text, left=left, right=right, holds=left == right)


def _automated(routed: DecisionRouted) -> bool:
    return routed.route.action is not None


def _right(resolved: list[DecisionResolved], known: Known) -> Share:
    judged = [
        event.resolution.action == truth
        for event in resolved
        if (truth := known.truth(decision_id(event.routed))) is not None
    ]
    return share(sum(judged), len(judged))


def _levels(log: Log, known: Known) -> list[LevelRow]:
    counts = Counter(event.route.level for event in log.routed)
    return [
        LevelRow(
            level=level,
            name=name,
            decisions=counts[level],
            share=round(counts[level] / max(1, len(log.routed)), 4),
            right=_right([event for event in log.resolved if event.routed.route.level == level], known),
        )
        for level, name in LEVELS.items()
    ]


def _days(log: Log) -> list[DayRow]:
    by_date: dict[str, list[DecisionRouted]] = {}
    for event in log.routed:
        at = datetime.fromtimestamp(event.scored.decision.occurred_at / 1000, UTC)
        by_date.setdefault(at.date().isoformat(), []).append(event)
    return [
        DayRow(
            day=number,
            date=date,
            decisions=len(events),
            automated=sum(map(_automated, events)),
            automated_share=round(sum(map(_automated, events)) / len(events), 4),
            threshold=round(min(event.route.threshold for event in events), 4),
        )
        for number, (date, events) in enumerate(sorted(by_date.items()), start=1)
    ]


def _accuracy(log: Log, known: Known) -> Accuracy:
    by_people = [event for event in log.resolved if event.resolution.decided_by is DecidedBy.HUMAN]
    by_ai = [event for event in log.resolved if event.resolution.decided_by is DecidedBy.AI]
    truths = [
        (event, truth) for event in log.routed if (truth := known.truth(decision_id(event))) is not None
    ]
    same = [
        advised(event.routed) == truth
        for event in by_people
        if (truth := known.truth(decision_id(event.routed))) is not None
    ]
    return Accuracy(
        ai_alone=share(sum(advised(event) == truth for event, truth in truths), len(truths)),
        always_approve=share(sum(truth == "approve" for _, truth in truths), len(truths)),
        automated=_right(by_ai, known),
        people=_right(by_people, known),
        ai_on_the_same=share(sum(same), len(same)),
        together=_right(list(log.resolved), known),
    )


def _thresholds(log: Log, known: Known) -> list[Threshold]:
    latest = {event.learning_key: event for event in sorted(log.thresholds, key=lambda event: event.version)}
    return [
        Threshold(
            learning_key=key,
            threshold=round(event.threshold, 4),
            automates=event.threshold < 1,
            floor=round(event.floor, 4),
            certified=None if event.certified is None else round(event.certified, 4),
            labels=event.labels,
            errors=event.errors,
            labels_needed=event.labels_needed,
            evidence_probability=round(event.evidence_probability, 4),
            reason=event.reason,
        )
        for key, event in sorted(latest.items())
        if key.startswith(known.decision_type)
    ]


def _patterns(log: Log) -> list[PatternRow]:
    found = {(event.pattern, event.segment): event for event in log.patterns}
    return [
        PatternRow(pattern=pattern, segment=segment, text=event.text, action=event.action)
        for (pattern, segment), event in sorted(found.items())
    ]


def _sla(log: Log, known: Known) -> Sla:
    """A review is due when its deadline has passed or it was answered: waiting ones count as missed."""
    met = due = 0
    waits: list[int] = []
    handling: list[int] = []
    for event in log.requested:
        final = log.final_answers.get(event.request.review_id)
        if final is not None:
            waits.append(final.answer.claimed_at - event.request.requested_at)
            handling.append(final.answer.decided_at - final.answer.claimed_at)
        deadline = event.request.deadline
        if deadline is None or (final is None and deadline > known.ended_at):
            continue
        due += 1
        met += final is not None and final.answer.decided_at <= deadline
    return Sla(
        met=share(met, due),
        escalated=len({event.review_id for event in log.lifecycle if event.event == "escalated"}),
        median_wait=_minutes(median(waits)) if waits else None,
        median_handling=_minutes(median(handling)) if handling else None,
        longest_wait=_minutes(max(waits)) if waits else None,
    )


def _minutes(milliseconds: float) -> float:
    return round(milliseconds / MINUTE, 1)


def _reviewers(log: Log, known: Known) -> list[ReviewerRow]:
    by_person: dict[str, list[tuple[bool, bool]]] = {}
    for event in log.answers:
        routed, answer = event.requested.routed, event.answer
        truth = known.truth(decision_id(routed))
        if truth is not None:
            row = (answer.action != advised(routed), answer.action == truth)
            by_person.setdefault(answer.reviewer, []).append(row)
    return [
        ReviewerRow(
            reviewer=person,
            answers=len(rows),
            changed=share(sum(changed for changed, _ in rows), len(rows)),
            right=share(sum(right for _, right in rows), len(rows)),
        )
        for person, rows in sorted(by_person.items())
    ]


def _dead(log: Log) -> list[DeadRow]:
    counts = Counter((letter.reason, letter.stage) for letter in log.dead)
    return [
        DeadRow(
            reason=reason,
            stage=stage,
            count=count,
            example=next(d.message for d in log.dead if (d.reason, d.stage) == (reason, stage)),
        )
        for (reason, stage), count in sorted(counts.items())
    ]


def _planted(log: Log, known: Known) -> list[PlantedRow]:
    levels = {decision_id(event): event.route.level for event in log.routed}
    reasons = {letter.key: letter.reason for letter in log.dead}
    resolved = Counter(decision_id(event.routed) for event in log.resolved)
    rows = []
    for planted in known.planted:
        level, dead = levels.get(planted.decision_id), reasons.get(planted.decision_id)
        times = resolved[planted.decision_id]
        if planted.expected == "a person decides":
            as_expected, found = level is not None and level >= 3, f"level {level}"
        elif planted.expected == "decided once":
            as_expected, found = times == 1 and dead is not None, f"decided {times}x, then {dead}"
        else:
            as_expected, found = dead is not None and level is None, f"dead letter, {dead}"
        rows.append(
            PlantedRow(
                kind=planted.kind,
                decision_id=planted.decision_id,
                expected=planted.expected,
                found=found,
                as_expected=as_expected,
            )
        )
    return rows


def _groups(log: Log, known: Known) -> list[GroupRow]:
    final = {decision_id(event.routed): event.resolution.action for event in log.resolved}
    routed = {decision_id(event): advised(event) for event in log.routed}
    rows = []
    for group, member in (("African American applicants", True), ("other applicants", False)):
        ids = [
            key
            for key, application in known.applications.items()
            if application.african_american is member and key in routed
        ]
        decided = [key for key in ids if key in final]
        rows.append(
            GroupRow(
                group=group,
                applications=len(ids),
                lender_approved=share(sum(known.truth(key) == "approve" for key in ids), len(ids)),
                ai_would_approve=share(sum(routed[key] == "approve" for key in ids), len(ids)),
                finally_approved=share(sum(final[key] == "approve" for key in decided), len(decided)),
            )
        )
    return rows
