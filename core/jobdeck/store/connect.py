"""Opens the store that an address names: the only place that chooses between the stores."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from ..clock import Clock, SystemClock
from ..model.address import DatabaseAddress
from ..model.errors import StoreRefused
from ..model.findings import Finding
from ..settings import Settings, is_default_database
from .base import Store
from .filesystem import create_private_folders
from .moved import opening_moved


def open_store(
    address: DatabaseAddress,
    settings: Settings,
    clock: Clock,
    random: Random,
    *,
    adopt: bool,
    create: bool,
    readonly: bool = False,
    moved: bool = False,
) -> Store:
    """Open the store at the address; with `moved` also one whose queue was moved, or is a copy which is not complete.

    Raises:
        StoreRefused: it cannot be used; nothing in it was changed.
    """
    _refuse_api(address)
    with opening_moved() if moved else contextlib.nullcontext():
        if address.file is None:
            return _open_server(address, settings, clock, random, create=create, readonly=readonly)
        return _open_file(address, address.file, settings, clock, random, adopt=adopt, create=create, readonly=readonly)


def _open_file(
    address: DatabaseAddress,
    file: Path,
    settings: Settings,
    clock: Clock,
    random: Random,
    *,
    adopt: bool,
    create: bool,
    readonly: bool,
) -> Store:
    if not _is_there(file) and (readonly or not create):
        raise StoreRefused(str(file), "is not there")
    from .sqlite import SqliteStore

    if is_default_database(address.text) and not readonly:
        with contextlib.suppress(OSError):  # the store reports what is wrong
            create_private_folders(file.parent)
    return SqliteStore(file, clock=clock, random=random, synchronous=settings.synchronous, adopt=adopt, readonly=readonly)


def _refuse_api(address: DatabaseAddress) -> None:
    if address.is_api:
        raise StoreRefused(address.shown, "is the HTTP API of a queue, and no database; open it with `jobdeck.open_queue`")


def _is_there(file: Path) -> bool:
    """Return whether the file exists.

    Raises:
        StoreRefused: its folder cannot be reached.
    """
    try:
        file.absolute()  # needs the current folder, if the path is relative
        return file.exists()
    except ValueError:  # no system has a file of this name: the store says so
        return False
    except OSError as error:
        problem = "the current folder was deleted" if isinstance(error, FileNotFoundError) else error.strerror
        raise StoreRefused(str(file), f"cannot be reached ({problem})") from None


def _open_server(
    address: DatabaseAddress, settings: Settings, clock: Clock, random: Random, *, create: bool, readonly: bool
) -> Store:
    with _driver(address):
        from .postgres import PostgresStore
    return PostgresStore(
        address.text,
        clock=_server_clock(clock),
        random=random,
        synchronous=settings.synchronous,
        create=create,
        readonly=readonly,
    )


def _server_clock(clock: Clock) -> Clock | None:
    """Return the clock for a server: its own, unless the caller passed one, since machines' clocks differ."""
    return None if isinstance(clock, SystemClock) else clock


@contextlib.contextmanager
def _driver(address: DatabaseAddress) -> Iterator[None]:
    """Refuse the address if an import inside fails because the driver is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "psycopg":
            raise
        raise StoreRefused(
            address.shown,
            "is a PostgreSQL database, and the driver for it is not installed; pip install 'jobdeck[postgres]'",
        ) from None


def check_store(address: DatabaseAddress, settings: Settings, clock: Clock, *, full: bool) -> Sequence[Finding]:
    """Check a store without opening it for work: nothing in it is changed, regardless of its state.

    Raises:
        StoreRefused: its folder cannot be reached, or its driver is not installed.
    """
    _refuse_api(address)
    if address.file is None:
        with _driver(address):
            from .postgres.doctor import run_checks as run_server_checks
        return run_server_checks(address.text, settings, _server_clock(clock), full=full)
    _is_there(address.file)
    from .sqlite.doctor import run_checks

    return run_checks(address.file, settings, clock, full=full)


def read_schema(address: DatabaseAddress) -> tuple[int, int]:
    """Return the schema version of a database (0 if it holds no queue), and the newest that this jobdeck knows.

    Raises:
        StoreRefused: the database cannot be read.
    """
    if address.file is None:
        with _driver(address):
            from .postgres import schema as server
            from .postgres.dsn import Address
        return server.read_schema(Address.read(address.text)), server.newest_schema()
    from .sqlite import schema as file
    from .sqlite.errors import ErrorTranslator
    from .sqlite.file_identity import resolve

    if not _is_there(address.file):
        return 0, file.newest_schema()
    with ErrorTranslator(str(address.file)):
        return file.read_schema(resolve(address.file), str(address.file)), file.newest_schema()


def schema_script(address: DatabaseAddress, since: int) -> str:
    """Return the SQL that brings a database from a schema version (0: no queue) to the newest.

    Raises:
        ValueError: there is no such version.
        StoreRefused: the driver of the database is not installed.
    """
    if address.file is None:
        with _driver(address):
            from .postgres import schema as server
        newest, script = server.newest_schema(), server.schema_script
    else:
        from .sqlite import schema as file

        newest, script = file.newest_schema(), file.schema_script
    if not 0 <= since <= newest:
        raise ValueError(f"must be from 0 to {newest}")
    return script(since)
