"""Repairs wrong counters and leases in an SQLite file; `integrity` finds the wrong counters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from ...model.findings import Finding, Severity
from ..integrity import LONGEST_LEASE, format_count, miscounts

_OF_A_ROW = re.compile(r"(NULL value in|CHECK constraint failed in|(non-)?[A-Z]+ value in) ")


def recount(connection: apsw.Connection) -> Iterator[Finding]:
    """Correct the counters, inside the caller's transaction."""
    wrong = miscounts(connection)
    for queue, kind, state, _, n in wrong:
        connection.execute(
            "INSERT INTO jobdeck_counts (queue, kind, state, n) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = excluded.n",
            (queue, kind, state, n),
        )
    if wrong:
        yield Finding("repair", Severity.OK, f"Recomputed: {format_count(len(wrong), 'counter')} of jobs by state were wrong.")


@contextmanager
def rebuilt_indexes(connection: apsw.Connection) -> Iterator[None]:
    """Drop the indexes of the queue, and build them again at the end, inside the caller's transaction."""
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name LIKE 'jobdeck%'"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, sql in indexes:
        connection.execute(str(sql))


def integrity_problems(connection: apsw.Connection, *, full: bool) -> list[str]:
    """Return what SQLite finds wrong with the pages of the file; with `full`, also with its indexes.

    What single rows hold against the schema, while every page is intact, is not among it: `damaged_rows` finds these.
    """
    pragma = "integrity_check" if full else "quick_check"
    found = []
    try:
        for (text,) in connection.execute(f"PRAGMA {pragma}(1000)"):
            found.append(str(text).replace("\n", " "))
    except apsw.CorruptError as error:  # after it has named the page, it reads the rows that are on it
        found.append(str(error))
    return [text for text in found if text != "ok" and not _OF_A_ROW.match(text)]


def end_leases(connection: apsw.Connection, monotonic: float, boot: str) -> Iterator[Finding]:
    """End leases of this boot that end later than any of it can, inside the caller's transaction."""
    connection.execute(
        "UPDATE jobdeck_jobs SET lease_until = -1 WHERE state = 'running' AND lease_until > ?"
        " AND coalesce((SELECT boot FROM jobdeck_workers WHERE id = jobdeck_jobs.worker), ?) = ?",
        (monotonic + LONGEST_LEASE, boot, boot),
    )
    n = connection.changes()
    if n:
        yield Finding("repair", Severity.OK, f"Ended {format_count(n, 'lease')} that would never have ended.")
