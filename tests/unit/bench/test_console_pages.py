"""The bench measures every page that there is: a new one can not be forgotten."""

from __future__ import annotations

from app.console import api, explained, pages, probes, sign_in
from bench.console_pages import PAGES, UNMEASURED

ROUTERS = (*api.routers, *pages.routers, explained.router, sign_in.router, probes.router)


def test_every_page_has_a_time_or_a_reason_why_not():
    routes = {
        route.path for router in ROUTERS for route in router.routes if "GET" in getattr(route, "methods", ())
    }
    assert routes == PAGES.keys() | UNMEASURED.keys()
    assert not PAGES.keys() & UNMEASURED.keys()
