"""Hypothesis drives a store and a plain model of it side by side: P2, P3, P5, P6, P7, P10 and the counters.

Two workers claim for their threads and ahead of them, finish, stall and come back late; clocks step and jump; jobs have
keys, expire, and wait for one another; people cancel, retry, reprioritize, edit, pause and delete. After every step the store
must say what the model says.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
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
from tests.core.helpers import CLOSES, EVERY_STORE, STORES, Bench, FakeClock, new

from jobdeck import FINAL, QUEUED, IfParentFails, Job, JobdeckError, JobEdit, Reason, State
from jobdeck.store.claim_capacity import ClaimRequest

LEASE = 30.0
KINDS = ("a", "b")
QUEUES = ("x", "y")
WORKERS = st.sampled_from(["w1", "w2"])


@dataclass
class Model:
    """What the model knows of one job."""

    queue: str
    kind: str
    priority: int
    max_attempts: int
    state: State
    due: float
    key: str | None = None
    expires: float | None = None
    policy: IfParentFails = IfParentFails.CANCEL
    parents: set[int] = field(default_factory=set)
    """The parents that it still waits for."""
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
    """Every lease that was ever issued for it."""

    def hear(self, ended: Mapping[int, State | None], now: float) -> bool:
        """Process final or deleted parents; return whether this job is cancelled because of them."""
        heard = self.parents & ended.keys()
        unhappy = {parent for parent in heard if ended[parent] is not State.COMPLETED}
        if self.policy is IfParentFails.RUN:
            unhappy = set()
        if unhappy and (self.policy is IfParentFails.CANCEL or any(ended[parent] is None for parent in unhappy)):
            self.state, self.reason, self.parents = State.CANCELLED, Reason.PARENT, set()
            return True
        self.parents -= heard - unhappy
        if heard and not self.parents:
            self.state = State.SCHEDULED if self.due > now else State.PENDING
            self.due = max(self.due, now)
        return False


class StoreMachine(RuleBasedStateMachine):
    """The rules of the state machine."""

    opens = staticmethod(STORES["sqlite"])
    closes = staticmethod(CLOSES["sqlite"])
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
        self.closes(self.bench.path)
        shutil.rmtree(self.folder)

    def some(self, choice: int) -> int:
        """Return the id of an existing job, or an unused id if no job exists."""
        return sorted(self.jobs)[choice % len(self.jobs)] if self.jobs else 10**6

    # -- enqueue ----------------------------------------------------------------------------------

    @initialize(attempts=st.lists(st.integers(1, 3), min_size=2, max_size=5))
    def begin_with_some_jobs(self, attempts: list[int]) -> None:
        for n, each in enumerate(attempts):
            self.enqueue(KINDS[n % 2], QUEUES[n % 2], n % 2, each)

    @rule(
        kind=st.sampled_from(KINDS),
        queue=st.sampled_from(QUEUES),
        priority=st.integers(-2, 2),
        attempts=st.integers(1, 3),
        delay=st.sampled_from([None, None, 0.0, 5.0, 50.0]),
    )
    def one_more_job(self, kind: str, queue: str, priority: int, attempts: int, delay: float | None) -> None:
        self.enqueue(kind, queue, priority, attempts, delay)

    @rule(expires=st.sampled_from([10.0, 60.0]), delay=st.sampled_from([None, 5.0]))
    def one_that_expires(self, expires: float, delay: float | None) -> None:
        self.enqueue(KINDS[0], QUEUES[0], 1, 2, delay, expires=expires)

    @rule(key=st.sampled_from(["k", "l"]))
    def one_with_a_key(self, key: str) -> None:
        holders = [job_id for job_id, model in self.jobs.items() if model.key == key and model.state not in FINAL]
        if holders:
            (job,) = self.bench.enqueue(new(unique_key=key))
            assert [job.id] == holders
        else:
            self.enqueue(KINDS[1], QUEUES[1], 0, 2, key=key)

    @rule(
        choices=st.lists(st.integers(0, 50), min_size=1, max_size=3),
        policy=st.sampled_from(IfParentFails),
        delay=st.sampled_from([None, None, 50.0]),
        expires=st.sampled_from([None, None, 100.0]),
    )
    def one_after_others(self, choices: list[int], policy: IfParentFails, delay: float | None, expires: float | None) -> None:
        if self.jobs:
            after = tuple({self.some(choice) for choice in choices})
            self.enqueue(KINDS[0], QUEUES[1], 0, 1, delay, after=after, policy=policy, expires=expires)

    def enqueue(
        self,
        kind: str,
        queue: str,
        priority: int,
        attempts: int,
        delay: float | None = None,
        *,
        key: str | None = None,
        expires: float | None = None,
        after: tuple[int, ...] = (),
        policy: IfParentFails = IfParentFails.CANCEL,
    ) -> None:
        now = self.clock.now()
        due = None if delay is None else now + delay
        expires_at = None if expires is None else now + expires
        options = {"unique_key": key, "expires_at": expires_at, "after": after, "if_parent_fails": policy}
        (job,) = self.bench.enqueue(new(kind, queue, priority, max_attempts=attempts, scheduled_at=due, **options))
        assert job.id not in self.jobs
        state = State.SCHEDULED if delay else State.PENDING
        model = Model(queue, kind, priority, attempts, state, now if due is None else due, key, expires_at, policy)
        model.parents = {parent for parent in after if self.jobs[parent].state is not State.COMPLETED}
        if model.parents:
            model.state = State.WAITING
            model.hear({parent: self.jobs[parent].state for parent in after if self.jobs[parent].state in FINAL}, now)
        self.jobs[job.id] = model
        assert job == self.bench.get(job)

    def settle(self, ended: Mapping[int, State | None]) -> None:
        """Resolve the children and their descendants."""
        while ended:
            now = self.clock.now()
            ended = {job_id: State.CANCELLED for job_id, model in self.jobs.items() if model.hear(ended, now)}

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
        assert self.store.transitions.stage() == len(due)
        for model in due:
            model.state = State.PENDING

    @rule()
    def expire(self) -> None:
        gone = {
            job_id: model
            for job_id, model in self.jobs.items()
            if model.state in QUEUED and model.expires is not None and model.expires <= self.clock.now()
        }
        assert self.store.transitions.expire() == len(gone)
        for model in gone.values():
            model.state, model.reason, model.parents = State.FAILED, Reason.EXPIRED, set()
        self.settle(dict.fromkeys(gone, State.FAILED))

    # -- workers ----------------------------------------------------------------------------------

    @precondition(lambda self: any(model.state is State.PENDING for model in self.jobs.values()))
    @rule(
        target=claimed,
        worker=WORKERS,
        kinds=st.sampled_from([KINDS, KINDS, KINDS[:1]]),
        idle=st.sampled_from([1, 1, 2, 3]),
        ahead=st.sampled_from([0, 0, 1, 4]),
        suspects=st.booleans(),
    )
    def claim(self, worker: str, kinds: tuple[str, ...], idle: int, ahead: int, suspects: bool) -> MultipleResults[Job]:
        expected = self.claimable(kinds, idle, ahead, suspects)
        got = self.store.claimer.claim(
            ClaimRequest(worker, idle, kinds=kinds, queues=(), lease=LEASE, ahead=ahead, suspects=suspects)
        )
        assert [job.id for job in got] == expected  # P10, and P7: nothing else is pending
        for job in got:
            model = self.jobs[job.id]
            assert job.lease is not None
            assert job.lease not in model.leases  # P2: fresh
            model.leases.add(job.lease)
            model.state, model.lease, model.lease_until = State.RUNNING, job.lease, self.clock.monotonic() + LEASE
            model.attempt += 1
            model.starts += 1
            assert model.attempt <= model.max_attempts  # P5
        return multiple(*got)

    def claimable(self, kinds: tuple[str, ...], idle: int, ahead: int, suspects: bool) -> list[int]:
        """Return the ids that a claim must get, in order."""
        now = self.clock.now()
        ready = [
            (-model.priority, job_id)
            for job_id, model in self.jobs.items()
            if model.state is State.PENDING and model.kind in kinds and model.queue not in self.paused
            and (model.expires is None or model.expires > now)
        ]  # fmt: skip
        chosen: list[int] = []
        for place, (_, job_id) in enumerate(sorted(ready)):
            model = self.jobs[job_id]
            # No prefetch of jobs that a crash could cost dearly, nor of jobs after them.
            if len(chosen) >= idle and (
                place >= idle + ahead or model.crashes or model.attempt + 1 >= model.max_attempts
            ):  # fmt: skip
                break
            if model.crashes and not suspects:
                continue
            suspects = suspects and not model.crashes
            chosen.append(job_id)
        return chosen

    def holds(self, job: Job) -> Model | None:
        model = self.jobs.get(job.id)
        return model if model and model.state is State.RUNNING and model.lease == job.lease else None

    def end(self, job: Job, lost: list[int], undone: State, *, back: bool = False, due: float | None = None) -> None:
        """Check the effect of a result: complete for the holder of the lease, none for others (P3)."""
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
        if model.state in FINAL:
            self.settle({job.id: model.state})

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
        """Lose a claim: no worker will report on it again."""

    @rule(job=claimed)
    def heartbeat(self, job: Job) -> None:
        assert job.lease is not None
        renewal = self.store.transitions.heartbeat([(job.id, job.lease)], LEASE)
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
        assert sorted(self.store.transitions.rescue()) == sorted(ended)
        for model in ended.values():
            assert model.lease is not None
            model.ended.add(model.lease)
            spent = model.attempt >= model.max_attempts
            model.state = State.CANCELLED if model.cancelling else State.FAILED if spent else State.PENDING
            model.lease, model.cancelling = None, False
            model.reason = Reason.CRASHED if model.state is State.FAILED else None
            model.crashes += 1
        self.settle({job_id: model.state for job_id, model in ended.items() if model.state in FINAL})

    @precondition(lambda self: any(model.state is State.RUNNING for model in self.jobs.values()))
    @rule()
    def all_workers_crash(self) -> None:
        self.clock.advance(LEASE + 1)
        self.rescue()

    # -- operations -------------------------------------------------------------------------------

    @rule(choice=st.integers(0, 50))
    def cancel(self, choice: int) -> None:
        job_id = self.some(choice)
        done = self.store.jobs.cancel([job_id]).done
        model = self.jobs.get(job_id)
        allowed = model is not None and model.state not in FINAL
        assert done == ((job_id,) if allowed else ())
        if model and allowed:
            if model.state is State.RUNNING:
                model.cancelling = True
            else:
                model.state, model.parents = State.CANCELLED, set()
                self.settle({job_id: State.CANCELLED})

    @rule(choice=st.integers(0, 50))
    def retry(self, choice: int) -> None:
        job_id = self.some(choice)
        done: tuple[int, ...] = ()
        with suppress(JobdeckError):
            done = self.store.jobs.retry([job_id]).done
        model = self.jobs.get(job_id)
        allowed = model is not None and model.state not in (State.PENDING, State.RUNNING, State.WAITING)
        if model and model.key is not None and model.state in FINAL:
            allowed = not any(each.key == model.key and each.state not in FINAL for each in self.jobs.values())
        assert done == ((job_id,) if allowed else ())
        if model and allowed:
            model.state, model.due = State.PENDING, self.clock.now()
            model.max_attempts = max(model.max_attempts, model.attempt + 1)
            model.reason = None
            if model.expires is not None and model.expires <= self.clock.now():
                model.expires = None

    @rule(choice=st.integers(0, 50), priority=st.integers(-2, 2))
    def reprioritize(self, choice: int, priority: int) -> None:
        job_id = self.some(choice)
        done = self.store.jobs.reprioritize([job_id], priority).done
        model = self.jobs.get(job_id)
        allowed = model is not None and model.state in QUEUED
        assert done == ((job_id,) if allowed else ())
        if model and allowed:
            model.priority = priority

    @rule(
        choice=st.integers(0, 50),
        queue=st.sampled_from(QUEUES),
        attempts=st.integers(1, 3),
        delay=st.sampled_from([-5.0, 50.0]),
    )
    def edit(self, choice: int, queue: str, attempts: int, delay: float) -> None:
        job_id, now = self.some(choice), self.clock.now()
        change = JobEdit(queue=queue, max_attempts=attempts, scheduled_at=now + delay)
        done = self.store.jobs.edit(job_id, change).done
        model = self.jobs.get(job_id)
        allowed = model is not None and model.state in QUEUED and attempts > model.attempt
        if model and model.expires is not None and model.expires <= now + delay:
            allowed = False
        assert done == ((job_id,) if allowed else ())
        if model and allowed:
            model.queue, model.max_attempts, model.due = queue, attempts, now + delay
            if model.state in (State.PENDING, State.SCHEDULED):
                model.state = State.SCHEDULED if delay > 0 else State.PENDING

    @rule(choice=st.integers(0, 50))
    def delete(self, choice: int) -> None:
        job_id = self.some(choice)
        done = self.store.jobs.delete([job_id]).done
        model = self.jobs.get(job_id)
        allowed = model is not None and model.state is not State.RUNNING
        assert done == ((job_id,) if allowed else ())
        if allowed:
            del self.jobs[job_id]
            self.settle({job_id: None})

    @rule(queue=st.sampled_from(QUEUES))
    def pause_or_resume(self, queue: str) -> None:
        if queue in self.paused:
            assert self.store.queues.resume(queue)
        else:
            assert self.store.queues.pause(queue)
        self.paused ^= {queue}

    @rule()
    def pause_or_resume_all(self) -> None:
        known = {info.name for info in self.store.queries.queues()}
        assert set(self.store.queues.pause_all()) == known - self.paused
        if known - self.paused:
            self.paused |= known
        else:
            assert set(self.store.queues.resume_all()) == self.paused
            self.paused = set()

    # -- after every step -------------------------------------------------------------------------

    @invariant()
    def every_job_is_what_the_model_says(self) -> None:
        found = {job.id: job for job in self.store.reader.get_many(list(self.jobs))}
        assert found.keys() == self.jobs.keys()
        for job_id, model in self.jobs.items():
            job = found[job_id]
            told = (job.state, job.priority, job.attempt, job.max_attempts, job.lease, job.cancelling, job.scheduled_at)
            assert told == (
                *(model.state, model.priority, model.attempt, model.max_attempts),
                *(model.lease, model.cancelling, model.due),
            )
            assert (job.reason, job.crashes, job.expires_at) == (model.reason, model.crashes, model.expires)
            assert (job.finished_at is not None) == (model.state in FINAL)

    @invariant()
    def every_attempt_is_recorded_once_and_late_results_with_it(self) -> None:
        rows = self.bench.rows("SELECT job_id, lease, late_at IS NOT NULL FROM jobdeck_attempts ORDER BY 1, 2")
        assert rows == sorted(
            (job_id, lease, int(lease in model.late)) for job_id, model in self.jobs.items() for lease in model.ended
        )

    @invariant()
    def every_wait_is_of_a_waiting_job_for_one_that_has_not_completed(self) -> None:
        rows = self.bench.rows("SELECT child, parent FROM jobdeck_waits ORDER BY 1, 2")
        assert rows == sorted((job_id, parent) for job_id, model in self.jobs.items() for parent in model.parents)
        waiting = {job_id for job_id, model in self.jobs.items() if model.state is State.WAITING}
        assert {child for child, _ in rows} == waiting

    @invariant()
    def the_counters_say_what_counting_says(self) -> None:
        self.bench.check_counters()


def check(store: str, examples: int, *, derandomize: bool) -> None:
    machine = type("Machine", (StoreMachine,), {"opens": staticmethod(STORES[store]), "closes": staticmethod(CLOSES[store])})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=derandomize,
            database=None,
        ),
    )


@pytest.mark.timeout(600)  # a server needs time for some ten thousand statements
@pytest.mark.parametrize("store", EVERY_STORE)
def test_the_store_behaves_like_its_model(store: str) -> None:
    check(store, 75, derandomize=True)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("store", EVERY_STORE)
def test_the_store_behaves_like_its_model_in_a_thousand_new_examples(store: str) -> None:
    check(store, 1000, derandomize=False)
