"""`python -m grafana.picture docs/images`: pictures of all dashboards with two made-up months in them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from app.errors import HitlError
from grafana.picture.draw import chromium, draw_all
from grafana.picture.history import remembered


def main() -> int:
    """The command. 0 when every panel of every dashboard shows something, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m grafana.picture",
        description="Draw all dashboards with Grafana's own components and a made-up history.",
        epilog="Needs: prometheus and promtool, Node.js, Chromium, and once `make dashboard-components`."
        " Example: python -m grafana.picture docs/images",
    )
    parser.add_argument("directory", type=Path, help="for the pictures, dashboard-NAME.png")
    directory = parser.parse_args().directory
    try:
        faults = _draw_all(directory)
    except HitlError as error:
        print(f"{error}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _draw_all(directory: Path) -> list[str]:
    with (
        tempfile.TemporaryDirectory() as scratch,
        remembered(Path(scratch)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        faults = draw_all(server, browser, Path(scratch), directory)
        browser.close()
        return faults


if __name__ == "__main__":
    sys.exit(main())
