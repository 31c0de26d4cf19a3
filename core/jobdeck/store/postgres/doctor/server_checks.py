"""The checks of the server: its version, durability, connections, integrity, size and old transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....model.findings import Severity
from ...doctor import CheckResult, format_duration, format_size
from .context import Check, CheckContext

_OLD = 300.0
"""Seconds after which an open transaction is old: rows deleted since then cannot be vacuumed."""
_WORN = 1_000_000_000
"""Transactions since the oldest row was frozen. At twice as many the server stops."""
_CROWDED = 0.9
"""The share of the allowed connections above which another worker may not get its own."""
_OURS = """
FROM pg_class WHERE relname LIKE 'jobdeck%'
 AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'jobdeck_meta'::regclass)
"""


def _version(context: CheckContext) -> Iterator[CheckResult]:
    yield Severity.OK, f"PostgreSQL {context.setting('server_version')}.", ""


def _durability(context: CheckContext) -> Iterator[CheckResult]:
    lost = [name for name in ("fsync", "full_page_writes") if context.setting(name) != "on"]
    if lost:
        text = f"A power loss may destroy the server's data ({' and '.join(lost)} off)."
        yield Severity.PROBLEM, text, f"Set {' and '.join(f'{name} = on' for name in lost)} in the server's configuration."
    elif context.settings.synchronous != "FULL":
        text = f"A crash of the server may lose the last acknowledged jobs (synchronous {context.settings.synchronous})."
        yield Severity.WARNING, text, "Set JOBDECK_SYNCHRONOUS=FULL, unless that is intended."
    elif context.setting("synchronous_commit") == "off":
        text = "A crash of the server may lose the last acknowledged jobs (synchronous_commit off)."
        yield Severity.WARNING, text, "Set synchronous_commit = on for this user or database, unless that is intended."
    else:
        kept = f"synchronous FULL, synchronous_commit {context.setting('synchronous_commit')}"
        yield Severity.OK, f"Acknowledged jobs survive a power loss ({kept}).", ""


def _session(context: CheckContext) -> Iterator[CheckResult]:
    """Check for a pooler in between, which may use another session for each transaction."""
    if context.pooled:
        text = "A connection pooler shares sessions (pool_mode = transaction): workers poll, and start a job up to 1 s later."
        yield Severity.WARNING, text, "Let it pool sessions, or connect to the server itself, if that is too late."
    elif context.number("SELECT pg_backend_pid()") != context.raw.info.backend_pid:
        text = "A connection pooler is between this machine and the server."
        yield Severity.OK, f"{text} It gives each connection a session of its own.", ""
    else:
        yield Severity.OK, "This connection has a session of the server to itself.", ""


def _connections(context: CheckContext) -> Iterator[CheckResult]:
    used = context.number("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    most = int(context.setting("max_connections"))
    text = f"{used:,} of {most:,} connections are in use."
    if used > most * _CROWDED:
        yield (
            Severity.WARNING,
            text,
            "Raise max_connections, or run fewer programs: each thread of a worker has its own connection.",
        )
    else:
        yield Severity.OK, text, ""


def _integrity(context: CheckContext) -> Iterator[CheckResult]:
    broken = context.number("SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()")
    if broken:
        text = f"The server has read {broken:,} pages of this database whose checksums are wrong."
        yield Severity.PROBLEM, text, "Its disk fails: stop the workers, and restore the last backup on another."
    elif not context.full:
        yield Severity.OK, "The server has noticed no damaged page (--full also compares the indexes with their tables).", ""
    elif not context.number("SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'"):
        text = "The server has noticed no damaged page; its extension amcheck, which compares indexes, is not in this database."
        yield Severity.WARNING, text, "CREATE EXTENSION amcheck in it, as a superuser, for --full to compare them."
    else:
        indexes = f"SELECT oid {_OURS} AND relkind = 'i' AND relam = (SELECT oid FROM pg_am WHERE amname = 'btree')"
        ((n, _),) = context.rows(
            f"SELECT count(*), count(bt_index_check(each.oid::regclass, true)::text) FROM ({indexes}) AS each"
        )
        yield Severity.OK, f"The server has noticed no damaged page, and {n:,} indexes match their tables.", ""


def _size(context: CheckContext) -> Iterator[CheckResult]:
    size = context.number(f"SELECT sum(pg_total_relation_size(oid)) {_OURS} AND relkind = 'r'")
    yield Severity.OK, f"The queue takes {format_size(size)} of the server's disk.", ""


def _vacuum(context: CheckContext) -> Iterator[CheckResult]:
    age = context.number("SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()")
    if age > _WORN:
        text = f"{age:,} transactions have passed since the oldest row here was frozen; at two billions the server stops."
        yield Severity.PROBLEM, text, "VACUUM FREEZE the database, and find out why autovacuum does not."
    elif context.setting("autovacuum") != "on":
        text = "Autovacuum is off: the tables grow with every job, and claims get slower."
        yield Severity.PROBLEM, text, "Set autovacuum = on in the server's configuration."
    else:
        yield Severity.OK, "Autovacuum is on.", ""


def _transactions(context: CheckContext) -> Iterator[CheckResult]:
    old = context.rows(
        "SELECT extract(epoch FROM clock_timestamp() - xact_start)::double precision, pid, application_name"
        " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND clock_timestamp() - xact_start > make_interval(secs => ?) ORDER BY xact_start LIMIT 1",
        _OLD,
    )
    for seconds, pid, program in old:
        open_for = format_duration(seconds)
        text = f"A transaction of {program or 'a program'} (process {pid} of the server) has been open for {open_for}."
        yield Severity.WARNING, text, "End it: until then old rows are not vacuumed, and claims get slower."
    if not old:
        yield Severity.OK, "No transaction has been open for long.", ""


SERVER: Sequence[tuple[str, Check]] = (
    ("server", _version),
    ("session", _session),
    ("connections", _connections),
    ("durability", _durability),
)
AROUND: Sequence[tuple[str, Check]] = (
    ("integrity", _integrity),
    ("size", _size),
    ("vacuum", _vacuum),
    ("transactions", _transactions),
)
