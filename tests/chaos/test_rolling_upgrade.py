"""A next version, whose events have a field more, and this one take turns under load: the drill, in short."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.drill import moves, versions
from bench.drill.site import Site
from tests.kafka_broker import KafkaBroker
from tests.processes import until

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_an_upgrade_and_the_way_back_lose_and_double_nothing(own_broker: KafkaBroker, tmp_path: Path) -> None:
    directory = tmp_path / "site"
    directory.mkdir()
    site = Site(directory, broker=own_broker)
    try:
        this, later = versions.now(directory / "this"), versions.following(directory / "next")
        versions.announce(later, this)  # readers before writers
        site.schemas = this / "schemas"
        for slot in (0, 1):
            site.start(slot, root=this)
        site.open_desks("ann")
        moves.exchange(site, [(0, later), (1, later)], moves.RATE * 2)
        until(lambda: moves.scored_by(later, site) > 0, "the next version at work")
        moves.exchange(site, [(1, this), (0, this)], moves.RATE * 2)
        site.settle(still=1.0)
        site.close_desks()
        verdict, written = site.judge(), moves.scored_by(later, site)
    finally:
        site.close()
    assert verdict.ok, str(verdict)
    assert 0 < written < verdict.counts["submitted"]
