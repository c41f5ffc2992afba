"""A real Prometheus that scrapes the drill's workers and evaluates the project's rules at a faster pace."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from bench.drill.rules import at_pace, rule_files


class Watcher:
    """One Prometheus. ``pace``: how many times faster than written its rules run; ``only`` these alerts."""

    def __init__(
        self,
        directory: Path,
        port: int,
        targets: Sequence[int],
        pace: float,
        only: Collection[str] | None = None,
    ) -> None:
        program = shutil.which("prometheus")
        if program is None:
            raise FileNotFoundError("prometheus is not installed (Debian: apt install prometheus)")
        directory.mkdir(parents=True)
        self.pace = pace
        self.waits = at_pace(rule_files(), pace, directory, only)
        rules = "".join(f"  - {directory / file.name}\n" for file in rule_files())
        workers = ", ".join(f"'127.0.0.1:{target}'" for target in targets)
        config = directory / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 1s}\n"
            f"rule_files:\n{rules}"
            f"scrape_configs:\n  - job_name: hitl-worker\n    static_configs: [{{targets: [{workers}]}}]\n",
            encoding="utf-8",
        )
        self.url = f"http://127.0.0.1:{port}"
        command = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
        self._log = (directory / "log").open("ab")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        found = self._get("alerts")["alerts"]
        return {str(one["labels"]["alertname"]) for one in found if one["state"] == "firing"}

    def value(self, query: str) -> float | None:
        """An instant query's only value; ``None`` where there is none."""
        found = self._get("query?" + urllib.parse.urlencode({"query": query}))["result"]
        return float(found[0]["value"][1]) if found else None

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Until it answers. Raises ``TimeoutError``."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                self._get("alerts")
            except (OSError, urllib.error.URLError):
                time.sleep(0.2)
            else:
                return
        raise TimeoutError(f"prometheus does not answer, see {self._log.name}")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(120)
        self._log.close()

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=60) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
        return data
