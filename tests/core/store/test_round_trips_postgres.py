"""The number of times that an operation waits for a PostgreSQL server, which must not grow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import CLOSES, new
from tests.core.postgres import database_at
from tests.core.round_trips import RoundTrips, counting

from jobdeck.model.attempt_result import AttemptResult, Completed, Failed
from jobdeck.model.jobs import Job
from jobdeck.store.base import Store
from jobdeck.store.claim_capacity import ClaimRequest
from jobdeck.store.postgres import PostgresStore

pytestmark = pytest.mark.postgres


@pytest.fixture
def relayed(tmp_path: Path) -> Iterator[tuple[Store, RoundTrips]]:
    """Return a store with a relay between it and its server, after its first enqueue."""
    with counting(database_at(tmp_path)) as (relay, address):
        store = PostgresStore(address)
        store.enqueuer.enqueue([new("warm.up")])
        yield store, relay
        store.close()
    CLOSES["postgres"](tmp_path)


def request(idle: int = 10) -> ClaimRequest:
    return ClaimRequest("w1", idle, kinds=["demo.work", "demo.other"], queues=(), lease=30.0)


def turn(store: Store, results: list[AttemptResult]) -> list[Job]:
    """Record results and claim jobs, as a worker does in each of its transactions."""
    with store.transaction():
        store.completer.complete([each for each in results if isinstance(each, Completed)])
        store.completer.fail([each for each in results if isinstance(each, Failed)])
        store.queries.next_due_at()
        return store.claimer.claim(request())


def test_an_enqueue_is_one_round_trip(relayed: tuple[Store, RoundTrips]) -> None:
    store, relay = relayed
    with relay.counted() as n:
        (job,) = store.enqueuer.enqueue([new()])
    assert n == [1]
    assert store.reader.get(job.id) == job


def test_jobs_enqueued_together_are_one_round_trip(relayed: tuple[Store, RoundTrips]) -> None:
    store, relay = relayed
    with relay.counted() as n:
        jobs = store.enqueuer.enqueue([new(priority=k, kind=f"demo.kind{k % 3}") for k in range(100)])
    assert n == [1]
    assert [store.reader.get(job.id) for job in jobs] == jobs


def test_recording_and_claiming_a_batch_takes_as_many_round_trips_as_for_one_job(
    relayed: tuple[Store, RoundTrips],
) -> None:
    """BEGIN; the results; the next due job; what may be claimed; the claim; COMMIT with all counters."""
    store, relay = relayed
    counts = []
    for size in (1, 100):
        store.enqueuer.enqueue([new() for _ in range(size + 10)])
        with store.transaction():
            jobs = store.claimer.claim(request(size))
        assert len(jobs) == size
        results: list[AttemptResult] = [Completed(job, job.started_at or 0.0, job.started_at or 0.0) for job in jobs]
        with relay.counted() as n:
            assert len(turn(store, results)) == 10
        counts += n
    assert counts == [6, 6]


def test_recording_failures_adds_one_round_trip(relayed: tuple[Store, RoundTrips]) -> None:
    store, relay = relayed
    store.enqueuer.enqueue([new() for _ in range(40)])
    jobs = store.claimer.claim(request(20))
    at = jobs[0].started_at or 0.0
    ended = [Completed(job, at, at) for job in jobs[:10]]
    failed = [Failed(job, at, at, at + 60, "ValueError", "no") for job in jobs[10:]]
    with relay.counted() as n:
        turn(store, [*ended, *failed])
    assert n == [7]


def test_claiming_from_several_lanes_adds_one_round_trip(relayed: tuple[Store, RoundTrips]) -> None:
    store, relay = relayed
    store.enqueuer.enqueue([new(kind) for kind in ("demo.work", "demo.other") for _ in range(10)])
    with relay.counted() as n:
        assert len(turn(store, [])) == 10
    assert n == [6]
