"""Pass claimed jobs and results between the threads of a worker. Nothing here touches the store.

The path of a claimed job: the claimer dispatches it (`dispatch`), a runner gets it (`get`) and submits its
result (`submit_result`), and the claimer collects the results (`next_batch`), records them, and confirms this with its next
`dispatch`.
Until then the job is *in flight*.

Under load, runners and claimer exchange jobs through two deques with atomic ends and take no lock; the lock serves
waiting threads and rare operations. A wake-up of the claimer is never lost: a runner appends its result before it checks
whether the claimer sleeps, and the claimer announces that it sleeps before it checks for results.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ..clock import time
from ..model.attempt_result import AttemptResult
from .active_job import ActiveJob, ClaimTurn
from .async_capacity import AsyncCapacity
from .prefetch import Prefetch

LINGER = 0.005
"""Seconds that a result waits for others to share its commit, while more jobs are ready to run."""
STALE = 0.25
"""Seconds after which prefetched jobs that have not started are released for other workers."""


class Dispatcher:
    """Tracks the jobs in flight and the threads of one worker."""

    def __init__(self, now: Callable[[], float], *, pumped: bool = False) -> None:
        """Create the dispatcher.

        Args:
            now: the wall clock.
            pumped: whether a single thread gets all jobs and feeds them to child processes, instead of one runner per job.
        """
        self._now = now
        self._feeds_processes = pumped
        self._lock = threading.Lock()
        self._claimer = threading.Condition(self._lock)
        self._runner = threading.Condition(self._lock)
        self._changed = threading.Condition(self._lock)
        self._inbox: deque[ActiveJob] = deque()
        self._outbox: deque[AttemptResult] = deque()
        # Runners read these without the lock; changes require it.
        self._sleeping = False  # the claimer sleeps
        self._check_exit = False  # a runner must take the lock before it gets another job
        self._interrupted = False  # the process feeder must return and recompute its capacity
        # The lock guards everything below.
        self._in_flight: dict[int, ActiveJob] = {}
        self._orphaned: set[ActiveJob] = set()
        self._recording: list[AttemptResult] = []
        self._claiming = 0  # jobs requested by the claim in progress
        self._prefetching = 0  # of those, the prefetched ones
        self._limit = 0
        self._stuck = 0
        self._runners = 0
        self._idle = 0
        self._crashed_in_flight = 0
        self._slots = AsyncCapacity()
        self._prefetch = Prefetch()
        self._dispatched_at = 0.0
        self._claim_hint = True  # jobs may be ready to claim
        self._notified = False  # a notification arrived: a job may have been cancelled
        self._draining = False
        self._claimer_seen_at = time.monotonic()
        self._claimer_busy = False  # the claimer calls the store; otherwise it waits here
        self._claimer_number = 0  # the number of claimers that were replaced
        self.stopped = threading.Event()
        self.generation = 0
        """The generation of the database that the jobs in flight belong to; see `Store.generation`."""

    # -- any thread -------------------------------------------------------------------------------

    @property
    def threads(self) -> int:
        """Return the maximum number of jobs that run at once."""
        return self._limit

    @property
    def stuck(self) -> int:
        """Return the number of threads whose code ignored a stop request; each has a replacement."""
        return self._stuck

    @property
    def async_limit(self) -> int:
        """Return the maximum number of async jobs that run at once, in addition to the threads."""
        return self._slots.limit

    @property
    def draining(self) -> bool:
        """Report whether claiming has stopped."""
        return self._draining

    def in_flight(self) -> list[ActiveJob]:
        """Return the jobs in flight."""
        with self._lock:
            return list(self._in_flight.values())

    def orphaned(self) -> list[ActiveJob]:
        """Return the jobs of a deleted or replaced database whose code still runs."""
        with self._lock:
            return list(self._orphaned)

    def is_in_flight(self, run: ActiveJob) -> bool:
        """Report whether this job is still in flight: neither recorded nor abandoned."""
        return self._in_flight.get(run.job.id) is run

    def find_finished(self, results: Iterable[AttemptResult]) -> list[ActiveJob]:
        """Return the jobs of these results that are in flight."""
        find = self._in_flight.get
        return [run for result in results if (run := find(result.job.id)) is not None]

    def find(self, job_id: int) -> ActiveJob | None:
        """Return the job with this id if it is in flight."""
        return self._in_flight.get(job_id)

    def wake(self) -> None:
        """Wake the claimer: jobs may be ready to claim, or a job may have been cancelled."""
        with self._lock:
            self._claim_hint = self._notified = self._slots.claim_hint = True
            self._wake_claimer()

    def consume_notification(self) -> bool:
        """Report whether a notification arrived since the last call."""
        with self._lock:
            heard, self._notified = self._notified, False
            return heard

    def wait_idle(self, timeout: float | None) -> bool:
        """Wait until no job is in flight and the latest claim found none."""
        return self._wait(
            lambda: not (self._in_flight or self._claiming or self._claim_hint or self._outbox or self._slots.busy), timeout
        )

    def wait_empty(self, timeout: float) -> bool:
        """Wait until no job is in flight or being claimed, and no code runs."""
        return self._wait(lambda: not (self._in_flight or self._claiming or self._slots.is_claiming or self._orphaned), timeout)

    def _wait(self, predicate: Callable[[], bool], timeout: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(predicate, timeout)

    def resize(self, threads: int) -> int:
        """Run up to `threads` jobs at once; return the number of runners that the caller must start."""
        with self._lock:
            self._limit = max(0, threads)
            return self._adjust_runners()

    def set_async_limit(self, most: int) -> None:
        """Run up to `most` async jobs at once, in addition to the threads."""
        with self._lock:
            self._slots.limit, self._slots.claim_hint = most, True
            self._wake_claimer()

    def replace_stuck(self, stuck: int) -> int:
        """Set the number of threads lost to code that ignores stop requests; return the number of runners to start."""
        with self._lock:
            self._stuck = stuck
            return self._adjust_runners()

    def unaccounted(self, held: set[ActiveJob]) -> set[ActiveJob]:
        """Return the jobs for threads that wait for none, run on none (`held`) and have no result: a thread lost them."""
        with self._lock:
            elsewhere = {each.job.id for each in (*held, *self._inbox)}
            elsewhere.update(each.job.id for each in (*self._outbox, *self._recording))
            return {run for run in self._in_flight.values() if run.job.id not in elsewhere and not run.is_async}

    def on_runner_died(self) -> int:
        """Note the death of a runner; return the number of runners to start."""
        with self._lock:
            self._runners -= 1
            return self._adjust_runners()

    def interrupt_get(self) -> None:
        """Make a waiting `get` return an empty list, so that the process feeder recomputes its capacity."""
        with self._lock:
            self._interrupted = True
            self._runner.notify_all()

    def _adjust_runners(self) -> int:
        if self._feeds_processes:  # the threads belong to the child processes
            self._runners = self._limit + self._stuck
            return 0
        missing = 0 if self.stopped.is_set() else max(0, self._limit + self._stuck - self._runners)
        self._runners += missing
        self._check_exit = self._runners > self._limit + self._stuck
        self._runner.notify_all()
        return missing

    def drain(self) -> None:
        """Stop claiming, and release the jobs that no runner has started."""
        with self._lock:
            self._draining = True
            self._release_inbox()
            self._wake_claimer()

    def stop(self) -> None:
        """Stop every thread as soon as it has finished its job."""
        with self._lock:
            self._check_exit = True
            self.stopped.set()
            self._wake_claimer()
            self._runner.notify_all()

    def clear(self) -> tuple[list[AttemptResult], list[ActiveJob]]:
        """Abandon every job in flight; return the unrecorded results, and the jobs whose code has not finished.

        Results that the claimer is recording at this moment remain its own.
        """
        with self._lock:
            results = _pop(self._outbox)
            for result in (*results, *self._recording):
                self._in_flight.pop(result.job.id, None)
            unfinished = list(self._in_flight.values())
            self._in_flight.clear()  # from now on, results of runners are dropped
            self._inbox.clear()
            return results, unfinished

    # -- runners ------------------------------------------------------------------------------------

    def submit_results(self, ended: Sequence[tuple[ActiveJob, AttemptResult]]) -> None:
        """Submit the results of finished jobs."""
        for run, result in ended:
            self.submit_result(run, result)

    def submit_result(self, run: ActiveJob, result: AttemptResult) -> None:
        """Submit the result of a finished job."""
        if self._in_flight.get(run.job.id) is run:  # otherwise it was abandoned in a shutdown
            self._outbox.append(result)
            if self._sleeping and len(self._inbox) <= self._prefetch.refill_at:
                with self._lock:
                    self._wake_claimer()
        elif run in self._orphaned:
            with self._lock:
                self._orphaned.discard(run)
                self._changed.notify_all()

    def has_result(self, run: ActiveJob) -> bool:
        """Report whether the job has a result, or needs none any more."""
        with self._lock:
            unrecorded = (*self._outbox, *self._recording)
            return not (self.is_in_flight(run) or run in self._orphaned) or any(each.job is run.job for each in unrecorded)

    def get(self, most: int = 1) -> list[ActiveJob] | None:
        """Wait for up to `most` jobs to run. Return an empty list after `interrupt_get`, and `None` if the thread must exit."""
        if self._check_exit:
            return self._wait_for_run(most)
        if most > 1:
            return _pop(self._inbox, most) or self._wait_for_run(most)
        try:  # the way of each job under load, so without a call
            return [self._inbox.popleft()]
        except IndexError:
            return self._wait_for_run(1)

    def _wait_for_run(self, most: int) -> list[ActiveJob] | None:
        with self._lock:
            self._idle += most
            self._wake_claimer()
            try:
                while True:
                    # A runner must not exit while a job is being claimed for it.
                    surplus = self._runners > self._limit + self._stuck and self._idle > self._claiming - self._prefetching
                    if self.stopped.is_set() or (surplus and not self._inbox):
                        self._runners -= 1
                        self._check_exit = self.stopped.is_set() or self._runners > self._limit + self._stuck
                        return None
                    if runs := _pop(self._inbox, most):
                        return runs
                    if self._interrupted:
                        self._interrupted = False
                        return []
                    self._runner.wait()
            finally:
                self._idle -= most

    # -- the claimer ------------------------------------------------------------------------------

    def next_batch(self, poll_after: float, claimer: int = 0) -> ClaimTurn | None:
        """Wait for results to record or capacity to fill, and return the next batch; `None` if this claimer must exit.

        After `poll_after` seconds without a notification, poll the store.
        """
        with self._lock:
            self._claimer_busy = False
            until = time.monotonic() + poll_after
            while claimer == self._claimer_number and not self._ready():
                self._sleeping = True
                # A runner may have appended a result just before we announced that we sleep.
                if self._ready():
                    break
                now = self._claimer_seen_at = time.monotonic()
                if self._inbox or self._outbox:
                    self._claimer.wait(LINGER)
                    if self._inbox and time.monotonic() > self._dispatched_at + STALE:
                        self._release_inbox(keep=self._idle)
                        self._prefetch.reset()
                    elif self._outbox:
                        break
                elif now >= until or not self._claimer.wait(until - now):
                    self._claim_hint = self._slots.claim_hint = True
                    until = time.monotonic() + poll_after
            if claimer != self._claimer_number:
                return None
            self._sleeping = False
            self._claimer_seen_at, self._claimer_busy = time.monotonic(), True
            self._recording = _pop(self._outbox)
            if self._orphaned:
                self._recording = self._drop_orphaned(self._recording)
            if self.stopped.is_set() and not self._recording:
                return None
            self._prefetch.observe(self._recording)
            return self._make_turn(self._slots.reserve() if self._claims_allowed else 0)

    def extend_batch(self, turn: ClaimTurn) -> ClaimTurn:
        """Return the batch as it would be now, after a wait for the database: with more results, for more idle threads.

        The list of results stays the same object.
        """
        with self._lock:
            late = _pop(self._outbox)
            if self._orphaned:
                late = self._drop_orphaned(late)
            self._prefetch.observe(late)
            self._recording += late
            self._claim_hint = self._claim_hint or self._claiming > 0
            return self._make_turn(turn.async_jobs)

    def _make_turn(self, tasks: int) -> ClaimTurn:
        """Return the results to record, and the number of jobs to claim beside `tasks` async ones."""
        idle = self._idle_capacity()
        # A finished job may have freed capacity under a limit, so claim after results as well.
        claim = self._claim_hint or (bool(self._recording) and idle > 0)
        ahead = self._prefetch_capacity(idle) if claim and len(self._inbox) <= self._prefetch.refill_at else 0
        self._claiming, self._prefetching = (idle + ahead, ahead) if claim else (0, 0)
        if self._claiming:
            self._claim_hint = False  # a notification from now on is about new jobs
        return ClaimTurn(
            self._recording, self._claiming - self._prefetching, self._prefetching, not self._crashed_in_flight, tasks
        )

    def _ready(self) -> bool:
        if self.stopped.is_set():
            return True
        # Record results together, unless a thread waits for the next job.
        if self._outbox and (not self._inbox or len(self._outbox) >= self._prefetch.flush_at):
            return True
        if self._claims_allowed and self._slots.should_claim:
            return True
        return self._claim_hint and (
            self._idle_capacity() > 0 or (len(self._inbox) <= self._prefetch.refill_at and self._prefetch_capacity(0) > 0)
        )

    @property
    def _claims_allowed(self) -> bool:
        return not (self._draining or self.stopped.is_set())

    def _idle_capacity(self) -> int:
        if not (self._claims_allowed and self._limit):
            return 0
        surplus = max(0, self._runners - self._limit - self._stuck)
        return max(0, self._idle - surplus - len(self._inbox))

    def _prefetch_capacity(self, idle: int) -> int:
        if not (self._claims_allowed and self._limit):
            return 0
        return max(0, self._prefetch.ahead - max(0, len(self._inbox) + idle - self._idle))

    def replace_claimer(self) -> int:
        """Take over the unrecorded results of a claimer that died or does not come round; return the next one's number."""
        with self._lock:
            self._claimer_number += 1
            self._outbox.extendleft(reversed(self._recording))
            self._recording = []
            self._claimer_seen_at, self._claimer_busy, self._claim_hint = time.monotonic(), False, True
            self._slots.cancel_reservation()
            self._finish_claim()
            self._wake_claimer()
            return self._claimer_number

    def claimer_seen(self) -> float:
        """Return when the claimer last came round, on the monotonic clock."""
        return self._claimer_seen_at

    def claimer_busy_for(self) -> float:
        """Return the seconds that the claimer's current call to the store has taken; 0 if it waits for work."""
        return time.monotonic() - self._claimer_seen_at if self._claimer_busy else 0.0

    def record_lock_wait(self, seconds: float) -> None:
        """Record the seconds that the claimer waited for the transactions of other processes."""
        with self._lock:
            self._prefetch.on_lock_wait(seconds)

    def dispatch(
        self, runs: Sequence[ActiveJob], tasks: Sequence[ActiveJob] = (), claimer: int = 0, *, contended: bool = False
    ) -> Sequence[ActiveJob] | None:
        """Dispatch newly claimed jobs, after the last batch was recorded; return the async jobs that the caller must start.

        If the claimer was replaced meanwhile, do nothing and return `None`: the caller must release the jobs.

        Args:
            runs: the jobs for the threads.
            tasks: the async jobs.
            claimer: the number of the claimer that calls.
            contended: whether more jobs may be ready than were claimed; see `Claimed`.
        """
        with self._lock:
            if claimer != self._claimer_number:
                return None
            self._remove(self._recording)
            self._recording = []
            for run in (*runs, *tasks):
                self._in_flight[run.job.id] = run
                self._crashed_in_flight += run.job.crashes > 0
            self._slots.confirm(len(tasks))
            if self._draining:
                self._release((*runs, *tasks))
                tasks = ()
            elif runs:
                self._inbox.extend(runs)
                self._runner.notify(len(runs))
            if self._claiming:
                # More may be ready. Perhaps no prefetch was allowed, so claim once more for the idle threads alone.
                full = contended or len(runs) >= self._claiming
                self._claim_hint = self._claim_hint or full or self._prefetching > 0
                self._prefetch.on_claim(full=full, threads=self._limit)
            if runs:
                self._dispatched_at = time.monotonic()
            self._finish_claim()
            return tasks

    def requeue_results(self, results: Sequence[AttemptResult], claimer: int = 0) -> None:
        """Requeue those results of the last batch that could not be recorded yet. The other jobs are no longer in flight."""
        with self._lock:
            if claimer != self._claimer_number:
                return  # the next claimer has taken them over
            kept = {result.job.id for result in results}
            self._remove([ending for ending in self._recording if ending.job.id not in kept])
            self._outbox.extendleft(reversed(results))
            self._recording = []
            self._claim_hint = True
            self._slots.cancel_reservation()
            self._finish_claim()

    def orphan_all(self, file: int) -> list[ActiveJob]:
        """Orphan every job in flight, because the database was replaced and holds none of them. Running code continues.

        Args:
            file: the generation of the database that subsequently dispatched jobs belong to.

        Returns:
            The jobs whose code still runs; their results are dropped.
        """
        with self._lock:
            finished = {result.job.id for result in (*_pop(self._outbox), *self._recording)}
            finished |= {run.job.id for run in _pop(self._inbox)}
            running = [run for run in self._in_flight.values() if run.job.id not in finished]
            self._orphaned.update(running)
            for run in self._in_flight.values():
                if run.is_async:
                    self._slots.release()
            self._slots.cancel_reservation()
            self._in_flight.clear()
            self._recording = []
            self._crashed_in_flight = 0
            self._claim_hint = True
            self.generation = file
            self._finish_claim()
            return running

    def _drop_orphaned(self, results: list[AttemptResult]) -> list[AttemptResult]:
        """Drop the results that runners submitted just as their jobs were orphaned."""
        orphans = {id(run.job): run for run in self._orphaned}
        late = {id(ending.job) for ending in results} & orphans.keys()
        self._orphaned.difference_update(orphans[each] for each in late)
        return [result for result in results if id(result.job) not in late]

    def _remove(self, results: Iterable[AttemptResult]) -> None:
        for result in results:
            run = self._in_flight.pop(result.job.id, None)
            if run is not None and run.is_async:
                self._slots.release()
            if result.job.crashes:
                self._crashed_in_flight -= 1
                self._claim_hint = True  # the next job with crashes may be claimed

    def _finish_claim(self) -> None:
        self._claiming = self._prefetching = 0
        if self._runners > self._limit + self._stuck:
            self._runner.notify_all()  # runners that stayed for a job being claimed
        self._changed.notify_all()

    def _wake_claimer(self) -> None:
        self._sleeping = False
        self._claimer.notify()

    def _release_inbox(self, keep: int = 0) -> None:
        unstarted = _pop(self._inbox)
        self._inbox.extend(unstarted[:keep])
        self._release(unstarted[keep:])

    def _release(self, runs: Iterable[ActiveJob]) -> None:
        now = self._now()
        self._outbox.extend(run.as_release(now) for run in runs)


T = TypeVar("T")


def _pop(box: deque[T], most: int = 1 << 30) -> list[T]:
    """Remove and return up to `most` items from the left; other threads may use the deque concurrently."""
    items: list[T] = []
    try:
        while len(items) < most:
            items.append(box.popleft())
    except IndexError:
        pass  # the deque is empty
    return items
