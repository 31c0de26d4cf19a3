"""Jobs that a worker has claimed but not started: they must not start once another worker may run them."""

from __future__ import annotations

import time
from pathlib import Path

import apsw
from tests.core.helpers import FakeClock, wait_until

from jobdeck import Outcome, Queue, Registry, Settings, State, Worker, context
from jobdeck.kinds.registry import job
from jobdeck.model.attempt_result import Completed
from jobdeck.store.claim_capacity import ClaimRequest

LEASE = 5.0


def test_a_prefetched_job_does_not_start_after_its_lease_has_expired(tmp_path: Path) -> None:
    clock, kinds = FakeClock(), Registry()
    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF", lease=LEASE)
    began: list[int] = []
    elsewhere: list[int] = []

    @job(name="note", registry=kinds)
    def note() -> None:
        began.append(context().job_id)

    @job(name="stall", max_attempts=5, registry=kinds)
    def stall() -> None:
        """Stall this process past its leases, while another process runs the jobs that it has claimed."""
        if context().attempt > 1:
            return

        def ended() -> list[int]:
            clock.advance(LEASE + 1)  # repeat, in case the worker renewed the leases at this very moment
            return queue.store.transitions.rescue()

        wait_until(ended)
        while claimed := queue.store.claimer.claim(ClaimRequest("other", 1, kinds=("note",), queues=(), lease=1e6)):
            queue.store.completer.complete([Completed(claimed[0], clock.now(), clock.now())])
            elsewhere.append(claimed[0].id)

    with Queue(settings=settings, registry=kinds, clock=clock) as queue:
        short = [queue.new_job("note") for _ in range(200)]
        made = queue.enqueue_many([*short[:100], queue.new_job("stall"), *short[100:]])
        with Worker(queue, threads=1) as worker:
            assert worker.wait_idle(20)
            ahead = [each.id for each in made[101:] if queue.get(each.id).crashes]
            assert ahead, "nothing was claimed ahead, and this shows nothing"
        # Jobs before the stalled one had started, although their results may not be recorded yet.
        assert not set(began) & {job_id for job_id in elsewhere if job_id > made[100].id}
        assert len(began) == len(set(began))
        for job_id in ahead:
            assert [attempt.outcome for attempt in queue.attempts(job_id)] == [Outcome.CRASHED, Outcome.COMPLETED]
            assert (queue.get(job_id).worker, queue.get(job_id).attempt) == ("other", 2)
        assert queue.count("state:completed") == 201
        assert queue.get(made[100].id).state is State.COMPLETED


def test_a_prefetched_job_does_not_start_if_its_lease_is_about_to_expire(tmp_path: Path) -> None:
    """Renewals are late, so the lease may expire while the code runs. Another worker takes the job over at once instead."""
    clock, kinds = FakeClock(), Registry()
    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF", lease=30.0, heartbeat=10.0)
    late: list[tuple[int, float | None]] = []

    @job(name="note", registry=kinds)
    def note() -> None:
        expires = queue.get(context().job_id).lease_until
        late.append((context().job_id, None if expires is None else expires - clock.now()))

    @job(name="stall", registry=kinds)
    def stall() -> None:
        clock.advance(28)  # the claimer and the heartbeat do not get to run in between

    with Queue(settings=settings, registry=kinds, clock=clock) as queue:
        short = [queue.new_job("note") for _ in range(200)]
        queue.enqueue_many([*short[:100], queue.new_job("stall"), *short[100:]])
        with Worker(queue, threads=1) as worker:
            assert worker.wait_idle(20)
        assert queue.count("state:completed") == 201
        assert len(late) == len({job_id for job_id, _ in late}) == 200
        assert all(remaining is None or remaining > 10 for _, remaining in late)


def test_jobs_claimed_after_a_wait_longer_than_their_lease_are_run(tmp_path: Path) -> None:
    """The lease is counted from the claim, not from the request for it."""
    kinds = Registry()
    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF", lease=0.6)

    @job(name="note", registry=kinds)
    def note() -> None:
        pass

    with Queue(settings=settings, registry=kinds) as queue, Worker(queue, threads=1) as worker:
        holder = apsw.Connection(str(tmp_path / "jobs.db"))
        holder.set_busy_timeout(5000)
        made = queue.enqueue("note", delay=0.2)
        holder.execute("BEGIN IMMEDIATE")
        wait_until(queue.lock_wait_started, what="a wait for the lock")
        time.sleep(0.8)
        holder.close()
        assert queue.wait(made.id, timeout=10).state is State.COMPLETED
        assert worker.wait_idle(10)
        assert [attempt.outcome for attempt in queue.attempts(made.id)] == [Outcome.COMPLETED]
