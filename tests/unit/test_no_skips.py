"""A green run on CI has proved everything."""

import os
import subprocess
import sys

import pytest

from app.settings import PROJECT

SKIPS = {
    "a test": "import pytest\ndef test_it(): pytest.skip('no broker')\n",
    "a mark": "import pytest\n@pytest.mark.skip(reason='later')\ndef test_it(): pass\n",
    "a fixture": "import pytest\n@pytest.fixture\ndef b(): pytest.skip('no browser')\ndef test_it(b): pass\n",
    "a module": "import pytest\npytest.importorskip('nothing_of_this_name')\ndef test_it(): pass\n",
    "an expected failure": "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False\n",
}


@pytest.mark.parametrize("what", SKIPS)
def test_on_ci_nothing_is_skipped(what, tmp_path):
    file = tmp_path / "test_it.py"
    file.write_text(f"{SKIPS[what]}\n\ndef test_other(): pass\n", encoding="utf-8")
    codes = {}
    for ci in ("", "true"):
        words = [sys.executable, "-m", "pytest", "-q", "-p", "tests.no_skips", "-c", os.devnull]
        done = subprocess.run(
            [*words, "--rootdir", str(tmp_path), str(file)],
            cwd=PROJECT,
            env={**os.environ, "CI": ci},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        codes[ci] = done.returncode
    assert codes[""] in (0, 5), "elsewhere it is only skipped"
    assert codes["true"] in (1, 2)
    assert "CI must not skip" in done.stdout


def test_no_test_is_switched_off():
    """Only ``unavailable`` in conftest.py skips, and says what is not proved."""
    ours = (PROJECT / "tests").rglob("*.py")
    words = ("pytest.skip(", "mark.skip", "xfail(", "mark.xfail", "importorskip(")
    found = {
        str(path.relative_to(PROJECT)): [word for word in words if word in path.read_text(encoding="utf-8")]
        for path in ours
        if path.name != "test_no_skips.py"
    }
    assert {path: hits for path, hits in found.items() if hits} == {"tests/conftest.py": ["pytest.skip("]}
