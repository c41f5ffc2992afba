"""Who may sign in: passwords and API tokens, hashed, in one file that only its owner may read.

What somebody may do is not here: an account has the authority of the profile of the same name in the
policy. The console notices a changed file with the next request; commands change it under a lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.console.scopes import Scope
from app.console.sessions import Draw, token
from app.errors import HitlError, UsageError

SHORTEST, LONGEST = 12, 256
"""Characters of a password: length is what counts; a limit keeps hashing cheap."""

TOKEN_PREFIX = "hitl_"  # noqa: S105 - lets scanners recognise a leaked token
_NAME_LENGTH = 100


class AccountsFileError(HitlError):
    """The accounts file can not be used; nobody gets in meanwhile."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person who signs in with a password. ``changed_at`` (ms UTC) ends every older session."""

    password: str
    changed_at: int


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token of a program that acts as ``owner``, within ``scopes``. Times in ms UTC."""

    owner: str
    note: str
    scopes: frozenset[Scope]
    digest: str
    """SHA-256 of the secret: it has 256 random bits, nothing slower is needed."""
    created_at: int
    expires_at: int | None = None


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the file."""

    version: int = 1
    people: dict[str, Account] = {}
    tokens: dict[str, Token] = {}
    """By the public part of the token."""


class Accounts:
    """The file at ``path``; one that is not there has nobody in it. ``clock`` gives ms UTC."""

    def __init__(
        self, path: Path, clock: Callable[[], int], draw: Draw, hasher: PasswordHasher | None = None
    ) -> None:
        self.path = path
        self._clock = clock
        self._draw = draw
        self._hasher = hasher or PasswordHasher()
        self._decoy = self._hasher.hash(token(draw))
        self._seen: tuple[int, int, int] | None = None
        self._book = Book()

    # --- asking -------------------------------------------------------------------------------------

    def book(self) -> Book:
        """What the file says now. Raises ``AccountsFileError`` when it can not be read or trusted."""
        try:
            about = self.path.stat()
        except FileNotFoundError:
            self._seen, self._book = None, Book()
            return self._book
        version = (about.st_mtime_ns, about.st_size, about.st_ino)
        if version != self._seen:
            if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise AccountsFileError(
                    f"{self.path}: others may read or change it", hint=f"chmod 600 {self.path}"
                )
            self._book = _read(self.path)
            self._seen = version
        return self._book

    def account(self, name: str) -> Account | None:
        """The account of a name."""
        return self.book().people.get(name)

    def right_password(self, name: str, password: str) -> bool:
        """Whether this is the person's password. Takes as long for a name that does not exist."""
        account = self.account(name)
        with contextlib.suppress(VerificationError, InvalidHashError):
            self._hasher.verify(account.password if account else self._decoy, password[:LONGEST])
            return account is not None
        return False

    def token(self, secret: str) -> Token | None:
        """The token with this secret, unless it is unknown, revoked or over."""
        name, _, rest = secret.removeprefix(TOKEN_PREFIX).partition(".")
        found = self.book().tokens.get(name)
        if not secret.startswith(TOKEN_PREFIX) or found is None:
            return None
        if not hmac.compare_digest(_digest(rest), found.digest):
            return None
        return None if found.expires_at is not None and found.expires_at <= self._clock() else found

    # --- changing -----------------------------------------------------------------------------------

    def set_password(self, name: str, password: str, *, new: bool) -> None:
        """Add a person (``new``) or give one another password, which ends all of their sessions.
        Raises ``UsageError``."""
        _check_name(name)
        if not SHORTEST <= len(password) <= LONGEST:
            raise UsageError(
                f"a password has {SHORTEST} to {LONGEST} characters", hint="a sentence is easy to remember"
            )
        account = Account(password=self._hasher.hash(password), changed_at=self._clock())
        with self._changing() as book:
            if (name in book.people) is new:
                raise UsageError(
                    f"'{name}' has an account already" if new else f"'{name}' has no account",
                    hint="see `hitl people list`",
                )
            book.people[name] = account

    def remove(self, name: str) -> int:
        """Remove a person's account and tokens; how many tokens. Sessions end with the next request."""
        with self._changing() as book:
            if book.people.pop(name, None) is None:
                raise UsageError(f"'{name}' has no account", hint="see `hitl people list`")
            theirs = [one for one, token in book.tokens.items() if token.owner == name]
            for one in theirs:
                del book.tokens[one]
        return len(theirs)

    def create_token(
        self, owner: str, scopes: frozenset[Scope], note: str = "", lasts: int | None = None
    ) -> tuple[str, str]:
        """A new token that lasts so many ms; its name and the secret, which is kept nowhere."""
        _check_name(owner)
        name, rest = self._draw(5).hex(), token(self._draw)  # a name that no shell takes for an option
        now = self._clock()
        made = Token(
            owner=owner,
            note=note,
            scopes=scopes,
            digest=_digest(rest),
            created_at=now,
            expires_at=None if lasts is None else now + lasts,
        )
        with self._changing() as book:
            book.tokens[name] = made
        return name, f"{TOKEN_PREFIX}{name}.{rest}"

    def revoke_token(self, name: str) -> None:
        """End a token, at once. Raises ``UsageError``."""
        with self._changing() as book:
            if book.tokens.pop(name, None) is None:
                raise UsageError(f"no token '{name}'", hint="see `hitl token list`")

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Book]:
        """The content, to be changed in place; written whole, or not at all."""
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / f"{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            book = self.book()
            copy = Book(version=book.version, people=dict(book.people), tokens=dict(book.tokens))
            yield copy
            _write(self.path, msgspec.json.format(msgspec.json.encode(copy, order="sorted"), indent=2))


def _check_name(name: str) -> None:
    if not name or len(name) > _NAME_LENGTH or not name.isprintable() or name != name.strip():
        raise UsageError(f"{name!r} is not a name", hint="use the name that the policy's `people` has")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(path: Path) -> Book:
    try:
        book = msgspec.json.decode(path.read_bytes(), type=Book)
    except (OSError, msgspec.MsgspecError) as error:
        raise AccountsFileError(f"{path}: {error}", hint="restore it, or add the people again") from error
    if book.version != 1:
        raise AccountsFileError(f"{path}: version {book.version} is newer than this program", hint="update")
    return book


def _write(path: Path, content: bytes) -> None:
    # A file of its own, complete and on disk, takes the place of the old one in a single step.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:  # mkstemp gives mode 0600
            stream.write(content + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
