"""The tokens of the HTTP API: a file that only its owner can read, with a hash of each token."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.errors import InvalidOption, TokenExists, TokenFileRefused, TokenNotFound
from ..model.record_class import record

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_PREFIX = "jobdeck_"
"""The start of every token, by which scanners for leaked secrets find it."""


class Scope(StrEnum):
    """A permission of a token."""

    READ = "read"
    """Read jobs, queues, workers, logs and events."""
    ENQUEUE = "enqueue"
    """Enqueue jobs of every kind but `shell`."""
    OPERATE = "operate"
    """Cancel, retry, edit and delete jobs; pause and limit queues; manage schedules; drain workers; undo."""
    SHELL = "shell"
    """Use the kind `shell`, which runs any command, wherever another scope allows to enqueue or edit jobs."""


@record
class Token:
    """A token, without its secret."""

    name: str
    """The actor of its operations in the journal."""
    scopes: frozenset[Scope]
    created_at: float
    """Seconds since 1970 UTC."""
    digest: str
    """The SHA-256 of the secret, in hexadecimal: the secret has 256 random bits, so a slow hash would add nothing."""


class TokenFile:
    """The tokens in a file. It is read again whenever it changes, so that a removed token is refused immediately."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, ...] | None = None
        self._tokens: tuple[Token, ...] = ()

    def tokens(self) -> tuple[Token, ...]:
        """Return the tokens, oldest first; none if there is no file.

        Raises:
            TokenFileRefused: the file cannot be read, other users may read or change it, or it is damaged.
        """
        try:
            state = self.path.stat()
        except FileNotFoundError:
            self._seen, self._tokens = None, ()
            return ()
        except OSError as problem:
            raise TokenFileRefused(self.path, f"cannot be read: {problem.strerror}") from None
        seen = (state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino, state.st_mode, state.st_uid)
        if seen != self._seen:
            if not stat.S_ISREG(state.st_mode) or state.st_mode & 0o077 or state.st_uid not in (os.getuid(), 0):
                raise TokenFileRefused(self.path, "must be a file that only you can read and write; run chmod 600 on it")
            self._tokens = self._read(lambda: self.path.read_text("utf-8"))
            self._seen = seen
        return self._tokens

    def find(self, secret: str) -> Token | None:
        """Return the token with this secret, in a time that does not depend on how much of it is right. Raises as `tokens`."""
        digest = _digest(secret)
        found = None
        for token in self.tokens():
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found

    def add(self, name: str, scopes: Iterable[Scope | str]) -> str:
        """Add a token and return its secret, which is stored nowhere.

        Raises:
            InvalidOption: the name or a scope is invalid, or no scope is given.
            TokenExists: a token has this name.
            TokenFileRefused: as for `tokens`, or the file cannot be written.
        """
        if not _NAME.fullmatch(name):
            problem = "must be 1 to 100 letters, digits and . _ - @, and start with a letter or digit"
            raise InvalidOption("name of a token", problem)
        chosen = frozenset(map(_scope, scopes))
        if not chosen:
            raise InvalidOption("scope", f"is missing; scopes are {', '.join(Scope)}")
        secret = _PREFIX + secrets.token_urlsafe(32)
        with self._changing() as tokens:
            if any(token.name == name for token in tokens):
                raise TokenExists(name)
            tokens.append(Token(name, chosen, time.time(), _digest(secret)))
        return secret

    def remove(self, name: str) -> None:
        """Remove a token. Raises `TokenNotFound`, and `TokenFileRefused` as `add`."""
        with self._changing() as tokens:
            kept = [token for token in tokens if token.name != name]
            if len(kept) == len(tokens):
                raise TokenNotFound(name)
            tokens[:] = kept

    # ---------------------------------------------------------------------------------------------

    def _read(self, read: Callable[[], str]) -> tuple[Token, ...]:
        try:
            return tuple(
                Token(
                    str(each["name"]),
                    frozenset(Scope(scope) for scope in each["scopes"]),
                    float(each["created_at"]),
                    str(each["sha256"]),
                )
                for each in json.loads(read())["tokens"]
            )
        except OSError as problem:
            raise TokenFileRefused(self.path, f"cannot be read: {problem.strerror}") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise TokenFileRefused(self.path, "is damaged; remove it, and add the tokens again") from None

    @contextmanager
    def _changing(self) -> Iterator[list[Token]]:
        """Change the tokens while no other process does; the file is replaced as a whole."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(self.path.with_name(self.path.name + ".lock"), "a", opener=_private) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                tokens = [*self.tokens()]
                yield tokens
                written = self.path.with_name(f"{self.path.name}.{os.getpid()}")
                with open(written, "w", encoding="utf-8", opener=_private) as file:
                    json.dump({"tokens": [_document(token) for token in tokens]}, file, indent=1)
                    file.write("\n")
                    file.flush()
                    os.fsync(file.fileno())
                written.replace(self.path)
        except OSError as problem:
            raise TokenFileRefused(self.path, f"cannot be written: {problem.strerror}") from None


def default_token_file() -> Path:
    """Return the default path of the token file: in the user's data folder, beside the default database."""
    from ..settings import default_database

    return Path(default_database()).with_name("tokens.json")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _scope(scope: Scope | str) -> Scope:
    try:
        return Scope(scope)
    except ValueError:
        raise InvalidOption("scope", f"must be one of {', '.join(Scope)}, not {scope!r}") from None


def _document(token: Token) -> dict[str, object]:
    scopes = [scope for scope in Scope if scope in token.scopes]
    return {"name": token.name, "scopes": scopes, "created_at": token.created_at, "sha256": token.digest}
