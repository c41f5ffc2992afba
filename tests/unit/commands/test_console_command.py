"""`hitl console` does not start where it would not be safe."""

import msgspec
import pytest

from app.commands.console import check
from app.errors import UsageError
from app.settings import load_settings

LOCAL, OUTSIDE = "http://127.0.0.1:8080", "https://desk.example"


@pytest.fixture
def start():
    """``start(url, ...)``: whether it would, with these settings."""

    def started(url, **settings):
        base = load_settings({"HITL_REDIS_URL": "redis://x"})
        check(msgspec.structs.replace(base, **settings), url)

    return started


def test_on_this_machine_or_over_https_with_a_secret(start):
    start(LOCAL)
    start(OUTSIDE, secret_is_default=False)


@pytest.mark.parametrize(
    ("url", "why", "settings"),
    [
        ("http://desk.example", "https", {}),
        (OUTSIDE, "HITL_SECRET_FILE", {}),
        (LOCAL, "HITL_OIDC_CLIENT_ID", {"oidc_issuer": "https://id.example"}),
    ],
)
def test_not_otherwise(start, url, why, settings):
    with pytest.raises(UsageError, match=why) as refused:
        start(url, **settings)
    assert refused.value.hint


@pytest.mark.parametrize("proxies", ["*", "proxy", "10.0.0.1/8", "0.0.0.0/0", "10.0.0.7,::/0"])
def test_a_trusted_proxy_is_an_address_or_a_network_and_never_everybody(proxies):
    with pytest.raises(UsageError, match="HITL_TRUSTED_PROXIES"):
        load_settings({"HITL_TRUSTED_PROXIES": proxies})


def test_only_this_machine_is_a_trusted_proxy_unless_said():
    assert load_settings({}).trusted_proxies == ("127.0.0.1", "::1")
    found = load_settings({"HITL_TRUSTED_PROXIES": "10.0.0.7, 172.30.117.0/24,"}).trusted_proxies
    assert found == ("10.0.0.7", "172.30.117.0/24")


@pytest.mark.parametrize(
    "url", ["desk.example", "ftp://desk.example", "https://", "https://a@b", "https://a?b", "http://a:x"]
)
def test_an_address_is_an_address(url):
    with pytest.raises(UsageError, match="HITL_CONSOLE_URL"):
        load_settings({"HITL_CONSOLE_URL": url})
