"""Run the handler of one claimed job and return the result of the attempt. Uses no SQL."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random
from types import CoroutineType
from typing import TYPE_CHECKING, Any

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
from .context import Context, current_context
from .serialization import result_json, told, traceback_of

if TYPE_CHECKING:
    from concurrent.futures import Future

logger = logging.getLogger("jobdeck.worker")

Told = Callable[[BaseException], None]


def run_attempt(
    job: Job, given: Context, registry: Registry, clock: Clock, random: Random, *, tell: Told | None = None
) -> Ending:
    """Run the handler of a claimed job and return the result. Waits for async handlers, which run on the event loop.

    Never raises for errors of the handler: every outcome is an `Ending`.

    Args:
        job: the job as claimed.
        given: the context that `context()` returns to the handler.
        registry: the registered kinds.
        clock: the clock for the times of the result.
        random: the source of the jitter of a retry.
        tell: called with the exception if the handler raises.
    """
    started_at = clock.now()
    given.begin()
    token = current_context.set(given)
    entry = None
    try:
        entry = registry.get(job.kind)
        result = entry.handler(**entry.load(job.args_json))
        if type(result) is CoroutineType:
            result, error = _wait_for_result(_submit(result, given))
            if error is not None:
                return _undone(job, started_at, clock, random, error, entry, given, tell)
    except BaseException as error:  # SystemExit and KeyboardInterrupt of a handler end the attempt, not the worker
        return _undone(job, started_at, clock, random, error, entry, given, tell)
    finally:
        current_context.reset(token)
    return _done(job, started_at, clock, result, given)


def begin_attempt(
    job: Job, given: Context, registry: Registry, clock: Clock, random: Random, ended: Callable[[Ending], None]
) -> None:
    """Start a job with an async handler, and return at once; `ended` is called with the result.

    `ended` is called on the thread of the event loop, or on this thread if the handler could not be started. Never raises
    for errors of the handler.
    """
    started_at = clock.now()
    given.begin()
    token = current_context.set(given)
    entry = None
    try:
        entry = registry.get(job.kind)
        future = _submit(entry.handler(**entry.load(job.args_json)), given)
    except BaseException as error:
        ended(_undone(job, started_at, clock, random, error, entry, given, None))
        return
    finally:
        current_context.reset(token)

    def end(future: Future[Any]) -> None:
        try:
            result, error = _wait_for_result(future)
            if error is not None:
                ending = _undone(job, started_at, clock, random, error, entry, given, None)
            else:
                ending = _done(job, started_at, clock, result, given)
        except BaseException as error:
            logger.exception("Running job %d failed because of a bug in jobdeck", job.id)
            ending = failure(job, started_at, clock, random, error)
        ended(ending)

    future.add_done_callback(end)


def _done(job: Job, started_at: float, clock: Clock, result: Any, given: Context) -> Completion:
    """Return the result of an attempt whose handler returned."""
    if result is None:
        return Completion(job, started_at, clock.now())
    try:
        return Completion(job, started_at, clock.now(), result_json=result_json(result))
    except Exception as error:  # the value may be of any type, and reading it may raise anything
        given.write("warning", f"The result was not stored because it cannot be encoded as JSON: {told(error)}")
        return Completion(job, started_at, clock.now())


def _submit(coroutine: CoroutineType[Any, Any, Any], given: Context) -> Future[Any]:
    from .async_runner import LOOP  # imported late, because few programs need an event loop

    return LOOP.submit(coroutine, given)


def _wait_for_result(future: Future[Any]) -> tuple[Any, BaseException | None]:
    """Wait for an async handler; return its value and the exception that it raised."""
    from .async_runner import Raised

    result = future.result()
    return (None, result.error) if isinstance(result, Raised) else (result, None)


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
    """Return the result of an attempt whose handler raised."""
    if tell is not None:
        tell(error)
    if isinstance(error, BaseExceptionGroup):  # raised by a task group whose tasks all received the same signal
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
    """Return the result of an attempt that failed with `error`: to be retried or final, by the retry policy of `entry`."""
    now = clock.now()
    timed_out = isinstance(error, TimedOut)
    final = isinstance(error, _HOPELESS) or (entry is not None and entry.retries.give_up(error))
    reason = None
    if final or job.attempt >= job.max_attempts:
        # A timeout is reported as such, even if the retry policy would have given up anyway.
        reason = Reason.TIMED_OUT if timed_out else Reason.GIVEN_UP if final else Reason.EXHAUSTED
    without_traceback = (
        timed_out or isinstance(error, (GiveUp, InvalidArguments, UnknownKind)) or getattr(error, "plain", False)
    )
    return Failure(
        job,
        started_at,
        now,
        retry_at=None if reason else now + _retry_delay(job, entry, random, error),
        error_type=type(error).__name__,
        message=told(error),
        traceback=None if without_traceback else traceback_of(error) or None,
        outcome=Outcome.TIMED_OUT if timed_out else Outcome.FAILED,
        reason=reason,
    )


def _retry_delay(job: Job, entry: Entry | None, random: Random, error: BaseException) -> float:
    """Return the seconds until the next attempt, by the backoff of the job, of its kind, or the default."""
    chosen = job.backoff or (None if entry is None else entry.retries.backoff)
    if callable(chosen):
        try:
            return own_delay(chosen, job.attempt, error)
        except BaseException:  # the function may raise anything, which must not lose the job
            logger.exception("The backoff function of %s failed; using the default backoff", job.kind)
            chosen = None
    return delay(job.attempt, random, *(chosen or ()))
