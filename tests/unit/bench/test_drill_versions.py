"""What docs/upgrading.md promises about schemas: announced to the running version, both ways can be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.domain.events import DecisionScored
from app.stream.codec import Codec
from app.stream.errors import DecodeError
from app.stream.schemas import Schemas
from bench.drill import versions
from tests.unit.agents.parts import CODEC, decision, incoming, scored

WRITE = """
import sys, msgspec
from app.stream.codec import Codec
from app.stream.schemas import Schemas
codec = Codec(Schemas.load())
event = codec.decode(bytes.fromhex(sys.argv[1]))
assert event.assessment.remark == "", "the older record has the default"
named = msgspec.structs.replace(event, assessment=msgspec.structs.replace(event.assessment, remark="new"))
print(codec.encode(named).hex())
"""


async def test_a_later_version_is_read_once_its_schemas_are_announced_and_reads_ours(tmp_path: Path) -> None:
    this, later = versions.now(tmp_path / "this"), versions.following(tmp_path / "next")
    [item] = await scored(incoming(decision("exp-1", 0.97)))
    ours = item.value
    done = subprocess.run(
        [sys.executable, "-c", WRITE, ours.hex()], cwd=later, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    theirs = bytes.fromhex(done.stdout)

    with pytest.raises(DecodeError) as unknown:
        CODEC.decode(theirs)
    assert unknown.value.reason == "unknown_fingerprint"
    new = versions.announce(later, this)
    assert any(name.startswith("DecisionScored.") for name in new)
    informed = Codec(Schemas.load(this / "schemas"))
    assert informed.decode_as(theirs, DecisionScored) == CODEC.decode_as(ours, DecisionScored)
    assert informed.body(theirs, DecisionScored) == CODEC.body(ours, DecisionScored)
