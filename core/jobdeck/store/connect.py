"""Opens the store that an address names: the only place that chooses between the stores."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from ..clock import Clock, SystemClock
from ..model.errors import StoreRefused
from ..model.findings import Finding
from ..settings import Settings, default_database
from .base import Store
from .redact import without_password

_SERVERS = ("postgresql", "postgres")


def open_store(where: str, settings: Settings, clock: Clock, random: Random, *, adopt: bool, create: bool) -> Store:
    """Open the store that `where` names.

    Raises:
        StoreRefused: it cannot be used; nothing in it was changed.
    """
    if is_server(where):
        return _open_server(where, settings, clock, random, create=create)
    file = sqlite_file(where)
    if not create and not file.exists():
        raise StoreRefused(str(file), "is not there")
    from .sqlite import SqliteStore

    if where == default_database():
        with contextlib.suppress(OSError):  # the store reports what is wrong
            file.parent.mkdir(parents=True, exist_ok=True)
    return SqliteStore(file, clock=clock, random=random, synchronous=settings.synchronous, adopt=adopt)


def is_server(where: str) -> bool:
    """Return whether the address is one of a PostgreSQL database."""
    return where.partition("://")[0] in _SERVERS and "://" in where


def redact_url(where: str) -> str:
    """Return the address of a database without a password."""
    return without_password(where) if is_server(where) else where


def _open_server(where: str, settings: Settings, clock: Clock, random: Random, *, create: bool) -> Store:
    with _driver(where):
        from .postgres import PostgresStore
    return PostgresStore(where, clock=_server_clock(clock), random=random, synchronous=settings.synchronous, create=create)


def _server_clock(clock: Clock) -> Clock | None:
    """Return the clock for a server: its own, unless the caller passed one, since machines' clocks differ."""
    return None if isinstance(clock, SystemClock) else clock


@contextlib.contextmanager
def _driver(where: str) -> Iterator[None]:
    """Refuse the address if an import inside fails because the driver is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "psycopg":
            raise
        raise StoreRefused(
            without_password(where),
            "is a PostgreSQL database, and the driver for it is not installed; pip install 'jobdeck[postgres]'",
        ) from None


def check_store(where: str, settings: Settings, clock: Clock, *, full: bool) -> Sequence[Finding]:
    """Check a store without opening it for work: nothing in it is changed, regardless of its state.

    Raises:
        StoreRefused: `where` cannot name a store, or its driver is not installed.
    """
    if is_server(where):
        with _driver(where):
            from .postgres.doctor import run_checks as run_server_checks
        return run_server_checks(where, settings, _server_clock(clock), full=full)
    file = sqlite_file(where)
    from .sqlite.doctor import run_checks

    return run_checks(file, settings, clock, full=full)


def sqlite_file(where: str) -> Path:
    """Return the file that a path or `sqlite:///path` names.

    Raises:
        StoreRefused: it names another type of database, or the home folder of an unknown user.
    """
    scheme, separator, rest = where.partition("://")
    if not separator:
        path = where
    elif scheme == "sqlite":
        path = rest.removeprefix("/")
    else:
        raise StoreRefused(where, f"names a {scheme} database, and this jobdeck works on SQLite and PostgreSQL; give a path")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise StoreRefused(where, "names the home folder of a user who is not known here") from None
