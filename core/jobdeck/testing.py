"""Helpers for the tests of programs that use jobdeck: run jobs in the thread of the test, freeze the clock, play a worker.

Example:
    >>> clock = FrozenClock()
    >>> with Queue("test.db", clock=clock) as queue:
    ...     queue.enqueue(send_receipt, {"order_id": 12, "to": "ann@example.org"}, delay=3600)
    ...     drain(queue)  # nothing is due yet
    ...     drain(queue, until=clock.now() + 3600)
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from random import Random
from typing import Any

from .clock import Clock, SystemClock
from .execution.context import JobContext, capture_logs
from .execution.executor import execute
from .execution.log_buffer import MAX_LOG_BYTES, join_pieces
from .execution.shell import add_shell
from .json_functions import json
from .kinds.definition import Handler, default_name
from .kinds.registry import REGISTRY, Entry, Registry
from .model.attempt_result import AttemptResult, Cancelled, Completed, Failed, Released, Snoozed
from .model.errors import InvalidOption, LeaseLost, UnknownKind
from .model.jobs import Job, Outcome, Reason
from .model.kind_names import SHELL
from .model.record_class import record
from .model.states import State
from .queue import Queue
from .settings import Settings
from .store.base import Store
from .store.claim_capacity import ClaimRequest

NOON = 1_750_000_000.0
"""The default start of a frozen clock: 2025-06-15 15:06:40 UTC."""
MAX_RUNS = 10_000
"""The maximum number of runs in one `drain`; more are taken for jobs that enqueue each other forever."""


class FrozenClock:
    """A clock that advances only when asked to. Pass it to `Queue(clock=…)`."""

    def __init__(self, now: float = NOON) -> None:
        """Start at `now`, in seconds since 1970-01-01 UTC."""
        self._now = now
        self._monotonic = 1000.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the wall-clock time."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds since a fictitious boot; leases and timeouts use it."""
        return self._monotonic

    def boot(self) -> str:
        """Return a constant."""
        return "frozen"

    def advance(self, seconds: float) -> None:
        """Advance the time.

        Raises:
            ValueError: the seconds are negative; use `jump` to set the wall clock back.
        """
        if not seconds >= 0:
            raise ValueError(f"cannot advance by {seconds!r} seconds; use jump() to set the wall clock back")
        with self._lock:
            self._now += seconds
            self._monotonic += seconds

    def advance_to(self, moment: float) -> None:
        """Advance the time until the wall clock is exactly `moment`; do nothing if it is already later."""
        with self._lock:
            self._monotonic += max(0.0, moment - self._now)
            self._now = max(self._now, moment)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back. Leases and timeouts are not affected."""
        with self._lock:
            self._now += seconds


@record(kw_only=True)
class InlineResult:
    """The result of a job that was run inline."""

    outcome: Outcome
    result: Any = None
    """The return value of the handler, as the queue would store it: written as JSON and parsed again."""
    error: BaseException | None = None
    """The exception that the handler raised."""
    retry_in: float | None = None
    """Seconds until the job would run again after a failure or a snooze; `None` means never."""
    reason: Reason | None = None
    """Why the job would have failed finally."""
    progress: float | None = None
    """The last progress that the handler reported."""
    progress_message: str | None = None
    """The message of that report."""
    log: tuple[tuple[str, str], ...] = ()
    """Level and text of each log entry."""


def run_inline(
    handler: Handler | str,
    args: Mapping[str, Any] | None = None,
    /,
    *,
    job_id: int = 1,
    attempt: int = 1,
    max_attempts: int | None = None,
    timeout: float | None = None,
    registry: Registry | None = None,
    clock: Clock | None = None,
    random: Random | None = None,
    raise_errors: bool = True,
) -> InlineResult:
    """Run one job in this thread, without a queue: validate its arguments, provide `context()`, and capture its log.

    Args:
        handler: a function, registered or not, or the name of a kind.
        args: its arguments by name; they are converted to JSON and back, as in a queue.
        job_id: the value of `context().job_id`.
        attempt: the number of the attempt.
        max_attempts: the maximum number of attempts; that of the kind, or 5, if `None`.
        timeout: the timeout in seconds; that of the kind if `None`.
        registry: the registry with the kind; the default registry of `@job` if `None`.
        clock: the source of the time; the clock of the machine if `None`.
        random: the source of the jitter in `retry_in`.
        raise_errors: raise the handler's exception, unless it is `Snooze`, `Stopped` or `Interrupted`.

    Raises:
        UnknownKind: the kind is not registered.
        InvalidArguments: an argument does not match the signature of the handler.
    """
    known = REGISTRY if registry is None else registry
    entry = _find_entry(handler, known)
    time = clock or SystemClock()
    settings = Settings()
    now = time.now()
    allowed = max_attempts or entry.max_attempts or settings.max_attempts
    job = Job(
        id=job_id,
        kind=entry.kind,
        args_json=entry.check(args or {}, settings.max_args_bytes),
        queue=entry.queue,
        priority=entry.priority,
        state=State.RUNNING,
        attempt=attempt,
        max_attempts=max(attempt, allowed),
        created_at=now,
        scheduled_at=now,
        started_at=now,
        worker="inline",
        timeout=timeout or entry.timeout or settings.timeout or None,
    )
    result, context, error = _run(job, Registry([entry]), time, random or Random())
    if error is not None and raise_errors and isinstance(result, Failed):
        raise error
    return _to_record(result, context, error)


def drain(queue: Queue, *, until: float | None = None, limit: int | None = None, raise_errors: bool = True) -> list[Job]:
    """Run all ready jobs in this thread, one after another in the order of the queue.

    No worker is needed. Jobs that are enqueued by these jobs run, too. Jobs that are due later, including retries, do
    not run unless `until` makes them due.

    Args:
        queue: the queue; the kinds in its registry are run.
        until: advance the time to here (seconds since 1970), from one due job to the next; requires a `FrozenClock`.
        limit: return after this number of runs.
        raise_errors: raise a handler's exception after the failure has been stored; if false, check the jobs instead.

    Returns:
        The jobs that ran, as they are now, in the order in which they first ran.

    Raises:
        InvalidOption: `until` is used without a `FrozenClock`.
        RuntimeError: jobs remain after 10,000 runs, and `limit` was not set.
    """
    clock = queue.clock
    if until is not None and not isinstance(clock, FrozenClock):
        raise InvalidOption("until", "requires a queue that was opened with a FrozenClock, as the time must be advanced")
    if SHELL not in queue.registry:
        add_shell(queue.registry)
    ran: dict[int, None] = {}
    for _ in range(MAX_RUNS if limit is None else limit):
        job = _next(queue, until)
        if job is None:
            break
        ran[job.id] = None
        result, context, error = _run(job, queue.registry, clock, queue.random)
        _store(queue.store, result, context)
        if error is not None and raise_errors and isinstance(result, Failed):
            raise error
    else:
        if limit is None:
            raise RuntimeError(
                f"drain() ran {MAX_RUNS:,} jobs and more are ready; check whether they enqueue each other, or set a limit"
            )
    return list(queue.get_many([*ran]))


class ManualWorker:
    """A worker that you play: it claims a job and records its result when you say so, and runs no handler.

    Nothing renews its leases, so it is also how to play a worker that has died or hangs.

    Example:
        >>> worker = ManualWorker(queue, "one", lease=30)
        >>> job = worker.claim()
        >>> clock.advance(31)  # another worker may take the job over now
        >>> worker.complete(job)  # LeaseLost, if it has
    """

    def __init__(self, queue: Queue, name: str = "manual", *, lease: float | None = None) -> None:
        """Create a worker.

        Args:
            queue: the queue; the kinds in its registry are claimed.
            name: its name, as jobs show it.
            lease: the lease of its claims in seconds; that of the settings if `None`.
        """
        self._queue = queue
        self.name = name
        self._lease = queue.settings.lease if lease is None else lease

    def claim(self) -> Job | None:
        """Claim the next job that is ready, as a worker does; `None` if there is none.

        Raises:
            StoreError: the database cannot be used.
        """
        return _claim(self._queue, self.name, self._lease)

    def complete(self, job: Job, result: Any = None) -> None:
        """Record that a job was completed.

        Args:
            job: the job as `claim` returned it.
            result: what its handler returned; must be valid JSON.

        Raises:
            LeaseLost: the lease of the claim has ended, and the job was not changed.
            StoreError: the database cannot be used.
        """
        now = self._queue.clock.now()
        result_json = None if result is None else json.dumps(result)
        if self._queue.store.completer.complete([Completed(job, job.started_at or now, now, result_json)]):
            raise LeaseLost(job.id)


def _claim(queue: Queue, worker: str, lease: float) -> Job | None:
    """Claim one job of the kinds and queues that the queue's settings name."""
    claimed = queue.store.claimer.claim(
        ClaimRequest(
            worker,
            1,
            kinds=queue.registry.kinds,
            limits=queue.registry.limits,
            queues=queue.settings.queues,
            lease=lease,
            ageing=queue.settings.ageing,
        )
    )
    return claimed[0] if claimed else None


def _next(queue: Queue, until: float | None) -> Job | None:
    """Claim the next ready job; advance the time if necessary and allowed."""
    store, clock = queue.store, queue.clock
    while True:
        due = store.queries.next_due_at()
        if due is not None and due <= clock.now():
            store.transitions.stage()
            store.transitions.expire()
        claimed = _claim(queue, "drain", queue.settings.lease)
        if claimed is not None:
            return claimed
        due = store.queries.next_due_at()
        if until is None or not isinstance(clock, FrozenClock):
            return None
        if due is None or due > until:
            clock.advance_to(until)
            return None
        clock.advance_to(due)


def _store(store: Store, result: AttemptResult, given: JobContext) -> None:
    """Store what a worker would store."""
    job = result.job
    with store.transaction():
        lines = given.drain_log()
        if lines:
            store.logs.append([(job.id, job.attempt, *line) for line in lines], MAX_LOG_BYTES)
        progress = given.take_progress()
        if progress is not None and job.lease is not None:
            store.transitions.report_progress(job.id, job.lease, *progress)
        match result:
            case Completed():
                store.completer.complete([result])
            case Failed():
                store.completer.fail([result])
            case Snoozed():
                store.completer.snooze([result])
            case Cancelled():
                store.completer.cancel_running([result])
            case Released():
                store.completer.release([result])


class _Inline(JobContext):
    """A context in which `sleep` advances a frozen clock instead of waiting."""

    def sleep(self, seconds: float) -> None:
        if not isinstance(self._clock, FrozenClock):
            super().sleep(seconds)
            return
        left = self.time_left()
        self._clock.advance(max(0.0, seconds if left is None else min(seconds, left)))
        self.check()


def _run(job: Job, registry: Registry, clock: Clock, random: Random) -> tuple[AttemptResult, JobContext, BaseException | None]:
    capture_logs()
    context = _Inline(job, clock)
    raised: list[BaseException] = []
    result = execute(job, context, registry, clock, random, tell=raised.append)
    return result, context, raised[0] if raised else None


def _to_record(result: AttemptResult, context: JobContext, error: BaseException | None) -> InlineResult:
    outcome, value, due, reason = Outcome.CANCELLED, None, None, None
    progress = context.take_progress()
    match result:
        case Completed(result_json=text):
            outcome, value = Outcome.COMPLETED, None if text is None else json.loads(text)
        case Failed():
            outcome, due, reason = result.outcome, result.retry_at, result.reason
        case Snoozed(until=until):
            outcome, due = Outcome.SNOOZED, until
        case Released():
            outcome = Outcome.RELEASED
    return InlineResult(
        outcome=outcome,
        result=value,
        error=error,
        retry_in=None if due is None else due - result.finished_at,
        reason=reason,
        progress=None if progress is None else progress[0],
        progress_message=None if progress is None else progress[1],
        log=tuple(join_pieces(context.drain_log())),
    )


def _find_entry(handler: Handler | str, registry: Registry) -> Entry:
    if isinstance(handler, str):
        return registry.get(handler)
    with contextlib.suppress(UnknownKind):
        return registry.get(registry.kind_of(handler))
    alone = Registry()
    entry = Entry(default_name(handler)[:200], handler)
    alone.add(entry)  # raises an error for functions that cannot be a handler
    return entry
