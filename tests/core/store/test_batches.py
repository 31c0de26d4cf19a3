"""Batches: jobs that are enqueued in one commit and waited for as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import Bench, new, open_queue, registry

from jobdeck import BatchNotFound, JobNotFound, OnConflict, Queue, State, UniqueKeyConflict, Worker, parse_filter
from jobdeck.model.retention import RetentionRule


def test_the_jobs_of_a_batch_are_enqueued_in_one_commit(bench: Bench) -> None:
    batch = bench.store.enqueuer.enqueue_batch(
        "nightly", [new(), new(scheduled_at=bench.clock.now() + 5), new(kind="demo.other")]
    )
    assert (batch.name, batch.total, batch.created_at) == ("nightly", 3, bench.clock.now())
    assert batch.counts == {State.PENDING: 2, State.SCHEDULED: 1}
    assert {job.batch for job in bench.store.reader.get_many([1, 2, 3])} == {batch.id}
    assert bench.store.reader.batch(batch.id) == batch
    bench.check_counters()


def test_jobs_are_added_to_a_batch(bench: Bench) -> None:
    enqueuer = bench.store.enqueuer
    batch = enqueuer.enqueue_batch("grows", [new()])
    assert enqueuer.enqueue_batch("", [new(), new()], batch.id).total == 3
    grown = enqueuer.enqueue_batch("", [new(unique_key="k"), new(unique_key="k")], batch.id)
    assert (grown.name, grown.total, grown.counts) == ("grows", 4, {State.PENDING: 4})
    with pytest.raises(BatchNotFound):
        enqueuer.enqueue_batch("", [new()], 99)
    assert bench.store.queries.count(parse_filter("")) == 4
    bench.check_counters()


def test_a_batch_finishes_with_its_last_job_and_succeeds_if_all_completed(bench: Bench) -> None:
    batch = bench.store.enqueuer.enqueue_batch("", [new(), new()]).id
    told = []
    for job in bench.claim(2):
        bench.complete(job)
        found = bench.store.reader.batch(batch)
        assert found
        told.append((found.open, found.finished, found.succeeded))
    assert told == [(1, False, False), (0, True, True)]


@pytest.mark.parametrize("how", [State.FAILED, State.CANCELLED])
def test_a_batch_does_not_succeed_if_one_job_did_not_complete(bench: Bench, how: State) -> None:
    batch = bench.store.enqueuer.enqueue_batch("", [new(), new()]).id
    first, second = bench.claim(2)
    bench.complete(first)
    (bench.fail if how is State.FAILED else bench.stop)(second)
    found = bench.store.reader.batch(batch)
    assert found
    assert (found.finished, found.succeeded, found.counts) == (True, False, {State.COMPLETED: 1, how: 1})


def test_an_empty_batch_is_finished(bench: Bench) -> None:
    batch = bench.store.enqueuer.enqueue_batch("none", [])
    assert (batch.total, batch.open, batch.finished, batch.succeeded) == (0, 0, True, True)
    assert bench.store.reader.batch(batch.id) == batch


def test_a_batch_is_enqueued_completely_or_not_at_all(bench: Bench) -> None:
    bench.enqueue(new(unique_key="k"))
    for bad, refusal in (
        (new(after=(99,)), JobNotFound),
        (new(unique_key="k", on_conflict=OnConflict.REFUSE), UniqueKeyConflict),
    ):
        with pytest.raises(refusal):
            bench.store.enqueuer.enqueue_batch("", [new(), bad])
    assert bench.counts() == {State.PENDING: 1}
    assert bench.rows("SELECT * FROM jobdeck_batches") == []
    bench.check_counters()


def test_an_existing_job_with_the_unique_key_does_not_join_the_batch(bench: Bench) -> None:
    bench.enqueue(new(unique_key="k"))
    batch = bench.store.enqueuer.enqueue_batch("", [new(unique_key="k"), new()])
    assert (batch.total, batch.counts) == (1, {State.PENDING: 1})


def test_two_batches_do_not_mix(bench: Bench) -> None:
    first, second = bench.store.enqueuer.enqueue_batch("", [new()]), bench.store.enqueuer.enqueue_batch("", [new(), new()])
    assert first.id != second.id
    assert [batch and batch.total for batch in map(bench.store.reader.batch, (first.id, second.id, 99))] == [1, 2, None]


def test_a_batch_is_deleted_with_its_last_job(bench: Bench) -> None:
    batch = bench.store.enqueuer.enqueue_batch("", [new(), new()]).id
    first, second = bench.claim(2)
    bench.complete(first)
    bench.complete(second)
    bench.store.jobs.delete([first.id])
    assert bench.store.reader.batch(batch)
    bench.store.jobs.delete([second.id])
    assert bench.store.reader.batch(batch) is None
    again = bench.store.enqueuer.enqueue_batch("", [new()])
    assert again.id > batch
    bench.complete(*bench.claim())
    bench.store.maintenance.prune_jobs(RetentionRule(State.COMPLETED, keep=0))
    assert bench.store.reader.batch(again.id) is None


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    def work(fail: bool = False) -> None:
        if fail:
            raise ValueError

    with open_queue(tmp_path / "jobs.db", registry(work=work), max_attempts=1) as opened:
        yield opened


def test_waiting_for_a_batch_waits_for_all_its_jobs(queue: Queue) -> None:
    batch = queue.batches.enqueue((queue.new_job("work", {"fail": n == 3}) for n in range(5)), name="five")
    assert queue.batches.wait(batch.id, timeout=0) == batch
    with Worker(queue, threads=2):
        done = queue.batches.wait(batch.id, timeout=15, every=0.01)
    assert (done.finished, done.succeeded, done.counts) == (True, False, {State.COMPLETED: 4, State.FAILED: 1})
    assert queue.batches.get(batch.id) == done


def test_a_missing_batch_is_reported(queue: Queue) -> None:
    for ask in (queue.batches.get, queue.batches.wait):
        with pytest.raises(BatchNotFound, match="Batch 7 does not exist"):
            ask(7)
