"""Run one claimed job and say how it ended. Knows handlers, contexts and logs; knows no SQL."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from ..clock import Clock
from ..kinds.registry import Entry, Registry
from ..kinds.retry_policy import leaves, own_delay
from ..model.attempt_result import Completion, Ending, Failure, Nap, Release, Stop
from ..model.backoff import delay
from ..model.errors import (
    GiveUp,
    Interrupted,
    InvalidArguments,
    PayloadUnreadable,
    Signal,
    Snooze,
    Stopped,
    TimedOut,
    UnknownKind,
)
from ..model.jobs import Job, Outcome, Reason
from .context import Context, _current
from .serialization import result_json, told, traceback_of

if TYPE_CHECKING:
    from concurrent.futures import Future


logger = logging.getLogger("jobdeck.worker")

T = TypeVar("T")


Told = Callable[[BaseException], None]


def run_attempt(
    job: Job, given: Context, registry: Registry, clock: Clock, random: Random, *, tell: Told | None = None
) -> Ending:
    """Run the handler of a claimed job: on this thread, or, where it is `async`, on the event loop, waiting for it here.

    Never raises for what the handler does: every way to end is an `Ending`.

    Args:
        job: the job as it was claimed.
        given: what its handler gets as `context()`.
        registry: the kinds.
        clock: where the time is read.
        random: where the jitter of a retry comes from.
        tell: called with what the handler raised, if it raised.
    """
    started_at = clock.now()
    given.begin()
    token = _current.set(given)
    entry = None
    try:
        entry = registry.get(job.kind)
        result = entry.handler(**entry.load(job.args_json))
        if type(result) is CoroutineType:
            result, error = _outcome(_submitted(result, given))
            if error is not None:
                return _undone(job, started_at, clock, random, error, entry, given, tell)
    except BaseException as error:  # SystemExit and KeyboardInterrupt of a handler end the attempt, not the worker
        return _undone(job, started_at, clock, random, error, entry, given, tell)
    finally:
        _current.reset(token)
    return _done(job, started_at, clock, result, given)


def begin_attempt(
    job: Job, given: Context, registry: Registry, clock: Clock, random: Random, ended: Callable[[Ending], None]
) -> None:
    """Begin a job whose handler is `async`, and return at once; `ended` is called with its ending.

    It is called on the thread of the event loop, or here where the handler never came to run. Never raises for what the
    handler does.
    """
    started_at = clock.now()
    given.begin()
    token = _current.set(given)
    entry = None
    try:
        entry = registry.get(job.kind)
        future = _submitted(entry.handler(**entry.load(job.args_json)), given)
    except BaseException as error:
        ended(_undone(job, started_at, clock, random, error, entry, given, None))
        return
    finally:
        _current.reset(token)

    def end(future: Future[Any]) -> None:
        try:
            result, error = _outcome(future)
            if error is not None:
                ending = _undone(job, started_at, clock, random, error, entry, given, None)
            else:
                ending = _done(job, started_at, clock, result, given)
        except BaseException as error:
            logger.exception("Running job %d failed inside jobdeck", job.id)
            ending = failure(job, started_at, clock, random, error)
        ended(ending)

    future.add_done_callback(end)


def _done(job: Job, started_at: float, clock: Clock, result: Any, given: Context) -> Completion:
    """The ending of an attempt whose code returned."""
    if result is None:
        return Completion(job, started_at, clock.now())
    try:
        return Completion(job, started_at, clock.now(), result_json=result_json(result))
    except Exception as error:  # the result may be anything, and what it does when it is read too
        given.write("warning", f"The result was not kept, it cannot be written as JSON: {told(error)}")
        return Completion(job, started_at, clock.now())


def _submitted(coroutine: CoroutineType[Any, Any, Any], given: Context) -> Future[Any]:
    from .async_runner import LOOP  # imported late: few programs need an event loop

    return LOOP.submit(coroutine, given)


def _outcome(future: Future[Any]) -> tuple[Any, BaseException | None]:
    """What an `async` handler returned, and what it raised. Waits for it."""
    from .async_runner import Raised

    ended = future.result()
    return (None, ended.error) if isinstance(ended, Raised) else (ended, None)


def _undone(
    job: Job,
    started_at: float,
    clock: Clock,
    random: Random,
    error: BaseException,
    entry: Entry | None,
    given: Context,
    tell: Told | None,
) -> Ending:
    """The ending of an attempt whose code raised."""
    if tell is not None:
        tell(error)
    if isinstance(error, BaseExceptionGroup):  # of a task group, whose tasks were all told the same
        inner = [*leaves(error)]
        error = inner[0] if all(isinstance(each, Signal) for each in inner) else error
    if isinstance(error, Stopped) and not given.fenced:
        return Stop(job, started_at, clock.now())
    if isinstance(error, (Interrupted, Stopped)):
        return Release(job, started_at, clock.now())
    if isinstance(error, Snooze):
        now = clock.now()
        return Nap(job, started_at, now, until=now + error.seconds)
    return failure(job, started_at, clock, random, error, entry)


_HOPELESS = (GiveUp, InvalidArguments, PayloadUnreadable, UnknownKind)


def failure(
    job: Job, started_at: float, clock: Clock, random: Random, error: BaseException, entry: Entry | None = None
) -> Failure:
    """The ending of an attempt that raised `error`: retried later, or final, as the policy of `entry` says."""
    now = clock.now()
    timed_out = isinstance(error, TimedOut)
    hopeless = isinstance(error, _HOPELESS) or (entry is not None and entry.retries.give_up(error))
    reason = None
    if hopeless or job.attempt >= job.max_attempts:
        # The last cause: a job that would have been given up anyway has still run out of time.
        reason = Reason.TIMED_OUT if timed_out else Reason.GIVEN_UP if hopeless else Reason.EXHAUSTED
    bare = timed_out or isinstance(error, (GiveUp, InvalidArguments, UnknownKind)) or getattr(error, "plain", False)
    return Failure(
        job,
        started_at,
        now,
        retry_at=None if reason else now + _pause(job, entry, random, error),
        error_type=type(error).__name__,
        message=told(error),
        traceback=None if bare else traceback_of(error) or None,
        outcome=Outcome.TIMED_OUT if timed_out else Outcome.FAILED,
        reason=reason,
    )


def _pause(job: Job, entry: Entry | None, random: Random, error: BaseException) -> float:
    """Seconds until the next attempt: the job's own way, or its kind's, or the usual one."""
    chosen = job.backoff or (None if entry is None else entry.retries.backoff)
    if callable(chosen):
        try:
            return own_delay(chosen, job.attempt, error)
        except BaseException:  # it may do anything, and the job shall not be lost for it
            logger.exception("The back-off function of %s failed; the usual pause is made", job.kind)
            chosen = None
    return delay(job.attempt, random, *(chosen or ()))
