"""Every dashboard, drawn with Grafana's own components from a real Prometheus: no panel is empty.

`python -m grafana.picture docs/images` draws the pictures of the documentation in the same way.
"""

import json
import re
import shutil

import pytest

from grafana.generate import BOARDS
from grafana.picture.draw import HERE, bundle, draw, look, open_tab, page, queried
from grafana.picture.history import remembered
from grafana.picture.server import Span, remembering
from tests.conftest import unavailable

DASHBOARDS = {board.uid: json.loads(board.json()) for board in BOARDS}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """Two made-up months, with the recording rules as they would have run."""
    if shutil.which("prometheus") is None:
        unavailable("no prometheus for the dashboards (Debian's package of that name)")
    with remembered(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


@pytest.fixture(scope="module")
def components(tmp_path_factory):
    """Where Grafana's components are bundled."""
    if shutil.which("node") is None or not (HERE / "node_modules").exists():
        unavailable("Grafana's components are not installed: make dashboard-components")
    directory = tmp_path_factory.mktemp("components")
    bundle(directory)
    return directory


@pytest.fixture(scope="module")
def looks(prometheus):
    return {uid: look(dashboard, prometheus) for uid, dashboard in DASHBOARDS.items()}


@pytest.fixture(scope="module")
def tabs(looks, components, chromium):
    """All dashboards, being drawn side by side."""
    pages = {uid: page(DASHBOARDS[uid], seen, components) for uid, seen in looks.items()}
    return {uid: open_tab(chromium, path) for uid, path in pages.items()}


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_every_query_has_an_answer(uid, looks):
    assert looks[uid].empty == []


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_every_panel_shows_something(uid, tabs, tmp_path):
    tab = tabs[uid]
    faults = draw(tab, tmp_path / "picture.png")

    assert faults == []
    assert (tmp_path / "picture.png").stat().st_size > 50_000


def test_a_panel_without_data_is_noticed(looks, components, chromium, tmp_path):
    dashboard, seen = DASHBOARDS["hitl-efficiency"], looks["hitl-efficiency"]
    panel = queried(dashboard)[0]
    nothing = seen._replace(answers={**seen.answers, panel["id"]: [[] for _ in panel["targets"]]})

    tab = open_tab(chromium, page(dashboard, nothing, components))

    assert draw(tab, tmp_path / "picture.png") == [f"{panel['title']}: nothing to draw"]


def test_changes_of_threshold_policy_and_model_are_marked(looks):
    marked = [mark["name"] for mark in looks["hitl-learning"].annotations]

    assert {name: marked.count(name) for name in set(marked)} == {
        "Threshold changed": 4,
        "Policy activated": 1,
        "New model": 1,
    }


def test_every_change_of_a_threshold_is_marked_once_whenever_it_comes(tmp_path):
    """Prometheus looks every 15 s, Grafana once a minute: changes come at each place in that minute."""
    history, start = tmp_path / "history.txt", 1_750_000_000
    history.write_text(
        "".join(
            f'hitl_threshold_version{{job="w",instance="0",learning_key="k{key}"}}'
            f" {1 + (at >= 300 + 15 * key)} {start + at + 7}\n"
            for key in range(8)
            for at in range(0, 900, 15)
        )
        + "# EOF\n",
        encoding="utf-8",
    )
    expr = DASHBOARDS["hitl-learning"]["annotations"]["list"][0]["expr"]
    asked = re.sub(r"\$\w+", ".+", expr.replace("$__interval", "60s"))

    with remembering(history, [], [], tmp_path) as server:
        found = server.course(asked, Span(start + 120, start + 840, 60))

    assert {one["metric"]["learning_key"]: len(one["values"]) for one in found} == {
        f"k{key}": 1 for key in range(8)
    }
