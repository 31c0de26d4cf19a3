"""On a server, too, a job can be enqueued in the caller's transaction, atomically and without changing the connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.core.helpers import CLOSES, registry
from tests.core.postgres import database_at, server

from jobdeck import InvalidOption, JobNotFound, Queue, Settings, State, StoreBusy, StoreError, UniqueKeyConflict

pytestmark = pytest.mark.postgres


@pytest.fixture
def where(tmp_path: Path) -> Iterator[str]:
    yield database_at(tmp_path)
    CLOSES["postgres"](tmp_path)


@pytest.fixture
def queue(where: str) -> Iterator[Queue]:
    known = registry(work=lambda n=0: None)
    with Queue(where, registry=known, settings=Settings(), random=Random(7)) as queue:
        yield queue


@pytest.fixture
def mine(where: str, queue: Queue) -> Iterator[psycopg.Connection[Any]]:
    """Return a connection of the caller with its own row factory, and a table of orders in the same database."""
    with psycopg.connect(where, row_factory=dict_row) as connection:
        connection.execute("CREATE TABLE orders (id integer)")
        connection.commit()
        yield connection
        connection.close()
    with psycopg.connect(where) as connection:
        connection.execute("DROP TABLE orders")


def pending(queue: Queue) -> int:
    """Return the number of jobs by the counters."""
    return queue.overview().counts.get(State.PENDING, 0)


def test_the_job_is_committed_with_the_callers_rows(queue: Queue, mine: psycopg.Connection[Any]) -> None:
    mine.execute("INSERT INTO orders VALUES (1)")
    job = queue.enqueue_in(mine, "work", {"n": 7}, priority=2, tags=["x"])
    assert queue.get_many([job.id]) == []  # other connections do not see it yet
    mine.commit()
    assert queue.get(job.id) == job
    assert (job.args, job.state) == ({"n": 7}, State.PENDING)
    assert pending(queue) == 1
    assert mine.execute("SELECT id FROM orders").fetchall() == [{"id": 1}]


def test_the_job_is_rolled_back_with_the_callers_rows(queue: Queue, mine: psycopg.Connection[Any]) -> None:
    mine.execute("INSERT INTO orders VALUES (1)")
    job = queue.enqueue_in(mine, "work")
    mine.rollback()
    assert queue.get_many([job.id]) == []
    assert pending(queue) == 0


def test_a_transaction_block_of_the_caller_includes_the_job(queue: Queue, where: str, mine: psycopg.Connection[Any]) -> None:
    with psycopg.connect(where, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("INSERT INTO orders VALUES (1)")
            kept = queue.enqueue_in(connection, "work")
        with connection.transaction():
            gone = queue.enqueue_in(connection, "work")
            raise psycopg.Rollback
    assert [job.id for job in queue.get_many([kept.id, gone.id])] == [kept.id]


def test_the_enqueue_can_be_the_first_statement_of_the_transaction(queue: Queue, mine: psycopg.Connection[Any]) -> None:
    job = queue.enqueue_in(mine, "work")
    assert queue.get_many([job.id]) == []
    mine.rollback()
    assert pending(queue) == 0
    job = queue.enqueue_in(mine, "work")
    mine.commit()
    assert queue.get(job.id) == job


def test_keys_and_dependencies_apply_and_a_refusal_keeps_the_callers_rows(queue: Queue, mine: psycopg.Connection[Any]) -> None:
    parent = queue.enqueue("work", unique="k")
    failed = queue.cancel(queue.enqueue("work").id)
    mine.execute("INSERT INTO orders VALUES (1)")
    child = queue.enqueue_in(mine, "work", after=[parent.id], unique="child")
    assert queue.enqueue_in(mine, "work", unique="child").id == child.id
    assert queue.enqueue_in(mine, "work", unique="k", on_conflict="replace", priority=4).id == parent.id
    orphan = queue.enqueue_in(mine, "work", after=[failed.id])
    with pytest.raises(UniqueKeyConflict):
        queue.enqueue_in(mine, "work", unique="k", on_conflict="refuse")
    with pytest.raises(JobNotFound):
        queue.enqueue_in(mine, "work", after=[99])
    mine.commit()
    assert queue.get(parent.id).priority == 4
    assert [queue.get(child.id), queue.get(orphan.id)] == [child, orphan]
    assert (child.state, orphan.state) == (State.WAITING, State.CANCELLED)
    assert {state: n for state, n in queue.overview().counts.items() if n} == {
        State.PENDING: 1, State.WAITING: 1, State.CANCELLED: 2
    }  # fmt: skip


def test_arguments_are_stored_exactly_with_any_text_adapters_of_the_caller(queue: Queue, mine: psycopg.Connection[Any]) -> None:
    class Shouting(psycopg.adapt.Loader):
        def load(self, data: Any) -> str:
            return bytes(data).decode().upper()

    mine.adapters.register_loader("text", Shouting)
    queue.enqueue_in(mine, "work", {"n": 1}, tags=["quiet"], unique="quiet")
    again = queue.enqueue_in(mine, "work", unique="quiet")
    assert again.tags == ("quiet",)
    row = mine.execute("SELECT 'quiet'::text AS word").fetchone()
    assert row == {"word": "QUIET"}


def test_the_callers_connection_is_left_unchanged(queue: Queue, mine: psycopg.Connection[Any]) -> None:
    for _ in range(3):
        queue.enqueue_in(mine, "work")
        mine.commit()
    locks = mine.execute("SELECT count(*) AS n FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'").fetchone()
    assert locks == {"n": 0}
    mine.commit()
    assert pending(queue) == 3


def test_concurrent_callers_do_not_wait_for_each_other(queue: Queue, where: str) -> None:
    with psycopg.connect(where) as one, psycopg.connect(where) as other:
        first = queue.enqueue_in(one, "work")
        second = queue.enqueue_in(other, "work")  # the first is not committed
        third = queue.enqueue("work")
        other.commit()
        one.commit()
    assert [job.state for job in queue.get_many([first.id, second.id, third.id])] == [State.PENDING] * 3
    assert pending(queue) == 3


def test_a_key_that_two_callers_request_goes_to_the_one_that_commits(queue: Queue, where: str) -> None:
    with psycopg.connect(where) as one, psycopg.connect(where) as other:
        first = queue.enqueue_in(one, "work", unique="k")
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(queue.enqueue_in(other, "work", unique="k").id))
        thread.start()
        one.commit()
        thread.join(20)
    assert found == [first.id]


def test_a_caller_with_an_older_snapshot_is_asked_to_retry_and_can_continue(queue: Queue, where: str) -> None:
    with psycopg.connect(where) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT 1 FROM jobdeck_meta")
        holder = queue.enqueue("work", unique="k")
        with pytest.raises(StoreBusy):
            queue.enqueue_in(connection, "work", unique="k")
        connection.commit()
        assert queue.enqueue_in(connection, "work", unique="k").id == holder.id


def test_a_wake_after_the_callers_commit_notifies_workers(queue: Queue, mine: psycopg.Connection[Any]) -> None:
    rung = threading.Event()
    with queue.store.notifier.listen(rung.set):
        queue.enqueue_in(mine, "work")
        mine.commit()
        queue.wake()
        assert rung.wait(10)


def test_a_connection_without_a_transaction_is_refused(queue: Queue, where: str) -> None:
    with psycopg.connect(where, autocommit=True) as connection, pytest.raises(InvalidOption, match="no transaction open"):
        queue.enqueue_in(connection, "work")
    assert pending(queue) == 0


def test_a_failed_transaction_is_refused(queue: Queue, mine: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.Error):
        mine.execute("SELECT 1 / 0")
    with pytest.raises(InvalidOption, match="roll back"):
        queue.enqueue_in(mine, "work")


def test_a_connection_to_another_database_is_refused(queue: Queue) -> None:
    refused = pytest.raises(InvalidOption, match="the database and schema of this queue")
    with psycopg.connect(server().url("postgres")) as connection, refused:
        queue.enqueue_in(connection, "work")


def test_a_connection_with_another_schema_first_in_its_search_path_is_refused(
    queue: Queue, mine: psycopg.Connection[Any], where: str
) -> None:
    mine.execute("CREATE SCHEMA other")
    mine.commit()
    with Queue(where + "&options=-csearch_path%3Dother", registry=queue.registry) as other:
        mine.execute("SET search_path = other, public")
        with pytest.raises(InvalidOption, match="the database and schema of this queue"):
            queue.enqueue_in(mine, "work")
        assert other.enqueue_in(mine, "work").id == 1
        mine.commit()
        assert (pending(queue), pending(other)) == (0, 1)


def test_a_connection_with_another_encoding_is_refused(queue: Queue, where: str) -> None:
    with psycopg.connect(where, client_encoding="LATIN1") as connection, pytest.raises(InvalidOption, match="must speak UTF8"):
        queue.enqueue_in(connection, "work")


@pytest.mark.parametrize("thing", [None, "postgresql://host/jobs", object()])
def test_an_object_that_is_not_a_connection_is_refused(queue: Queue, thing: object) -> None:
    with pytest.raises(InvalidOption, match=r"must be a psycopg\.Connection"):
        queue.enqueue_in(thing, "work")


def test_a_connection_closed_by_the_server_is_a_store_error(queue: Queue, mine: psycopg.Connection[Any]) -> None:
    mine.execute("SELECT 1")
    with psycopg.connect(server().url("postgres"), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (mine.info.backend_pid,))
    with pytest.raises(StoreError):
        queue.enqueue_in(mine, "work")
    assert pending(queue) == 0
