"""A queue with jobs of every state and rows in every table, and all rows of a queue as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
from tests.core.helpers import PARENT

from jobdeck import Queue, Registry, State
from jobdeck.kinds.registry import Entry
from jobdeck.model.attempt_result import Completed, Failed, Snoozed
from jobdeck.store.claim_capacity import ClaimRequest

TABLES: Mapping[str, str] = {
    "jobdeck_jobs": "id, kind, queue, state, priority, args, attempt, max_attempts, timeout, created_at, scheduled_at,"
    " started_at, finished_at, worker, lease, cancelling, unique_key, tags, progress, progress_message, result, error, reason,"
    " crashes, expires_at, batch, backoff, unique_final, if_parent_fails, unique_taken",
    "jobdeck_attempts": "job_id, lease, number, worker, started_at, finished_at, outcome, error_type, message, traceback,"
    " late_at",
    "jobdeck_logs": "id, job_id, attempt, at, level, text",
    "jobdeck_batches": "id, name, total, created_at",
    "jobdeck_after": "child, parent",
    "jobdeck_waits": "parent, child",
    "jobdeck_journal": "id, at, who, act, n, children, kept, bytes, told, undone, undone_at, undone_by, undone_no",
    "jobdeck_journal_parts": "act, part, at, undone, before",
    "jobdeck_queues": "name, paused_at, max_running, rate, rate_period",
    "jobdeck_schedules": "name, cron, timezone, kind, args, queue, priority, max_attempts, timeout, tags, created_at,"
    " paused_at, next_at, last_at, last_job, error",
    "jobdeck_starts": "queue, n",
    "jobdeck_metrics": "width, slot, queue, kind, measure, bucket, sum(n)",
    "jobdeck_depths": "slot, queue, pending, oldest",
    "jobdeck_counts": "queue, kind, state, n",
}
"""Table → the columns that a copy has, too: all but the times on a clock of the database's own."""
_GROUPED = {"jobdeck_metrics": " GROUP BY width, slot, queue, kind, measure, bucket", "jobdeck_counts": " WHERE n <> 0"}
HOSTILE = "nul \0 one \1 two \x010 emoji \U0001f600 quote ' \\N tab\t line\n end"


def registry() -> Registry:
    return Registry([Entry("note", lambda text="": None), Entry(PARENT, lambda text="": None)])


def fill(address: str, more: int = 0) -> None:
    """Fill an empty queue; with `more` pending jobs beside those of every state."""
    with Queue(address, registry=registry()) as queue:
        store = queue.store

        def claim(n: int = 1, *queues: str) -> list[Any]:
            return list(store.claimer.claim(ClaimRequest("gone", n, kinds=["note", PARENT], queues=queues, lease=30.0)))

        queue.limits.set("limited", running=3, rate=5, period=3600.0)
        queue.enqueue("note", {"text": "limited"}, queue="limited")
        (limited,) = claim(1, "limited")  # stays running: its worker is gone
        ended = [queue.enqueue("note", {"text": f"{n} {HOSTILE}"}, tags=["a", "b"], queue="worked") for n in range(5)]
        first, second, third, fourth, fifth = claim(5, "worked")
        now = queue.clock.now()
        store.logs.append(
            [(job.id, 1, now, "info", f"line {n} {HOSTILE}") for job in (first, second) for n in range(3)], 10_000
        )
        store.completer.complete([Completed(first, now, now + 0.25, '{"x": 1e300}'), Completed(fifth, now, now)])
        store.completer.fail([Failed(second, now, now, None, "ValueError", HOSTILE, f"Traceback {HOSTILE}")])
        store.completer.fail([Failed(third, now, now, now + 3600, "KeyError", "k")])
        store.completer.snooze([Snoozed(fourth, now, now, now + 3600)])
        assert store.completer.complete([Completed(second, now, now)]) == [second.id]  # a late result
        queue.enqueue("note", {"text": "later"}, delay=3600.5, expires=7200.0, max_attempts=9, priority=-3)
        parent = queue.enqueue(PARENT, unique="held", queue="paused")
        queue.enqueue("note", after=[parent.id, ended[2].id], if_parent_fails="run")
        cancelled = queue.enqueue("note", {"text": "cancelled"}, unique="key 😀 '")
        queue.cancel(cancelled.id)
        deleted = queue.enqueue("note")
        queue.delete(deleted.id)
        queue.store.journal.undo()
        queue.delete(queue.enqueue("note").id)  # its id is never used again
        queue.batches.enqueue([queue.new_job("note", {"text": f"{n}"}) for n in range(3)], name="batch 😀 '")
        queue.pause("paused")
        queue.schedules.add("nightly", "0 3 * * *", "note", {"text": HOSTILE}, timezone="Europe/Berlin")
        store.metrics.sample_depths()
        if more:
            queue.enqueue_bulk("note", [{"text": f"more {n}"} for n in range(more)])
        states = {queue.get(job_id).state for job_id in queue.ids("")}
        assert states == set(State), set(State) - states
        assert queue.get(limited.id).state is State.RUNNING


def dump(address: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables, sorted, read past jobdeck."""
    return {table: sorted(map(_plain, _read(address, table, columns)), key=repr) for table, columns in TABLES.items()}


def _read(address: str, table: str, columns: str) -> Sequence[Sequence[Any]]:
    query = f"SELECT {columns} FROM {table}{_GROUPED.get(table, '')}"
    if not address.startswith("postgresql"):
        with closing(apsw.Connection(str(Path(address)), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            return list(connection.execute(query))
    import psycopg

    from jobdeck.store.postgres.type_adapters import adapt

    with psycopg.connect(address) as connection_:
        adapt(connection_)
        return connection_.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


def _plain(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(
        int(value) if isinstance(value, bool) else bytes(value) if isinstance(value, memoryview) else value for value in row
    )
