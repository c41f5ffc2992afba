"""Makes the secrets of docker-compose.yml that are not there yet: a folder for each service that may read it.

    python deploy/make_secrets.py FOLDER            keys and passwords
    python deploy/make_secrets.py FOLDER --tls      also a CA, certificates and Kafka's principals

Run by the one-shot service `secrets`. No secret is ever replaced: to renew one, delete its file and run this
again (docs/deployment.md). Each file belongs to the user of its service, and nobody else reads it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

OWNERS = {
    "worker": 10001,
    "console": 10001,
    "admin": 10001,
    "producer": 10001,
    "consumer": 10001,
    "ca": 10001,
    "store": 999,
    "kafka": 1000,
    "grafana": 472,
}
"""The user that each service's image runs as; who makes these files as root gives them away."""

STORE_RIGHTS = (
    "~hitl:* resetchannels -@all +@read +@write -@dangerous "
    "+evalsha +script|load +multi +exec +ping +info +time +waitaof +auth +hello +select "
    "+client|setinfo +client|setname"
)
"""What a process of ours asks of the store: its own keys; no administration, no scripts from elsewhere
by their text, no look over all keys."""

PRINCIPALS = ("worker", "console", "producer", "consumer")
"""Who signs in to Kafka with a password: SCRAM."""


class Folder:
    """Where the files go. ``mounted`` is where each service will find its own."""

    def __init__(self, root: Path, mounted: str | None) -> None:
        self.root = root
        self._mounted = mounted

    def path(self, owner: str, name: str) -> Path:
        """Where a file of a service is now."""
        return self.root / owner / name

    def seen(self, owner: str, name: str) -> str:
        """Where the service sees it."""
        return f"{self._mounted}/{name}" if self._mounted else str(self.path(owner, name).resolve())

    def keep(self, owner: str, name: str, make: Callable[[], str]) -> str:
        """A secret: its content, made now if it is not there."""
        file = self.path(owner, name)
        if not file.exists():
            self.derive(owner, name, make())
        return file.read_text()

    def derive(self, owner: str, name: str, content: str) -> None:
        """A file that follows from secrets, and so changes with them."""
        file = self.path(owner, name)
        if file.exists() and file.read_text() == content:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{name}")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as out:
            out.write(content)
        self._give(file.parent, owner, 0o500)
        self._give(draft, owner, 0o400)
        draft.rename(file)
        print(f"made {owner}/{name}")

    def _give(self, path: Path, owner: str, mode: int) -> None:
        if os.geteuid() == 0:
            path.chmod(mode)
            os.chown(path, OWNERS[owner], OWNERS[owner])


def make_plain(folder: Folder) -> None:
    """The key of the evidence, the store's passwords and users, Grafana's administrator."""
    folder.derive("console", "evidence-key", folder.keep("worker", "evidence-key", _long))
    users = ["user default off", "user health on nopass resetkeys resetchannels -@all +ping"]
    for name in ("worker", "console"):
        password = folder.keep(name, "store-password", _long)
        users.append(f"user {name} on #{hashlib.sha256(password.encode()).hexdigest()} {STORE_RIGHTS}")
    folder.derive("store", "users.acl", "".join(f"{line}\n" for line in users))
    folder.keep("grafana", "admin-password", _long)


def make_tls(folder: Folder, hosts: list[str]) -> None:
    """A CA of this deployment, certificates of the broker, the store and Kafka's administrator, and a
    password for each of Kafka's principals."""
    from certificates import Authority  # noqa: PLC0415 - needs a package that the rest does not

    authority = Authority.load(folder.keep("ca", "ca.pem", lambda: Authority.new().pem()))
    for owner in ("kafka", "store", "admin", *PRINCIPALS):
        folder.derive(owner, "ca.pem", authority.certificate())
    folder.keep("kafka", "tls.pem", lambda: authority.issue("kafka", ["kafka", *hosts]))
    folder.keep("store", "tls.pem", lambda: authority.issue("valkey", ["valkey", *hosts]))
    folder.keep("admin", "tls.pem", lambda: authority.issue("hitl-admin", []))
    folder.derive("admin", "kafka.properties", _mutual(folder))
    passwords = {name: folder.keep(name, "kafka-password", _long) for name in PRINCIPALS}
    for name, password in passwords.items():
        folder.derive(name, "kafka.properties", _scram(folder, name, password))
    folder.derive("admin", "principals.json", json.dumps(passwords))


def _long() -> str:
    return secrets.token_hex(32)


def _scram(folder: Folder, name: str, password: str) -> str:
    return _properties(
        {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": folder.seen(name, "ca.pem"),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": name,
            "sasl.password": password,
        }
    )


def _mutual(folder: Folder) -> str:
    return _properties(
        {
            "security.protocol": "SSL",
            "ssl.ca.location": folder.seen("admin", "ca.pem"),
            "ssl.certificate.location": folder.seen("admin", "tls.pem"),
            "ssl.key.location": folder.seen("admin", "tls.pem"),
        }
    )


def _properties(entries: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in entries.items())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="where they go")
    parser.add_argument("--tls", action="store_true", help="certificates and Kafka's principals as well")
    parser.add_argument("--mounted", help="where each service sees its folder; as made unless given")
    parser.add_argument(
        "--host", action="append", default=[], help="a further name of broker and store in their certificates"
    )
    asked = parser.parse_args()
    folder = Folder(asked.folder, asked.mounted)
    make_plain(folder)
    if asked.tls:
        make_tls(folder, ["localhost", "127.0.0.1", *asked.host])


if __name__ == "__main__":
    main()
