"""Signing in at an identity provider, a small one of our own that can also lie."""

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from app.console.app import create_console
from app.domain.people import Directory
from app.policy.console import MINUTE, Allowance
from tests.integration.console.conftest import PEOPLE, POOLS

CLIENT = "console"


class Issuer(ThreadingHTTPServer):
    """Signs everybody in as ``person``; ``lie`` changes the claims, ``key`` the signature."""

    def __init__(self, clock):
        super().__init__(("127.0.0.1", 0), Answering)
        self.clock = clock
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.key = self.published = RSAKey.generate_key(2048, {"kid": "one"})
        self.person, self.lie = "2489", {}
        self.codes, self.asked = {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def authorize(self, address):
        """What a browser does at the provider; where it is sent back to."""
        query = dict(parse_qsl(urlsplit(address).query))
        assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return query["redirect_uri"], {"code": code, "state": query["state"], "iss": self.url}

    def redeem(self, form):
        query = self.codes.pop(form.get("code"), None)
        if query is None:
            return 400, {"error": "invalid_grant"}
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(challenge).decode().rstrip("=") != query["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = self.clock() // 1000
        claims = {"iss": self.url, "aud": CLIENT, "sub": self.person, "nonce": query["nonce"]}
        claims |= {"iat": now, "exp": now + 300, "preferred_username": "ann"} | self.lie
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.sign(claims)}

    def sign(self, claims):
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        issuer = self.server
        if self.path == "/keys":
            return self._say(200, KeySet([issuer.published]).as_dict(private=False))
        endpoints = {
            "issuer": issuer.url,
            "authorization_endpoint": f"{issuer.url}/authorize",
            "token_endpoint": f"{issuer.url}/token",
            "jwks_uri": f"{issuer.url}/keys",
        }
        return self._say(200, endpoints)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.asked.append((dict(self.headers), body))
        self._say(*self.server.redeem({name: value[0] for name, value in parse_qs(body).items()}))

    def _say(self, status, content):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_):
        """Quietly."""


@pytest.fixture
def issuer(house):
    server = Issuer(house.clock)
    settings = msgspec.structs.replace(
        house.parts.settings, oidc_issuer=server.url, oidc_client_id=CLIENT, oidc_client_secret="s3cret"
    )
    people = {who.name: who for who in PEOPLE}
    people["ann"] = msgspec.structs.replace(people["ann"], sign_in="2489")
    house.policy = msgspec.structs.replace(house.policy, directory=Directory(people, POOLS))
    house.parts = msgspec.structs.replace(house.parts, settings=settings)
    house.app = create_console(house.parts)
    yield server
    server.shutdown()
    server.server_close()


def there_and_back(house, issuer, browser, next_="/", **changes):
    away = browser.get("/sign-in/oidc", params={"next": next_})
    assert away.status_code == 302
    address, query = issuer.authorize(away.headers["location"])
    assert address == f"{house.url}/sign-in/oidc/done"
    return browser.get("/sign-in/oidc/done", params=query | changes)


def test_there_and_back_opens_a_session(house, issuer):
    browser = house.browser()
    answer = there_and_back(house, issuer, browser, "/lead?pool=a")
    assert (answer.status_code, answer.headers["location"]) == (303, "/lead?pool=a")
    assert browser.get("/v1/me").json()["person"]["name"] == "ann"
    headers, body = issuer.asked[0]
    assert headers["Authorization"].startswith("Basic ") and "s3cret" not in body
    assert 'href="/sign-in/oidc' in house.browser().get("/sign-in").text


def test_a_whole_company_signs_in_from_one_address(house, issuer, waits):
    console = msgspec.structs.replace(house.policy.console, sign_ins_by_address=Allowance(2, MINUTE))
    house.policy = msgspec.structs.replace(house.policy, console=console)
    assert [there_and_back(house, issuer, house.browser()).status_code for _ in range(5)] == [303] * 5
    assert waits == [0] * 5


def test_a_stranger_keeps_nobody_from_the_identity_provider(house, issuer, waits):
    console = msgspec.structs.replace(house.policy.console, sign_ins_by_address=Allowance(2, MINUTE))
    house.policy = msgspec.structs.replace(house.policy, console=console)
    known = house.browser()
    there_and_back(house, issuer, known)
    stranger = house.browser()
    assert [stranger.get("/sign-in/oidc").status_code for _ in range(5)] == [302] * 5
    assert waits == [0, 0, 0, 5, 5, 5]
    assert there_and_back(house, issuer, house.browser()).status_code == 303
    assert there_and_back(house, issuer, known).status_code == 303
    assert waits[6:] == [5, 0]


def test_an_answer_is_good_once_and_only_in_the_browser_that_asked(house, issuer):
    browser = house.browser()
    away = browser.get("/sign-in/oidc")
    _, query = issuer.authorize(away.headers["location"])
    assert house.browser().get("/sign-in/oidc/done", params=query).status_code == 403
    again = browser.get("/sign-in/oidc/done", params=query)
    assert again.status_code == 403  # the stolen try used it up
    assert there_and_back(house, issuer, browser).status_code == 303
    assert there_and_back(house, issuer, house.browser(), state="made-up").status_code == 403


LIES = [
    {"iss": "https://evil.example"}, {"aud": "other"}, {"aud": [CLIENT, "other"]}, {"nonce": "old"},
    {"exp": 1}, {"iat": 2**40}, {"exp": "x"}, {"nonce": None},
]  # fmt: skip


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_what_can_not_be_believed_opens_nothing(house, issuer, lie):
    issuer.lie = lie
    browser = house.browser()
    assert there_and_back(house, issuer, browser).status_code == 403
    assert browser.get("/v1/me").status_code == 401


def test_a_signature_of_somebody_else_opens_nothing(house, issuer):
    issuer.key = RSAKey.generate_key(2048, {"kid": "one"})
    assert there_and_back(house, issuer, house.browser()).status_code == 403


def test_the_public_key_is_no_password(house, issuer):
    issuer.sign = by_hand(issuer.published.as_pem(private=False))
    assert there_and_back(house, issuer, house.browser()).status_code == 403


def test_an_unsigned_answer_opens_nothing(house, issuer):
    issuer.sign = lambda claims: f"{part({'alg': 'none'})}.{part(claims)}."
    assert there_and_back(house, issuer, house.browser()).status_code == 403


def part(content):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def by_hand(secret):
    """A signature with a shared secret: what no provider should accept to be asked for."""

    def sign(claims):
        text = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims)}"
        return f"{text}.{part(hmac.digest(secret, text.encode(), 'sha256'))}"

    return sign


def test_the_provider_may_change_its_key(house, issuer):
    assert there_and_back(house, issuer, house.browser()).status_code == 303
    issuer.key = issuer.published = RSAKey.generate_key(2048, {"kid": "two"})
    assert there_and_back(house, issuer, house.browser()).status_code == 303


def test_another_providers_answer_is_refused(house, issuer):
    assert there_and_back(house, issuer, house.browser(), iss="https://evil.example").status_code == 403


def test_a_name_that_the_provider_gives_to_somebody_else_is_not_that_person(house, issuer):
    issuer.person = "9999"  # who may call themselves ann there, from now on
    assert there_and_back(house, issuer, house.browser()).status_code == 401


@pytest.mark.parametrize(("verified", "status"), [(True, 303), (False, 401), (None, 401)])
def test_an_address_counts_only_when_the_provider_has_verified_it(house, issuer, verified, status):
    settings = msgspec.structs.replace(house.parts.settings, oidc_claim="email")
    house.parts = msgspec.structs.replace(house.parts, settings=settings)
    house.app = create_console(house.parts)
    issuer.lie = {"email": "2489", "email_verified": verified}
    assert there_and_back(house, issuer, house.browser()).status_code == status


@pytest.mark.parametrize("person", ["ann", "stranger", "", None])
def test_somebody_outside_the_policy_does_not_get_in(house, issuer, person):
    issuer.person = person
    assert there_and_back(house, issuer, house.browser()).status_code == 401


def test_a_refusal_at_the_provider_leads_back_to_the_form(house, issuer):
    answer = there_and_back(house, issuer, house.browser(), code="", error="access_denied")
    assert answer.status_code == 401 and "did not sign you in" in answer.text


def test_a_provider_that_is_away_is_said_to_be(house, issuer):
    issuer.shutdown()
    issuer.server_close()
    assert house.browser().get("/sign-in/oidc").status_code == 503


def test_without_a_provider_there_is_no_such_way(house):
    assert house.browser().get("/sign-in/oidc").status_code == 404
