"""A record that is encrypted whole, under the key of the person whom it is about.

    E5 01 | key id, 16 bytes | nonce, 12 bytes | AES-256-GCM of the framed record, its tag at the end

The first 18 bytes are authenticated, too. Inside is what would stand in the topic without encryption.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from app.errors import UsageError
from app.stream.errors import DecodeError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_ID_BYTES = 16
KEY_BYTES = 32

_MARK = b"\xe5\x01"
_HEAD = len(_MARK) + KEY_ID_BYTES
_NONCE = 12
_TAG = 16


def key_id_of(value: bytes | None) -> bytes | None:
    """Under which key a record is encrypted; ``None``: it is not.

    >>> key_id_of(b"plain") is None
    True
    """
    if value is None or value[:2] != _MARK or len(value) < _HEAD:
        return None
    return value[2:_HEAD]


def is_encrypted(value: bytes) -> bool:
    """Whether these bytes begin as an encrypted record does."""
    return value[:2] == _MARK


def encrypt(value: bytes, key_id: bytes, key: bytes) -> bytes:
    """A framed record, encrypted."""
    head, nonce = _MARK + key_id, os.urandom(_NONCE)
    return head + nonce + _cipher(key).encrypt(nonce, value, head)


def decrypt(value: bytes, key: bytes) -> bytes:
    """The framed record inside. Raises ``DecodeError("malformed")`` when it is not what was encrypted."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - the extra `privacy`

    head, nonce, body = value[:_HEAD], value[_HEAD : _HEAD + _NONCE], value[_HEAD + _NONCE :]
    if len(body) < _TAG:
        raise DecodeError("malformed", f"{len(value)} bytes are no encrypted record")
    try:
        return _cipher(key).decrypt(nonce, body, head)
    except InvalidTag as error:
        raise DecodeError("malformed", "an encrypted record was changed, or encrypted otherwise") from error


def _cipher(key: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - the extra `privacy`
    except ImportError as error:
        raise UsageError(
            "records are to be encrypted, and the package 'cryptography' is not installed",
            hint="pip install 'hitl-stream[privacy]'",
        ) from error
    return AESGCM(key)
