"""docs/security.md names a test for each threat that something stands against: each of them is there."""

import ast
import re

from app.settings import PROJECT

PAGE = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([STRIDE]) \| (.+) \|$", PAGE, re.MULTILINE)


def there() -> set[str]:
    """The name of every test of the project."""
    return {
        node.name
        for file in (PROJECT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_kind_of_threat_is_thought_of():
    assert {kind for kind, _ in ROWS} == set("STRIDE")
    assert len(ROWS) > 25


def test_every_threat_names_tests_that_are_there():
    tests = there()
    for _, row in ROWS:
        named = re.findall(r"`(test_\w+)`", row.rpartition("|")[2])
        assert named, row
        assert set(named) <= tests, set(named) - tests


def test_every_file_and_setting_that_the_pages_name_is_there():
    settings = (PROJECT / "app" / "settings.py").read_text(encoding="utf-8")
    compose = "".join(
        (PROJECT / name).read_text(encoding="utf-8") for name in ("docker-compose.yml", "deploy/secure.yml")
    )
    for name in ("security.md", "deployment.md"):
        text = (PROJECT / "docs" / name).read_text(encoding="utf-8")
        for file in re.findall(r"`((?:tests|deploy)/[\w/.]+\.\w+)`", text):
            assert (PROJECT / file).exists(), file
        for variable in set(re.findall(r"HITL_[A-Z_]+", text)):
            assert variable in settings + compose, variable
