"""The schemas of ``schemas/``: the current ones, and every version that was ever committed.

Files refer to one another by full name. A schema leaves here *self-contained*: each named type is
written out where it is first used, so that fingerprints are right (a fingerprint of a schema that
names a type from elsewhere is not) and a version in ``schemas/history`` needs no other file.

``python -m app.stream.schemas`` adds a version to the history for each schema that changed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import fastavro.schema

from app.domain import events
from app.domain.events import Record
from app.errors import HitlError
from app.settings import PROJECT
from app.stream.avro_reader import Schema, compile_reader, full_name, named_types
from app.stream.errors import SchemaError

DIRECTORY = PROJECT / "schemas"
HISTORY = "history"
NAMESPACE = "hitl.events"
COMMIT_COMMAND = "python -m app.stream.schemas"

_VERSION_FILE = re.compile(r"(\w+)\.([1-9]\d*)\.avsc")

STRUCTS: Mapping[str, type] = {
    f"{NAMESPACE}.{name}": value
    for name, value in vars(events).items()
    if isinstance(value, type) and value.__module__ == events.__name__ and value is not Record
}
"""Every struct and enum of ``app.domain.events`` by the full name of its Avro type."""


def fingerprint(schema: Schema) -> bytes:
    """CRC-64-AVRO of the parsing canonical form, 8 bytes as they go on the wire (little-endian).

    ``schema`` must be self-contained. Versions that differ only in docs, defaults or logical types
    share a fingerprint, and rightly so: their bytes are the same. (Avro 1.12, "Schema Fingerprints".)
    """
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


class Schemas:
    """Every event's current schema and history, self-contained. Read once with ``load``.

    ``current`` maps an event's name to its schema, ``history`` to its versions, oldest first.
    """

    def __init__(self, files: Mapping[str, Schema], history: Mapping[str, list[Schema]]) -> None:
        self._definitions = _definitions(files)
        self.current: dict[str, Schema] = {name: self.inline(schema) for name, schema in files.items()}
        self.history: dict[str, list[Schema]] = {name: list(history.get(name, ())) for name in files}

    @classmethod
    def load(cls, directory: Path = DIRECTORY) -> Schemas:
        """Read ``<Name>.avsc`` and ``history/<Name>.<n>.avsc``.

        Raises ``SchemaError`` naming the file that is missing, unreadable or does not fit the others.
        """
        files = {path.stem: _read(path) for path in sorted(directory.glob("*.avsc"))}
        if not files:
            raise SchemaError(f"{directory}: no schemas there", hint="run from a complete checkout")
        for name, schema in files.items():
            if schema.get("name") != name:
                raise SchemaError(f"{directory / name}.avsc: holds {schema.get('name')}, not {name}")
        return cls(files, _read_history(directory / HISTORY, files))

    def inline(self, schema: Schema) -> Schema:
        """``schema`` with each named type written out where it is first used."""
        return _inline(schema, self._definitions, seen=set(), open_names=())

    def part(self, name: str) -> Schema:
        """Schema of what a stage appends: the last field of the event ``name``, self-contained.

        Raises ``SchemaError`` unless the event is a story so far followed by one part.
        """
        fields = self._definitions[f"{NAMESPACE}.{name}"]["fields"]
        if len(fields) != 2:
            raise SchemaError(f"{name}: not an event that a stage appends to ({len(fields)} fields)")
        return self.inline(fields[1]["type"])

    @cached_property
    def fingerprints(self) -> Mapping[str, bytes]:
        """By an event's name, what the current schema's bytes are marked with."""
        return {name: fingerprint(schema) for name, schema in self.current.items()}

    @cached_property
    def written_with(self) -> Mapping[bytes, tuple[str, Schema]]:
        """By fingerprint, every schema to be read with its event's name. Of versions that share one, the
        current."""
        earlier = {fingerprint(v): (name, v) for name, versions in self.history.items() for v in versions}
        return earlier | {self.fingerprints[name]: (name, now) for name, now in self.current.items()}

    def uncommitted(self) -> list[str]:
        """Events whose current schema is not the last version of the history (docs aside)."""
        return [
            name
            for name, schema in self.current.items()
            if not self.history[name] or _without_docs(self.history[name][-1]) != _without_docs(schema)
        ]


def compatible(writer: Schema, reader: Schema) -> str | None:
    """``None`` if everything ``writer`` wrote can be read with ``reader``, else why not."""
    types = {name: dict if part["type"] == "record" else str for name, part in named_types(reader).items()}
    try:
        compile_reader(writer, reader, types)
    except SchemaError as error:
        return str(error)
    return None


def commit_versions(directory: Path = DIRECTORY) -> list[Path]:
    """Write a history file for each event whose schema changed and return the files.

    Raises ``SchemaError`` for a change that some committed version can not read, or that can not read
    some committed version: give new fields a default, keep the old ones, and keep their types.
    """
    schemas = Schemas.load(directory)
    written = []
    for name in schemas.uncommitted():
        schema = schemas.current[name]
        for number, version in enumerate(schemas.history[name], start=1):
            why = compatible(version, schema) or compatible(schema, version)
            if why:
                raise SchemaError(
                    f"{name}: the change does not fit version {number}: {why}",
                    hint="give new fields a default, and keep old fields and their types",
                )
        path = directory / HISTORY / f"{name}.{len(schemas.history[name]) + 1}.avsc"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


def _read(path: Path) -> Any:  # noqa: ANN401  parsed JSON
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SchemaError(f"{path}: {error}") from error
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise SchemaError(f"{path}: an event is a record")
    return schema


def _read_history(directory: Path, files: Mapping[str, Schema]) -> dict[str, list[Schema]]:
    found: dict[str, dict[int, Schema]] = {}
    for path in directory.glob("*.avsc"):
        match = _VERSION_FILE.fullmatch(path.name)
        if not match or match[1] not in files:
            raise SchemaError(f"{path}: expected <event>.<version>.avsc of a known event")
        found.setdefault(match[1], {})[int(match[2])] = _read(path)
    for name, versions in found.items():
        if sorted(versions) != list(range(1, len(versions) + 1)):
            raise SchemaError(f"{directory}: {name} has versions {sorted(versions)}; one is missing")
    return {name: [versions[n] for n in sorted(versions)] for name, versions in found.items()}


def _definitions(files: Mapping[str, Schema]) -> dict[str, Schema]:
    """Every named type of all files by full name; each may be defined in one place only."""
    found: dict[str, Schema] = {}
    for file, schema in files.items():
        for name, part in named_types(schema).items():
            if name in found:
                raise SchemaError(f"{file}.avsc: {name} is defined in another file, too; refer to it by name")
            found[name] = part
    return found


def _inline(
    schema: Schema, known: Mapping[str, Schema], *, seen: set[str], open_names: tuple[str, ...]
) -> Any:  # noqa: ANN401
    if isinstance(schema, list):
        return [_inline(branch, known, seen=seen, open_names=open_names) for branch in schema]
    if isinstance(schema, str):
        if schema in open_names:
            raise SchemaError(f"{schema}: contains itself; events are finite")
        if schema in known and schema not in seen:
            return _inline(known[schema], known, seen=seen, open_names=open_names)
        if "." in schema and schema not in known:
            raise SchemaError(f"{schema}: named in {open_names[0]} but defined in no file")
        return schema
    result = dict(schema)
    if "name" in result:
        name = full_name(result)
        if name in open_names:
            raise SchemaError(f"{name}: contains itself; events are finite")
        if name in seen:
            return name
        seen.add(name)
        open_names = (*open_names, name)
    if "items" in result:
        result["items"] = _inline(result["items"], known, seen=seen, open_names=open_names)
    if "fields" in result:
        result["fields"] = [
            {**field, "type": _inline(field["type"], known, seen=seen, open_names=open_names)}
            for field in result["fields"]
        ]
    return result


def _without_docs(schema: Schema) -> Any:  # noqa: ANN401  parsed JSON
    if isinstance(schema, dict):
        return {key: _without_docs(value) for key, value in schema.items() if key != "doc"}
    if isinstance(schema, list):
        return [_without_docs(part) for part in schema]
    return schema


def main() -> int:
    """Commit what changed; print the files, or the reason against it."""
    try:
        written = commit_versions()
    except HitlError as error:
        print(f"{error}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    for path in written:
        print(path.relative_to(PROJECT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
