"""A person's open coaching notes stand on the own page, and on nobody else's."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec

from app.console.app import create_console
from app.domain.quality.figures import CoachingNote, ReviewerFigures
from app.domain.quality.snapshot import Snapshot

HTML = {"Accept": "text/html"}
NOTE = CoachingNote(
    item_id="n",
    decision_type="expense.approval",
    text="An earlier <b>slip</b> was wrong.",
    at=1_772_443_800_000,
)


def test_coaching_is_on_the_own_page_only(house):
    snapshot = Snapshot(
        caught_up=True,
        coaching={"ann": (NOTE,)},
        reviewers={name: ReviewerFigures(name=name) for name in ("ann", "bob", "cleo")},
    )
    house.parts = msgspec.structs.replace(house.parts, ledger=SimpleNamespace(snapshot=lambda: snapshot))
    house.app = create_console(house.parts)
    page = house.signed_in("ann").get("/me", headers=HTML).text
    assert "An earlier &lt;b&gt;slip&lt;/b&gt; was wrong." in page
    assert "Worth going through again" in page
    for name in ("bob", "cleo"):
        assert "was wrong" not in house.signed_in(name).get("/me", headers=HTML).text
    assert "was wrong" not in house.signed_in("bob").get("/v1/me").text
