"""Run the handler of one claimed job and return the result of the attempt. Uses no SQL."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..kinds.registry import Entry, Registry
from ..kinds.retry_policy import custom_delay, flatten_group
from ..model.attempt_result import AttemptResult, Cancelled, Completed, Failed, Released, Snoozed
from ..model.backoff import compute_delay
from ..model.errors import (
    AttemptSignal,
    GiveUp,
    Interrupted,
    InvalidArguments,
    InvalidPayload,
    Snooze,
    Stopped,
    TimedOut,
    UnknownKind,
)
from ..model.jobs import Job, Outcome, Reason
from ..model.known_problems import known_problem
from .context import JobContext, current_context
from .serialization import error_message, format_traceback, result_json

if TYPE_CHECKING:
    from concurrent.futures import Future

logger = logging.getLogger("jobdeck.worker")

ErrorCallback = Callable[[BaseException], None]


def execute(
    job: Job, given: JobContext, registry: Registry, clock: Clock, random: Random, *, tell: ErrorCallback | None = None
) -> AttemptResult:
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
    given.start_timeout()
    token = current_context.set(given)
    entry = None
    try:
        entry = registry.get(job.kind)
        result = entry.handler(**entry.load(job.args_json))
        if type(result) is CoroutineType:
            result, error = _wait_for_result(_submit(result, given))
            if error is not None:
                return _raised(job, started_at, clock, random, error, entry, given, tell)
    except BaseException as error:  # SystemExit and KeyboardInterrupt of a handler end the attempt, not the worker
        return _raised(job, started_at, clock, random, error, entry, given, tell)
    finally:
        current_context.reset(token)
    return _completed(job, started_at, clock, result, given)


def start_async(
    job: Job, given: JobContext, registry: Registry, clock: Clock, random: Random, ended: Callable[[AttemptResult], None]
) -> None:
    """Start a job with an async handler, and return immediately; `ended` is called with the result.

    `ended` is called on the thread of the event loop, or on this thread if the handler could not be started. Never raises
    for errors of the handler.
    """
    started_at = clock.now()
    given.start_timeout()
    token = current_context.set(given)
    entry = None
    try:
        entry = registry.get(job.kind)
        future = _submit(entry.handler(**entry.load(job.args_json)), given)
    except BaseException as error:
        ended(_raised(job, started_at, clock, random, error, entry, given, None))
        return
    finally:
        current_context.reset(token)

    def end(future: Future[Any]) -> None:
        try:
            result, error = _wait_for_result(future)
            if error is not None:
                ending = _raised(job, started_at, clock, random, error, entry, given, None)
            else:
                ending = _completed(job, started_at, clock, result, given)
        except BaseException as error:
            if (problem := known_problem(error)) is not None:
                logger.error("Job %d could not be run: %s", job.id, problem)
            else:
                logger.exception("Running job %d failed because of a bug in jobdeck", job.id)
            ending = failed_result(job, started_at, clock, random, error)
        ended(ending)

    future.add_done_callback(end)


def _completed(job: Job, started_at: float, clock: Clock, result: Any, given: JobContext) -> Completed:
    """Return the result of an attempt whose handler returned."""
    if result is None:
        return Completed(job, started_at, clock.now())
    try:
        return Completed(job, started_at, clock.now(), result_json=result_json(result))
    except Exception as error:  # the value may be of any type, and reading it may raise anything
        given.write("warning", f"The result was not stored because it cannot be encoded as JSON: {error_message(error)}")
        return Completed(job, started_at, clock.now())


def _submit(coroutine: CoroutineType[Any, Any, Any], given: JobContext) -> Future[Any]:
    from .async_runner import RUNNER  # imported late, because few programs need an event loop

    return RUNNER.submit(coroutine, given)


def _wait_for_result(future: Future[Any]) -> tuple[Any, BaseException | None]:
    """Wait for an async handler; return its value and the exception that it raised."""
    from .async_runner import Raised

    result = future.result()
    return (None, result.error) if isinstance(result, Raised) else (result, None)


def _raised(
    job: Job,
    started_at: float,
    clock: Clock,
    random: Random,
    error: BaseException,
    entry: Entry | None,
    given: JobContext,
    tell: ErrorCallback | None,
) -> AttemptResult:
    """Return the result of an attempt whose handler raised."""
    if tell is not None:
        tell(error)
    if isinstance(error, BaseExceptionGroup):  # raised by a task group whose tasks all received the same signal
        inner = [*flatten_group(error)]
        error = inner[0] if all(isinstance(each, AttemptSignal) for each in inner) else error
    if isinstance(error, Stopped) and not given.fenced:
        return Cancelled(job, started_at, clock.now())
    if isinstance(error, (Interrupted, Stopped)):
        return Released(job, started_at, clock.now())
    if isinstance(error, Snooze):
        now = clock.now()
        return Snoozed(job, started_at, now, until=now + error.seconds)
    return failed_result(job, started_at, clock, random, error, entry)


_NON_RETRYABLE = (GiveUp, InvalidArguments, InvalidPayload, UnknownKind)


def failed_result(
    job: Job, started_at: float, clock: Clock, random: Random, error: BaseException, entry: Entry | None = None
) -> Failed:
    """Return the result of an attempt that failed with `error`: to be retried or final, by the retry policy of `entry`."""
    now = clock.now()
    timed_out = isinstance(error, TimedOut)
    final = isinstance(error, _NON_RETRYABLE) or (entry is not None and entry.retry_policy.gives_up_on(error))
    reason = None
    if final or job.attempt >= job.max_attempts:
        # A timeout is reported as such, even if the retry policy would have given up anyway.
        reason = Reason.TIMED_OUT if timed_out else Reason.GIVEN_UP if final else Reason.EXHAUSTED
    without_traceback = (
        timed_out or isinstance(error, (GiveUp, InvalidArguments, UnknownKind)) or getattr(error, "plain", False)
    )
    return Failed(
        job,
        started_at,
        now,
        retry_at=None if reason else now + _retry_delay(job, entry, random, error),
        error_type=type(error).__name__,
        message=error_message(error),
        traceback=None if without_traceback else format_traceback(error) or None,
        outcome=Outcome.TIMED_OUT if timed_out else Outcome.FAILED,
        reason=reason,
    )


def _retry_delay(job: Job, entry: Entry | None, random: Random, error: BaseException) -> float:
    """Return the seconds until the next attempt, by the backoff of the job, of its kind, or the default."""
    chosen = job.backoff or (None if entry is None else entry.retry_policy.backoff)
    if callable(chosen):
        try:
            return custom_delay(chosen, job.attempt, error)
        except BaseException:  # the function may raise anything, which must not lose the job
            logger.exception("The backoff function of %s failed; using the default backoff", job.kind)
            chosen = None
    return compute_delay(job.attempt, random, *(chosen or ()))
