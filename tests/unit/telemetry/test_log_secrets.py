"""What a log says of an error: where it was, never what the variables there held."""

import json
import subprocess
import sys

from app.settings import PROJECT, load_settings

RAISES = """
import sys
import structlog
from app.telemetry.logs import configure_logs

{watched}
configure_logs()
password = "canary-{0}".format(17)
try:
    int("no number")
except ValueError:
    structlog.get_logger().exception("it failed", decision_id="exp-1")
"""


def logged(watched=""):
    script = RAISES.replace("{watched}", watched)
    return subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=180
    ).stderr


def test_a_traceback_for_programs_has_no_values():
    entry = json.loads(logged())
    assert entry["exception"][0]["exc_type"] == "ValueError"
    assert entry["decision_id"] == "exp-1"
    assert "canary-17" not in json.dumps(entry)


def test_a_traceback_for_people_has_no_values():
    text = logged("sys.stderr.isatty = lambda: True")
    assert "ValueError" in text
    assert "canary-17" not in text


def test_settings_never_show_their_values(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("canary-0123456789abcdef")
    settings = load_settings(
        {"HITL_SECRET_FILE": str(secret), "HITL_REDIS_URL": "redis://:canary-1@store:1/0"}
    )
    assert "redis_url" in repr(settings)
    assert "canary" not in repr(settings)
