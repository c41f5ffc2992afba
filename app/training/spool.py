"""Rows on their way from the log into one sorted file: in pieces, so that memory stays bounded and an
interrupted export goes on where it stopped.

Order of effects for each piece:
1. its rows, sorted, under a temporary name, then renamed;
2. the note of how far the log is read, likewise.
A crash between the two leaves a piece that the note does not count; it is written over.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from app.domain.training_set import Kind, Row, fact_kinds
from app.errors import HitlError

PIECE = 20_000
"""Rows of a piece: about 20 MB in memory."""


class Note(msgspec.Struct, kw_only=True):
    """How far the log was read into pieces. ``asked`` must be the same for an export to go on."""

    asked: dict[str, str]
    pieces: int = 0
    rows: int = 0
    read: dict[str, int] = msgspec.field(default_factory=dict)
    """Next offset by ``topic/partition``."""
    facts: dict[str, Kind] = msgspec.field(default_factory=dict)


class Spool:
    """The pieces of one export, in a folder of its own that is gone when the export is done."""

    def __init__(self, folder: Path, asked: Mapping[str, str]) -> None:
        """Go on with what is in ``folder``, where that is the same export; else begin anew."""
        self._folder = folder
        self._rows: list[Row] = []
        self.note = self._found(dict(asked))
        self._read = dict(self.note.read)
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def start(self) -> dict[tuple[str, int], int]:
        """The offsets from which the log is still to be read."""
        return {_split(name): offset for name, offset in self.note.read.items()}

    def add(self, partition: tuple[str, int], offset: int, row: Row | None) -> None:
        """Take what a record gave; ``None`` if it is not part of the set."""
        self._read[f"{partition[0]}/{partition[1]}"] = offset + 1
        if row is not None:
            self._rows.append(row)
        if len(self._rows) >= PIECE:
            self.flush()

    def flush(self) -> None:
        """Write what is held as a piece."""
        rows, self._rows = sorted(self._rows, key=lambda row: row.order), []
        note = self.note
        if rows:
            _replace(self._piece(note.pieces), b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
            note.pieces += 1
            note.rows += len(rows)
            note.facts = fact_kinds((row.values for row in rows), note.facts)
        note.read = dict(self._read)
        _replace(self._folder / "note.json", msgspec.json.encode(note))

    def rows(self) -> Iterator[Row]:
        """Every row in order, the pieces merged as they are read."""
        yield from heapq.merge(
            *(self._lines(number) for number in range(self.note.pieces)), key=lambda row: row.order
        )

    def remove(self) -> None:
        """The export is done."""
        for path in self._folder.iterdir():
            path.unlink()
        self._folder.rmdir()

    def _found(self, asked: dict[str, str]) -> Note:
        try:
            note = msgspec.json.decode((self._folder / "note.json").read_bytes(), type=Note)
        except FileNotFoundError:
            return Note(asked=asked)
        except (OSError, msgspec.MsgspecError) as error:
            raise HitlError(
                f"{self._folder} can not be gone on with: {error}", hint="delete that folder and export again"
            ) from error
        return note if note.asked == asked else Note(asked=asked)

    def _lines(self, number: int) -> Iterator[Row]:
        decoder = msgspec.json.Decoder(Row)
        with self._piece(number).open("rb") as lines:
            for line in lines:
                yield decoder.decode(line)

    def _piece(self, number: int) -> Path:
        return self._folder / f"{number:06d}.jsonl"


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".part")
    partial.write_bytes(content)
    partial.replace(path)


def _split(name: str) -> tuple[str, int]:
    topic, _, number = name.rpartition("/")
    return topic, int(number)
