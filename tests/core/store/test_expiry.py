"""Expiry: jobs that are not started in time fail and never start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import Bench, FakeClock, new, open_queue, registry, wait_until

from jobdeck import QUEUED, InvalidOption, Queue, Reason, State, Worker
from jobdeck.testing import FrozenClock, drain


@pytest.mark.parametrize("state", sorted(QUEUED))
def test_a_queued_job_fails_when_it_expires(bench: Bench, state: State) -> None:
    due = bench.clock.now() + 10_000
    job = bench.in_state(state, expires_at=due)
    assert job.expires_at == due
    bench.clock.advance(9_999)
    assert bench.store.transitions.expire() == 0
    bench.clock.advance(1)
    assert bench.store.transitions.expire() == 1
    failed = bench.get(job)
    assert (failed.state, failed.reason, failed.finished_at) == (State.FAILED, Reason.EXPIRED, due)
    assert failed.error == job.error or failed.error == "It was not started before it expired"
    bench.check_counters()


def test_a_claim_never_starts_an_expired_job(bench: Bench) -> None:
    urgent, later = bench.enqueue(new(priority=9, expires_at=bench.clock.now() + 10), new())
    bench.clock.advance(10)
    for ageing in (0.0, 5.0):
        (claimed,) = bench.claim(5, ageing=ageing)
        assert claimed.id == later.id
        bench.release(claimed)
    assert bench.get(urgent).state is State.PENDING


def test_a_running_job_continues_but_a_retry_after_its_expiry_fails(bench: Bench) -> None:
    job = bench.running(expires_at=bench.clock.now() + 10)
    bench.clock.advance(11)
    assert bench.store.transitions.expire() == 0
    assert bench.store.queries.next_due_at() is None
    bench.fail(job, retry_in=5, message="the reason")
    assert bench.store.transitions.expire() == 1
    failed = bench.get(job)
    # The error of the attempt is more useful than the fact that no time remains for another one.
    assert (failed.state, failed.reason, failed.error) == (State.FAILED, Reason.EXPIRED, "ValueError: the reason")


def test_the_next_due_time_includes_the_first_expiry(bench: Bench) -> None:
    now = bench.clock.now()
    bench.enqueue(new(expires_at=now + 50), new(scheduled_at=now + 70), new(after=(1,), expires_at=now + 30))
    assert bench.store.queries.next_due_at() == now + 30
    # But no job is due then.
    assert bench.store.queries.overview(seconds=60, slices=6, lease=30).next_due_at == now + 70


def test_a_retry_by_hand_of_an_expired_job_removes_its_expiry(bench: Bench) -> None:
    job = bench.in_state(State.PENDING, expires_at=bench.clock.now() + 10)
    bench.clock.advance(20)
    bench.store.transitions.expire()
    assert bench.store.jobs.retry([job.id]).done == (job.id,)
    assert bench.store.transitions.expire() == 0
    assert [claimed.id for claimed in bench.claim()] == [job.id]


def test_many_expire_in_steps(bench: Bench) -> None:
    bench.enqueue(*[new(expires_at=bench.clock.now() + 1) for _ in range(5)])
    bench.clock.advance(1)
    assert [bench.store.transitions.expire(2) for _ in range(4)] == [2, 2, 1, 0]
    assert bench.counts() == {State.FAILED: 5}
    bench.check_counters()


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with open_queue(tmp_path / "jobs.db", registry(nap=lambda: __import__("time").sleep(0.8), work=lambda: None)) as opened:
        yield opened


def test_an_expiry_is_given_in_seconds_or_as_a_time_and_must_follow_the_due_time(queue: Queue) -> None:
    now = queue.clock.now()
    assert now + 60 <= (queue.new_job("work", expires=60).expires_at or 0) <= now + 61
    assert queue.new_job("work", expires_at=now + 60).expires_at == now + 60
    for options in (
        {"expires": 5, "expires_at": now + 60},
        {"expires": 0},
        {"expires": 5, "delay": 5},
        {"expires_at": now - 1},
    ):
        with pytest.raises(InvalidOption, match="expiry"):
            queue.new_job("work", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [0, 1])
def test_a_busy_worker_fails_an_expired_job_on_time(queue: Queue, threads: int) -> None:
    queue.enqueue("nap")
    with Worker(queue, threads=threads):
        wait_until(lambda: not threads or queue.count("state:running"))
        job = queue.enqueue("work", expires=0.2)
        failed = wait_until(lambda: (now := queue.get(job.id)).state is State.FAILED and now, timeout=3)
        assert failed.reason is Reason.EXPIRED
        assert failed.finished_at - job.created_at < 1.5
    assert queue.attempts(job.id) == []


def test_a_drain_skips_expired_jobs(tmp_path: Path) -> None:
    clock = FrozenClock()
    with Queue(tmp_path / "jobs.db", registry=registry(work=lambda: None), clock=clock) as queue:
        queue.pause("default")
        job = queue.enqueue("work", expires=10)
        assert drain(queue, until=clock.now() + 60) == []
        assert queue.get(job.id).reason is Reason.EXPIRED


def test_expiry_follows_the_wall_clock(bench: Bench, clock: FakeClock) -> None:
    bench.enqueue(new(expires_at=clock.now() + 10))
    clock.jump(20)
    assert bench.store.transitions.expire() == 1
