"""A queue on a server that becomes unreachable, is dropped, or is replaced by another queue."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.core.concurrency import on_server
from tests.core.helpers import Bench, FakeClock, new, wait_until
from tests.core.postgres import database_at, server

from jobdeck import StoreFailed, StoreMissing, StoreRefused, StoreReplaced, StoreUnreachable
from jobdeck.store.base import Store
from jobdeck.store.postgres import PostgresStore

pytestmark = pytest.mark.postgres


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Return an empty queue on the server."""
    with on_server(tmp_path, clock) as made:
        yield made


def drop(path: Path) -> None:
    """Drop the queue, like an operator who cleans up the wrong database."""
    with psycopg.connect(database_at(path), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def another(path: Path, jobs: int) -> None:
    """Create another queue at the same URL, with its own jobs."""
    store = PostgresStore(database_at(path))
    store.enqueuer.enqueue([new() for _ in range(jobs)])
    store.close()


def pending(store: Store) -> int:
    return sum(queue.pending for queue in store.queries.queues())


def test_an_unreachable_server_is_distinguished_from_a_dropped_queue(bench: Bench) -> None:
    server().stop()
    try:
        with pytest.raises(
            StoreUnreachable, match=r"^The database postgresql://\S+ cannot be reached: No such file or directory[.]$"
        ):
            bench.store.reader.get(1)
        with pytest.raises(StoreRefused, match="cannot be reached"):
            bench.store.recreate()
    finally:
        server().start()
    assert bench.store.reader.get(1) is None
    assert bench.store.generation == 0


def test_a_dropped_queue_is_missing_until_it_is_recreated(bench: Bench) -> None:
    bench.enqueue()
    drop(bench.path)
    for _ in range(2):
        with pytest.raises(StoreMissing, match="no longer holds a queue") as lost:
            bench.store.reader.get(1)
        assert not isinstance(lost.value, StoreUnreachable)
    with pytest.raises(StoreMissing):
        bench.enqueue()
    bench.store.recreate()
    with pytest.raises(StoreReplaced):
        bench.store.reader.get(1)
    assert bench.store.reader.get(1) is None
    assert bench.enqueue()[0].id == 1
    assert bench.store.generation == 1


def test_recreating_an_existing_queue_does_nothing(bench: Bench) -> None:
    (job,) = bench.enqueue()
    bench.store.recreate()
    assert bench.get(job) == job
    assert bench.store.generation == 0


def test_a_replacement_queue_is_reported_once_per_thread(bench: Bench) -> None:
    bench.enqueue()
    told: list[object] = []
    begun, go = threading.Event(), threading.Event()

    def beside() -> None:
        bench.store.reader.get(1)
        begun.set()
        go.wait(20)
        for _ in range(2):
            try:
                told.append(pending(bench.store))
            except StoreReplaced as error:
                told.append((type(error), bench.store.generation))

    thread = threading.Thread(target=beside)
    thread.start()
    assert begun.wait(20)
    drop(bench.path)
    another(bench.path, 3)
    with pytest.raises(StoreReplaced, match=r"The database postgresql://\S+ was replaced"):
        bench.enqueue()
    assert pending(bench.store) == 3
    go.set()
    thread.join(20)
    assert told == [(StoreReplaced, 1), 3]


def test_a_new_thread_uses_the_replacement_from_its_first_call(bench: Bench) -> None:
    bench.enqueue()
    drop(bench.path)
    another(bench.path, 2)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.extend([pending(bench.store), bench.store.generation]))
    thread.start()
    thread.join(20)
    assert found == [2, 1]
    assert bench.store.generation == 0  # the replacement has not been reported to this thread yet
    with pytest.raises(StoreReplaced):
        bench.store.reader.get(1)


def test_no_part_of_a_transaction_of_the_old_queue_reaches_the_new_one(bench: Bench) -> None:
    bench.enqueue()
    drop(bench.path)
    another(bench.path, 1)

    def both() -> None:
        with bench.store.transaction():
            bench.enqueue()
            bench.enqueue()

    with pytest.raises(StoreReplaced):
        both()
    assert pending(bench.store) == 1


def test_listeners_receive_notifications_of_the_new_queue(bench: Bench) -> None:
    bench.enqueue()
    rung = threading.Event()
    with bench.store.notifier.listen(rung.set):
        drop(bench.path)
        another(bench.path, 1)
        with pytest.raises(StoreReplaced):
            bench.store.reader.get(1)

        def heard() -> bool:
            other = PostgresStore(database_at(bench.path))
            other.notifier.notify()
            other.close()
            return rung.wait(0.2)

        wait_until(heard, what="a ring of the new queue")


def test_a_server_that_returns_with_another_database_is_detected(bench: Bench) -> None:
    bench.enqueue()
    where = database_at(bench.path)
    name = psycopg.conninfo.conninfo_to_dict(where)["dbname"]
    server().run(f"DROP DATABASE {name} WITH (FORCE)")
    with pytest.raises(StoreUnreachable, match="does not exist"):
        bench.enqueue()
    server().run(f"CREATE DATABASE {name} TEMPLATE jobdeck_template")
    with pytest.raises(StoreReplaced):
        bench.enqueue()
    assert bench.enqueue()[0].id == 1


def test_a_replacement_queue_of_a_newer_jobdeck_is_refused_and_stays_unchanged(bench: Bench) -> None:
    bench.enqueue()
    drop(bench.path)
    another(bench.path, 1)
    bench.change("UPDATE jobdeck_meta SET value = '999' WHERE key = 'schema'")
    with pytest.raises(StoreRefused, match="was written by a newer jobdeck"):
        bench.enqueue()
    bench.change("UPDATE jobdeck_meta SET value = '1' WHERE key = 'schema'")
    with pytest.raises(StoreReplaced):
        bench.enqueue()


def test_a_closed_store_is_closed_and_not_missing(bench: Bench) -> None:
    bench.store.close()
    with pytest.raises(StoreFailed, match="it was closed") as failed:
        bench.enqueue()
    assert not isinstance(failed.value, StoreMissing)
