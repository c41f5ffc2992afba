"""The story in a Prometheus, with the recording rules that production uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from grafana.picture import story
from grafana.picture.decisions import Decisions
from grafana.picture.keys import Keys
from grafana.picture.ledger import Ledger
from grafana.picture.machines import Machines
from grafana.picture.queues import Queues
from grafana.picture.server import Prometheus, Rule, Span, remembering

RULES = Path(__file__).parent.parent / "prometheus" / "recording.yml"
SPANS = (
    Span(story.FIRST, story.END - story.DAY, 4 * story.HOUR),
    Span(story.END - story.DAY, story.END, 2 * story.STEP),
)
"""When rules were evaluated: as finely as dashboards look at them."""


def tell() -> Ledger:
    """All that was scraped, from ``story.FIRST`` to ``story.END``."""
    ledger, random = Ledger("hitl-worker"), np.random.default_rng(7)
    queues = Queues(ledger, random)
    decisions, keys = Decisions(ledger, random, queues), Keys(ledger)
    machines = Machines(ledger, random, queues)
    moments = story.times()
    for before, now in zip([story.FIRST - 4 * story.HOUR, *moments], moments, strict=False):
        hours = (now - before) / story.HOUR
        for kind in story.KINDS:
            decisions.happen(kind, now, hours)
        queues.work(now, hours)
        keys.stand(now)
        machines.run(now, hours)
        ledger.scrape(now)
    return ledger


def recording_rules() -> list[Rule]:
    """Those that Prometheus loads in production."""
    groups = YAML(typ="safe").load(RULES.read_text(encoding="utf-8"))["groups"]
    return [
        Rule(rule["record"], rule["expr"]) for group in groups for rule in group["rules"] if "record" in rule
    ]


@contextmanager
def remembered(directory: Path) -> Iterator[Prometheus]:
    """A Prometheus to which all of the story has happened. Its files are in ``directory``."""
    history = directory / "history.txt"
    with history.open("w", encoding="utf-8") as out:
        tell().write(out)
    with remembering(history, recording_rules(), SPANS, directory) as server:
        yield server
