"""Bulk enqueue in one statement, and an enqueue in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.core.helpers import Bench, new, open_queue, registry

from jobdeck import InvalidArguments, InvalidOption, JobNotFound, Queue, State, UniqueKeyConflict


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with open_queue(tmp_path / "jobs.db", registry(work=lambda n=0: n)) as opened:
        yield opened


def test_bulk_jobs_get_ids_in_the_given_order(queue: Queue) -> None:
    queue.enqueue("work")
    ids = queue.enqueue_bulk("work", ({"n": n} for n in range(1000)), queue="mail", priority=3, tags=["x"], delay=60)
    assert ids == range(2, 1002)
    jobs = queue.get_many(list(ids))
    assert [job.args for job in jobs] == [{"n": n} for n in range(1000)]
    assert {(job.queue, job.priority, job.tags, job.state) for job in jobs} == {("mail", 3, ("x",), State.SCHEDULED)}
    assert queue.enqueue("work").id == 1002


def test_a_bulk_job_equals_one_that_is_enqueued_alone(queue: Queue) -> None:
    (one,) = queue.get_many(queue.enqueue_bulk("work", [{"n": 1}], expires=60, backoff=(1, 9), timeout=5, max_attempts=2))
    from dataclasses import replace

    alone = queue.enqueue("work", {"n": 1}, expires=60, backoff=(1, 9), timeout=5, max_attempts=2)
    times = {"created_at": 0.0, "scheduled_at": 0.0, "expires_at": 0.0}
    assert replace(one, **times) == replace(queue.get(alone.id), id=one.id, **times)


def test_all_bulk_jobs_are_validated_before_any_is_stored(queue: Queue) -> None:
    with pytest.raises(InvalidArguments):
        queue.enqueue_bulk("work", [{"n": 1}, {"m": 2}])
    assert queue.count() == 0


def test_a_bulk_enqueue_of_no_jobs_is_an_empty_range(queue: Queue) -> None:
    assert list(queue.enqueue_bulk("work", [])) == []


@pytest.mark.parametrize("options", [{"unique": "k"}, {"after": [1]}])
def test_options_for_a_single_job_are_refused(queue: Queue, options: dict[str, Any]) -> None:
    queue.enqueue("work")
    with pytest.raises(InvalidOption, match="one job only"):
        queue.enqueue_bulk("work", [{}], **options)


def test_bulk_jobs_are_counted(bench: Bench) -> None:
    ids = bench.store.enqueuer.enqueue_bulk(new(queue="mail"), ["{}"] * 7)
    later = bench.store.enqueuer.enqueue_bulk(new(scheduled_at=bench.clock.now() + 5), ["{}"] * 3)
    assert (len(ids), len(later), later.start) == (7, 3, ids.stop)
    assert bench.counts() == {State.PENDING: 7, State.SCHEDULED: 3}
    bench.check_counters()
    assert len(bench.store.enqueuer.enqueue_bulk(new(), [])) == 0


# -- in the caller's own transaction ----------------------------------------------------------------

CONNECTIONS: dict[str, Callable[[str], Any]] = {
    "apsw": apsw.Connection,
    "apsw rows": lambda path: with_rows(apsw.Connection(path)),
}


def with_rows(connection: apsw.Connection) -> apsw.Connection:
    connection.row_trace = lambda cursor, row: dict(zip([column[0] for column in cursor.description], row, strict=True))
    return connection


@pytest.fixture(params=CONNECTIONS)
def mine(request: pytest.FixtureRequest, queue: Queue, tmp_path: Path) -> Iterator[Any]:
    """Return a connection of the caller, with a table of orders in the same file."""
    with closing(CONNECTIONS[request.param](str(tmp_path / "jobs.db"))) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
        yield connection


def test_the_job_is_committed_with_the_callers_rows(queue: Queue, mine: Any) -> None:
    mine.execute("BEGIN")
    mine.execute("INSERT INTO orders VALUES (1)")
    job = queue.enqueue_in(mine, "work", {"n": 7}, priority=2, tags=["x"])
    assert queue.count() == 0  # other connections do not see it yet
    mine.execute("COMMIT")
    assert queue.get(job.id) == job
    assert (job.args, job.state) == ({"n": 7}, State.PENDING)
    assert queue.count("state:pending") == 1


def test_the_job_is_rolled_back_with_the_callers_rows(queue: Queue, mine: Any) -> None:
    mine.execute("BEGIN")
    mine.execute("INSERT INTO orders VALUES (1)")
    queue.enqueue_in(mine, "work")
    mine.execute("ROLLBACK")
    assert queue.count() == 0
    assert queue.count("state:pending") == 0
    assert queue.overview().counts == {}


def test_keys_and_dependencies_apply_in_the_callers_transaction(queue: Queue, mine: Any) -> None:
    parent = queue.enqueue("work", unique="k")
    failed = queue.cancel(queue.enqueue("work").id)
    mine.execute("BEGIN IMMEDIATE")
    child = queue.enqueue_in(mine, "work", after=[parent.id], unique="child")
    assert queue.enqueue_in(mine, "work", unique="child").id == child.id
    assert queue.enqueue_in(mine, "work", unique="k", on_conflict="replace", priority=4).id == parent.id
    orphan = queue.enqueue_in(mine, "work", after=[failed.id])
    with pytest.raises(UniqueKeyConflict):
        queue.enqueue_in(mine, "work", unique="k", on_conflict="refuse")
    with pytest.raises(JobNotFound):
        queue.enqueue_in(mine, "work", after=[99])
    mine.execute("COMMIT")
    assert queue.get(parent.id).priority == 4
    assert [queue.get(child.id), queue.get(orphan.id)] == [child, orphan]
    assert (child.state, orphan.state) == (State.WAITING, State.CANCELLED)
    assert {state: n for state, n in queue.overview().counts.items() if n} == {
        State.PENDING: 1, State.WAITING: 1, State.CANCELLED: 2
    }  # fmt: skip


def test_a_connection_without_a_transaction_is_refused(queue: Queue, mine: Any) -> None:
    with pytest.raises(InvalidOption, match="no transaction open"):
        queue.enqueue_in(mine, "work")
    assert queue.count() == 0


@pytest.mark.parametrize("where", ["other.db", ":memory:"])
def test_a_connection_to_another_database_is_refused(queue: Queue, tmp_path: Path, where: str) -> None:
    path = where if where == ":memory:" else str(tmp_path / where)
    with closing(apsw.Connection(path)) as connection:
        connection.execute("BEGIN")
        with pytest.raises(InvalidOption, match="the database of this queue"):
            queue.enqueue_in(connection, "work")


@pytest.mark.parametrize("thing", [None, "jobs.db", object()])
def test_an_object_that_is_not_a_connection_is_refused(queue: Queue, thing: object) -> None:
    with pytest.raises(InvalidOption, match=r"must be an apsw\.Connection"):
        queue.enqueue_in(thing, "work")


def test_the_same_file_by_another_path_is_accepted(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "jobs.db")
    with closing(apsw.Connection(str(tmp_path / "link.db"))) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
        with connection:
            connection.execute("INSERT INTO orders VALUES (1)")
            job = queue.enqueue_in(connection, "work")
        assert queue.get(job.id) == job
