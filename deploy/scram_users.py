"""Gives Kafka's principals their passwords: one-shot, beside `hitl topics acls --apply` (deploy/secure.yml).

    HITL_KAFKA_BOOTSTRAP_SERVERS=... HITL_KAFKA_CONFIG=... python deploy/scram_users.py PRINCIPALS.json

The file says {"name": "password", ...}. A password that was given before is replaced, by the same one or,
after a renewal, by the new one; whoever is signed in stays so until the next connection.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from app.composition.parts import connection_of
from app.settings import load_settings

ITERATIONS = 8192
"""Of the hash: Kafka wants 4096 at least. The passwords are 256 random bits: more would prove nothing."""


def main() -> None:
    """The command."""
    passwords: dict[str, str] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    admin = AdminClient(connection_of(load_settings()).client("hitl-principals", {}))
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    wanted = [UserScramCredentialUpsertion(name, how, text.encode()) for name, text in passwords.items()]
    for name, future in admin.alter_user_scram_credentials(wanted, request_timeout=60).items():
        future.result(90)
        print(f"{name} can sign in")


if __name__ == "__main__":
    main()
