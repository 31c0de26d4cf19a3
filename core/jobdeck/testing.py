"""Help for the tests of programs that use jobdeck: jobs run in the test's own thread, and time stands still.

Example:
    >>> clock = FrozenClock()
    >>> with Queue("test.db", clock=clock) as queue:
    ...     queue.enqueue(send_receipt, {"order_id": 12, "to": "ann@example.org"}, delay=3600)
    ...     drain(queue)  # nothing is due yet
    ...     drain(queue, until=clock.now() + 3600)
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from .clock import Clock, SystemClock
from .execution.context import Context, capture_logs
from .execution.executor import run_attempt
from .execution.shell import add_shell
from .kinds.registry import REGISTRY, SHELL, Entry, Handler, Registry
from .model.attempt_result import Completion, Ending, Failure, Nap, Release, Stop
from .model.errors import InvalidOption
from .model.jobs import Job, Outcome, Reason
from .model.states import State
from .queue import Queue
from .settings import Settings
from .store.base import Store
from .store.claim_capacity import ClaimRequest
from .worker.log_flusher import LOG_KEPT

NOON = 1_750_000_000.0
"""Where a frozen clock begins when nothing else is said: 2025-06-15 15:06:40 UTC."""
MOST = 10_000
"""More runs than this in one `drain` are taken for jobs that enqueue each other for ever."""


class FrozenClock:
    """Time that moves when it is told to. Give it to `Queue(clock=…)`."""

    def __init__(self, now: float = NOON) -> None:
        """Begin at `now`, in seconds since 1970-01-01 UTC."""
        self._now = now
        self._monotonic = 1000.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """The wall clock."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since a boot that never was; leases and timeouts use it."""
        return self._monotonic

    def boot(self) -> str:
        """Always the same."""
        return "frozen"

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: time runs forward only; `jump` sets the wall clock.
        """
        if not seconds >= 0:
            raise ValueError(f"time runs forward, not by {seconds!r} seconds; jump() sets the wall clock")
        with self._lock:
            self._now += seconds
            self._monotonic += seconds

    def advance_to(self, moment: float) -> None:
        """Let time pass until the wall clock shows `moment`, exactly; nothing, if it is later already."""
        with self._lock:
            self._monotonic += max(0.0, moment - self._now)
            self._now = max(self._now, moment)

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock, forward or back. Leases and timeouts do not notice."""
        with self._lock:
            self._now += seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of a job that was run inline."""

    outcome: Outcome
    result: Any = None
    """What the handler returned, as the queue would have kept it: read back from JSON."""
    error: BaseException | None = None
    """What the handler raised."""
    retry_in: float | None = None
    """Seconds until it would run again, after a failure or a snooze; `None` means that it would not."""
    reason: Reason | None = None
    """Why the job would have failed for good."""
    progress: float | None = None
    """The newest that it told."""
    log: tuple[tuple[str, str], ...] = ()
    """Level and text of what it logged."""


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
) -> Ran:
    """Run one job in this thread, without any queue: its arguments checked, `context()` in place, its log caught.

    Args:
        handler: a function, registered or not, or the name of a kind.
        args: its arguments by name; they go through JSON, as they would in a queue.
        job_id: what `context().job_id` says.
        attempt: which attempt it is.
        max_attempts: how often it may start; the kind's, or 5, when `None`.
        timeout: seconds it may take; the kind's when `None`.
        registry: where the kind is looked for; where `@job` puts its kinds when `None`.
        clock: where the time is read; the machine's when `None`.
        random: where the jitter of `retry_in` comes from.
        raise_errors: raise what the handler raised, unless it is `Snooze`, `Stopped` or `Interrupted`.

    Raises:
        UnknownKind: there is no such kind.
        InvalidArguments: an argument does not fit the handler's signature.
    """
    known = REGISTRY if registry is None else registry
    entry = _entry(handler, known)
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
        timeout=timeout or entry.timeout,
    )
    ending, given, error = _run(job, Registry([entry]), time, random or Random())
    if error is not None and raise_errors and isinstance(ending, Failure):
        raise error
    return _ran(ending, given, error)


def drain(queue: Queue, *, until: float | None = None, limit: int | None = None, raise_errors: bool = True) -> list[Job]:
    """Work off every job that is ready, one after the other in the order of the queue, in this thread.

    No worker is needed. What the jobs enqueue is worked off too. Jobs that are due later, retries among them, are
    left alone, but for those that `until` lets come due.

    Args:
        queue: the queue; its registry says which kinds are run.
        until: let time pass up to here (seconds since 1970), from one due job to the next; needs a `FrozenClock`.
        limit: return after so many runs.
        raise_errors: raise what a handler raised, once the failure is stored. Otherwise look at the jobs.

    Returns:
        The jobs that ran, as they are now, in the order in which they first ran.

    Raises:
        InvalidOption: `until` without a `FrozenClock`.
        RuntimeError: there was no end to it: `limit` was not given, and 10,000 runs have not been enough.
    """
    clock = queue.clock
    if until is not None and not isinstance(clock, FrozenClock):
        raise InvalidOption("until", "needs a queue that was opened with a FrozenClock: time has to be moved")
    if SHELL not in queue.registry:
        add_shell(queue.registry)
    ran: dict[int, None] = {}
    for _ in range(MOST if limit is None else limit):
        job = _next(queue, until)
        if job is None:
            break
        ran[job.id] = None
        ending, given, error = _run(job, queue.registry, clock, queue.random)
        _store(queue.store, ending, given)
        if error is not None and raise_errors and isinstance(ending, Failure):
            raise error
    else:
        if limit is None:
            raise RuntimeError(f"drain() has run {MOST:,} jobs and there are more: do they enqueue each other?")
    return list(queue.get_many([*ran]))


def _next(queue: Queue, until: float | None) -> Job | None:
    """Claim the next job that is ready, if need be by letting time pass."""
    store, clock = queue.store, queue.clock
    while True:
        due = store.queries.next_due_at()
        if due is not None and due <= clock.now():
            store.transitions.stage()
            store.transitions.expire()
        claimed = store.claimer.claim(
            ClaimRequest(
                "drain",
                1,
                kinds=queue.registry.kinds,
                limits=queue.registry.limits,
                queues=queue.settings.queues,
                lease=queue.settings.lease,
                ageing=queue.settings.ageing,
            )
        )
        if claimed:
            return claimed[0]
        due = store.queries.next_due_at()
        if until is None or not isinstance(clock, FrozenClock):
            return None
        if due is None or due > until:
            clock.advance_to(until)
            return None
        clock.advance_to(due)


def _store(store: Store, ending: Ending, given: Context) -> None:
    """Write what a worker would write."""
    job = ending.job
    with store.transaction():
        lines = given.take_log()
        if lines:
            store.logs.append([(job.id, job.attempt, *line) for line in lines], LOG_KEPT)
        progress = given.take_progress()
        if progress is not None and job.lease is not None:
            store.transitions.report_progress(job.id, job.lease, progress)
        match ending:
            case Completion():
                store.completer.complete([ending])
            case Failure():
                store.completer.fail([ending])
            case Nap():
                store.completer.snooze([ending])
            case Stop():
                store.completer.cancel_running([ending])
            case Release():
                store.completer.release([ending])


class _Inline(Context):
    """A context in which sleeping passes frozen time at once."""

    def sleep(self, seconds: float) -> None:
        if not isinstance(self._clock, FrozenClock):
            super().sleep(seconds)
            return
        left = self.left()
        self._clock.advance(max(0.0, seconds if left is None else min(seconds, left)))
        self.check()


def _run(job: Job, registry: Registry, clock: Clock, random: Random) -> tuple[Ending, Context, BaseException | None]:
    capture_logs()
    given = _Inline(job, clock)
    raised: list[BaseException] = []
    ending = run_attempt(job, given, registry, clock, random, tell=raised.append)
    return ending, given, raised[0] if raised else None


def _ran(ending: Ending, given: Context, error: BaseException | None) -> Ran:
    outcome, result, due, reason = Outcome.CANCELLED, None, None, None
    match ending:
        case Completion(result_json=text):
            outcome, result = Outcome.COMPLETED, None if text is None else json.loads(text)
        case Failure():
            outcome, due, reason = ending.outcome, ending.retry_at, ending.reason
        case Nap(until=until):
            outcome, due = Outcome.SNOOZED, until
        case Release():
            outcome = Outcome.RELEASED
    return Ran(
        outcome=outcome,
        result=result,
        error=error,
        retry_in=None if due is None else due - ending.finished_at,
        reason=reason,
        progress=given.take_progress(),
        log=tuple((level, text) for _, level, text in given.take_log()),
    )


def _entry(handler: Handler | str, registry: Registry) -> Entry:
    if isinstance(handler, str):
        return registry.get(handler)
    for kind in registry.kinds:
        if registry.get(kind).handler == handler:
            return registry.get(kind)
    alone = Registry()
    entry = Entry(f"{handler.__module__}.{handler.__qualname__}"[:200], handler)
    alone.add(entry)  # refuses what cannot be a handler
    return entry
