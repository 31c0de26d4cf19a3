"""The schema of a database: its version, the SQL of its migrations, and the migration itself."""

from __future__ import annotations

from pathlib import Path
from random import Random

from ..clock import Clock, SystemClock
from ..model.address import DatabaseAddress
from ..model.errors import InvalidOption
from ..model.record_class import record
from ..settings import Settings
from ..store import connect


@record
class SchemaVersion:
    """The schema of a database."""

    version: int
    """The version of the database; 0 if it holds no queue."""
    newest: int
    """The newest version that this jobdeck knows."""


def schema_version(database: str | Path | None = None, *, settings: Settings | None = None) -> SchemaVersion:
    """Return the schema version of a database, without changing it.

    Args:
        database: the address, as for `Queue` (default JOBDECK_DATABASE).
        settings: the settings (default: read from the environment and `.env`).

    Raises:
        StoreRefused: the database cannot be read.
    """
    return SchemaVersion(*connect.read_schema(_address(database, settings or Settings.load())))


def schema_sql(database: str | Path | None = None, *, since: int = 0, settings: Settings | None = None) -> str:
    """Return the SQL that migrates a database, for a user who may create tables. Connects to nothing.

    Args:
        database: the address, which says for which database the SQL is (default JOBDECK_DATABASE).
        since: the schema version that the database has; 0 if it holds no queue.
        settings: the settings (default: read from the environment and `.env`).

    Raises:
        InvalidOption: there is no schema with this version.
        StoreRefused: the driver of the database is not installed.
    """
    try:
        return connect.schema_script(_address(database, settings or Settings.load()), since)
    except ValueError as error:
        raise InvalidOption("schema version", str(error)) from None


def migrate_schema(
    database: str | Path | None = None, *, settings: Settings | None = None, clock: Clock | None = None
) -> SchemaVersion:
    """Create the tables of a queue, or migrate them to the newest schema; return the version that the database had before.

    Workers that run go on: see the guide for which versions work beside each other.

    Args:
        database: the address, as for `Queue` (default JOBDECK_DATABASE).
        settings: the settings (default: read from the environment and `.env`).
        clock: the clock (default that of this machine).

    Raises:
        StoreRefused: the database cannot be used, or the user may not change it.
    """
    settings = settings or Settings.load()
    address = _address(database, settings)
    before = SchemaVersion(*connect.read_schema(address))
    connect.open_store(address, settings, clock or SystemClock(), Random(), adopt=False, create=True).close()
    return before


def _address(database: str | Path | None, settings: Settings) -> DatabaseAddress:
    return DatabaseAddress.parse(str(database or settings.database))
