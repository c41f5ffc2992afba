"""Parts of the benchmark that need no broker, run to their end: a whole run meets them after half an hour."""

from __future__ import annotations

import subprocess
import sys

import pytest

PARTS = {
    "bench.console_pages --open 300 --rounds 1": "pages within",
    "bench.queue_verbs --sizes 100 --calls 20 --no-peer": "| 100 | ours | claim |",
    "bench profile --decisions 200 --functions 3": "routing.py",
}


@pytest.mark.parametrize(("part", "says"), PARTS.items())
def test_a_part_of_the_benchmark_runs_to_its_end(part: str, says: str):
    ran = subprocess.run([sys.executable, "-m", *part.split()], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert says in ran.stdout
