"""Hypothesis drives a store and a plain model of it side by side: P2, P3, P5, P6, P7, P10 and the counters.

Two workers claim, finish, stall and come back late; clocks step and jump; people cancel, retry, reprioritise, pause and
delete. After every step the store must say what the model says.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.core.helpers import STORES, Bench, FakeClock, new

from jobdeck import FINAL, QUEUED, Job, Reason, State

LEASE = 30.0
KINDS = ("a", "b")
QUEUES = ("x", "y")
WORKERS = st.sampled_from(["w1", "w2"])


@dataclass
class Model:
    """What is known of one job."""

    queue: str
    kind: str
    priority: int
    max_attempts: int
    state: State
    due: float
    attempt: int = 0
    lease: int | None = None
    lease_until: float = 0.0
    cancelling: bool = False
    starts: int = 0
    crashes: int = 0
    reason: Reason | None = None
    late: set[int] = field(default_factory=set)
    """Leases whose attempt must show a late result."""
    ended: set[int] = field(default_factory=set)
    """Leases whose attempt is recorded."""
    leases: set[int] = field(default_factory=set)
    """Every lease that was ever issued on it."""


class StoreMachine(RuleBasedStateMachine):
    """The rules."""

    opens = staticmethod(STORES["sqlite"])
    claimed: Bundle[Job] = Bundle("claimed")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        path = self.folder / "jobs.db"
        self.bench = Bench(self.opens(path, self.clock), self.clock, path)
        self.store = self.bench.store
        self.jobs: dict[int, Model] = {}
        self.paused: set[str] = set()

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def some(self, choice: int) -> int:
        """One of the jobs there are; an id that no job has, if there are none."""
        return sorted(self.jobs)[choice % len(self.jobs)] if self.jobs else 10**6

    # -- into the queue ---------------------------------------------------------------------------

    @initialize(attempts=st.lists(st.integers(1, 3), min_size=2, max_size=5))
    def begin_with_some_jobs(self, attempts: list[int]) -> None:
        for n, each in enumerate(attempts):
            self.enqueue(KINDS[n % 2], QUEUES[n % 2], n % 2, each, None)

    @rule(
        kind=st.sampled_from(KINDS),
        queue=st.sampled_from(QUEUES),
        priority=st.integers(-2, 2),
        attempts=st.integers(1, 3),
        delay=st.sampled_from([None, None, 0.0, 5.0, 50.0]),
    )
    def one_more_job(self, kind: str, queue: str, priority: int, attempts: int, delay: float | None) -> None:
        self.enqueue(kind, queue, priority, attempts, delay)

    def enqueue(self, kind: str, queue: str, priority: int, attempts: int, delay: float | None) -> None:
        now = self.clock.now()
        due = None if delay is None else now + delay
        (job,) = self.bench.enqueue(new(kind, queue, priority, max_attempts=attempts, scheduled_at=due))
        assert job.id not in self.jobs
        state = State.SCHEDULED if delay else State.PENDING
        self.jobs[job.id] = Model(queue, kind, priority, attempts, state, now if due is None else due)

    @rule(seconds=st.sampled_from([0.5, 4.0, 20.0, 29.0, 31.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-100_000.0, -40.0, 40.0, 100_000.0]))
    def somebody_sets_the_wall_clock(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule()
    def stage(self) -> None:
        due = [
            model
            for model in self.jobs.values()
            if model.state in (State.SCHEDULED, State.RETRYING) and model.due <= self.clock.now()
        ]
        assert self.store.stage_jobs() == len(due)
        for model in due:
            model.state = State.PENDING

    # -- workers ----------------------------------------------------------------------------------

    @precondition(lambda self: any(model.state is State.PENDING for model in self.jobs.values()))
    @rule(target=claimed, worker=WORKERS, kinds=st.sampled_from([KINDS, KINDS, KINDS[:1]]))
    def claim(self, worker: str, kinds: tuple[str, ...]) -> Job | MultipleResults[Job]:
        ready = [
            (-model.priority, job_id)
            for job_id, model in self.jobs.items()
            if model.state is State.PENDING and model.kind in kinds and model.queue not in self.paused
        ]
        got = self.store.claim_jobs(worker, 1, kinds=kinds, queues=(), lease=LEASE)
        assert [job.id for job in got] == [job_id for _, job_id in sorted(ready)[:1]]  # P10, and P7: nothing else is pending
        if not got:
            return multiple()
        (job,) = got
        model = self.jobs[job.id]
        assert job.lease is not None
        assert job.lease not in model.leases  # P2: fresh
        model.leases.add(job.lease)
        model.state, model.lease, model.lease_until = State.RUNNING, job.lease, self.clock.monotonic() + LEASE
        model.attempt += 1
        model.starts += 1
        assert model.attempt <= model.max_attempts  # P5
        return job

    def holds(self, job: Job) -> Model | None:
        model = self.jobs.get(job.id)
        return model if model and model.state is State.RUNNING and model.lease == job.lease else None

    def end(self, job: Job, lost: list[int], undone: State, *, back: bool = False, due: float | None = None) -> None:
        """What an ending must have done: all of it for the holder of the lease, nothing for anyone else (P3)."""
        model = self.holds(job)
        assert lost == ([] if model else [job.id])
        assert job.lease is not None
        if model is None:
            if job.id in self.jobs and job.lease in self.jobs[job.id].ended:
                self.jobs[job.id].late.add(job.lease)
            return
        stopped = model.cancelling and undone is not State.COMPLETED
        model.state = State.CANCELLED if stopped else undone
        model.reason = Reason.EXHAUSTED if model.state is State.FAILED else None
        model.due = due if due is not None and not stopped else model.due
        model.attempt -= back
        model.starts -= back
        model.lease, model.cancelling = None, False
        model.ended.add(job.lease)

    @rule(job=claimed)
    def complete(self, job: Job) -> None:
        self.end(job, self.bench.complete(job), State.COMPLETED)

    @rule(job=claimed, again=st.booleans())
    def fail(self, job: Job, again: bool) -> None:
        model = self.holds(job)
        final = not again or model is None or model.attempt >= model.max_attempts
        lost = self.bench.fail(job, retry_in=7.0 if again else None)
        self.end(job, lost, State.FAILED if final else State.RETRYING, due=None if final else self.clock.now() + 7.0)

    @rule(job=claimed)
    def snooze(self, job: Job) -> None:
        self.end(job, self.bench.snooze(job, 9.0), State.SCHEDULED, back=True, due=self.clock.now() + 9.0)

    @rule(job=claimed)
    def release(self, job: Job) -> None:
        self.end(job, self.bench.release(job), State.PENDING, back=True)

    @rule(job=claimed)
    def stop(self, job: Job) -> None:
        self.end(job, self.bench.stop(job), State.CANCELLED)

    @rule(job=consumes(claimed))
    def the_worker_dies(self, job: Job) -> None:
        """Nobody will ever speak of this claim again."""

    @rule(job=claimed)
    def heartbeat(self, job: Job) -> None:
        assert job.lease is not None
        renewal = self.store.heartbeat_jobs([(job.id, job.lease)], LEASE)
        model = self.holds(job)
        assert renewal.lost == (frozenset() if model else {job.id})
        assert renewal.cancelling == ({job.id} if model and model.cancelling else frozenset())
        if model:
            model.lease_until = self.clock.monotonic() + LEASE

    @precondition(lambda self: any(model.state is State.RUNNING for model in self.jobs.values()))
    @rule()
    def rescue(self) -> None:
        ended = {
            job_id: model
            for job_id, model in self.jobs.items()
            if model.state is State.RUNNING and model.lease_until < self.clock.monotonic()
        }
        assert sorted(self.store.rescue_jobs()) == sorted(ended)
        for model in ended.values():
            assert model.lease is not None
            model.ended.add(model.lease)
            spent = model.attempt >= model.max_attempts
            model.state = State.CANCELLED if model.cancelling else State.FAILED if spent else State.PENDING
            model.lease, model.cancelling = None, False
            model.reason = Reason.CRASHED if model.state is State.FAILED else None
            model.crashes += 1

    # -- people -----------------------------------------------------------------------------------

    @rule(choice=st.integers(0, 50))
    def cancel(self, choice: int) -> None:
        job_id = self.some(choice)
        done = self.store.cancel_jobs([job_id]).done
        model = self.jobs.get(job_id)
        allowed = model is not None and model.state not in FINAL
        assert done == ((job_id,) if allowed else ())
        if model and allowed:
            if model.state is State.RUNNING:
                model.cancelling = True
            else:
                model.state = State.CANCELLED

    @rule(choice=st.integers(0, 50))
    def retry(self, choice: int) -> None:
        job_id = self.some(choice)
        done = self.store.retry_jobs([job_id]).done
        model = self.jobs.get(job_id)
        allowed = model is not None and model.state not in (State.PENDING, State.RUNNING, State.WAITING)
        assert done == ((job_id,) if allowed else ())
        if model and allowed:
            model.state, model.due = State.PENDING, self.clock.now()
            model.max_attempts = max(model.max_attempts, model.attempt + 1)
            model.reason = None

    @rule(choice=st.integers(0, 50), priority=st.integers(-2, 2))
    def reprioritise(self, choice: int, priority: int) -> None:
        job_id = self.some(choice)
        done = self.store.reprioritise_jobs([job_id], priority).done
        model = self.jobs.get(job_id)
        allowed = model is not None and model.state in QUEUED
        assert done == ((job_id,) if allowed else ())
        if model and allowed:
            model.priority = priority

    @rule(choice=st.integers(0, 50))
    def delete(self, choice: int) -> None:
        job_id = self.some(choice)
        done = self.store.delete_jobs([job_id]).done
        model = self.jobs.get(job_id)
        allowed = model is not None and model.state is not State.RUNNING
        assert done == ((job_id,) if allowed else ())
        if allowed:
            del self.jobs[job_id]

    @rule(queue=st.sampled_from(QUEUES))
    def pause_or_resume(self, queue: str) -> None:
        if queue in self.paused:
            assert self.store.resume_queue(queue)
        else:
            assert self.store.pause_queue(queue)
        self.paused ^= {queue}

    # -- after every step -------------------------------------------------------------------------

    @invariant()
    def every_job_is_what_the_model_says(self) -> None:
        found = {job.id: job for job in self.store.get_jobs(list(self.jobs))}
        assert found.keys() == self.jobs.keys()
        for job_id, model in self.jobs.items():
            job = found[job_id]
            told = (job.state, job.priority, job.attempt, job.max_attempts, job.lease, job.cancelling, job.scheduled_at)
            assert told == (
                *(model.state, model.priority, model.attempt, model.max_attempts),
                *(model.lease, model.cancelling, model.due),
            )
            assert (job.reason, job.crashes) == (model.reason, model.crashes)
            assert (job.finished_at is not None) == (model.state in FINAL)

    @invariant()
    def every_attempt_is_recorded_once_and_late_results_with_it(self) -> None:
        rows = self.bench.rows("SELECT job_id, lease, late_at IS NOT NULL FROM jobdeck_attempts ORDER BY 1, 2")
        assert rows == sorted(
            (job_id, lease, int(lease in model.late)) for job_id, model in self.jobs.items() for lease in model.ended
        )

    @invariant()
    def the_counters_say_what_counting_says(self) -> None:
        self.bench.check_counters()


@pytest.mark.parametrize("store", STORES)
def test_the_store_does_what_a_plain_model_of_it_does(store: str) -> None:
    machine = type("Machine", (StoreMachine,), {"opens": staticmethod(STORES[store])})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        ),
    )
