"""What is done ahead of a worker's fork: enough to save the time, and nothing that a fork must not have."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, os, sys, threading
from app.composition.parts import load_compiled_policy
from app.composition.worker import Worker, rehearse
from app.settings import load_settings

def opened():
    return len(os.listdir("/dev/fd")), threading.active_count()

settings = load_settings(json.loads(sys.argv[1]))
before = opened()
rehearse(settings)
assert opened() == before, "the rehearsal left something open"
known = set(sys.modules)
if sys.argv[2:]:
    Worker(settings, load_compiled_policy(settings))
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - known})))
"""
PLACES = {"HITL_KAFKA_BOOTSTRAP_SERVERS": "localhost:1", "HITL_REDIS_URL": "redis://localhost:1/0"}


def rehearsed(places, *more):
    """Packages that are loaded only afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(places), *more],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_it_loads_what_a_worker_is_made_of_and_opens_nothing():
    assert rehearsed(PLACES, "and a worker") <= {"importlib"}


def test_what_is_wrong_is_left_to_the_worker_to_say():
    assert not rehearsed({})
    assert not rehearsed({**PLACES, "HITL_POLICY": "/nowhere/policy.yaml"})
