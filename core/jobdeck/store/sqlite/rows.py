"""Rows of the SQLite tables become records here, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import apsw

from ...jobs import Attempt, Job, LogLine, Outcome, Reason
from ...states import State

JOB_COLUMNS = (
    "id, kind, args, queue, priority, state, attempt, max_attempts, created_at, scheduled_at, started_at,"
    " finished_at, worker, lease, lease_until, timeout, cancelling, tags, progress, result, error, reason,"
    " crashes, expires_at, unique_key, batch, backoff"
)

Row = Sequence[Any]


def rows_of(connection: apsw.Connection, query: str, bound: apsw.Bindings | None = None) -> list[Row]:
    """All rows of a query."""
    return [*connection.execute(query, bound)]


def storable(text: str | None) -> str | None:
    """The text with lone surrogates spelled out: UTF-8, in which SQLite keeps text, has none."""
    return text if text is None or text.isascii() else text.encode("utf-8", "backslashreplace").decode()


_STATES = {state.value: state for state in State}
_REASONS: dict[str | None, Reason | None] = {None: None, **{reason.value: reason for reason in Reason}}


def job_of(skew: float) -> Callable[[Row], Job]:
    """A function that turns a row of `JOB_COLUMNS` into a record.

    Args:
        skew: wall clock minus monotonic clock, in seconds, to tell a person when a lease ends.
    """

    def job(row: Row) -> Job:
        until = row[14]
        return Job(
            id=row[0],
            kind=row[1],
            args_json=row[2],
            queue=row[3],
            priority=row[4],
            state=_STATES[row[5]],
            attempt=row[6],
            max_attempts=row[7],
            created_at=row[8],
            scheduled_at=row[9],
            started_at=row[10],
            finished_at=row[11],
            worker=row[12],
            lease=row[13],
            lease_until=None if until is None else until + skew,
            timeout=row[15],
            cancelling=row[16] == 1,
            tags=tags_of(row[17]),
            progress=row[18],
            result_json=row[19],
            error=row[20],
            reason=_REASONS[row[21]],
            crashes=row[22],
            expires_at=row[23],
            unique_key=row[24],
            batch=row[25],
            backoff_json=row[26],
        )

    return job


def tags_of(text: str) -> tuple[str, ...]:
    """The tags in their stored form; unreadable ones count as none, so that one bad row stops no other."""
    if text == "[]":
        return ()
    try:
        found = json.loads(text)
    except ValueError:
        return ()
    return tuple(str(tag) for tag in found) if isinstance(found, list) else ()


ATTEMPT_COLUMNS = "job_id, number, worker, started_at, finished_at, outcome, error_type, message, traceback, late_at"


def attempt_of(row: Row) -> Attempt:
    """A row of `ATTEMPT_COLUMNS` as a record."""
    return Attempt(
        job_id=row[0],
        number=row[1],
        worker=row[2],
        started_at=row[3],
        finished_at=row[4],
        outcome=Outcome(row[5]),
        error_type=row[6],
        message=row[7],
        traceback=row[8],
        late_at=row[9],
    )


LOG_COLUMNS = "id, job_id, attempt, at, level, text"


def log_line_of(row: Row) -> LogLine:
    """A row of `LOG_COLUMNS` as a record."""
    return LogLine(id=row[0], job_id=row[1], attempt=row[2], at=row[3], level=row[4], text=row[5])
