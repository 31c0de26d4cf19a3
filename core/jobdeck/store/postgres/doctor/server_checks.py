"""Checks of the server around a queue: its version, what it keeps through a crash, its room, its old transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....model.findings import Severity
from ...doctor import CheckResult, format_duration, format_size
from .context import Check, CheckContext

_OLD = 300.0
"""Seconds after which an open transaction is an old one: what was removed since cannot be cleared away."""
_WORN = 1_000_000_000
"""Transactions since the oldest row was frozen. At twice as many the server takes no more."""
_CROWDED = 0.9
"""The part of the allowed connections from which on another worker may not get its own."""
_OURS = """
FROM pg_class WHERE relname LIKE 'jobdeck%'
 AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'jobdeck_meta'::regclass)
"""


def _version(context: CheckContext) -> Iterator[CheckResult]:
    yield Severity.OK, f"PostgreSQL {context.setting('server_version')}.", ""


def _durability(context: CheckContext) -> Iterator[CheckResult]:
    lost = [name for name in ("fsync", "full_page_writes") if context.setting(name) != "on"]
    if lost:
        told = f"A loss of power may destroy the server's data ({' and '.join(lost)} off)."
        yield Severity.PROBLEM, told, f"Set {' and '.join(f'{name} = on' for name in lost)} in the server's configuration."
    elif context.settings.synchronous != "FULL":
        told = f"A crash of the server may take back the last acknowledged jobs (synchronous {context.settings.synchronous})."
        yield Severity.WARNING, told, "Set JOBDECK_SYNCHRONOUS=FULL, unless that is meant."
    elif context.setting("synchronous_commit") == "off":
        told = "A crash of the server may take back the last acknowledged jobs (synchronous_commit off)."
        yield Severity.WARNING, told, "Set synchronous_commit = on for this user or database, unless that is meant."
    else:
        kept = f"synchronous FULL, synchronous_commit {context.setting('synchronous_commit')}"
        yield Severity.OK, f"What is acknowledged survives a loss of power ({kept}).", ""


def _session(context: CheckContext) -> Iterator[CheckResult]:
    """Whether a pooler stands between, which may give each transaction another session."""
    if context.number("SELECT pg_backend_pid()") != context.raw.info.backend_pid:
        told = "A pooler stands between here and the server."
        yield Severity.WARNING, told, "See that it pools sessions, not transactions: wake-ups and counters need a session."
    else:
        yield Severity.OK, "This connection has a session of the server to itself.", ""


def _connections(context: CheckContext) -> Iterator[CheckResult]:
    used = context.number("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    most = int(context.setting("max_connections"))
    told = f"{used:,} of {most:,} connections are in use."
    if used > most * _CROWDED:
        yield (
            Severity.WARNING,
            told,
            "Raise max_connections, or run fewer programs: each thread of a worker's has one of its own.",
        )
    else:
        yield Severity.OK, told, ""


def _integrity(context: CheckContext) -> Iterator[CheckResult]:
    broken = context.number("SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()")
    if broken:
        told = f"The server has read {broken:,} pages of this database whose checksums are wrong."
        yield Severity.PROBLEM, told, "Its disk fails: stop the workers, and go back to the last backup on another."
    elif not context.full:
        yield Severity.OK, "The server has noticed no damaged page (--full also compares the indexes with their tables).", ""
    elif not context.number("SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'"):
        told = "The server has noticed no damaged page; its extension amcheck, which compares indexes, is not in this database."
        yield Severity.WARNING, told, "CREATE EXTENSION amcheck in it, as a superuser, for --full to compare them."
    else:
        indexes = f"SELECT oid {_OURS} AND relkind = 'i' AND relam = (SELECT oid FROM pg_am WHERE amname = 'btree')"
        ((n, _),) = context.rows(
            f"SELECT count(*), count(bt_index_check(each.oid::regclass, true)::text) FROM ({indexes}) AS each"
        )
        yield Severity.OK, f"The server has noticed no damaged page, and {n:,} indexes agree with their tables.", ""


def _size(context: CheckContext) -> Iterator[CheckResult]:
    size = context.number(f"SELECT sum(pg_total_relation_size(oid)) {_OURS} AND relkind = 'r'")
    yield Severity.OK, f"The queue takes {format_size(size)} of the server's disk.", ""


def _vacuum(context: CheckContext) -> Iterator[CheckResult]:
    age = context.number("SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()")
    if age > _WORN:
        told = f"{age:,} transactions have passed since the oldest row here was frozen; at two billions the server stops."
        yield Severity.PROBLEM, told, "VACUUM FREEZE the database, and see why autovacuum does not."
    elif context.setting("autovacuum") != "on":
        told = "Autovacuum is off: the tables grow with every job that passes through, and claims get slower."
        yield Severity.PROBLEM, told, "Set autovacuum = on in the server's configuration."
    else:
        yield Severity.OK, "Autovacuum clears away what has passed.", ""


def _transactions(context: CheckContext) -> Iterator[CheckResult]:
    old = context.rows(
        "SELECT extract(epoch FROM clock_timestamp() - xact_start)::double precision, pid, application_name"
        " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND clock_timestamp() - xact_start > make_interval(secs => ?) ORDER BY xact_start LIMIT 1",
        _OLD,
    )
    for seconds, pid, program in old:
        told = f"A transaction of {program or 'a program'} (process {pid} of the server) has been open for {format_duration(seconds)}."
        yield Severity.WARNING, told, "End it: until then what has passed is not cleared away, and claims get slower."
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
