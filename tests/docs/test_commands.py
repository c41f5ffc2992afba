"""Every command that the documentation shows is run, page by page, against a deployment of its own."""

import os
import signal
import subprocess
import uuid
from contextlib import contextmanager

import pytest

from app.review_queue.embedded import store
from tests.docs.blocks import LANGUAGES, blocks
from tests.docs.swift import Swift
from tests.processes import ROOT, Process, until

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN = {page: [block for block in blocks(page) if block.language in LANGUAGES] for page in PAGES}
RUN = [page for page, shown in SHOWN.items() if any(block.reason is None for block in shown)]
FILES = ("examples", "policies", "schemas", "topics.yaml")
"""Of the repository, where a reader's commands are typed."""
CONSOLE = "http://127.0.0.1:8080"
"""What pages say where the tests' console is elsewhere."""
LONGEST = 900
"""Seconds that one block may take where the machine is busy."""


def shown(page):
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def swift(tmp_path_factory):
    with Swift(tmp_path_factory.mktemp("swift")) as made:
        yield made


@pytest.fixture(scope="module")
def store_url(tmp_path_factory):
    """Address of a store, also of none of ours."""
    with store(os.environ.get("HITL_TEST_REDIS"), tmp_path_factory.mktemp("store")) as url:
        yield url


@pytest.fixture
def folder(tmp_path):
    """The repository's folder, as far as a reader's commands need it, with a decision to submit."""
    for name in FILES:
        (tmp_path / name).symlink_to(ROOT / name)
    example = next(b for b in blocks(ROOT / "README.md") if "exp-001" in b.text)
    (tmp_path / "decisions.jsonl").write_text(example.text.split("<<'END'\n")[1].split("\nEND")[0] + "\n")
    return tmp_path


@contextmanager
def deployed(page, swift, folder, request):
    """Environment of a reader with `hitl up` in another terminal; where a policy is activated, with a worker
    on Kafka: the embedded broker takes no new topics."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HITL_")}
    environment |= {"PATH": f"{swift.path}:{os.environ['PATH']}", "COLUMNS": "200"}
    log, hitl = folder / "deployed.log", str(swift.path / "hitl")
    if any("policy activate" in block.script for block in SHOWN[page] if block.reason is None):
        environment |= {
            "HITL_KAFKA_BOOTSTRAP_SERVERS": request.getfixturevalue("kafka"),
            "HITL_REDIS_URL": request.getfixturevalue("store_url"),
            "HITL_TOPIC_PREFIX": f"d{uuid.uuid4().hex[:10]}.",
        }
        subprocess.run([hitl, "topics", "apply"], env=environment, check=True, capture_output=True)
        process, ready = Process([hitl, "worker"], environment, log), "stop with ctrl-c"
    else:
        process, ready = Process([hitl, "up", "--port", "0"], environment, log), "console: "
    process.start()
    try:
        until(lambda: process.says(ready) or not process.running, f"{ready} in {log}")
        for line in log.read_text().splitlines():
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                environment[name] = value
            if line.startswith("console: "):
                environment["HITL_CONSOLE_URL"] = line.split()[1]
        yield environment
    finally:
        process.stop()


def test_what_is_not_run_says_why():
    untold = [f"{shown(b.page)}:{b.line}" for page in PAGES for b in SHOWN[page] if b.reason == ""]
    assert untold == []


def test_commands_are_marked_as_such():
    """A block without a language that shows `hitl ...` would not be run."""
    missed = [
        f"{shown(page)}:{block.line}"
        for page in PAGES
        for block in blocks(page)
        if block.language == "" and any(line.startswith("hitl ") for line in block.text.splitlines())
    ]
    assert missed == []


@pytest.mark.parametrize("page", RUN, ids=shown)
def test_the_commands_of_a_page_work(page, swift, folder, request):
    lines = ["set -euo pipefail"]
    for block in SHOWN[page]:
        if block.reason is None:
            lines += [f"echo '--- {shown(page)}:{block.line}'", block.script]
    with deployed(page, swift, folder, request) as environment:
        script = "\n".join(lines).replace(CONSOLE, environment.get("HITL_CONSOLE_URL", CONSOLE))
        # Into a file: what a stuck command leaves behind would hold a pipe open.
        with (folder / "said.log").open("w+") as said:
            ran = subprocess.Popen(
                ["bash", "-c", script],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                ran.wait(LONGEST)
            except subprocess.TimeoutExpired:
                os.killpg(ran.pid, signal.SIGKILL)
                ran.wait()
    assert ran.returncode == 0, (folder / "said.log").read_text()[-3000:]
