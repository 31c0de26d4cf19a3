"""Jobs that a worker has claimed but not started: they must not start once another worker may run them."""

from __future__ import annotations

from pathlib import Path

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
