"""Prepares a PostgreSQL database: refuses unusable ones, migrates the schema."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg.rows import TupleRow

from ...model.errors import StoreRefused
from ..moved import refuse_moved
from .dsn import Address
from .errors import ErrorTranslator, error_text
from .identity import Identity
from .raw_connection import connect

OLDEST = 150000
"""The oldest supported server, as libpq numbers it."""


def make_ready(address: Address, synchronous: str, *, create: bool = True, readonly: bool = False) -> Identity:
    """Check the database, migrate its schema, and return its identity. A refused database is left unchanged.

    Args:
        address: the address of the database.
        synchronous: see `PostgresStore`.
        create: create a queue if there is none; otherwise refuse the database.
        readonly: change nothing: refuse a database without a queue, and one of an older schema.

    Raises:
        StoreRefused: it is unreachable, or cannot be used as it is.
    """
    where = address.shown
    try:
        raw = connect(address, synchronous)
    except psycopg.OperationalError as error:
        raise StoreRefused(where, f"cannot be reached: {error_text(error)}") from error
    try:
        with ErrorTranslator(where):
            check_server(raw, where, readonly=readonly)
            version = schema_of(raw, where) if readonly or not create else 1
            if version == 0:
                raise StoreRefused(where, "holds no queue; the first enqueued job creates one")
            if not readonly:
                _migrate(raw, where)
            elif version < newest_schema():
                known = newest_schema()
                raise StoreRefused(
                    where, f"is of an older jobdeck (schema {version}; this one knows {known}); start a worker to migrate it"
                )
            refuse_moved(where, partial(_read_meta, raw))
            return Identity.read(raw)
    finally:
        raw.close()


def check_server(raw: psycopg.Connection[TupleRow], where: str, *, readonly: bool = False) -> None:
    """Refuse a server, a database or a schema that cannot hold a queue; with `readonly`, that cannot be read."""
    version = raw.info.server_version
    if version < OLDEST:
        raise StoreRefused(where, f"is on PostgreSQL {version // 10000}, and jobdeck needs {OLDEST // 10000} or newer")
    encoding = raw.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreRefused(where, f"keeps its texts in {encoding}, and jobdeck needs UTF8")
    row = raw.execute("SELECT pg_is_in_recovery(), current_schema(), current_setting('search_path')").fetchone()
    assert row is not None
    standby, schema, path = row
    if standby and not readonly:
        raise StoreRefused(where, "is a standby, which cannot be written to; name the primary server")
    if schema is None:
        raise StoreRefused(where, f"has no schema of the search path {path}; make one with CREATE SCHEMA, or name another")


def read_schema(address: Address) -> int:
    """Return the schema version of the database, even a newer jobdeck's; 0 if it has none. Changes nothing.

    Raises:
        StoreRefused: it is unreachable, or cannot be read.
    """
    where = address.shown
    try:
        raw = connect(address)
    except psycopg.OperationalError as error:
        raise StoreRefused(where, f"cannot be reached: {error_text(error)}") from error
    try:
        with ErrorTranslator(where):
            check_server(raw, where, readonly=True)
            return _stored_version(raw, where)
    finally:
        raw.close()


def schema_of(raw: psycopg.Connection[TupleRow], where: str) -> int:
    """Return the schema version of the database; 0 if it has none. Refuse a newer jobdeck's."""
    version = _stored_version(raw, where)
    if version > newest_schema():
        raise StoreRefused(
            where, f"was written by a newer jobdeck (schema {version}; this one knows {newest_schema()}); upgrade jobdeck"
        )
    return version


def _read_meta(raw: psycopg.Connection[TupleRow], key: str) -> str | None:
    row = raw.execute("SELECT value FROM jobdeck_meta WHERE key = $1", (key,)).fetchone()
    return None if row is None else str(row[0])


def _stored_version(raw: psycopg.Connection[TupleRow], where: str) -> int:
    there = raw.execute("SELECT to_regclass('jobdeck_meta') IS NOT NULL").fetchone()
    if there is None or not there[0]:
        return 0
    row = raw.execute("SELECT value FROM jobdeck_meta WHERE key = 'schema'").fetchone()
    said = "0" if row is None else str(row[0])
    if not said.isdecimal():
        raise StoreRefused(where, f"says that its schema is {said!r}, which is no number")
    return int(said)


def _migrate(raw: psycopg.Connection[TupleRow], where: str) -> None:
    version = schema_of(raw, where)
    if version == newest_schema():
        return
    try:
        _run_steps(raw, where)
    except psycopg.errors.InsufficientPrivilege as error:
        needs = "has no tables of jobdeck" if version == 0 else f"has schema {version}, and jobdeck needs {newest_schema()}"
        raise StoreRefused(
            where,
            f"{needs}, which this user may not {'create' if version == 0 else 'change'} ({error_text(error)}); as one who may,"
            f" run `jobdeck schema migrate`, or what `jobdeck schema sql --from {version}` prints",
        ) from error


def _run_steps(raw: psycopg.Connection[TupleRow], where: str) -> None:
    with raw.transaction():
        # Another process may be migrating it. Each statement sees what was committed before it, whatever the server's default.
        raw.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        raw.execute("SELECT pg_advisory_xact_lock(hashtext('jobdeck'), hashtext(current_schema()))")
        # Its tables may be missing from this session's cache of names, which is refreshed when a table is opened.
        raw.execute("SELECT 1 FROM pg_am LIMIT 1")
        for number in range(schema_of(raw, where), newest_schema()):
            raw.execute(cast("Any", _steps()[number].read_text("utf-8")), prepare=False)
            raw.execute(cast("Any", _RECORD.format(number + 1)), prepare=False)


_RECORD = "INSERT INTO jobdeck_meta VALUES ('schema', '{}') ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_CHECK = """
DO $$ BEGIN
    IF (SELECT value FROM jobdeck_meta WHERE key = 'schema') IS DISTINCT FROM '{0}' THEN
        RAISE EXCEPTION 'the schema of this queue is %, not {0}', (SELECT value FROM jobdeck_meta WHERE key = 'schema');
    END IF;
END $$;
"""


def schema_script(since: int) -> str:
    """Return the SQL that brings a queue of the schema version `since` (0: no queue) to the newest, in one transaction."""
    steps = [f"{step.read_text('utf-8')}\n{_RECORD.format(n)};\n" for n, step in enumerate(_steps(), 1) if n > since]
    check = _CHECK.format(since) if since else ""
    return f"-- For PostgreSQL: schema {since} to {newest_schema()}.\nBEGIN;\n{check}\n{''.join(steps)}\nCOMMIT;\n"


@cache
def _steps() -> tuple[Path, ...]:
    """Return the scripts that change the schema, the oldest first."""
    return tuple(sorted((Path(__file__).parent / "migrations").glob("*.sql")))


def newest_schema() -> int:
    """The schema that this jobdeck writes."""
    return len(_steps())
