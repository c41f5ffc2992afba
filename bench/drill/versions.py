"""Other versions of this software, each in a directory of its own, to roll between."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.processes import ROOT

PARTS = ("app", "schemas", "policies", "topics.yaml")


def now(directory: Path) -> Path:
    """A copy of this version."""
    directory.mkdir(parents=True)
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, directory / name)
    return directory


def following(directory: Path) -> Path:
    """A version after this one: a new field in the middle of what most events carry."""
    root = now(directory)
    file = root / "schemas" / "DecisionScored.avsc"
    schema = json.loads(file.read_text(encoding="utf-8"))
    assessment = schema["fields"][1]["type"]
    assessment["fields"].append(
        {"name": "remark", "type": "string", "doc": "of the next version", "default": ""}
    )
    file.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
    events = root / "app" / "domain" / "events.py"
    text = events.read_text(encoding="utf-8")
    field = "    missing_facts: list[str]\n    findings: list[Finding]\n"
    if text.count(field) != 1:
        raise RuntimeError("Assessment has changed: say here how the next version of it would look")
    events.write_text(
        text.replace(field, f'{field}    remark: str = "seen by the next version"\n'), encoding="utf-8"
    )
    subprocess.run([sys.executable, "-m", "app.stream.schemas"], cwd=root, check=True, capture_output=True)
    return root


def announce(schemas_of: Path, to: Path) -> list[str]:
    """Give a version the schemas of a later one to read: files, no code, and only those of events that it
    has. Returns which ones were new."""
    new = []
    for file in sorted((schemas_of / "schemas" / "history").glob("*.avsc")):
        target = to / "schemas" / "history" / file.name
        has = (to / "schemas" / f"{file.name.partition('.')[0]}.avsc").exists()
        if has and not target.exists():
            shutil.copy(file, target)
            new.append(file.name)
    return new


def committed(revision: str, directory: Path) -> Path:
    """A version from this repository's history."""
    archive = subprocess.run(
        ["git", "archive", revision, *PARTS], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(directory, filter="data")
    return directory
