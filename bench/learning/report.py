"""``results.md`` and its plots from the rows of the contest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bench.learning.measures import wilson

Row = dict[str, Any]

_HEAD = """# Learning: is the promise kept, and what does it reach?

Written by `python -m bench.learning`; do not edit by hand. The promise: the chance that automation *ever*
runs at a threshold whose true error exceeds alpha is at most delta (10 % here). Simulated streams with a
known truth (`scenarios.py`, frozen before any tuning); policies see only the labels that their own routing
revealed; all draw 5 % of what they automate as blind audits in the mean (`baselines.py`, `rule.py`).

- **any**: share of runs that were ever, for a single block of 25 decisions, above alpha; 95 % Wilson interval
- **error**: realised error of everything that ran alone; **time**: share of the time above alpha
- **auto**: share of decisions that ran, audited ones included; **work**: reviews + audits + second and third
  looks + gold items, as a share of decisions
- **false/10k**: warnings of worse, and findings of better, per 10,000 decisions without a change
"""


def page(results: dict[str, Any]) -> str:
    """The whole page."""
    parts = [_HEAD]
    for name, found in results["sets"].items():
        parts += [f"## {found['title']}", "", f"{found['words']} {_extent(found)}", ""]
        parts += list(_set(found["rows"], name))
    if "promise" in results:
        parts += _promise(results["promise"])
    if "product" in results:
        parts += _product(results["product"])
    parts += ["## Machine and seeds", "", *(f"- {k}: {v}" for k, v in results["machine"].items()), "", _AGAIN]
    return "\n".join(parts) + "\n"


_AGAIN = """## Run it again

```
.venv/bin/python -m bench.learning                 # all, 200 runs of each scenario
.venv/bin/python -m bench.learning --quick         # 40 runs of the tuning set, printed only
.venv/bin/python -m bench.learning --sets scoring  # one set, replaced on this page
.venv/bin/python -m bench.learning --resume        # only what is not on this page yet
.venv/bin/python -m bench.learning --promise       # the product itself in 12 settings, 200 runs of each
.venv/bin/python -m bench.learning --promise --resume  # go on with them
.venv/bin/python -m bench.learning --product --runs 1  # the product itself on the whole scoring set
```
What was tried and did not win is in [notes.md](notes.md)."""


def _promise(found: dict[str, Any]) -> list[str]:
    """The product setting by setting, with as many runs as are in."""
    rows, drawn, of = found["rows"], found["runs"], found["settings"]
    mine = [row for row in rows if row["policy"] == found["product"]]
    parts = [
        "## The promise, by the product itself",
        "",
        "`KeyState` in the lab's simulation (`product.py`): the code that decides in the stream, with the"
        " confirmations of findings by a second person (docs/decisions/025). One shape of the scoring set at"
        " alpha 1, 2 and 5 %, with four kinds of reviewers; the others meet the same streams, of which there"
        f" are {drawn} in each setting. Measured {found['measured']}.",
        "",
    ]
    if not mine:
        return [*parts, "Not run yet.", ""]
    played = [row["runs"] for row in mine] + [0] * (of - len(mine))
    if min(played) < drawn:
        parts += [
            f"**Not all of it is in: {sum(played):,} of {drawn * of:,} runs of the product**, between"
            f" {min(played)} and {max(played)} of each setting (the rest: `--promise --resume`). The others'"
            f" numbers are of all {drawn} streams: compare when the product has met them, too.",
            "",
        ]
    parts += [_verdict(mine), ""]
    parts += _summary(rows)
    parts += ["", "![share of runs ever above alpha](promise-any.svg)", ""]
    parts += [*_stationary(rows, counted=True), ""]
    return parts


def _verdict(mine: list[Row]) -> str:
    worst = max(mine, key=lambda row: row["stationary"]["any"])
    ever = sum(round(row["stationary"]["any"] * row["runs"]) for row in mine)
    runs = sum(row["runs"] for row in mine)
    broken = [row for row in mine if row["stationary"]["any_interval"][0] > row["delta"]]
    said = (
        f"The product was ever above alpha in {ever} of {runs:,} runs,"
        f" {_share(ever / runs, wilson(ever, runs))};"
        f" in the worst setting ({worst['scenario']}, alpha {worst['alpha']:.0%}) in"
        f" {_share(worst['stationary']['any'], worst['stationary']['any_interval'])} of {worst['runs']} runs,"
        f" where {worst['delta']:.3f} are allowed."
    )
    if broken:
        names = "; ".join(f"{row['scenario']}, alpha {row['alpha']:.0%}" for row in broken)
        return f"{said} **The promise is broken beyond chance in: {names}.**"
    return f"{said} In no setting does the whole interval lie above that."


def _product(found: dict[str, Any]) -> list[str]:
    """All settings of an alpha together: a run of the product takes seconds, so there are few of each."""
    rows, runs = found["rows"], found["runs"]
    parts = [
        "## The product itself",
        "",
        "`KeyState` in the lab's simulation (`product.py`), not the second implementation of the rule above,"
        f" on streams of the scoring set. {_extent(found)} That says nothing about a single setting: all"
        " settings of an alpha are taken together. Everybody meets the same streams.",
        "",
    ]
    still = [row for row in rows if row["kind"] == "stationary"]
    parts += _rule(
        ["stationary, alpha", "policy", "runs ever above", "auto: clean", "late, anchored", "noisy", "work"]
    )
    for alpha in sorted({row["alpha"] for row in still}):
        for policy in _names(rows):
            mine = [row for row in still if row["policy"] == policy and row["alpha"] == alpha]
            parts.append(_together(f"{alpha:.0%}", policy, mine, runs))
    moving = [row for row in rows if row["kind"] == "change"]
    parts.append("")
    if moving:
        parts += ["After a change at half of 30,000 decisions:", ""]
        parts += _rule(["alpha", "policy", "auto before", "auto after", "error after", "time above", "work"])
        for alpha in sorted({row["alpha"] for row in moving}):
            for policy in _names(rows):
                mine = [row for row in moving if row["policy"] == policy and row["alpha"] == alpha]
                after = [
                    sum(row["after"][what] for row in mine) / len(mine)
                    for what in ("automation", "error", "time_above", "work")
                ]
                said = [f"{after[0]:.3f}", f"{after[1]:.4f}", f"{after[2]:.3f}", f"{after[3]:.3f}"]
                parts.append(_cells([f"{alpha:.0%}", policy, f"{_mean(mine, 'automation'):.3f}", *said]))
        parts.append("")
    return parts


def _together(alpha: str, policy: str, rows: list[Row], runs: int) -> str:
    ever = sum(round(row["stationary"]["any"] * runs) for row in rows)
    low, high = wilson(ever, runs * len(rows))
    groups: dict[str, list[Row]] = {"clean": [], "kept": [], "noisy": []}
    for row in rows:
        who = row["scenario"].rpartition(", ")[2]
        kind = {"noisy": "noisy", "all of it": "noisy", "late": "kept", "anchored": "kept"}.get(who, "clean")
        if not row["scenario"].startswith("just above"):
            groups[kind].append(row)
    shares = [f"{_mean(group, 'automation'):.3f}" if group else "-" for group in groups.values()]
    share = ever / (runs * len(rows))
    broken = "**" if low > rows[0]["delta"] else ""  # of so few runs only what is beyond chance
    said = f"{broken}{ever} of {runs * len(rows)}{broken} = {share:.3f} [{low:.3f}, {high:.3f}]"
    return _cells([alpha, policy, said, *shares, f"{_mean(rows, 'work'):.3f}"])


def _extent(found: dict[str, Any]) -> str:
    measured, all_of_it = len({(row["scenario"], row["alpha"]) for row in found["rows"]}), found["scenarios"]
    missing = "" if measured == all_of_it else " (the rest: `--resume`)"
    runs = "1 run" if found["runs"] == 1 else f"{found['runs']} runs"
    return f"{measured} of {all_of_it} scenarios{missing}, {runs} of each."


def _set(rows: list[Row], name: str) -> Iterable[str]:
    still = [row for row in rows if row["kind"] == "stationary"]
    moving = [row for row in rows if row["kind"] == "change"]
    if still:
        yield "### Stationary: worst and mean over the settings of each alpha\n"
        yield from _summary(still)
        yield f"\n![share of runs ever above alpha]({name}-any.svg)\n"
        yield "### Stationary, setting by setting\n"
        yield from _stationary(still)
        yield ""
    if moving:
        yield "### Change at half of 30,000 decisions: the half after it\n"
        yield from _changing(moving)
        yield ""
        if any("path" in row for row in moving):
            yield f"![automation and true error over time]({name}-change.svg)\n"


def _summary(rows: list[Row]) -> Iterable[str]:
    groups = sorted({row["alpha"] for row in rows})
    policies = _names(rows)
    yield from _rule(["policy", *(f"alpha {a:.0%}: worst any / mean auto / mean work" for a in groups)])
    for policy in policies:
        cells = []
        for alpha in groups:
            mine = [r for r in rows if r["policy"] == policy and r["alpha"] == alpha]
            if len(mine) < len({r["scenario"] for r in rows if r["alpha"] == alpha}):
                cells.append("not all run yet")
                continue
            worst = max(r["stationary"]["any"] for r in mine)
            automation, work = _mean(mine, "automation"), _mean(mine, "work")
            cells.append(f"{_bold(worst, mine[0]['delta'])} / {automation:.3f} / {work:.3f}")
        yield _cells([policy, *cells])


def _stationary(rows: list[Row], *, counted: bool = False) -> Iterable[str]:
    """A row each; ``counted`` where they are not of the same number of runs."""
    head = ["setting", "alpha", "policy", "auto", "any [95 %]", "error", "time", "work", "false/10k"]
    yield from _rule([*head, "runs"] if counted else head)
    for row in rows:
        s = row["stationary"]
        low, high = s["any_interval"]
        yield _cells(
            [
                row["scenario"],
                f"{row['alpha']:.0%}",
                row["policy"],
                f"{s['automation']:.3f}",
                f"{_bold(s['any'], row['delta'])} [{low:.3f}, {high:.3f}]",
                f"{s['error']:.4f}",
                f"{s['time_above']:.3f}",
                f"{s['work']:.3f}",
                f"{row['warnings_per_10k']:.2f} / {row['cheers_per_10k']:.2f}",
                *([f"{row['runs']}"] if counted else []),
            ]
        )


def _changing(rows: list[Row]) -> Iterable[str]:
    head = [
        "change",
        "alpha",
        "policy",
        "auto before",
        "auto",
        "error",
        "time above",
        "last third: auto, time above",
    ]
    yield from _rule([*head, "work", "warned (median, p90)", "cheered", "above until (median)"])
    for row in rows:
        after, last = row["after"], row["last_third"]
        yield _cells(
            [
                row["scenario"],
                f"{row['alpha']:.0%}",
                row["policy"],
                f"{row['stationary']['automation']:.3f}",
                f"{after['automation']:.3f}",
                f"{after['error']:.4f}",
                f"{after['time_above']:.3f}",
                f"{last['automation']:.3f}, {last['time_above']:.3f}",
                f"{after['work']:.3f}",
                _delay(row["warning"]),
                _delay(row["cheer"]),
                f"{row['unsafe_until']['median']:,.0f}",
            ]
        )


def _delay(found: dict[str, Any]) -> str:
    if not found["found"]:
        return "never"
    median, late = (f"{v:,.0f}" if v is not None else "-" for v in (found["median"], found["p90"]))
    return f"{found['found']:.0%} ({median}, {late})"


def _names(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row["policy"] for row in rows))


def _mean(rows: list[Row], what: str) -> float:
    return float(sum(row["stationary"][what] for row in rows) / len(rows))


def _share(share: float, interval: Sequence[float]) -> str:
    return f"{share:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _bold(share: float, delta: float) -> str:
    return f"**{share:.3f}**" if share > delta else f"{share:.3f}"


def _rule(head: Sequence[str]) -> list[str]:
    return [_cells(head), _cells(["---"] * len(head))]


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
