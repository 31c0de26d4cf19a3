"""Records what jobdeck runs on a PostgreSQL server, on a queue of its own in the scratch schema of a lane."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jobdeck
from jobdeck import JobdeckError, Queue, Registry, Settings, job

from ..inside import RecordedStatement, Section, Statement, one_line
from ..place import executing_place
from ..plans import postgres_plan

if TYPE_CHECKING:
    import psycopg

_KIND = "lab.job"
_WHY = {
    "claim": "One statement picks the rows and takes them. FOR UPDATE locks what it picks, and SKIP LOCKED passes over what "
    "other workers are taking: no claim waits for another one.",
}
"""Operation → the reason why it is safe."""
_LEFT_OUT = ("jobdeck_counts", "jobdeck_meta", "pg_")
"""Statements on these keep counters, and find out about the server."""


def record_on_server(operation: str, url: str, schema: str) -> Section:
    """Perform an operation of jobdeck on a queue in this schema, and return its statements with their plans.

    Args:
        operation: `claim`.
        url: the address of the database.
        schema: an existing schema without a queue, or with one that was made here.
    """
    assert operation == "claim", operation
    why = _WHY[operation]
    try:
        return Section(operation, why, _claim(in_schema(url, schema)), is_atomic=True)
    except (JobdeckError, load_driver().Error) as error:
        # The server, or a pooler in front of it, takes no options, say: the lane can be played nevertheless.
        return Section(operation, f"{why} Its plan is not available: {one_line(str(error))}", (), is_atomic=True)


def load_driver() -> Any:
    """Import the driver, which comes with an extra."""
    import psycopg

    return psycopg


def in_schema(url: str, schema: str) -> str:
    """Return the address with this schema as the only one that is searched for tables."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={schema}')}"


def _claim(url: str) -> tuple[Statement, ...]:
    registry = Registry()
    job(name=_KIND, registry=registry)(_handler)
    seen: list[RecordedStatement] = []
    with Queue(settings=Settings(database=url), registry=registry) as queue:
        queue.enqueue(_KIND, {})
        worker = jobdeck.testing.ManualWorker(queue, "worker 1")
        with queue.transaction() as session:
            connection: psycopg.Connection[Any] = session.raw
        connection.cursor_factory = _recording(seen)
        worker.claim()
        connection.cursor_factory = load_driver().RawCursor
        with queue.transaction():
            for each in seen:
                if "set_config" in each.sql:  # the planner's settings of a claim
                    connection.execute(each.sql.encode())
            return tuple(
                Statement(each.sql, _plan(connection, each), each.place, each.function) for each in seen if _is_shown(each.sql)
            )


def _handler() -> None:
    """Never called: the job is only claimed."""


def _is_shown(sql: str) -> bool:
    return "jobdeck_jobs" in sql and not any(word in sql for word in _LEFT_OUT)


def _recording(seen: list[RecordedStatement]) -> type[psycopg.RawCursor[Any]]:
    """Return a class of cursors that record what they execute, and the line of jobdeck that asked for it."""

    class Recording(load_driver().RawCursor):  # type: ignore[misc]  # the driver is an extra, and not imported before it is needed
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            place, function = executing_place(sys._getframe(1))
            seen.append(RecordedStatement(one_line(str(query)), params, place, function))
            return super().execute(query, params, **options)

    return Recording


def _plan(connection: psycopg.Connection[Any], statement: RecordedStatement) -> tuple[str, ...]:
    found = connection.execute(f"EXPLAIN (COSTS OFF) {statement.sql}".encode(), statement.values)
    return postgres_plan(line for (line,) in found)
