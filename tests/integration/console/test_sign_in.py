"""Signing in and out: sessions that nobody can plant, guess, forge or keep too long."""

import re

import msgspec
import pytest
from starlette.testclient import TestClient

from app.console.identity import local_path
from app.console.server import ConsoleServer
from app.policy.console import HOUR, MINUTE, Allowance
from app.settings import load_settings
from tests.integration.console.conftest import PASSWORD, sign_in


@pytest.fixture
def house(make_house):
    house = make_house()
    house.accounts.set_password("ann", PASSWORD, new=True)
    return house


def me(browser):
    return browser.get("/v1/me").status_code


def test_a_right_password_opens_a_session(house):
    browser = house.browser()
    assert me(browser) == 401
    answer = sign_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get("/v1/me").json()["person"]["title"] == "Ann Ortega"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(house, make_house):
    cookie = sign_in(house.browser()).headers.get_list("set-cookie")[0]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie
    assert "Secure" not in cookie  # http on loopback
    outside = make_house(url="https://reviews.example.org")
    cookie = sign_in(outside.browser()).headers.get_list("set-cookie")[0]
    assert cookie.startswith("__Host-hitl=") and "Secure" in cookie and "Domain" not in cookie


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong password!"), ("nobody", PASSWORD), ("", ""), ("ANN", PASSWORD)]
)
def test_whatever_is_wrong_the_answer_is_the_same(house, name, password):
    answer = sign_in(house.browser(), name, password)
    assert answer.status_code == 401
    assert "The name or the password is wrong." in answer.text


def test_somebody_with_an_account_but_outside_the_policy_does_not_get_in(house):
    house.accounts.set_password("stranger", PASSWORD, new=True)
    assert sign_in(house.browser(), "stranger").status_code == 401


def test_a_session_id_planted_before_the_sign_in_is_worth_nothing_after_it(house):
    browser = house.browser()
    planted = house.sessions.open("bob", "oidc")
    answer = sign_in(browser, Cookie=f"{house.cookie}={planted}")
    assert answer.status_code == 303
    fresh = browser.cookies[house.cookie]
    assert fresh != planted
    assert house.sessions.find(planted) is None
    assert house.sessions.find(fresh).who == "ann"


def test_signing_out_ends_the_session_in_the_store(house):
    browser = house.signed_in()
    kept = browser.cookies[house.cookie]
    assert browser.post("/sign-out").status_code == 303
    thief = house.browser()
    thief.cookies.set(house.cookie, kept)
    assert me(thief) == 401


def test_the_store_never_sees_the_session_id(house):
    identifier = house.sessions.open("ann", "password")
    keys = house.store.client.execute_command("KEYS", f"{house.store.prefix}*session*")
    assert keys and not any(identifier.encode() in key for key in keys)
    assert all(house.store.client.execute_command("PTTL", key) > 0 for key in keys)


def test_a_session_ends_after_half_an_hour_without_a_request(house):
    browser = house.signed_in()
    for _ in range(3):
        house.clock.advance(29 * MINUTE)
        assert me(browser) == 200
    house.clock.advance(30 * MINUTE)
    assert me(browser) == 401


def test_a_session_ends_after_twelve_hours_whatever_happens(house):
    browser = house.signed_in()
    for _ in range(24):
        assert me(browser) == 200
        house.clock.advance(HOUR // 2 - 1)
    house.clock.advance(24)
    assert me(browser) == 401


def test_an_activated_policy_holds_for_running_sessions_and_for_all_of_them_at_once(house):
    def activate(**terms):
        console = msgspec.structs.replace(house.policy.console, **terms)
        house.policy = msgspec.structs.replace(house.policy, console=console)

    browser, other = house.signed_in(), house.signed_in()
    activate(session_longest=48 * HOUR, session_idle=20 * HOUR)
    for _ in range(3):
        assert me(browser) == 200
        house.clock.advance(11 * HOUR)
    assert me(browser) == 200  # beyond what was long when it began ...
    listed = f"{house.store.prefix}hitl:{{sessions}}:sessions-of:ann"
    assert house.store.client.execute_command("PTTL", listed) > 13 * HOUR  # ... and still listed by person
    assert me(other) == 401
    activate(session_idle=MINUTE)
    house.clock.advance(MINUTE)
    assert me(browser) == 401
    activate(changes=Allowance(1, HOUR))
    caller = house.program()
    codes = [caller.post("/v1/reviews/claim-next", json={}).status_code for _ in range(2)]
    assert codes == [204, 429]


def test_all_sessions_of_a_person_can_be_ended_at_once(house):
    one, two = house.signed_in(), house.signed_in()
    other = house.signed_in("bob")
    assert house.sessions.end_all("ann") == 2
    assert (me(one), me(two), me(other)) == (401, 401, 200)


def test_a_new_password_a_lost_account_and_a_lost_place_in_the_policy_end_sessions(house):
    browser = house.signed_in()
    house.clock.advance(1)
    house.accounts.set_password("ann", PASSWORD + "!", new=False)
    assert me(browser) == 401
    bob = house.signed_in("bob")
    house.accounts.remove("bob")
    assert me(bob) == 401
    cleo = house.signed_in("cleo")
    del house.policy.directory.people["cleo"]
    assert me(cleo) == 401


# --- guessing ------------------------------------------------------------------------------------------


def test_guesses_against_one_account_are_slowed_down(make_house):
    house = make_house(guesses=Allowance(3, 30_000))
    house.accounts.set_password("ann", PASSWORD, new=True)
    browser = house.browser()
    assert [sign_in(browser, password="x" * 12).status_code for _ in range(4)] == [401, 401, 401, 429]
    refused = sign_in(browser)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) == 30
    house.clock.advance(30_000)
    assert sign_in(browser).status_code == 303
    # The right password filled the bucket.
    assert [sign_in(house.browser(), password="x" * 12).status_code for _ in range(3)] == [401] * 3


def test_guesses_from_one_address_are_slowed_down_over_all_accounts(make_house, waits):
    house = make_house(sign_ins_by_address=Allowance(2, 60_000))
    house.accounts.set_password("ann", PASSWORD, new=True)
    browser = house.browser()
    assert [sign_in(browser, f"name{i}", "x" * 12).status_code for i in range(3)] == [401] * 3
    assert waits == [0, 0, 5]
    assert sign_in(house.browser(), "ann").status_code == 303
    assert sign_in(house.browser(client=("192.0.2.7", 1)), "name0", "x" * 12).status_code == 401
    assert waits == [0, 0, 5, 5, 0]


def test_an_office_signs_in_from_one_address_without_a_wait(make_house, waits):
    house = make_house(sign_ins_by_address=Allowance(2, 60_000))
    house.accounts.set_password("ann", PASSWORD, new=True)
    assert [sign_in(house.browser()).status_code for _ in range(5)] == [303] * 5
    assert waits == [0] * 5


def test_a_stranger_behind_the_same_address_keeps_nobody_out(make_house, waits):
    house = make_house(sign_ins_by_address=Allowance(5, 60_000), guesses=Allowance(3, 60_000))
    browser = house.signed_in("ann")
    house.accounts.set_password("bob", PASSWORD, new=True)
    browser.post("/sign-out")
    stranger = house.browser()
    guesses = [sign_in(stranger, "ann", "x" * 12).status_code for _ in range(10)]
    assert guesses == [401] * 3 + [429] * 7  # what one address may try with a name stays limited
    del waits[:]
    assert sign_in(browser, "ann").status_code == 303
    assert waits == [0]  # nor does it wait for what others did
    assert sign_in(house.browser(), "bob").status_code == 303
    assert waits == [0, 5]


def test_a_known_browser_may_guess_no_more_often_and_not_under_another_name(make_house):
    house = make_house(guesses=Allowance(3, 60_000))
    thief, ann = house.browser(), house.signed_in("ann")
    house.accounts.set_password("bob", PASSWORD, new=True)
    kept = ann.cookies["hitl-known"]
    thief.cookies.set("hitl-known", kept)
    assert [sign_in(thief, "ann", "x" * 12).status_code for _ in range(4)] == [401] * 3 + [429]
    guesser = house.browser()
    assert [sign_in(guesser, "bob", "x" * 12).status_code for _ in range(3)] == [401] * 3
    assert sign_in(thief, "bob").status_code == 429  # known as ann's, and so an address as any other
    browser, whose, seal = kept.split(".")
    for forged in (
        f"another.{whose}.{seal}",
        f"{browser}.{whose}.",
        f"{browser}.{'0' * 64}.{seal}",
        "..",
    ):
        assert sign_in(house.browser(), "bob", Cookie=f"hitl-known={forged}").status_code == 429


def test_behind_a_trusted_proxy_everybody_has_an_own_address(make_house):
    house = make_house(guesses=Allowance(3, 60_000))
    house.accounts.set_password("ann", PASSWORD, new=True)
    settings = load_settings({"HITL_TRUSTED_PROXIES": "172.30.117.0/24"})
    config = ConsoleServer(msgspec.structs.replace(house.parts, settings=settings)).config
    config.load()

    def visitor(address, proxy):
        headers = {"X-Forwarded-For": address}
        return TestClient(
            config.loaded_app,
            base_url=house.url,
            follow_redirects=False,
            headers=headers,
            client=(proxy, 1),
        )

    stranger = visitor("198.51.100.7", "172.30.117.1")
    guesses = [sign_in(stranger, password="x" * 12).status_code for _ in range(4)]
    assert guesses == [401] * 3 + [429]
    assert sign_in(visitor("192.0.2.7", "172.30.117.1")).status_code == 303
    # Whoever is no proxy of ours can not say that it is somebody else.
    liars = [visitor(f"10.0.0.{number}", "203.0.113.9") for number in range(4)]
    assert [sign_in(liar, password="x" * 12).status_code for liar in liars] == [401] * 3 + [429]


# --- forms of other sites ------------------------------------------------------------------------------


def test_the_sign_in_form_works_only_in_the_browser_that_loaded_it(house):
    page = house.browser().get("/sign-in")
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    form = {"name": "ann", "password": PASSWORD, "csrf_token": token}
    assert house.browser().post("/sign-in", data=form).status_code == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://localhost"]
)
def test_the_sign_in_form_is_not_taken_from_another_origin(house, origin):
    assert sign_in(house.browser(), Origin=origin).status_code == 403


def test_a_browser_that_says_that_another_site_asked_is_believed(house):
    assert sign_in(house.browser(), **{"Sec-Fetch-Site": "cross-site"}).status_code == 403


# --- where it leads ------------------------------------------------------------------------------------

ELSEWHERE = [
    "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
    "http:evil", "/a\r\nSet-Cookie: a=b", "/\t/evil.example", "", "evil", "/" + "a" * 2000, "/ä",
]  # fmt: skip


@pytest.mark.parametrize("path", ELSEWHERE)
def test_no_sign_in_leads_to_another_site(house, path):
    assert sign_in(house.browser(), next=path).headers.get("location", "/") == "/"
    signed_in = house.signed_in()
    assert signed_in.get("/sign-in", params={"next": path}).headers["location"] == "/"


def test_a_sign_in_leads_back_to_where_one_was_going(house):
    browser = house.browser()
    answer = browser.get("/reviews/abc?tab=facts", headers={"Accept": "text/html"})
    if answer.status_code == 303:  # a page of this console
        assert answer.headers["location"] == "/sign-in?next=/reviews/abc%3Ftab%3Dfacts"
    assert sign_in(browser, next="/reviews/abc?tab=facts").headers["location"] == "/reviews/abc?tab=facts"
    assert local_path("/reviews?pool=a&x=//b") == "/reviews?pool=a&x=//b"
