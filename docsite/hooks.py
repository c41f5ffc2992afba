"""What mkdocs does not do by itself: reference pages from code, pages of the repository outside docs/, and
every page in the navigation."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT)]  # `app` is not installed where only the documentation is built

from docsite.reference import PAGES  # noqa: E402 - needs the path above

BESIDE = ("bench/results.md", "bench/learning/results.md", "bench/learning/notes.md")
"""Pages of the repository that the site has as well, at the same place."""
FOLDERS = {"decisions": "Decisions we took", "runbooks": "Runbooks"}
"""Folders of docs/ that are chapters of their own."""
REST = "More"

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Pages that the navigation does not name come into it: none is left out."""
    named = set(_named(config["nav"]))
    docs = Path(config["docs_dir"])
    others = sorted(
        path.relative_to(docs).as_posix()
        for path in docs.rglob("*.md")
        if path.relative_to(docs).as_posix() not in named
    )
    chapters: dict[str, list[str]] = {}
    for page in others:
        chapters.setdefault(FOLDERS.get(page.split("/")[0], REST), []).append(page)
    config["nav"] += [{title: pages} for title, pages in chapters.items()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Pages from code and from beside docs/."""
    for name, write in PAGES.items():
        files.append(File.generated(config, f"reference/{name}", content=write()))
    for name in BESIDE:
        files.append(File.generated(config, name, content=(PROJECT / name).read_text(encoding="utf-8")))
        for picture in (PROJECT / name).parent.glob("*.svg"):
            uri = picture.relative_to(PROJECT).as_posix()
            if files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, content=picture.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_more: object) -> str:
    """Links that leave docs/: to a page that the site has as well, else as words without a link."""
    here = page.file.src_uri
    if here in BESIDE:  # docs/ is where the site begins
        return re.sub(r"\]\(((?:\.\./)+)docs/", r"](\1", markdown)

    def led(match: re.Match[str]) -> str:
        words, target, place = match[1], match[2], match[3] or ""
        if ":" in target or not target.startswith(".."):
            return match[0]
        inside = posixpath.normpath(posixpath.join("docs", posixpath.dirname(here), target))
        if inside.startswith("docs/"):
            return match[0]
        if not (PROJECT / inside).exists():
            return match[0]  # broken: mkdocs says so
        known = {"policies/example.yaml": "reference/example-policy.md", "topics.yaml": "topics.md"}
        if inside == "README.md":
            inside = "index.md"
        inside = known.get(inside, inside)
        if files.get_file_from_path(inside) is None:
            return words  # there for whoever has the repository
        return f"[{words}]({posixpath.relpath(inside, posixpath.dirname(here) or '.')}{place})"

    return re.sub(_LINK, led, markdown)


def _named(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ()
    return [page for part in parts for page in _named(part)]
