"""What surrounds every answer: headers, host names, sizes, errors in one form, nothing open by accident."""

import logging
import re

import pytest
from fastapi.routing import APIRoute

from app.console.identity import signed_in
from app.console.terms import Pace
from app.policy.console import Allowance
from tests.integration.console.conftest import PASSWORD, URL

OPEN = {"/healthz", "/readyz", "/metrics", "/problems", "/sign-in", "/sign-in/oidc", "/sign-in/oidc/done"}
"""Routes that serve without a sign-in. Everything else asks who is there."""


def routes(app):
    return [route for route in every(app.routes) if isinstance(route, APIRoute)]


def every(found):
    for route in found:
        yield route
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if inner is not None:
            yield from every(inner.routes)


def asks_who(dependant):
    return dependant.call is signed_in or any(asks_who(inner) for inner in dependant.dependencies)


def test_every_route_but_the_open_ones_asks_who_is_there(house):
    found = routes(house.app)
    assert len(found) > 25
    assert {route.path for route in found if not asks_who(route.dependant)} <= OPEN


def test_every_route_of_the_api_refuses_strangers(house):
    browser = house.browser()
    for route in routes(house.app):
        if route.path.startswith("/v1/"):
            path = route.path.replace("{review_id}", "finance." + "0" * 8 + "-0000" * 3 + "-" + "0" * 12)
            answer = browser.request(
                next(iter(route.methods)), path.replace("{decision_id}", "d"), content=b"{"
            )
            assert answer.status_code == 401, route.path
            assert answer.headers["www-authenticate"].startswith("Bearer")


# --- headers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/healthz", "/v1/me", "/v1/nothing", "/sign-in", "/openapi.json", "/static/console.css", "/%00"]
)
def test_every_answer_carries_the_headers_that_protect_it(house, path):
    answer = house.browser().get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
    assert "strict-transport-security" not in answer.headers
    if not path.startswith("/static"):
        assert answer.headers["cache-control"] == "no-store"


def test_the_nonce_is_new_each_time(house):
    browser = house.browser()
    assert len({browser.get("/healthz").headers["content-security-policy"] for _ in range(5)}) == 5


def test_https_stays_https(make_house):
    house = make_house(url="https://reviews.example.org")
    assert "max-age" in house.browser().get("/sign-in").headers["strict-transport-security"]


# --- host names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 401), ("localhost:9999", 401), ("LOCALHOST", 401), ("[::1]:8080", 401),
        ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("127.0.0.1@evil.example", 421),
        ("evil.example/127.0.0.1", 421), ("", 421), ("[", 421), ("localhost ", 421),
    ],
)  # fmt: skip
def test_only_the_own_names_are_answered(house, host, status):
    assert house.browser().get("/v1/me", headers={"Host": host}).status_code == status


def test_a_console_elsewhere_does_not_answer_to_loopback_names(make_house):
    house = make_house(url="https://reviews.example.org")
    assert house.browser().get("/v1/me", headers={"Host": "localhost"}).status_code == 421
    assert house.browser().get("/healthz", headers={"Host": "10.0.0.7"}).status_code == 200


# --- errors --------------------------------------------------------------------------------------------


def test_a_problem_says_what_where_and_what_to_do(house):
    answer = house.browser().get("/v1/me")
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"{URL}/problems#not-signed-in"
    assert problem["status"] == 401 and problem["title"] and problem["hint"]
    assert problem["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"


def test_the_types_of_problems_lead_somewhere(house):
    page = house.browser().get("/problems").text
    for kind in ("not-signed-in", "stale-lease", "already-decided", "too-many", "unexpected"):
        assert f'id="{kind}"' in page


def test_a_person_without_a_session_is_led_to_the_sign_in(house):
    browser = house.browser()
    page = browser.get("/", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in")
    part = browser.get("/", headers={"Accept": "text/html", "HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/sign-in")


def test_a_bug_is_one_problem_without_its_insides(house, caplog, monkeypatch):
    def broken(*_):
        raise RuntimeError("secret insides")

    caller = house.program()
    monkeypatch.setattr(type(house.desk), "stats", broken)
    with caplog.at_level(logging.ERROR):
        answer = caller.get("/v1/queues")
    assert answer.status_code == 500
    assert "secret" not in answer.text and "secret insides" in caplog.text
    assert (
        answer.json()["type"].endswith("#unexpected")
        and answer.headers["x-content-type-options"] == "nosniff"
    )


def test_a_bug_behind_a_page_gives_people_a_number_to_tell(house, caplog, monkeypatch):
    def broken(*_):
        raise RuntimeError("secret insides")

    browser = house.signed_in("ann")
    monkeypatch.setattr(type(house.desk), "glance", broken)
    with caplog.at_level(logging.ERROR):
        page = browser.get(f"/reviews/{house.ask()}", headers={"Accept": "text/html"})
    assert page.status_code == 500
    [number] = re.findall(r"Tell whoever runs the desk: <code>urn:uuid:([0-9a-f-]+)</code>", page.text)
    assert number in caplog.text and "secret" not in page.text


def test_what_is_not_there_is_said_once_and_not_tried_again(house):
    page = house.signed_in("ann").get("/nowhere", headers={"Accept": "text/html"}).text
    assert "There is nothing at this address." in page
    assert "Not Found" not in page and "Try again" not in page


def test_an_outage_of_the_store_is_a_problem_that_says_when_to_come_back(house, monkeypatch):
    def away(*_):
        raise ConnectionError("Error 111 connecting to 10.0.0.9:6379")

    caller = house.program()
    monkeypatch.setattr(type(house.store.client), "execute_command", away)
    answer = caller.get("/v1/me")
    assert answer.status_code == 200  # a token needs no store
    browser = house.browser()
    browser.cookies.set(house.cookie, "x")
    answer = browser.get("/v1/me")
    assert answer.status_code == 503 and answer.headers["retry-after"] == "2"
    assert "10.0.0.9" not in answer.text


# --- sizes ---------------------------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_refused_announced_or_not(make_house):
    house = make_house(pace=Pace(max_body=1000))
    caller = house.program()
    assert caller.post("/v1/decisions", content=b"x" * 1001).status_code == 413
    assert caller.post("/v1/decisions", content=(b"x" * 300 for _ in range(4))).status_code == 413
    assert caller.post("/v1/decisions", content=b"x" * 1000).status_code == 422


# --- probes --------------------------------------------------------------------------------------------


def test_readiness_follows_the_services(house, monkeypatch):
    browser = house.browser()
    assert browser.get("/readyz").json() == {
        "status": "ok",
        "store": "ok",
        "broker": "ok",
        "authority": "ok",
    }
    house.broker_up = False
    answer = browser.get("/readyz")
    assert answer.status_code == 503 and answer.json()["broker"] == "no answer"
    assert browser.get("/healthz").status_code == 200


def test_a_console_that_does_not_hear_what_is_activated_is_not_ready(house):
    house.unheard = "policy.activated"
    answer = house.browser().get("/readyz")
    assert answer.status_code == 503 and answer.json()["status"] == "not ready"
    assert "policy.activated can not be read" in answer.json()["authority"]
    assert house.browser().get("/healthz").status_code == 200


def test_nobody_changes_anything_by_authority_that_may_be_gone(house):
    caller, browser, review = house.program(), house.signed_in(), house.ask()
    house.unheard = "rules.changed"
    refused = caller.post(f"/v1/reviews/{review}/claim")
    assert refused.status_code == 503 and refused.headers["retry-after"]
    told = refused.json()
    assert (
        told["type"].endswith("#outdated")
        and "rules.changed" in told["detail"]
        and "hitl doctor" in told["hint"]
    )
    page = browser.post("/work/next", data={}, headers={"Accept": "text/html"})
    assert page.status_code == 503 and "rules.changed" in page.text
    assert caller.get(f"/v1/reviews/{review}").status_code == 200, "reading goes on"
    assert browser.get("/").status_code == 200
    assert caller.post("/v1/decisions", json={}).status_code == 422, "so does what programs hand in"
    assert browser.post("/sign-out").status_code == 303
    house.unheard = ""
    assert caller.post(f"/v1/reviews/{review}/claim").status_code == 200


def test_metrics_count_by_route_and_never_by_id(house):
    caller = house.program()
    review = house.ask()
    caller.get(f"/v1/reviews/{review}")
    caller.get("/v1/secret-thing")
    page = house.browser().get("/metrics").text
    assert 'route="/v1/reviews/{review_id}",status="200"' in page
    assert review not in page and "secret-thing" not in page


# --- changes by cookie ---------------------------------------------------------------------------------


def change(house, browser, **headers):
    return browser.post("/v1/reviews/claim-next", json={}, headers=headers).status_code


def test_a_change_by_cookie_needs_the_token_of_the_session(house):
    browser = house.signed_in()
    assert change(house, browser) == 204
    right = browser.headers.pop("X-CSRF-Token")
    assert change(house, browser) == 403
    assert change(house, browser, **{"X-CSRF-Token": right[:-1]}) == 403
    other = house.signed_in("bob").headers["X-CSRF-Token"]
    assert change(house, browser, **{"X-CSRF-Token": other}) == 403
    assert change(house, browser, **{"X-CSRF-Token": right}) == 204


def test_a_form_carries_the_token_as_a_field(house):
    browser = house.signed_in()
    right = browser.headers.pop("X-CSRF-Token")
    assert browser.post("/sign-out", data={"csrf_token": "x"}).status_code == 403
    assert browser.post("/sign-out", data={"csrf_token": right}).status_code == 303


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:8081"])
def test_a_change_from_another_origin_is_refused_even_with_the_token(house, origin):
    browser = house.signed_in()
    assert change(house, browser, Origin=origin) == 403
    assert change(house, browser, Origin=URL) == 204


def test_a_token_needs_no_csrf_and_a_wrong_one_is_not_saved_by_a_cookie(house):
    assert change(house, house.program()) == 204
    browser = house.signed_in()
    assert change(house, browser, Authorization="Bearer hitl_x.y") == 401
    assert change(house, browser, Authorization=f"Basic ann:{PASSWORD}") == 401


def test_changes_are_limited_for_each_session(make_house):
    house = make_house(changes=Allowance(3, 1000))
    browser = house.signed_in()
    assert [change(house, browser) for _ in range(4)] == [204, 204, 204, 429]
    assert browser.get("/v1/me").status_code == 200  # looking is not limited
    assert change(house, house.signed_in("bob")) == 204
    house.clock.advance(1000)
    assert change(house, browser) == 204
