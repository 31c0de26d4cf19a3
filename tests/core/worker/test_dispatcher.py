"""The dispatcher alone: jobs passed between threads are neither lost nor duplicated, at any speed."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from random import Random

import pytest
from tests.core.helpers import FakeClock, wait_until

from jobdeck import Job, State
from jobdeck.execution.context import JobContext
from jobdeck.model.attempt_result import Completed, Released
from jobdeck.worker.active_job import ActiveJob
from jobdeck.worker.dispatcher import Dispatcher

Act = Callable[[ActiveJob], None]


def nothing(run: ActiveJob) -> None:
    """Return at once, as the shortest handler does."""


def made(job_id: int, crashes: int = 0) -> Job:
    return Job(
        id=job_id, kind="demo.work", args_json="{}", queue="default", priority=0, state=State.RUNNING, attempt=1,
        max_attempts=3, created_at=0.0, scheduled_at=0.0, lease=job_id, crashes=crashes,
    )  # fmt: skip


class Office:
    """A dispatcher with its threads. A deque of jobs and counters stand in for the store."""

    def __init__(self, jobs: int, act: Act = nothing, *, failures: float = 0.0) -> None:
        self.desk = Dispatcher(time.time)
        self.pending = deque(made(n) for n in range(jobs))
        self.begun = Counter[int]()
        """The number of calls of the handler, by job."""
        self.completed = Counter[int]()
        self.given_back = Counter[int]()
        self.most_claimed = 0
        self.errors: list[BaseException] = []
        self._act = act
        self._failures = failures
        self._random = Random(7)
        self._guard = threading.Lock()
        self.runners: list[threading.Thread] = []
        self._claimer = threading.Thread(target=self._record_errors, args=(self._claim,), daemon=True)

    def start(self, threads: int) -> None:
        self.resize(threads)
        self._claimer.start()

    def resize(self, threads: int) -> None:
        for _ in range(self.desk.resize(threads)):
            runner = threading.Thread(target=self._record_errors, args=(self._run,), daemon=True)
            self.runners.append(runner)
            runner.start()

    def alive(self) -> int:
        return sum(runner.is_alive() for runner in self.runners)

    def stop(self) -> None:
        self.desk.stop()
        for thread in (self._claimer, *self.runners):
            thread.join(timeout=10)
            assert not thread.is_alive()
        assert not self.errors

    def _record_errors(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:
            self.errors.append(error)
            raise

    def _claim(self) -> None:
        while (work := self.desk.next_batch(0.2)) is not None:
            if self._random.random() < self._failures:  # a failed transaction records and claims nothing
                self.desk.requeue_results(work.results)
                continue
            for ending in work.results:
                if isinstance(ending, Released):
                    self.given_back[ending.job.id] += 1
                    self.pending.append(ending.job)
                else:
                    self.completed[ending.job.id] += 1
            taken = [self.pending.popleft() for _ in range(min(work.idle + work.prefetch, len(self.pending)))]
            self.most_claimed = max(self.most_claimed, len(taken))
            self.desk.dispatch([ActiveJob(job, JobContext(job, FakeClock()), float("inf")) for job in taken])

    def _run(self) -> None:
        while (runs := self.desk.get()) is not None:
            for run in runs:
                run.started_at = begun = time.time()
                with self._guard:
                    self.begun[run.job.id] += 1
                self._act(run)
                self.desk.submit_result(run, Completed(run.job, begun, time.time()))


Open = Callable[..., Office]


@pytest.fixture
def office() -> Iterator[Open]:
    opened: list[Office] = []

    def begin(jobs: int, act: Act = nothing, *, threads: int, failures: float = 0.0) -> Office:
        opened.append(Office(jobs, act, failures=failures))
        opened[-1].start(threads)
        return opened[-1]

    yield begin
    for each in opened:
        each.stop()


def pauses(seed: int = 7) -> Act:
    """Return a handler that sometimes pauses, so that threads interleave in every order."""
    random = Random(seed)

    def act(run: ActiveJob) -> None:
        if random.random() < 0.02:
            time.sleep(random.random() * 0.001)

    return act


@pytest.mark.parametrize("failures", [0.0, 0.05])
def test_eight_threads_run_twenty_thousand_jobs_each_exactly_once(office: Open, failures: float) -> None:
    jobs = 20_000
    opened = office(jobs, pauses(), threads=8, failures=failures)
    assert opened.desk.wait_idle(60)
    once = Counter(dict.fromkeys(range(jobs), 1))
    assert opened.completed == once
    # Released jobs had not started.
    assert opened.begun == once
    assert opened.most_claimed > 8, "nothing was prefetched, so this test checks less than it should"
    assert opened.desk.in_flight() == []


def test_resizing_under_load_loses_no_job(office: Open) -> None:
    jobs = 20_000
    opened = office(jobs, pauses(), threads=4)
    random = Random(7)
    sizes = [random.randint(0, 8) for _ in range(200)]
    while not opened.desk.wait_empty(0.0) or opened.pending:
        opened.resize(sizes.pop() if sizes else 3)
        written = opened.completed.total()
        if opened.desk.threads:
            wait_until(lambda written=written: opened.completed.total() > written or not opened.pending)
    once = Counter(dict.fromkeys(range(jobs), 1))
    assert opened.desk.wait_idle(10)
    assert (opened.completed, opened.begun) == (once, once)
    for size in (6, 1, 0, 2):
        opened.resize(size)
        wait_until(lambda size=size: opened.alive() == size, what=f"{size} threads")


def test_draining_releases_all_jobs_that_have_not_started(office: Open) -> None:
    jobs, short = 5_000, 2_000
    gate = threading.Event()

    def act(run: ActiveJob) -> None:
        if run.job.id >= short:
            gate.wait(10)

    opened = office(jobs, act, threads=2)
    wait_until(lambda: opened.begun.total() == short + 2, what="two jobs waiting at the gate")
    opened.desk.drain()
    assert not opened.desk.wait_empty(0.0)
    # Prefetched jobs are released before the gate opens.
    wait_until(lambda: len(opened.desk.in_flight()) == 2)
    gate.set()
    assert opened.desk.wait_empty(10)
    assert opened.begun == opened.completed == Counter(dict.fromkeys(range(short + 2), 1))
    assert sorted(job.id for job in opened.pending) == list(range(short + 2, jobs))
    opened.desk.wake()
    assert opened.desk.wait_empty(0.0)
    assert len(opened.pending) == jobs - short - 2


def test_jobs_prefetched_behind_a_long_one_are_released_soon(office: Open) -> None:
    gate = threading.Event()

    def act(run: ActiveJob) -> None:
        if run.job.id == 2_000:
            gate.wait(10)

    opened = office(2_500, act, threads=1)
    wait_until(lambda: opened.begun[2_000] == 1)
    wait_until(lambda: len(opened.desk.in_flight()) == 1, timeout=5, what="only the long job in flight")
    assert len(opened.pending) == 499
    gate.set()
    assert opened.desk.wait_idle(10)
    assert opened.completed == Counter(dict.fromkeys(range(2_500), 1))


def test_a_claim_that_lost_jobs_to_other_processes_is_made_again_at_once() -> None:
    desk = Dispatcher(time.time)
    desk.resize(1)
    runner = threading.Thread(target=desk.get)
    runner.start()
    wait_until(lambda: desk.next_batch(0.0) is not None and desk._idle == 1)
    desk.dispatch([], contended=True)
    began = time.monotonic()
    turn = desk.next_batch(20.0)
    assert turn is not None
    assert turn.idle == 1
    assert time.monotonic() - began < 10
    desk.stop()
    runner.join(5)


def test_idle_means_that_no_job_runs_and_the_latest_claim_found_none(office: Open) -> None:
    gate = threading.Event()
    opened = office(1, lambda run: gate.wait(10) and None, threads=2)
    wait_until(lambda: opened.begun[0] == 1)
    assert not opened.desk.wait_idle(0.0)
    assert not opened.desk.wait_empty(0.0)
    gate.set()
    assert opened.desk.wait_idle(10)
    assert opened.completed[0] == 1
    opened.pending.append(made(1))
    opened.desk.wake()
    assert opened.desk.wait_idle(10)
    assert opened.completed[1] == 1


def test_clearing_separates_finished_jobs_from_unfinished_ones() -> None:
    desk = Dispatcher(time.time)
    desk.resize(3)
    runs = [ActiveJob(made(n), JobContext(made(n), FakeClock()), float("inf")) for n in range(3)]
    desk.dispatch(runs)
    ended, running, waiting = runs
    assert desk.get() == [ended]
    assert desk.get() == [running]
    desk.submit_result(ended, Completed(ended.job, 1.0, 2.0))
    endings, left = desk.clear()
    assert ([ending.job.id for ending in endings], left) == ([0], [running, waiting])
    # Another worker may run the job by now: its late result is dropped.
    desk.submit_result(running, Completed(running.job, 1.0, 3.0))
    assert desk.clear() == ([], [])


def test_at_most_one_job_with_crashes_is_in_flight() -> None:
    desk, gate = Dispatcher(time.time), threading.Event()

    def work() -> None:
        while (runs := desk.get()) is not None:
            gate.wait(10)
            for run in runs:
                desk.submit_result(run, Completed(run.job, 1.0, 2.0))

    def run_claimer_once(*claimed: ActiveJob) -> tuple[list[int], bool]:
        """Dispatch `claimed`; return the results to record, and whether a job with crashes may be claimed."""
        work = desk.next_batch(10.0)
        assert work is not None
        desk.dispatch(claimed)
        return [ending.job.id for ending in work.results], work.allow_crashed

    runners = [threading.Thread(target=work, daemon=True) for _ in range(desk.resize(2))]
    for runner in runners:
        runner.start()
    assert run_claimer_once(ActiveJob(made(1, crashes=1), JobContext(made(1), FakeClock()), float("inf"))) == ([], True)
    desk.wake()
    assert run_claimer_once() == ([], False)
    gate.set()
    assert run_claimer_once() == ([1], False)  # not before its result is recorded
    assert run_claimer_once() == ([], True)
    desk.stop()
    for runner in runners:
        runner.join(timeout=10)


def test_async_jobs_of_a_replaced_database_release_their_capacity() -> None:
    clock = FakeClock()
    desk = Dispatcher(clock.now)
    desk.set_async_limit(2)
    work = desk.next_batch(0.0)
    assert work is not None
    assert work.async_jobs == 2
    runs = [ActiveJob(job, JobContext(job, clock), lease_deadline=1e9, is_async=True) for job in (made(1), made(2))]
    assert desk.dispatch([], runs) == runs
    assert len(desk.orphan_all(1)) == 2
    work = desk.next_batch(0.0)
    assert work is not None
    assert work.async_jobs == 2
