"""One POST to an address that others chose: never inwards, never onwards, never for long."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from app.errors import HitlError

PATIENCE = 10.0
"""Seconds for connecting and for each answer."""


class NotDeliveredError(HitlError):
    """The receiver did not take it."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool) -> None:
    """Send, and see a 2xx. Raises ``NotDeliveredError``.

    The name is resolved once and every address checked; the connection goes to the checked address, so
    that no second answer of a name server leads inwards. Redirects are not followed."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    try:
        port = parts.port or (443 if secure else 80)
        address = _resolved(host, port, allow_private=allow_private)
        connection = _Fixed(host, port, address, secure=secure)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotDeliveredError(f"{host}: {error}") from error
    if not 200 <= status < 300:
        raise NotDeliveredError(f"{host} answered {status}")


class _Fixed(http.client.HTTPConnection):
    """A connection to one address, under the name that was asked for."""

    def __init__(self, host: str, port: int, address: str, *, secure: bool) -> None:
        super().__init__(host, port, timeout=PATIENCE)
        self._address = address
        self._secure = secure

    def connect(self) -> None:
        """Connect to the address that was checked."""
        plain = socket.create_connection((self._address, self.port), PATIENCE)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        else:
            self.sock = plain


def _resolved(host: str, port: int, *, allow_private: bool) -> str:
    addresses = [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in addresses:
        if not allow_private and not _public(address):
            raise NotDeliveredError(f"{host} is not in the public internet", hint="set allow_private")
    return addresses[0]


_CARRY_IPV4 = [ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96")]
"""IPv6 addresses that stand for the IPv4 address at their end (NAT64 and older ways)."""


def _public(address: str) -> bool:
    """
    >>> [_public(a) for a in ("93.184.216.34", "10.0.0.1", "127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, False, False, False, False]
    >>> [_public(a) for a in ("64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::127.0.0.1", "64:ff9b::5db8:d822")]
    [False, False, False, True]
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if inner is None and any(found in network for network in _CARRY_IPV4):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is None and found.is_site_local:
            return False
        found = inner or found
    return bool(found.is_global) and not found.is_multicast
