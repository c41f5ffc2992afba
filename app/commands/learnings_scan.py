"""``hitl learnings scan``: what only many answers together show, for every night."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from app.commands.learnings import OfType, who_asks
from app.commands.output import AsJson, errors, print_rows
from app.commands.review import As
from app.composition.parts import connection_of, now, open_codec
from app.composition.writing import open_writer
from app.desk.errors import NotAllowedError
from app.domain.authority import Denial
from app.domain.events import Feedback, PatternDetected, ReviewDecided
from app.domain.governance import ItemDeed, ItemMatter, item_refused
from app.domain.learning.pattern_terms import ScanTerms
from app.domain.learning.reasons import percent
from app.domain.learning.scan import Scan
from app.domain.learnings import SINKS
from app.domain.overrides import COACHING
from app.domain.terms import Terms
from app.settings import Settings, load_settings
from app.stream.errors import DecodeError
from app.stream.reader import LogReader
from app.stream.topics import Topic


def scan(
    decision_type: OfType = None,
    days: Annotated[int, typer.Option(help="How far to look back.", min=1)] = 90,
    fewest: Annotated[
        int | None, typer.Option(help="Answers behind a proposal; the policy's unless given.", min=2)
    ] = None,
    people: Annotated[
        int | None, typer.Option(help="People behind a proposal; the policy's unless given.", min=1)
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Raise what is new as alerts (`patterns.detected`).")
    ] = False,
    who: As = None,
    as_json: AsJson = False,
) -> None:
    """What only many answers show: new codes and scenarios, like cases decided differently, who is right.

    For every night: `hitl learnings scan --publish`. What was raised before is not raised again.

    Example: `hitl learnings scan --days 30 --as ann`
    """
    settings = load_settings()
    policy, person = who_asks(settings, who)
    led = [
        terms
        for name, terms in policy.terms.items()
        if decision_type in (None, name)
        and item_refused(policy.directory, person, ItemDeed.ASSIGN, _matter(terms)) is None
    ]
    if not led:
        raise NotAllowedError(Denial("not_lead", "a scan is for leads: you lead the pool of no such type"))
    at = now()
    rules = {terms.decision_type: _rules(terms.learning.scan, fewest, people) for terms in led}
    scans = {
        terms.decision_type: Scan(
            terms.decision_type, frozenset(reason.code for reason in terms.reason_codes)
        )
        for terms in led
    }
    raised = _fill(settings, scans, max(0, at - days * 86_400_000))
    rows: list[dict[str, object]] = []
    new = []
    for name, one in scans.items():
        found = [each for each in one.patterns(at, rules[name]) if each.pattern_id not in raised]
        new += found
        rows += [{"found": each.pattern, "decision_type": name, "text": each.text} for each in found]
        rows += _scan_rows(one)
    print_rows(rows, ("found", "decision_type", "text"), as_json=as_json, empty="nothing found")
    if publish and new:
        with open_writer(settings) as writer:
            for event in new:
                writer.write(Topic.PATTERNS_DETECTED, event.learning_key, event)
    if publish:
        errors.print(f"{len(new)} alerts raised", highlight=False)


def _rules(said: ScanTerms, fewest: int | None, people: int | None) -> ScanTerms:
    """The policy's, but for what the caller asks for."""
    return msgspec.structs.replace(said, fewest=fewest or said.fewest, people=people or said.people)


def _matter(terms: Terms) -> ItemMatter:
    return ItemMatter(sink=COACHING, pool=terms.pool, about="")


def _fill(settings: Settings, scans: dict[str, Scan], since: int) -> set[str]:
    """Give every scan its answers; the ids of the patterns that were raised before."""
    raised, codec, reader = set(), open_codec(settings), LogReader(connection_of(settings))
    topics = [*(f"feedback.{sink}" for sink in SINKS), Topic.REVIEWS_OUTCOMES, Topic.PATTERNS_DETECTED]
    for record in reader.read_since(topics, since):
        try:
            event = codec.decode(record.value)
        except DecodeError:
            continue
        if isinstance(event, PatternDetected):
            raised.add(event.pattern_id)
        elif isinstance(event, Feedback) and event.decision_type in scans:
            scans[event.decision_type].add(event)
        elif isinstance(event, ReviewDecided):
            name = event.requested.routed.scored.decision.decision_type
            if name in scans:
                scans[name].add(event)
    return raised


def _scan_rows(one: Scan) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for spread in one.spread():
        floor = "unknown" if spread.floor is None else percent(spread.floor)
        text = (
            f"{spread.cell}: answers differ in {percent(spread.gini)} of pairs ({spread.answers} answers); "
            f"two people over the same case in {floor} ({spread.pairs} pairs)"
        )
        rows.append({"found": "spread", "decision_type": one.decision_type, "text": text, "gini": spread.gini,
                     "entropy": spread.entropy, "floor": spread.floor, "cell": spread.cell})  # fmt: skip
    agreed = one.people()
    for name, person in agreed.people.items() if agreed else ():
        if person.accuracy is not None:
            text = (
                f"{name} is right in about {percent(person.accuracy)} of {person.shared} shared blind cases"
            )
            rows.append({"found": "accuracy", "decision_type": one.decision_type, "text": text,
                         "person": name, "accuracy": person.accuracy, "shared": person.shared})  # fmt: skip
    return rows
