"""A database with an older schema is migrated when it is opened, with all its data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

import apsw
import pytest
from tests.core.helpers import NOON, Bench, FakeClock, new, open_sqlite

from jobdeck import FINAL, Outcome, State
from jobdeck.model.attempt_result import Completed

ROWS = [  # id, state, attempt, finished_at, lease
    (1, "completed", 1, NOON, None),
    (2, "failed", 3, NOON, None),
    (3, "cancelled", 0, NOON, None),
    (5, "running", 2, None, 77),
    (6, "retrying", 1, None, None),
    (7, "scheduled", 0, None, None),
    (8, "waiting", 0, None, None),
    (9, "pending", 0, None, None),
]
HIGHEST = 12
"""The highest id ever used. Its job has been deleted."""


@pytest.fixture
def old(tmp_path: Path, clock: FakeClock) -> Path:
    """Return a queue with the first schema."""
    path = tmp_path / "old.db"
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute((files("jobdeck.store") / "migrations" / "0001_first.sql").read_text())
        connection.execute("INSERT INTO jobdeck_meta VALUES ('schema', '1'), ('boot', ?)", (clock.boot(),))
        job = (
            "INSERT INTO jobdeck_jobs (id, state, attempt, finished_at, lease, lease_until, worker, started_at, kind, queue,"
            " priority, args, max_attempts, timeout, created_at, scheduled_at, tags, progress, result, error)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'demo.work', 'mail', ?1, ?9, 3, 2.5, ?10, ?10,"
            " '[\"a\"]', 0.5, '7', 'E: no')"
        )
        for job_id, state, attempt, finished_at, lease in [*ROWS, (HIGHEST, "pending", 0, None, None)]:
            until = None if lease is None else clock.monotonic() + 30
            begun = ("w1", NOON - 5) if attempt else (None, None)
            connection.execute(job, (job_id, state, attempt, finished_at, lease, until, *begun, f'{{"n":{job_id}}}', NOON - 9))
        connection.execute("DELETE FROM jobdeck_jobs WHERE id = ?", (HIGHEST,))
        connection.execute("INSERT INTO jobdeck_counts SELECT queue, kind, state, count(*) FROM jobdeck_jobs GROUP BY 1, 2, 3")
        connection.execute(
            "INSERT INTO jobdeck_attempts VALUES (2, 11, 3, 'w1', ?1, ?2, 'failed', 'E', 'no', 'Traceback', NULL)",
            (NOON - 5, NOON),
        )
        connection.execute(
            "INSERT INTO jobdeck_logs (job_id, attempt, at, level, text) VALUES (2, 3, ?, 'info', 'hello')", (NOON,)
        )
        connection.execute("INSERT INTO jobdeck_queues VALUES ('mail', ?)", (NOON,))
        connection.execute("INSERT INTO jobdeck_metrics VALUES (5, ?, 'mail', 'demo.work', 'completed', 0, 1)", (int(NOON),))
    return path


@contextmanager
def opened(path: Path, clock: FakeClock) -> Iterator[Bench]:
    store = open_sqlite(path, clock)
    yield Bench(store, clock, path)
    store.close()


def test_every_job_is_preserved(old: Path, clock: FakeClock) -> None:
    with opened(old, clock) as bench:
        for job_id, state, attempt, finished_at, lease in ROWS:
            job = bench.get(job_id)
            assert (job.state, job.attempt, job.finished_at, job.lease) == (state, attempt, finished_at, lease)
            assert (job.kind, job.queue, job.priority, job.args, job.max_attempts) == (
                *("demo.work", "mail", job_id, {"n": job_id}, 3),
            )
            assert (job.timeout, job.created_at, job.tags, job.result, job.error) == (2.5, NOON - 9, ("a",), 7, "E: no")
            assert (job.reason, job.crashes, job.expires_at, job.unique_key, job.batch) == (None, 0, None, None, None)
        bench.check_counters()


def test_the_attempts_and_logs_of_jobs_are_preserved(old: Path, clock: FakeClock) -> None:
    with opened(old, clock) as bench:
        (attempt,) = bench.store.reader.attempts(2)
        assert (attempt.number, attempt.outcome, attempt.traceback) == (3, Outcome.FAILED, "Traceback")
        assert [line.text for line in bench.store.reader.logs(2)] == ["hello"]
        (queue,) = bench.store.queries.queues()
        assert (queue.name, queue.paused_at) == ("mail", NOON)
        assert [slot.completed for slot in bench.store.queries.overview(seconds=60, slices=12, lease=30).slices][-1] == 1


def test_a_used_id_is_never_reused(old: Path, clock: FakeClock) -> None:
    with opened(old, clock) as bench:
        assert bench.enqueue()[0].id == HIGHEST + 1


def test_every_job_continues_from_its_state(old: Path, clock: FakeClock) -> None:
    with opened(old, clock) as bench:
        store = bench.store
        running = bench.get(5)
        assert store.completer.complete([Completed(running, NOON, NOON, None)]) == []
        assert store.transitions.stage() == 2
        store.queues.resume("mail")
        assert [job.id for job in bench.claim(9)] == [9, 7, 6]
        assert set(store.jobs.retry([1, 2, 3]).done) == {1, 2, 3}
        assert store.jobs.cancel([8]).done == (8,)
        assert sorted(job.id for job in bench.claim(9)) == [1, 2, 3]
        bench.enqueue(new(unique_key="k", after=(9,)))
        bench.check_counters()
        assert bench.rows("PRAGMA integrity_check") == [("ok",)]


def test_the_old_table_is_dropped_and_reopening_migrates_nothing(old: Path, clock: FakeClock) -> None:
    with opened(old, clock) as bench:
        tables = bench.rows("SELECT name FROM sqlite_schema ORDER BY name")
        assert ("jobdeck_jobs_1",) not in tables
        jobs = bench.store.reader.get_many([row[0] for row in ROWS])
    with opened(old, clock) as bench:
        assert bench.rows("SELECT name FROM sqlite_schema ORDER BY name") == tables
        assert bench.store.reader.get_many([row[0] for row in ROWS]) == jobs


@pytest.mark.sqlite
def test_a_migrated_database_has_the_schema_of_a_new_one(old: Path, clock: FakeClock, bench: Bench) -> None:
    query = "SELECT type, name, sql FROM sqlite_schema WHERE name LIKE 'jobdeck%' ORDER BY name"
    with opened(old, clock) as migrated:
        assert migrated.rows(query) == bench.rows(query)


def test_an_empty_queue_of_the_first_schema_starts_with_its_first_id(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "empty.db"
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute((files("jobdeck.store") / "migrations" / "0001_first.sql").read_text())
        connection.execute("INSERT INTO jobdeck_meta VALUES ('schema', '1')")
    with opened(path, clock) as bench:
        assert bench.enqueue()[0].id == 1


def test_all_states_are_tested() -> None:
    assert {row[1] for row in ROWS} == set(State)
    assert {row[1] for row in ROWS if row[3]} == FINAL
