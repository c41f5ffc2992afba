"""The documentation as a site: it builds without a network, no link is broken, no page is left out."""

import os
import re
import subprocess
import sys

import pytest

from tests.processes import ROOT

FETCHED = re.compile(r"""<(?:script|img|link|iframe)[^>]*(?:src|href)=["']?(?:https?:)?//[^"' >]*""")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert build.returncode == 0, build.stderr
    return folder


def test_every_page_of_docs_is_in_the_navigation(site):
    home = (site / "index.html").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 40
    assert [str(page) for page in pages if f'href="{page.with_suffix(".html")}"' not in home] == []


def test_reading_fetches_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert [found for page in pages for found in FETCHED.findall(page.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("cli", "hitl thresholds freeze"),
        ("policy-fields", "second_look_share"),
        ("environment", "HITL_SECRET_FILE"),
        ("events", "inclusion_probability"),
        ("endpoints", "POST /v1/reviews/claim-next"),
        ("example-policy", "expense.approval"),
    ],
)
def test_the_reference_comes_from_the_code(site, page, words):
    assert words in (site / "reference" / f"{page}.html").read_text(encoding="utf-8")
