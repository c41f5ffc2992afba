"""``python -m bench.learning``: the promise and its price, against every baseline."""

from __future__ import annotations

import json
import os
import platform
import random
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from bench.learning import contest, plots, promise, report
from bench.learning.scenarios import (
    SCORING,
    SCORING_SEED,
    TABLE_CHANGE,
    TUNING,
    TUNING_SEED,
    Scenario,
)

HERE = Path(__file__).parent
PROMISE = HERE / "promise.json"
SETS: dict[str, tuple[list[Scenario], int, str, str]] = {
    "scoring": (SCORING, SCORING_SEED, "Scoring set", "Scored once, after everything was settled."),
    "tuning": (TUNING, TUNING_SEED, "Tuning set", "What the rule was tuned on; the table's stream is here."),
}


def main(
    runs: Annotated[int, typer.Option(help="Runs of each scenario.", min=1)] = 200,
    quick: Annotated[bool, typer.Option("--quick", help="40 runs of the tuning set, printed only.")] = False,
    sets: Annotated[str, typer.Option(help="Sets, comma separated: scoring, tuning.")] = "scoring,tuning",
    resume: Annotated[bool, typer.Option("--resume", help="Keep what is on the page already.")] = False,
    product: Annotated[
        bool, typer.Option("--product", help="The product itself on the scoring set; takes long a run.")
    ] = False,
    promised: Annotated[
        bool,
        typer.Option(
            "--promise",
            help="The product itself in 12 stationary settings (alpha 1, 2, 5 %; clean, noisy, late, "
            "anchored reviewers), all others beside it. A run takes 2 seconds: 200 runs of each take 80 "
            "minutes of one core. Stop it whenever you like: what is done is kept, and --resume goes on.",
        ),
    ] = False,
    alphas: Annotated[
        str, typer.Option(help="Of --promise only these, in percent; two processes may share the work.")
    ] = "1,2,5",
    page: Annotated[
        bool, typer.Option("--page", help="Write the page of what is there; run nothing.")
    ] = False,
    only: Annotated[str, typer.Option(help="Policies by name, semicolon between them; printed only.")] = "",
) -> None:
    """Measure, and write results.md, results.json and the plots."""
    if page:
        _write(json.loads((HERE / "results.json").read_text()))
        return
    if promised:
        _promise(runs, alphas, resume=resume)
        return
    if product:
        _product(runs, resume=resume)
        return
    wanted = ["tuning"] if quick else [name.strip() for name in sets.split(",")]
    if unknown := set(wanted) - set(SETS):
        raise typer.BadParameter(f"unknown: {', '.join(sorted(unknown))}", param_hint="--sets")
    keep = not quick and not only
    numbers = HERE / "results.json"
    results: dict[str, Any] = json.loads(numbers.read_text()) if keep and numbers.exists() else {"sets": {}}
    for name in wanted:
        scenarios, seed, title, words = SETS[name]
        policies = {p.strip() for p in only.split(";") if p.strip()}
        of_each = 40 if quick else runs
        known = results["sets"].get(name, {"runs": 0, "rows": []})
        rows: list[dict[str, Any]] = known["rows"] if resume and known["runs"] == of_each else []
        done = {(row["scenario"], row["alpha"]) for row in rows}
        scenarios = [one for one in scenarios if (one.name, one.alpha) not in done]
        results["sets"][name] = {
            "title": title,
            "words": words,
            "runs": of_each,
            "scenarios": len(SETS[name][0]),
            "rows": rows,
        }
        results["machine"] = _machine()
        for found in contest.run(scenarios, of_each, seed, policies, say=_say):
            rows += found
            if keep:
                _write(results)
    if not keep:
        print(report.page(results))


def _product(runs: int, *, resume: bool) -> None:
    results = json.loads((HERE / "results.json").read_text())
    known = results.get("product", {"runs": 0, "rows": []})
    rows: list[dict[str, Any]] = known["rows"] if resume and known["runs"] == runs else []
    done = {(row["scenario"], row["alpha"]) for row in rows}
    left = [one for one in SCORING if (one.name, one.alpha) not in done]
    random.Random(SCORING_SEED).shuffle(left)
    results["product"] = {"runs": runs, "scenarios": len(SCORING), "rows": rows}
    for found in contest.run_product(left, runs, SCORING_SEED, _say):
        rows += found
        _write(results)


def _promise(runs: int, alphas: str, *, resume: bool) -> None:
    kept = promise.Kept(PROMISE, runs)
    if resume and PROMISE.exists():
        kept = promise.Kept.read(PROMISE)
        if kept.runs != runs:
            raise typer.BadParameter(
                f"{PROMISE.name} has {kept.runs} of each; go on with these", param_hint="--runs"
            )
    else:
        PROMISE.unlink(missing_ok=True)
    wanted = {one.strip() for one in alphas.split(",")}
    mine = [one for one in promise.settings() if f"{one.alpha * 100:g}" in wanted]
    if not mine:
        raise typer.BadParameter("one or more of 1, 2, 5", param_hint="--alphas")
    promise.play(mine, kept, _say)
    _write(json.loads((HERE / "results.json").read_text()))


def _say(words: str) -> None:
    print(words, flush=True)


def _write(results: dict[str, Any]) -> None:
    results["sets"] = {name: results["sets"][name] for name in SETS if name in results["sets"]}
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    shown = dict(results)
    if PROMISE.exists():
        shown["promise"] = promise.Kept.read(PROMISE).shown()
        drawn = plots.any_above(shown["promise"]["rows"])
        (HERE / "promise-any.svg").write_text(drawn, encoding="utf-8")
    (HERE / "results.md").write_text(report.page(shown), encoding="utf-8")
    for name, found in results["sets"].items():
        (HERE / f"{name}-any.svg").write_text(plots.any_above(found["rows"]), encoding="utf-8")
        if any("path" in row for row in found["rows"]):
            drawn = plots.over_time(found["rows"], TABLE_CHANGE.alpha)
            (HERE / f"{name}-change.svg").write_text(drawn, encoding="utf-8")


def _machine() -> dict[str, str]:
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} logical cores, one process",
        "Python": f"{platform.python_version()}, numpy {np.__version__}",
        "measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "seeds": f"tuning {TUNING_SEED}, scoring {SCORING_SEED} (`scenarios.py`)",
    }


if __name__ == "__main__":
    typer.run(main)
