"""Maintenance of a queue on a server while other processes work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
from tests.core.concurrency import in_background, on_server, open_more, run_concurrently, wait_for_a_lock
from tests.core.helpers import NOON, Bench, FakeClock, new, wait_until
from tests.core.postgres import database_at

from jobdeck import BackupFailed, IfParentFails, Queue, Registry, Schedule, Settings, State, UniqueKeyTaken
from jobdeck.model.attempt_result import Completed
from jobdeck.model.retention import RetentionRule
from jobdeck.scheduling.ticker import enqueue_due
from jobdeck.store.base import Store
from jobdeck.store.operations import journal_writer as page
from jobdeck.store.postgres import PostgresStore

pytestmark = pytest.mark.postgres


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Return an empty queue on the server."""
    with on_server(tmp_path, clock) as made:
        yield made


@pytest.fixture
def others(bench: Bench) -> Iterator[list[Bench]]:
    """Return further stores, which act like other processes."""
    with open_more(bench, 4) as made:
        yield made


def failed(bench: Bench, n: int) -> list[int]:
    """Fail jobs one second after another; return their ids, oldest first."""
    bench.enqueue(*[new() for _ in range(n)])
    ids = []
    for job in bench.claim(n):
        bench.clock.advance(1)
        bench.fail(job)
        ids.append(job.id)
    return ids


def left(bench: Bench) -> list[int]:
    return [row[0] for row in bench.rows("SELECT id FROM jobdeck_jobs ORDER BY id")]


# -- pruning ----------------------------------------------------------------------------------------


def test_concurrent_pruning_keeps_the_requested_number(bench: Bench, others: list[Bench]) -> None:
    ids = failed(bench, 120)
    rule = RetentionRule(State.FAILED, keep=20)

    def prune(store: Store) -> None:
        while store.maintenance.prune_jobs(rule, limit=7):
            pass

    assert run_concurrently(*[lambda mine=mine: prune(mine.store) for mine in others]) == []
    assert left(bench) == ids[-20:]
    assert bench.rows("SELECT count(*) FROM jobdeck_attempts") == [(20,)]
    bench.check_counters()


def test_a_job_that_is_being_changed_is_pruned_next_time(bench: Bench, others: list[Bench]) -> None:
    retried, deleted, old, parent = failed(bench, 4)
    rule = RetentionRule(State.FAILED, keep=0)
    with others[0].store.transaction():
        others[0].store.jobs.retry([retried])
        others[0].store.jobs.delete([deleted])
        (child,) = others[0].enqueue(new(after=(parent,), if_parent_fails=IfParentFails.WAIT))
        assert bench.store.maintenance.prune_jobs(rule) == 1
        assert old not in left(bench)
    assert bench.store.maintenance.prune_jobs(rule) == 0
    assert left(bench) == [retried, parent, child.id]
    bench.check_counters()


def test_a_batch_is_deleted_with_its_last_jobs_when_pruned_concurrently(bench: Bench, others: list[Bench]) -> None:
    batch = bench.store.enqueuer.enqueue_batch("two", [new(), new()])
    first, second = bench.claim(2)
    bench.fail(first)
    bench.clock.advance(1)
    bench.fail(second)
    with others[0].store.transaction():
        others[0].store.jobs.delete([second.id])
        thread, problems = in_background(
            lambda: bench.store.maintenance.prune_jobs(RetentionRule(State.FAILED, older_than=0.5))
        )
        wait_for_a_lock(others[1])
    thread.join(10)
    assert problems == []
    assert left(bench) == []
    assert bench.store.reader.batch(batch.id) is None


# -- counters and metrics ---------------------------------------------------------------------------


def test_closed_connections_leave_no_extra_counter_rows(bench: Bench, others: list[Bench]) -> None:
    for each in others:
        each.enqueue(new())
        (job,) = each.claim()
        each.complete(job)
    for each in others:
        each.store.close()
    gone = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    wait_until(lambda: bench.rows(gone) == [(0,)], what="the end of the connections")
    before = bench.rows("SELECT measure, bucket, sum(n) FROM jobdeck_metrics GROUP BY 1, 2 ORDER BY 1, 2")
    assert bench.rows("SELECT count(DISTINCT stripe) FROM jobdeck_metrics") == [(len(others),)]
    bench.clock.advance(120)
    bench.store.maintenance.prune_metrics()
    assert bench.rows("SELECT DISTINCT stripe FROM jobdeck_metrics") == [(-1,)]
    assert bench.rows("SELECT measure, bucket, n FROM jobdeck_metrics ORDER BY 1, 2") == before
    assert bench.rows("SELECT DISTINCT stripe FROM jobdeck_stripes") == [(-1,)]
    bench.check_counters()


def test_zero_counters_are_removed_while_connections_are_open(bench: Bench, others: list[Bench]) -> None:
    for n in range(20):
        others[n % 4].enqueue(new(queue=f"customer-{n}"))
        others[(n + 1) % 4].complete(others[(n + 2) % 4].claim()[0])
    (kept,) = bench.enqueue(new(queue="kept"))
    while bench.store.maintenance.prune_jobs(RetentionRule(State.COMPLETED, keep=0)):
        pass
    with others[0].store.transaction():
        others[0].enqueue(new(queue="customer-3"))  # another transaction is counting there
        bench.store.maintenance.prune_metrics()
    bench.check_counters()
    others[0].enqueue(new(queue="customer-3"))
    bench.store.maintenance.prune_metrics()
    bench.check_counters()
    assert {queue for (queue,) in bench.rows("SELECT queue FROM jobdeck_stripes")} == {"customer-3", kept.queue}


def test_counters_are_merged_while_other_processes_count(bench: Bench, others: list[Bench]) -> None:
    def work(mine: Bench) -> None:
        for _ in range(25):
            mine.enqueue(new())
            for job in mine.claim(1, kinds=("demo.work",)):
                mine.complete(job)

    def fold(mine: Bench) -> None:
        for _ in range(25):
            mine.store.maintenance.prune_jobs(RetentionRule(State.COMPLETED, keep=0))
            mine.store.maintenance.prune_metrics()

    acts = [lambda mine=mine: work(mine) for mine in others[:3]]
    assert run_concurrently(*acts, lambda: fold(others[3])) == []
    bench.check_counters()


def test_metrics_are_rolled_up_concurrently_while_other_processes_count(bench: Bench, others: list[Bench]) -> None:
    def work(mine: Bench) -> None:
        for _ in range(20):
            mine.enqueue(new())
            for job in mine.claim(5, kinds=("demo.work",)):
                begun = mine.clock.now() - 90  # counted in slices that are being rolled up
                mine.store.completer.complete([Completed(job, begun, begun)])

    def fold(mine: Bench) -> None:
        for _ in range(20):
            mine.store.maintenance.prune_metrics()

    acts = [lambda mine=mine: work(mine) for mine in others[:2]] + [lambda mine=mine: fold(mine) for mine in others[2:]]
    assert run_concurrently(*acts) == []
    bench.check_counters()
    ((completed,),) = bench.rows("SELECT count(*) FROM jobdeck_jobs WHERE state = 'completed'")
    assert completed == 40
    assert bench.rows("SELECT sum(n) FROM jobdeck_metrics WHERE measure = 'run'") == [(40,)]
    assert bench.rows("SELECT sum(n) FROM jobdeck_metrics WHERE measure = 'completed'") == [(40,)]


def test_a_repair_recomputes_counters_while_other_processes_work(bench: Bench, others: list[Bench]) -> None:
    bench.enqueue(*[new() for _ in range(30)])
    bench.change("UPDATE jobdeck_stripes SET n = n + 5")
    bench.change("INSERT INTO jobdeck_stripes VALUES (-1, 'ghost', 'demo.work', 'failed', 3)")

    def work(mine: Bench) -> None:
        for _ in range(15):
            mine.enqueue(new(), new("demo.other"))
            for job in mine.claim(2, kinds=("demo.work", "demo.other")):
                mine.complete(job)

    acts = [lambda mine=mine: work(mine) for mine in others[:3]]
    assert run_concurrently(*acts, lambda: others[3].store.maintenance.repair()) == []
    bench.check_counters()
    assert bench.store.maintenance.repair() == []


def test_a_repair_deletes_orphaned_rows_and_expires_endless_leases(bench: Bench) -> None:
    job = bench.running()
    bench.change("UPDATE jobdeck_jobs SET lease_until = ?", bench.clock.machine + 90_000.0)
    bench.change("INSERT INTO jobdeck_after VALUES (77, 1)")
    bench.change("INSERT INTO jobdeck_batches (name, total, created_at) VALUES ('gone', 1, 0.0)")
    assert [found.message for found in bench.store.maintenance.repair()] == [
        "Deleted orphaned rows: 1 dependency, 1 batch.",
        "Ended 1 lease that would never have ended.",
    ]
    assert bench.store.transitions.rescue() == [job.id]
    assert bench.store.maintenance.repair() == []


def test_a_backup_is_refused_with_the_command_of_the_server(bench: Bench, tmp_path: Path) -> None:
    target = tmp_path / "copy of it"
    with pytest.raises(BackupFailed) as refusal:
        bench.store.maintenance.backup(target)
    told = str(refusal.value)
    assert f"pg_dump --format=custom '--file={target}' 'postgresql://jobdeck@/test_" in told
    assert not target.exists()


# -- schedules --------------------------------------------------------------------------------------

HOUR = 3600.0
START = NOON - NOON % HOUR


def hourly(next_at: float) -> Schedule:
    return Schedule(
        name="s",
        cron="@hourly",
        timezone="UTC",
        kind="demo.work",
        args_json="{}",
        queue="default",
        priority=0,
        max_attempts=3,
        next_at=next_at,
    )


def test_an_edit_of_a_schedule_during_its_tick_keeps_both_changes(bench: Bench, others: list[Bench]) -> None:
    bench.clock.wall = START + HOUR
    bench.store.schedules.add(hourly(START + HOUR))
    queue = Queue(database_at(bench.path), registry=Registry(), settings=Settings(), clock=bench.clock)
    with others[0].store.transaction():
        enqueue_due(others[0].store, bench.clock)
        thread, problems = in_background(lambda: queue.schedules.edit("s", priority=7))
        wait_for_a_lock(others[1])
    thread.join(10)
    assert problems == []
    edited = bench.store.schedules.get("s")
    assert edited is not None
    assert (edited.priority, edited.next_at, edited.last_job) == (7, START + 2 * HOUR, 1)
    enqueue_due(bench.store, bench.clock)
    assert bench.counts() == {State.PENDING: 1}
    queue.close()


def test_undoing_an_edit_during_a_tick_keeps_the_next_tick(bench: Bench, others: list[Bench]) -> None:
    bench.clock.wall = START + HOUR
    bench.store.schedules.add(hourly(START + HOUR))
    queue = Queue(database_at(bench.path), registry=Registry(), settings=Settings(), clock=bench.clock)
    queue.schedules.edit("s", priority=7)
    with others[0].store.transaction():
        enqueue_due(others[0].store, bench.clock)
        thread, problems = in_background(queue.journal.undo)
        wait_for_a_lock(others[1])
    thread.join(10)
    assert problems == []
    now = bench.store.schedules.get("s")
    assert now is not None
    assert (now.priority, now.next_at, now.last_job) == (0, START + 2 * HOUR, 1)
    queue.close()


def test_concurrent_schedules_of_one_name_create_one(bench: Bench, others: list[Bench]) -> None:
    first, second = (Queue(database_at(bench.path), registry=Registry(), settings=Settings(), clock=bench.clock) for _ in "ab")

    def make(queue: Queue, priority: int) -> None:
        queue.schedules.add("s", "@hourly", "shell", {"command": ["true"]}, priority=priority, replace=True)

    with first.transaction():
        make(first, 1)
        thread, problems = in_background(lambda: make(second, 2))
        wait_for_a_lock(others[0])
    thread.join(10)
    assert problems == []
    assert [act.operation for act in bench.store.journal.entries(9)] == ["edit schedule", "add schedule"]
    second.journal.undo()
    assert first.schedules.get("s").priority == 1
    first.close()
    second.close()


def test_ticks_follow_the_clock_of_the_server(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        """A clock that is an hour behind."""

        def now(self) -> float:
            return time.time() - HOUR

        def monotonic(self) -> float:
            return time.monotonic()

        def boot(self) -> str:
            return "boot"

    machine = SimpleNamespace(time=Slow().now, monotonic=time.monotonic, sleep=time.sleep)
    monkeypatch.setattr("jobdeck.store.postgres.connection.time", machine)
    store = PostgresStore(database_at(bench.path), random=Random(7))
    tick = time.time() - 1
    store.schedules.add(hourly(tick))
    following = enqueue_due(store, Slow())
    assert [job.scheduled_at for job in store.reader.get_many([1])] == [tick]
    kept = store.schedules.get("s")
    assert kept is not None
    assert kept.next_at > time.time()
    assert kept.next_at % HOUR == 0
    assert following == pytest.approx(kept.next_at - HOUR, abs=1)
    assert [past.id for past in store.schedules.history("s", 5)] == [1]
    assert store.schedules.history("other", 5) == []
    store.close()


# -- the journal ------------------------------------------------------------------------------------


def test_a_conflicting_part_of_an_undo_is_retried_and_earlier_parts_stay_done(
    bench: Bench, others: list[Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "PART_JOBS", 1)
    free, keyed, last = bench.enqueue(new(), new(unique_key="k"), new())
    bench.store.jobs.cancel([free.id, keyed.id, last.id])
    told = []
    with others[0].store.transaction():
        (holder,) = others[0].enqueue(new(unique_key="k"))
        thread, problems = in_background(lambda: told.append(bench.store.journal.undo()))
        wait_for_a_lock(others[1])
    thread.join(10)
    assert problems == []
    (undoing,) = told
    assert undoing.done == (free.id, last.id)
    assert {job_id: type(problem) for job_id, problem in undoing.refused.items()} == {keyed.id: UniqueKeyTaken}
    assert bench.counts() == {State.PENDING: 3, State.CANCELLED: 1}
    assert bench.get(holder).state is State.PENDING
    bench.check_counters()


def test_concurrent_undos_of_one_entry_undo_it_once(bench: Bench, others: list[Bench]) -> None:
    jobs = bench.enqueue(*[new() for _ in range(30)])
    bench.store.jobs.cancel([job.id for job in jobs])
    done: list[int | str] = []

    def undo(mine: Bench) -> None:
        done.extend(mine.store.journal.undo(1).done)

    problems = run_concurrently(*[lambda mine=mine: undo(mine) for mine in others])
    assert sorted(done, key=int) == [job.id for job in jobs]
    assert {type(problem).__name__ for problem in problems} <= {"InvalidJournalEntry"}
    assert bench.counts() == {State.PENDING: 30}
    bench.check_counters()


def test_a_transition_writes_an_entry_of_two_indexes_and_of_partial_ones(bench: Bench) -> None:
    """Each further index would cost a claim and a completion a tenth of their time."""
    whole = "indrelid = 'jobdeck_jobs'::regclass AND indpred IS NULL"
    indexes = bench.rows(f"SELECT indexrelid::regclass::text FROM pg_index WHERE {whole} ORDER BY 1")
    assert [name for (name,) in indexes] == ["jobdeck_by_lane", "jobdeck_jobs_pkey"]


def test_counters_and_metrics_are_updated_in_place(bench: Bench) -> None:
    """An update that is not HOT writes an index, and leaves a row that only a vacuum removes."""
    for _ in range(60):
        bench.enqueue(new())
        for job in bench.claim(1):
            bench.complete(job)
    bench.store.close()  # the sessions report what they did

    def updates() -> dict[str, tuple[int, int]]:
        tables = ["jobdeck_stripes", "jobdeck_metrics", "jobdeck_totals"]
        query = "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = ANY(?)"
        return {name: (n, hot) for name, n, hot in bench.rows(query, tables)}

    found = wait_until(lambda: (seen := updates()) and min(n for n, _ in seen.values()) >= 50 and seen)
    assert {name: hot / n > 0.9 for name, (n, hot) in found.items()} == dict.fromkeys(found, True)


def test_tables_that_pruning_shortens_are_vacuumed_long_before_a_fifth_of_them_is_dead(bench: Bench) -> None:
    shortened = ["jobdeck_jobs", "jobdeck_attempts", "jobdeck_logs", "jobdeck_after", "jobdeck_waits", "jobdeck_metrics"]
    query = """
SELECT relname, (SELECT option_value::float FROM pg_options_to_table(reloptions)
                  WHERE option_name = 'autovacuum_vacuum_scale_factor') FROM pg_class WHERE relname = ANY(?) AND relkind = 'r'
"""
    assert {name: part is not None and part <= 0.02 for name, part in bench.rows(query, shortened)} == dict.fromkeys(
        shortened, True
    )
