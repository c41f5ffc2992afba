"""Writes the dashboards' JSON from the code: `python -m grafana.generate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grafana.board import Board
from grafana.boards import efficiency, learning, overview, pipeline, quality, queue

DASHBOARDS = Path(__file__).parent / "dashboards"
BOARDS: tuple[Board, ...] = tuple(
    module.board() for module in (overview, efficiency, quality, learning, queue, pipeline)
)


def path_of(board: Board) -> Path:
    """Where its JSON is."""
    return DASHBOARDS / f"{board.uid}.json"


def differing() -> list[Path]:
    """Files that are not what the code makes, or that no code makes."""
    wrong = [path for board in BOARDS if not _is(path := path_of(board), board.json())]
    return wrong + sorted(set(DASHBOARDS.glob("*.json")) - {path_of(board) for board in BOARDS})


def main() -> int:
    """The command. 0 when all is written, or with --check when nothing had to be; else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m grafana.generate",
        description="Write grafana/dashboards/*.json from grafana/boards/.",
        epilog="Example: python -m grafana.generate --check",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; say which files differ")
    if parser.parse_args().check:
        wrong = differing()
        for path in wrong:
            print(f"{path.name} differs from its code. Run: python -m grafana.generate", file=sys.stderr)
        return 1 if wrong else 0
    DASHBOARDS.mkdir(exist_ok=True)
    for board in BOARDS:
        path_of(board).write_text(board.json(), encoding="utf-8")
    return 0


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
