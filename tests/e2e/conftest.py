"""Browsers and an office to visit. Chromium is the system's, as `.ci/run` installs it."""

import os
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.conftest import unavailable
from tests.e2e.office import office as open_office
from tests.integration.conftest import store_url  # noqa: F401
from tests.integration.review_queue.conftest import Desk as Store
from tests.integration.review_queue.conftest import client, codec  # noqa: F401

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
)
DEADLINE = 120_000
"""Longest wait for anything on a page, in ms."""
expect.set_options(timeout=DEADLINE)


@pytest.fixture(scope="module")
def chromium():
    """One browser for a module: as long as its driver runs, no test can have an event loop of its own."""
    path = os.environ.get("HITL_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        unavailable("no chromium for the browser tests (HITL_TEST_CHROMIUM)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def office(client, store_url, codec, tmp_path):  # noqa: F811
    """The console, with a morning's work in it."""
    with open_office(Store(client, store_url), codec, tmp_path) as place:
        yield place.furnish()


class Person:
    """Somebody at a browser of their own."""

    def __init__(self, office, context, name):
        self.office, self.context, self.name = office, context, name
        self.page = context.new_page()
        self.page.set_default_timeout(DEADLINE)
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: line.type == "error" and self.errors.append(line.text))

    def go(self, path):
        self.page.goto(self.office.url + path)
        return self.page

    def sign_in(self, password=None):
        from tests.integration.console.conftest import PASSWORD  # noqa: PLC0415

        page = self.go("/sign-in")
        page.get_by_label("Name").fill(self.name)
        page.get_by_label("Password").fill(password or PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("heading", name="My work").wait_for()
        page.wait_for_load_state("load")  # keys work from here on
        return self


@pytest.fixture
def person(chromium, office):
    """``person("ann", color_scheme="dark", viewport=...)``: signed in, in a browser of their own."""
    contexts = []

    def visit(name="ann", *, signed_in=True, **options):
        context = chromium.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        somebody = Person(office, context, name)
        return somebody.sign_in() if signed_in else somebody

    yield visit
    for context in contexts:
        context.close()
