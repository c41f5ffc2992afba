"""A dashboard's queries, run; and its panels, drawn in a browser from what they answered."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page

from app.errors import HitlError
from grafana.board import Board
from grafana.generate import BOARDS
from grafana.picture import story
from grafana.picture.server import Prometheus, Span

HERE = Path(__file__).parent
DURATION = re.compile(r"now-(\d+)([hd])")
SECONDS = {"h": 3600, "d": 86400}
POINTS = 360
"""Of a curve: about as many as a panel is wide."""

Dashboard = dict[str, Any]
Answers = dict[int, list[list[dict[str, Any]]]]


class DrawingError(HitlError):
    """The components are not installed, or a dashboard can not be drawn."""


class Look(NamedTuple):
    """What a dashboard shows when it is opened: its time, and what all queries answered."""

    span: Span
    answers: Answers
    annotations: list[dict[str, Any]]
    empty: list[str]
    """Queries without an answer, each with its panel's title."""


def draw_all(server: Prometheus, browser: Browser, scratch: Path, pictures: Path) -> list[str]:
    """Draw all dashboards side by side into ``pictures``, with pages in ``scratch``. What went wrong."""
    bundle(scratch)
    tabs: list[tuple[Board, Page]] = []
    faults: list[str] = []
    for board in BOARDS:
        dashboard = json.loads(board.json())
        seen = look(dashboard, server)
        faults += [f"{board.title}: no answer: {what}" for what in seen.empty]
        tabs.append((board, open_tab(browser, page(dashboard, seen, scratch))))
    for board, tab in tabs:
        name = board.uid.removeprefix("hitl-")
        found = draw(tab, pictures / f"dashboard-{name}.png")
        faults += [f"{board.title}: {what}" for what in found]
    return faults


def look(dashboard: Dashboard, server: Prometheus) -> Look:
    """Run all queries of a dashboard as Grafana would at the end of the history, all variables at "All"."""
    span = _span(dashboard)
    answers: Answers = {}
    empty: list[str] = []
    for panel in queried(dashboard):
        found = [_answer(target, span, server) for target in panel["targets"]]
        answers[panel["id"]] = found
        empty += [
            f"{panel['title']}: {target['expr']}"
            for target, answer in zip(panel["targets"], found, strict=True)
            if not any(_says_something(series) for series in answer)
        ]
    return Look(span, answers, list(_annotations(dashboard, span, server)), empty)


def queried(dashboard: Dashboard) -> list[dict[str, Any]]:
    """The panels that ask something."""
    return [panel for panel in dashboard["panels"] if panel["type"] not in ("row", "text")]


def page(dashboard: Dashboard, seen: Look, directory: Path) -> Path:
    """Write the page that draws the dashboard, beside the bundle that `bundle` has made there."""
    given = {
        "dashboard": dashboard,
        "results": seen.answers,
        "annotations": seen.annotations,
        "from": seen.span.start,
        "to": seen.span.end,
        "step": seen.span.step,
    }
    data = json.dumps(given).replace("</", "<\\/")
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>drawing</title>'
        '<link rel="stylesheet" href="page.css"></head><body style="margin:0"><div id="root"></div><script>'
        "window.grafanaBootData={settings:{featureToggles:{}}};window.__grafana_public_path__='';"
        f'window.INPUT={data}</script><script src="page.js"></script></body></html>'
    )
    path = directory / f"{dashboard['uid']}.html"
    path.write_text(html, encoding="utf-8")
    return path


def open_tab(browser: Browser, path: Path) -> Page:
    """Begin to draw a page, in a window that holds all of it: tables out of sight stay empty."""
    tab = browser.new_page(viewport={"width": 1600, "height": 2400})
    tab.goto(path.as_uri(), wait_until="commit")
    return tab


def draw(tab: Page, picture: Path) -> list[str]:
    """Wait until nothing changes any more, save a picture. What went wrong, in words."""
    tab.wait_for_function("document.title === 'drawn'", timeout=300_000)
    tab.locator("#dashboard").screenshot(path=picture, animations="disabled")
    faults: list[str] = tab.evaluate("window.FAULTS")
    tab.close()
    return faults


def bundle(directory: Path) -> None:
    """Build Grafana's components and our page into ``directory``. Raises ``DrawingError`` without them."""
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules").exists():
        raise DrawingError(
            "Grafana's components are not installed",
            hint="Install Node.js and run: make dashboard-components",
        )
    built = subprocess.run(  # noqa: S603 - our own script
        [node, "build.mjs", str(directory)], cwd=HERE, capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise DrawingError("the page can not be built", hint=built.stderr[-2000:])


def chromium() -> str:
    """The browser's path, as in the other browser tests."""
    found = os.environ.get("HITL_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        raise DrawingError(
            "no Chromium", hint="Debian's package `chromium` has it; or set HITL_TEST_CHROMIUM."
        )
    return found


def _span(dashboard: Dashboard) -> Span:
    number, unit = DURATION.fullmatch(dashboard["time"]["from"]).groups()  # type: ignore[union-attr]
    length = int(number) * SECONDS[unit]
    step = max(length // POINTS // story.STEP, 1) * story.STEP
    return Span(story.END - length, story.END, step)


def _answer(target: dict[str, Any], span: Span, server: Prometheus) -> list[dict[str, Any]]:
    expr = _filled(target["expr"], span)
    return server.instant(expr, span.end) if target.get("instant") else server.course(expr, span)


def _filled(expr: str, span: Span) -> str:
    """As Grafana fills in variables. Its rate interval is four scrapes, or a step and a scrape if longer."""
    scrape = _scrape_interval(span)
    filled = expr.replace("$__rate_interval", f"{max(span.step + scrape, 4 * scrape)}s")
    filled = filled.replace("$__range", f"{span.end - span.start}s").replace("$__interval", f"{span.step}s")
    return re.sub(r"\$\w+", ".+", filled)


def _scrape_interval(span: Span) -> int:
    """The story is told in ever smaller steps; a look has to do with the largest in it."""
    gaps = (b - a for a, b in zip(story.times(), story.times()[1:], strict=False) if b > span.start)
    return max(gaps)


def _annotations(dashboard: Dashboard, span: Span, server: Prometheus) -> Iterator[dict[str, Any]]:
    scrape = _scrape_interval(span)
    fine = span._replace(step=max(span.step, scrape))
    for annotation in dashboard["annotations"]["list"]:
        for series in server.course(_filled(annotation["expr"], fine), fine):
            yield from (
                {"time": at, "color": annotation["iconColor"], "name": annotation["name"]}
                for at, _ in series["values"]
            )


def _says_something(series: dict[str, Any]) -> bool:
    points = series.get("values") or [series["value"]]
    return any(value != "NaN" for _, value in points)
