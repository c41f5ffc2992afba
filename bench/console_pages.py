"""Server time and size of every page of the console, with many reviews open, as a Markdown table.

    python -m bench.console_pages [--open 100000] [--rounds 20]

One browser, one request after another, signed in as a lead; the time is that of the whole request in
the server, without a network; the size is what is sent, uncompressed, style sheet and scripts not
counted (they are cached: their size is given once). The console is that of a large company: 200 people in
the pool, each with answers in the ledger, 150 cases in hand and 300 late, rules, sessions.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.review_queue.embedded import store
from app.review_queue.store import open_client

if TYPE_CHECKING:
    from starlette.testclient import TestClient

STATIC = Path(__file__).parent.parent / "app" / "console" / "static"
MOST_MS, MOST_KB = 100.0, 150.0
"""The target: median server time, and size."""

Names = dict[str, str]
PAGES: dict[str, Callable[[Names], str]] = {
    "/": lambda _: "/",
    "/work/live": lambda _: "/work/live",
    "/help": lambda _: "/help",
    "/reviews/{review_id}": lambda n: f"/reviews/{n['review']}",
    "/reviews/{review_id}/presence": lambda n: f"/reviews/{n['review']}/presence",
    "/reviews/{review_id}/done": lambda n: f"/reviews/{n['review']}/done?how=answered",
    "/decisions/{decision_id:path}": lambda n: f"/decisions/{n['decision']}",
    "/lead": lambda _: "/lead",
    "/capacity": lambda _: "/capacity?hours=72",
    "/sessions": lambda _: "/sessions",
    "/sessions/{session_id}": lambda n: f"/sessions/{n['session']}",
    "/operations": lambda _: "/operations",
    "/rules": lambda _: "/rules",
    "/rules/new": lambda n: f"/rules/new?review={n['review']}",
    "/rules/{rule_id}": lambda n: f"/rules/{n['rule']}",
    "/me": lambda _: "/me",
    "/problems": lambda _: "/problems",
    "/v1/queues": lambda _: "/v1/queues",
    "/v1/reviews": lambda _: "/v1/reviews?pool=finance",
    "/v1/reviews/{review_id}": lambda n: f"/v1/reviews/{n['review']}",
    "/v1/decisions/{decision_id:path}": lambda n: f"/v1/decisions/{n['decision']}",
    "/v1/rules": lambda _: "/v1/rules",
    "/v1/rules/{rule_id}": lambda n: f"/v1/rules/{n['rule']}",
    "/v1/people": lambda _: "/v1/people",
    "/v1/me": lambda _: "/v1/me",
}
"""Route -> the address that is measured."""
UNMEASURED = {
    "/decisions/{decision_id:path}/evidence": "a download that reads the log, as long as it takes",
    "/v1/decisions/{decision_id:path}/events": "a stream without an end",
    "/v1/events": "a stream without an end",
    "/sign-in": "a form without any data, which who is signed in does not see",
    "/healthz": "a probe",
    "/readyz": "a probe that waits for the broker",
    "/metrics": "for Prometheus",
}
"""Routes that no page is at, and why they have no time."""


def main() -> None:
    from bench.console_house import furnished  # noqa: PLC0415 - the list of pages is read without a console

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--open", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, store(None, Path(folder)) as url:
        client = open_client(url, timeout=30)
        house = furnished(client, url, Path(folder), options.open)
        browser = house.signed_in("cleo")
        review = browser.get("/v1/reviews?pool=finance").json()["items"][0]
        names = {
            "review": review["review_id"],
            "decision": review["decision_id"],
            "rule": browser.get("/v1/rules").json()["items"][0]["rule_id"],
            "session": "s2",
        }
        print(f"{options.open:,} reviews open\n\n| page | p50 ms | worst ms | kB |  |\n|---|---|---|---|---|")
        missed = 0
        for page, address in PAGES.items():
            times, size = measured(browser, address(names), options.rounds)
            median = statistics.median(times)
            over = median > MOST_MS or size > MOST_KB
            missed += over
            print(
                f"| `{page}` | {median:.1f} | {max(times):.1f} | {size:.1f} | {'**over**' if over else ''} |"
            )
        within = f"{len(PAGES) - missed} of {len(PAGES)} pages within {MOST_MS:.0f} ms and {MOST_KB:.0f} kB"
        assets = sum(
            path.stat().st_size for path in STATIC.rglob("*") if path.suffix in (".css", ".js", ".svg")
        )
        print(f"\n{within}; style sheet, scripts and icon together: {assets / 1000:.1f} kB, cached")


def measured(browser: TestClient, address: str, rounds: int) -> tuple[list[float], float]:
    """Times in ms and size in kB of a page that is there. The first answer is not counted: it reads the
    template."""
    times = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        answer = browser.get(address)
        times.append(1000 * (time.perf_counter() - begin))
        assert answer.status_code == 200, (address, answer.status_code, answer.text[:200])
    return times[1:], len(answer.content) / 1000


if __name__ == "__main__":
    main()
