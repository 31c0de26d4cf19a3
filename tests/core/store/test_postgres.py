"""Concurrency on PostgreSQL, and what can happen to a server but not to a file: outages and reconnects."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from types import SimpleNamespace

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.core.concurrency import in_background, on_server, open_more, run_concurrently, wait_for_a_lock
from tests.core.helpers import Bench, FakeClock, new, wait_until
from tests.core.postgres import database_at, server

from jobdeck import Limits, Queue, State, StoreBusy, StoreError, StoreMissing, StoreRefused
from jobdeck.model.attempt_result import Completed
from jobdeck.store.claim_capacity import ClaimRequest
from jobdeck.store.postgres import PostgresStore
from jobdeck.store.postgres.errors import Conflict
from jobdeck.store.postgres.schema import newest_schema
from jobdeck.store.postgres.sharded_counters import fold_shards

pytestmark = pytest.mark.postgres


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Return an empty queue on the server."""
    with on_server(tmp_path, clock) as made:
        yield made


@pytest.fixture
def others(bench: Bench) -> Iterator[list[Bench]]:
    """Return further stores, which act like other processes."""
    with open_more(bench, 6) as made:
        yield made


# -- concurrency -----------------------------------------------------------------------------------


def test_concurrent_claims_get_every_job_exactly_once(bench: Bench, others: list[Bench]) -> None:
    bench.store.enqueuer.enqueue_bulk(new(), ["{}"] * 700)
    bench.store.enqueuer.enqueue_bulk(new("demo.other", "mail"), ["{}"] * 300)
    got: list[int] = []

    def work(mine: Bench) -> None:
        while jobs := mine.claim(7, mine.store.__repr__()):
            got.extend(job.id for job in jobs)
            now = mine.clock.now()
            assert mine.store.completer.complete([Completed(job, now, now) for job in jobs]) == []

    assert run_concurrently(*[lambda mine=mine: work(mine) for mine in others]) == []
    assert Counter(got) == dict.fromkeys(range(1, 1001), 1)
    assert bench.counts() == {State.COMPLETED: 1000}
    bench.check_counters()


def test_jobs_that_are_being_claimed_are_skipped_in_order(bench: Bench, others: list[Bench]) -> None:
    stored = bench.enqueue(*(new(queue=f"q{n % 3}", priority=n % 2) for n in range(40)))
    order = sorted(stored, key=lambda job: (-job.priority, job.id))
    with others[0].store.transaction(), others[1].store.transaction():
        assert [job.id for job in others[0].claim(5)] == [job.id for job in order[:5]]
        assert [job.id for job in bench.claim(3)] == [job.id for job in order[5:8]]
        assert [job.id for job in bench.claim(30)] == [job.id for job in order[8:38]]
        assert [job.id for job in bench.claim(30)] == [job.id for job in order[38:]]
    bench.check_counters()


@pytest.mark.parametrize("lanes", [1, 3])
def test_processes_that_claim_at_once_get_full_batches_of_different_jobs(bench: Bench, others: list[Bench], lanes: int) -> None:
    stored = bench.enqueue(*(new(queue=f"q{n % lanes}") for n in range(60)))
    got = []
    with ExitStack() as stack:
        for each in [*others[:3], bench]:
            stack.enter_context(each.store.transaction())
            got.append([job.id for job in each.claim(1, ahead=9)])
    assert [len(batch) for batch in got] == [10, 10, 10, 10]
    assert [job_id for batch in got for job_id in batch] == [job.id for job in stored[:40]]
    bench.check_counters()


@pytest.mark.parametrize("other", ["default", "mail"])
def test_a_job_that_must_not_be_prefetched_goes_to_an_idle_thread_if_others_claim_the_jobs_before_it(
    bench: Bench, others: list[Bench], other: str
) -> None:
    first, second, last_attempt, after = bench.enqueue(new(), new(queue=other), new(max_attempts=1), new())
    with others[0].store.transaction():
        assert [job.id for job in others[0].claim(1)] == [first.id]
        assert [job.id for job in bench.claim(2, ahead=2)] == [second.id, last_attempt.id, after.id]


def test_limits_apply_to_concurrent_claims(bench: Bench, others: list[Bench]) -> None:
    bench.store.queues.set_limits("default", Limits(running=5))
    bench.store.queues.set_limits("mail", Limits(rate=4, period=60))
    bench.enqueue(*(new() for _ in range(50)), *(new("demo.send", "mail") for _ in range(50)))
    assert run_concurrently(*[lambda mine=mine: mine.claim(3) for mine in others]) == []
    assert Counter(row[0] for row in bench.rows("SELECT queue FROM jobdeck_jobs WHERE state = 'running'")) == {
        "default": 5,
        "mail": 4,
    }
    bench.check_counters()


def test_concurrent_enqueues_with_one_key_store_one_job(bench: Bench, others: list[Bench]) -> None:
    ids: list[int] = []

    def ask(mine: Bench) -> None:
        ids.extend(mine.enqueue(new(unique_key=f"k{n}"))[0].id for n in range(30))

    assert run_concurrently(*[lambda mine=mine: ask(mine) for mine in others]) == []
    assert set(Counter(ids).values()) == {len(others)}
    assert bench.counts() == {State.PENDING: 30}
    bench.check_counters()


def test_bulk_jobs_get_consecutive_ids_while_others_enqueue(bench: Bench, others: list[Bench]) -> None:
    ranges: list[range] = []

    def put(mine: Bench) -> None:
        for n in range(10):
            ranges.append(mine.store.enqueuer.enqueue_bulk(new(), ["{}"] * 20))
            ranges.append(range(*(lambda at: (at, at + 1))(mine.enqueue(new(priority=n))[0].id)))

    assert run_concurrently(*[lambda mine=mine: put(mine) for mine in others]) == []
    ids = sorted(job_id for each in ranges for job_id in each)
    assert ids == [*range(1, len(others) * 210 + 1)]
    bench.check_counters()


def test_a_child_enqueued_while_its_parent_completes_is_released(bench: Bench, others: list[Bench]) -> None:
    parent = bench.running()
    with bench.store.transaction():
        (child,) = bench.enqueue(new(after=(parent.id,)))
        thread, problems = in_background(lambda: others[0].complete(parent))
        wait_until(lambda: others[1].rows("SELECT 1 FROM pg_locks WHERE NOT granted"), what="the parent's end to wait")
    thread.join(10)
    assert problems == []
    assert bench.get(child).state is State.PENDING
    bench.check_counters()


def test_a_parent_that_completes_while_its_child_is_enqueued_counts_as_completed(bench: Bench, others: list[Bench]) -> None:
    parent = bench.running()
    with bench.store.transaction():
        bench.complete(parent)
        thread, problems = in_background(lambda: others[0].enqueue(new(after=(parent.id,))))
        wait_for_a_lock(others[1])
    thread.join(10)
    assert problems == []
    assert bench.counts() == {State.COMPLETED: 1, State.PENDING: 1}


def test_two_operations_in_a_deadlock_both_succeed(bench: Bench, others: list[Bench]) -> None:
    first, second = bench.enqueue(new(), new())
    with bench.store.transaction():
        bench.store.jobs.reprioritize([second.id], 1)
        # It locks the first row and waits for the second; then we request the first.
        thread, problems = in_background(lambda: others[0].store.jobs.reprioritize([first.id, second.id], 7))
        wait_for_a_lock(others[1])
        try:
            bench.store.jobs.reprioritize([first.id], 1)
            ours = 1
        except StoreBusy:
            ours = 0
    thread.join(20)
    assert problems == []
    assert [bench.get(first).priority, bench.get(second).priority] == [7, 7]
    assert bench.rows("SELECT count(*) FROM jobdeck_journal") == [(2 + ours,)]


def test_a_heartbeat_does_not_block_and_does_not_report_a_locked_job_as_lost(bench: Bench, others: list[Bench]) -> None:
    bench.enqueue(new(), new())
    kept, changed = bench.claim(2)
    with others[0].store.transaction():
        others[0].store.jobs.cancel([changed.id])
        bench.clock.advance(10)
        renewal = bench.store.transitions.heartbeat([(job.id, job.lease or 0) for job in (kept, changed)], 30)
        assert (renewal.lost, renewal.cancelling) == (frozenset(), frozenset())
    assert bench.get(kept).lease_until == bench.clock.now() + 30
    assert bench.store.transitions.heartbeat([(changed.id, changed.lease or 0)], 30).cancelling == {changed.id}


def test_concurrent_rescues_rescue_each_job_once(bench: Bench, others: list[Bench]) -> None:
    bench.store.enqueuer.enqueue_bulk(new(), ["{}"] * 60)
    bench.claim(60)
    bench.clock.advance(31)
    rescued: list[int] = []
    assert run_concurrently(*[lambda mine=mine: rescued.extend(mine.store.transitions.rescue()) for mine in others]) == []
    assert sorted(rescued + bench.store.transitions.rescue()) == [*range(1, 61)]
    assert bench.rows("SELECT count(*) FROM jobdeck_attempts") == [(60,)]
    bench.check_counters()


# -- counters ---------------------------------------------------------------------------------------


def test_each_connection_counts_in_its_own_rows_which_are_merged_later(bench: Bench, others: list[Bench]) -> None:
    for each in others:
        each.enqueue(new())
        each.complete(each.claim()[0])
    assert bench.rows("SELECT count(DISTINCT stripe) FROM jobdeck_stripes") == [(len(others),)]
    for each in others:
        each.store.close()
    assert isinstance(bench.store, PostgresStore)
    gone = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    wait_until(lambda: bench.rows(gone) == [(0,)], what="the end of the connections")
    with bench.store._connections.write_transaction() as session:
        fold_shards(session)
    bench.check_counters()
    assert bench.rows("SELECT DISTINCT stripe FROM jobdeck_stripes") == [(-1,)]
    bench.enqueue(new())
    bench.check_counters()


# -- outages of the server --------------------------------------------------------------------------


def test_a_connection_closed_by_the_server_is_replaced_transparently(bench: Bench) -> None:
    bench.enqueue()
    bench.rows("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'jobdeck'")
    assert len(bench.claim()) == 1
    bench.check_counters()


def test_an_unreachable_server_is_reported_and_work_resumes_afterwards(bench: Bench) -> None:
    bench.enqueue()
    rung = threading.Event()
    with bench.store.notifier.listen(rung.set):
        server().stop()
        try:
            with pytest.raises(StoreMissing, match="cannot be reached"):
                bench.enqueue()
            with pytest.raises(StoreMissing, match="cannot be reached"):
                bench.store.reader.get(1)
        finally:
            server().start()
        assert rung.wait(20)  # notifications sent meanwhile were not received
        rung.clear()
        (job,) = bench.enqueue()
        assert rung.wait(20)
    assert job.state is State.PENDING
    assert bench.counts() == {State.PENDING: 2}
    bench.check_counters()


def test_a_transaction_aborted_by_the_server_has_no_effect(bench: Bench) -> None:
    def break_off() -> None:
        with bench.store.transaction():
            bench.enqueue()
            bench.rows("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE state = 'idle in transaction'")
            bench.enqueue()

    with pytest.raises(StoreError):
        break_off()
    assert bench.counts() == {}
    bench.enqueue()
    bench.check_counters()


# -- time -------------------------------------------------------------------------------------------


def test_by_default_all_times_are_those_of_the_server(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SimpleNamespace(time=lambda: time.time() - 3600, monotonic=time.monotonic, sleep=time.sleep)
    monkeypatch.setattr("jobdeck.store.postgres.connection.time", slow)
    store = PostgresStore(database_at(bench.path), random=Random(7))
    began = time.time()
    (job,) = store.enqueuer.enqueue([new()])
    (claimed,) = store.claimer.claim(ClaimRequest("w1", 1, kinds=["demo.work"], queues=(), lease=30))
    assert claimed.started_at is not None
    assert claimed.lease_until is not None
    assert began - 1 < job.created_at <= claimed.started_at < time.time() + 1
    assert 29 < claimed.lease_until - claimed.started_at <= 30.5
    told = slow.time()
    store.completer.complete([Completed(claimed, told, told + 2)])
    (attempt,) = store.reader.attempts(job.id)
    assert attempt.finished_at is not None
    assert abs(attempt.started_at - (told + 3600)) < 1
    assert abs(attempt.finished_at - attempt.started_at - 2) < 0.01
    store.close()


# -- schemas ----------------------------------------------------------------------------------------


def test_queues_in_two_schemas_of_one_database_are_independent(bench: Bench) -> None:
    bench.rows("CREATE SCHEMA other")
    other = PostgresStore(database_at(bench.path) + "&options=-csearch_path%3Dother", clock=bench.clock)
    rung = threading.Event()
    with bench.store.notifier.listen(rung.set):
        assert [job.id for job in other.enqueuer.enqueue([new(), new()])] == [1, 2]
        assert not rung.wait(0.05)
        assert [job.id for job in bench.enqueue()] == [1]
        assert rung.wait(5)
    assert other.queries.queues()[0].pending == 2
    assert bench.counts() == {State.PENDING: 1}
    other.close()


def test_a_missing_schema_is_refused_with_advice(bench: Bench) -> None:
    with pytest.raises(StoreRefused, match="has no schema of the search path nowhere; make one with CREATE SCHEMA"):
        PostgresStore(database_at(bench.path) + "&options=-csearch_path%3Dnowhere")


def test_a_newer_schema_is_refused_and_stays_unchanged(bench: Bench) -> None:
    bench.change("UPDATE jobdeck_meta SET value = '999' WHERE key = 'schema'")
    try:
        known = f"was written by a newer jobdeck (schema 999; this one knows {newest_schema()})"
        with pytest.raises(StoreRefused, match=re.escape(known)):
            bench.open_again()
        assert bench.rows("SELECT key, value FROM jobdeck_meta") == [("schema", "999")]
    finally:
        bench.change("UPDATE jobdeck_meta SET value = '1' WHERE key = 'schema'")


def test_an_unreachable_server_is_refused_in_one_sentence_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused) as refusal:
        PostgresStore(f"postgresql://me:secret@/jobs?host={tmp_path}&password=hidden")
    told = str(refusal.value)
    assert told.startswith(f"postgresql://me@/jobs?host={tmp_path} cannot be reached: ")
    assert "\n" not in told
    assert "secret" not in told
    assert "hidden" not in told


def test_the_address_may_be_a_list_of_libpqs_options(bench: Bench) -> None:
    options = make_conninfo(database_at(bench.path), password="it's a secret")
    with Queue(options) as queue:
        assert queue.where.startswith("postgresql://")
        assert "secret" not in queue.where
        job = queue.enqueue("shell", {"command": ["true"]})
    assert bench.rows(f"SELECT kind FROM jobdeck_jobs WHERE id = {job.id}") == [("shell:true",)]


def test_an_invalid_url_is_refused() -> None:
    with pytest.raises(StoreRefused, match="is not a valid database address"):
        PostgresStore("postgresql://host:port:name/x?nonsense=1")


def test_a_missing_database_is_refused(bench: Bench) -> None:
    with pytest.raises(StoreRefused, match='database "none" does not exist'):
        PostgresStore(server().url("none"))


def test_concurrent_opens_of_a_new_database_all_succeed(bench: Bench) -> None:
    bench.rows("CREATE SCHEMA fresh")
    where = database_at(bench.path) + "&options=-csearch_path%3Dfresh"
    assert run_concurrently(*[lambda: PostgresStore(where).close() for _ in range(6)]) == []
    assert bench.rows("SELECT value FROM fresh.jobdeck_meta") == [(str(newest_schema()),)]


def test_dropped_tables_are_a_missing_queue(bench: Bench) -> None:
    bench.rows("DROP TABLE jobdeck_jobs CASCADE")
    with pytest.raises(StoreMissing, match="no longer holds a queue"):
        bench.store.reader.get(1)


def test_a_conflict_is_reported_as_retryable() -> None:
    assert isinstance(Conflict("here"), StoreBusy)
    assert str(Conflict("here")) == "Other processes kept changing the same jobs in the database here; try again."


def test_a_connection_belongs_to_its_thread_and_is_closed_with_it(bench: Bench) -> None:
    connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'jobdeck'"
    bench.enqueue()
    before = bench.rows(connected)
    thread = threading.Thread(target=bench.enqueue)
    thread.start()
    thread.join()
    wait_until(lambda: bench.rows(connected) == before, what="the end of the thread's connection")
    bench.store.close()
    wait_until(lambda: bench.rows(connected) == [(0,)], what="the end of all connections")


def test_a_text_that_ends_in_the_escape_for_nul_is_read_unchanged(bench: Bench) -> None:
    for text in ("\x01", "\0", "a\x010", "\x011\0\x01\x01", "\0" * 5):
        job = bench.running()
        bench.fail(job, message=text)
        assert bench.store.reader.attempts(job.id)[-1].message == text


def test_psycopg_errors_do_not_leak(bench: Bench) -> None:
    bench.rows("ALTER TABLE jobdeck_logs RENAME COLUMN text TO said")
    job = bench.running()
    with pytest.raises(StoreError) as problem:
        bench.store.logs.append([(job.id, 1, 0.0, "info", "hello")], 100)
    assert isinstance(problem.value.__cause__, psycopg.Error)
