"""Server time and size of every page of the console, with many reviews open, as a Markdown table.

    python -m bench.console_pages [--open 100000] [--rounds 20]

One browser, one request after another, signed in as a lead; the time is that of the whole request in
the server, without a network; the size is what is sent, uncompressed, style sheet and scripts not
counted (they are cached: their size is given once).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import msgspec

from app.domain.events import ReviewRequested
from app.review_queue.embedded import store
from app.review_queue.store import open_client
from app.review_queue.values import NewReview
from app.stream.codec import Codec
from app.stream.schemas import Schemas
from tests.integration.console.conftest import House
from tests.integration.review_queue.conftest import Desk

STATIC = Path(__file__).parent.parent / "app" / "console" / "static"
PAGES = (
    "/", "/work/live", "/lead", "/capacity", "/sessions", "/me", "/help", "/reviews/{review}",
    "/decisions/{decision}", "/v1/queues", "/v1/reviews?pool=finance", "/v1/reviews/{review}", "/v1/me",
)  # fmt: skip


def fill(house: House, count: int) -> None:
    """So many open reviews, copies of a real one under other ids."""
    template = house.codec.decode_as(house.queue.get(house.ask("exp-0")).record, ReviewRequested)
    desk = Desk(house.store.client, "")
    for start in range(1, count, 1000):
        new = []
        for n in range(start, min(count, start + 1000)):
            request = desk.new(f"exp-{n}", pool="finance", deadline=house.clock() + 60_000 * n).request
            request = msgspec.structs.replace(
                request, package=template.request.package, package_digest=template.request.package_digest
            )
            record = house.codec.encode(ReviewRequested(routed=template.routed, request=request))
            new.append(NewReview(f"exp-{n}", request, record))
        house.queue.enqueue_many(new)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--open", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, store(None, Path(folder)) as url:
        client = open_client(url, timeout=30)
        house = House(Desk(client, url), Codec(Schemas.load()), Path(folder))
        fill(house, options.open)
        browser = house.signed_in("cleo")
        review = browser.get("/v1/reviews?pool=finance").json()["items"][0]
        print(f"{options.open:,} reviews open\n\n| page | p50 ms | worst ms | kB |\n|---|---|---|---|")
        for page in PAGES:
            path = page.format(review=review["review_id"], decision=review["decision_id"])
            samples = []
            for _ in range(options.rounds):
                begin = time.perf_counter()
                answer = browser.get(path)
                samples.append(1000 * (time.perf_counter() - begin))
            assert answer.status_code == 200, (path, answer.status_code, answer.text[:200])
            samples.sort()
            size = len(answer.content) / 1000
            print(f"| `{page}` | {samples[len(samples) // 2]:.1f} | {samples[-1]:.1f} | {size:.1f} |")
        assets = sum(
            path.stat().st_size for path in STATIC.rglob("*") if path.suffix in (".css", ".js", ".svg")
        )
        print(f"\nstyle sheet, scripts and icon together: {assets / 1000:.1f} kB, cached")


if __name__ == "__main__":
    main()
