"""Pruning of the history by age and count, in short steps, without jobs that are still needed."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import IfParentFails, Job, State
from jobdeck.model.retention import RetentionRule
from jobdeck.model.states import FINAL, QUEUED
from jobdeck.store.sqlite.pruning import OLD

NOT_FINAL = [*sorted(QUEUED), State.RUNNING]


def completed(bench: Bench, n: int, **options: object) -> list[int]:
    """Complete jobs one second after another; return their ids, oldest first."""
    bench.enqueue(*[new(**options) for _ in range(n)])
    ids = []
    for job in bench.claim(n):
        bench.clock.advance(1)
        bench.complete(job)
        ids.append(job.id)
    return ids


def left(bench: Bench) -> list[int]:
    return [row[0] for row in bench.rows("SELECT id FROM jobdeck_jobs ORDER BY id")]


def wait_for(bench: Bench, parent: Job, child: Job) -> None:
    bench.change("INSERT INTO jobdeck_waits (parent, child) VALUES (?, ?)", parent.id, child.id)


def test_final_jobs_past_their_age_are_pruned_oldest_first(bench: Bench) -> None:
    ids = completed(bench, 5)
    bench.clock.advance(100)
    rule = RetentionRule(State.COMPLETED, older_than=100)
    assert bench.store.maintenance.count_prunable(rule) == 4  # the last one is exactly as old as the bound
    assert bench.store.maintenance.prune_jobs(rule, limit=3) == 3
    assert left(bench) == ids[3:]
    assert bench.store.maintenance.prune_jobs(rule, limit=3) == 1
    assert bench.store.maintenance.prune_jobs(rule, limit=3) == 0
    assert left(bench) == ids[4:]
    bench.check_counters()


def test_the_newest_jobs_are_kept_whatever_their_age(bench: Bench) -> None:
    ids = completed(bench, 5)
    bench.clock.advance(1e6)
    rule = RetentionRule(State.COMPLETED, keep=2)
    assert bench.store.maintenance.count_prunable(rule) == 3
    assert [bench.store.maintenance.prune_jobs(rule, limit=2) for _ in range(3)] == [2, 1, 0]
    assert left(bench) == ids[3:]
    bench.check_counters()


@pytest.mark.parametrize(("age", "keep", "kept"), [(2.5, 4, 3), (3.5, 1, 1), (None, None, 5), (100, 100, 5), (0, 0, 0)])
def test_a_job_is_pruned_if_either_bound_applies(bench: Bench, age: float | None, keep: int | None, kept: int) -> None:
    ids = completed(bench, 5)
    bench.clock.advance(0.1)
    rule = RetentionRule(State.COMPLETED, older_than=age, keep=keep)
    assert bench.store.maintenance.count_prunable(rule) == 5 - kept
    assert bench.store.maintenance.prune_jobs(rule) == 5 - kept
    assert left(bench) == ids[5 - kept :]


@pytest.mark.parametrize("state", sorted(FINAL))
def test_each_final_state_has_its_own_bounds(bench: Bench, state: State) -> None:
    jobs = {each: bench.in_state(each) for each in sorted(FINAL)}
    bench.clock.advance(10)
    assert bench.store.maintenance.prune_jobs(RetentionRule(state, older_than=5, keep=1)) == 1
    assert left(bench) == sorted(job.id for each, job in jobs.items() if each is not state)
    bench.check_counters()


@pytest.mark.parametrize("state", NOT_FINAL)
def test_jobs_that_are_not_final_are_never_pruned(bench: Bench, state: State) -> None:
    job = bench.in_state(state)
    bench.clock.advance(10 * 365 * 86400)
    for each in State:
        assert bench.store.maintenance.prune_jobs(RetentionRule(each, older_than=0, keep=0)) == 0
    assert bench.get(job).state is state


def test_a_job_that_others_wait_for_is_kept_and_does_not_block_pruning(bench: Bench) -> None:
    awaited = bench.in_state(State.FAILED)
    (child,) = bench.enqueue(new(after=(awaited.id,), if_parent_fails=IfParentFails.WAIT))
    bench.clock.advance(1)
    other = bench.in_state(State.FAILED)
    bench.clock.advance(10)
    for rule in (RetentionRule(State.FAILED, older_than=5), RetentionRule(State.FAILED, keep=0)):
        assert bench.store.maintenance.count_prunable(rule) == (1 if bench.store.reader.get(other.id) else 0)
        bench.store.maintenance.prune_jobs(rule, limit=1)
        assert left(bench) == [awaited.id, child.id]
    bench.change("DELETE FROM jobdeck_waits")
    assert bench.store.maintenance.prune_jobs(RetentionRule(State.FAILED, keep=0)) == 1
    assert left(bench) == [child.id]


def test_all_rows_of_a_job_are_pruned_with_it(bench: Bench) -> None:
    (parent,) = bench.enqueue()
    job = bench.running(kind="demo.child")
    bench.store.logs.append([(job.id, 1, 0.0, "info", "hello")], 1000)
    bench.complete(job)
    bench.change("INSERT INTO jobdeck_after (child, parent) VALUES (?, ?), (?, ?)", job.id, parent.id, parent.id, job.id)
    wait_for(bench, parent, job)
    bench.store.maintenance.prune_jobs(RetentionRule(State.COMPLETED, keep=0))
    assert left(bench) == [parent.id]
    for table in ("jobdeck_attempts", "jobdeck_logs", "jobdeck_waits"):
        assert bench.rows(f"SELECT * FROM {table}") == []
    # The dependencies of the parent remain as long as the parent exists.
    assert bench.rows("SELECT child, parent FROM jobdeck_after") == [(parent.id, job.id)]


def test_a_batch_is_pruned_with_its_last_job(bench: Bench) -> None:
    for batch, name in ((1, "one"), (2, "two")):
        bench.change("INSERT INTO jobdeck_batches (id, name, total, created_at) VALUES (?, ?, 2, 0)", batch, name)
    first, second, third = completed(bench, 3)
    (queued,) = bench.enqueue()
    for job_id, batch in ((first, 1), (second, 1), (third, 2), (queued.id, 2)):
        bench.change("UPDATE jobdeck_jobs SET batch = ? WHERE id = ?", batch, job_id)
    bench.store.maintenance.prune_jobs(RetentionRule(State.COMPLETED, keep=2))
    assert bench.rows("SELECT id FROM jobdeck_batches") == [(1,), (2,)]
    bench.store.maintenance.prune_jobs(RetentionRule(State.COMPLETED, keep=0))
    assert left(bench) == [queued.id]
    assert bench.rows("SELECT id FROM jobdeck_batches") == [(2,)]


@pytest.mark.sqlite
def test_a_pruning_step_reads_only_the_jobs_that_it_deletes(bench: Bench) -> None:
    """Use the index of final jobs, which has the order of deletion, however long the history is."""
    plan = bench.rows(f"EXPLAIN QUERY PLAN SELECT id, queue, kind, batch {OLD} ORDER BY finished_at LIMIT 5", "failed", 1.0)
    told = " ".join(row[3] for row in plan)
    assert "INDEX jobdeck_final (state=? AND finished_at<?)" in told
    assert "TEMP B-TREE" not in told
