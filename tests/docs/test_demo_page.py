"""The pages of the demo in README and docs/demo.md are what the demo prints."""

import os
import re
import subprocess
import sys

import pytest

from tests.docs.blocks import blocks
from tests.processes import ROOT

SECONDS = re.compile(r"\b\d+ s\b")


@pytest.fixture(scope="module")
def printed():
    """Both chapters, side by side."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HITL_")}
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "app", "demo", "--exit", *more],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for more in ([], ["--retrain"])
    ]
    pages = [run.communicate(timeout=900)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    return [SECONDS.sub("N s", page).strip() for page in pages]


def shown(page, beginning):
    (text,) = [block.text for block in blocks(ROOT / page) if beginning in block.text]
    return SECONDS.sub("N s", text).strip()


def test_the_demo_prints_the_page_of_the_documentation(printed):
    assert printed[0] == shown("docs/demo.md", "WHO DECIDED")


def test_the_readme_shows_its_beginning(printed):
    assert printed[0].startswith(shown("README.md", "WHO DECIDED").removesuffix("...").strip())


def test_the_retraining_chapter_prints_the_page_of_the_documentation(printed):
    assert printed[1] == shown("docs/demo.md", "WHAT PEOPLE ANSWERED")
