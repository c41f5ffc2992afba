"""Two small plots as SVG, without a plotting library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
COLOURS = ("#0b6e4f", "#45b39d", "#7a3db8", "#8a8a8a", "#c0392b", "#d68910", "#2471a3", "#17202a", "#a04000")


def any_above(rows: list[Row]) -> str:
    """One line for each policy: its settings as dots, the promise as a line."""
    still = [row for row in rows if row["kind"] == "stationary"]
    names = list(dict.fromkeys(row["policy"] for row in still))
    height = 40 + 34 * len(names)
    parts = [f'<line x1="{_x(0.1)}" y1="14" x2="{_x(0.1)}" y2="{height - 30}" stroke="#c0392b" />']
    parts.append(_text(_x(0.1), 11, "delta 10 %", "#c0392b", "middle"))
    for i, name in enumerate(names):
        y = 32 + 34 * i
        parts.append(_text(190, y + 4, name, "#222", "end"))
        for row in (row for row in still if row["policy"] == name):
            share = row["stationary"]["any"]
            low, high = row["stationary"]["any_interval"]
            ends = f'x1="{_x(low)}" y1="{y}" x2="{_x(high)}" y2="{y}"'
            parts.append(f'<line {ends} stroke="{COLOURS[i]}" stroke-opacity=".15" />')
            dot = f'cx="{_x(share)}" cy="{y}" r="3.5" fill="{COLOURS[i]}" fill-opacity=".55"'
            parts.append(f"<circle {dot} />")
    ticks = (0, 0.25, 0.5, 0.75, 1)
    parts += [_text(_x(tick), height - 12, f"{tick:.0%}", "#555", "middle") for tick in ticks]
    return _svg(
        height, "Share of runs that were ever above alpha; one dot for each stationary setting", parts
    )


def over_time(rows: list[Row], alpha: float) -> str:
    """Automation above, true error of the threshold in force below; means over the runs."""
    paths = [row for row in rows if "path" in row]
    parts = [
        *_panel(paths, "automation", 20, 170, 1.0, "automation"),
        *_panel(paths, "error", 220, 170, 3 * alpha, "true error in force"),
    ]
    y = 220 + 170 * (1 - 1 / 3)
    parts.append(
        f'<line x1="200" y1="{y:.1f}" x2="840" y2="{y:.1f}" stroke="#c0392b" stroke-dasharray="4 3" />'
    )
    parts.append(_text(844, y + 4, f"alpha {alpha:.0%}", "#c0392b", "start"))
    for i, row in enumerate(paths):
        parts.append(_text(190, 40 + 18 * i, row["policy"], COLOURS[i], "end"))
    return _svg(420, "An abrupt change at 15,000 of 30,000 decisions: means over all runs", parts)


def _panel(rows: list[Row], what: str, top: int, height: int, most: float, title: str) -> Iterable[str]:
    yield f'<rect x="200" y="{top}" width="640" height="{height}" fill="none" stroke="#ccc" />'
    yield _text(206, top + 14, title, "#555", "start")
    for i, row in enumerate(rows):
        values = row["path"][what]
        points = " ".join(
            f"{200 + 640 * (j + 0.5) / len(values):.1f},{top + height * (1 - min(v / most, 1)):.1f}"
            for j, v in enumerate(values)
        )
        yield f'<polyline points="{points}" fill="none" stroke="{COLOURS[i]}" stroke-width="1.6" />'


def _x(share: float) -> float:
    return round(200 + 640 * share, 1)


def _text(x: float, y: float, words: str, colour: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y:.0f}" fill="{colour}" text-anchor="{anchor}">{words}</text>'


def _svg(height: int, title: str, parts: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 {height}" font-family="sans-serif" '
        f'font-size="12" role="img"><title>{title}</title>\n'
        f'<rect width="920" height="{height}" fill="#fff" />\n' + "\n".join(parts) + "\n</svg>\n"
    )
