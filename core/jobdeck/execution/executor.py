"""Run the handler of one claimed job and return the result of the attempt. Uses no SQL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from random import Random
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..kinds.registry import Entry, Registry
from ..kinds.retry_policy import custom_delay
from ..logs import get_logger
from ..model.attempt_result import AttemptResult, Cancelled, Completed, Failed, Released, Snoozed
from ..model.backoff import compute_delay
from ..model.errors import (
    AttemptSignal,
    Crashed,
    GiveUp,
    Interrupted,
    InvalidArguments,
    InvalidPayload,
    PlainError,
    Snooze,
    Stopped,
    TimedOut,
    UnknownKind,
)
from ..model.foreign_errors import flatten_group, is_error, is_group, type_name
from ..model.jobs import Job, Outcome, Reason
from ..model.known_problems import known_problem
from ..tracing.carried import carried_trace
from ..tracing.tracer import start_attempt
from .context import JobContext, capture_logs, current_context
from .forked_child import exit_if_forked, process_identity
from .mismatch import extra_attempts, is_mismatch, mismatch_delay
from .serialization import error_message, format_traceback, result_json

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ..tracing.spans import AttemptSpan

logger = get_logger("jobdeck.worker")

ErrorCallback = Callable[[BaseException], None]


def execute(
    job: Job, given: JobContext, registry: Registry, clock: Clock, random: Random, *, tell: ErrorCallback | None = None
) -> AttemptResult:
    """Run the handler of a claimed job and return the result. Waits for async handlers, which run on the event loop.

    Never raises for errors of the handler: every outcome is an `AttemptResult`. Never returns in a process that the handler
    has forked: see `forked_child.py`.

    Args:
        job: the job as claimed.
        given: the context that `context()` returns to the handler.
        registry: the registered kinds.
        clock: the clock for the times of the result.
        random: the source of the jitter of a retry.
        tell: called with the exception if the handler raises.
    """
    span = start_attempt(job)
    if span is None:
        return _execute(job, given, registry, clock, random, tell)
    with span:
        return span.end(_execute(job, given, registry, clock, random, tell))


def _execute(
    job: Job, given: JobContext, registry: Registry, clock: Clock, random: Random, tell: ErrorCallback | None
) -> AttemptResult:
    process = process_identity()
    started_at = clock.now()
    capture_logs()  # an earlier job may have configured logging
    given.start_timeout()
    token = current_context.set(given)
    trace = None if job.trace is None else carried_trace.set(job.trace)
    entry = None
    try:
        entry = registry.get(job.kind)
        result = entry.handler(**entry.load(job.args_json))
        if type(result) is CoroutineType:
            result, error = _wait_for_result(_submit(result, given))
            if error is not None:
                return _raised(job, started_at, clock, random, error, entry, given, tell)
        return _completed(job, started_at, clock, result, given)
    except BaseException as error:  # SystemExit and KeyboardInterrupt of a handler end the attempt, not the worker
        exit_if_forked(process, error)
        return _raised(job, started_at, clock, random, error, entry, given, tell)
    finally:
        exit_if_forked(process)  # encoding a result, or computing a delay, may fork too
        if trace is not None:
            carried_trace.reset(trace)
        current_context.reset(token)


def start_async(
    job: Job, given: JobContext, registry: Registry, clock: Clock, random: Random, ended: Callable[[AttemptResult], None]
) -> None:
    """Start a job with an async handler, and return immediately; `ended` is called with the result.

    `ended` is called on the thread of the event loop, or on this thread if the handler could not be started. Never raises
    for errors of the handler.
    """
    span = start_attempt(job)
    process = process_identity()
    started_at = clock.now()
    capture_logs()  # an earlier job may have configured logging
    given.start_timeout()
    token = current_context.set(given)
    trace = None if job.trace is None else carried_trace.set(job.trace)
    entry = None
    try:
        entry = registry.get(job.kind)
        with nullcontext() if span is None else span.current():
            future = _submit(entry.handler(**entry.load(job.args_json)), given)
    except BaseException as error:
        exit_if_forked(process, error)
        ended(_traced(span, _raised(job, started_at, clock, random, error, entry, given, None)))
        return
    finally:
        exit_if_forked(process)
        if trace is not None:
            carried_trace.reset(trace)
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
                logger.error("Running job %d failed outside its handler\n%s", job.id, format_traceback(error))
            ending = failed_result(job, started_at, clock, random, error)
        exit_if_forked(process)
        ended(_traced(span, ending))

    future.add_done_callback(end)


def _traced(span: AttemptSpan | None, result: AttemptResult) -> AttemptResult:
    """End the span of the attempt, if it has one, and return its result."""
    return result if span is None else span.end(result)


def _completed(job: Job, started_at: float, clock: Clock, result: Any, given: JobContext) -> Completed:
    """Return the result of an attempt whose handler returned."""
    if result is None:
        return Completed(job, started_at, clock.now())
    try:
        return Completed(job, started_at, clock.now(), result_json=result_json(result))
    except BaseException as error:  # the value may be of any type, and reading it may raise anything
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
    if is_group(error):  # raised by a task group whose tasks all received the same signal
        inner = [*flatten_group(error)]
        error = inner[0] if inner and all(is_error(each, AttemptSignal) for each in inner) else error
    if is_error(error, Stopped) and not given.fenced:
        return Cancelled(job, started_at, clock.now())
    if is_error(error, Interrupted, Stopped):
        return Released(job, started_at, clock.now())
    if is_error(error, Snooze) and (seconds := _snooze_seconds(error)) is not None:
        now = clock.now()
        return Snoozed(job, started_at, now, until=now + seconds)
    if is_error(error, Crashed):
        return crashed_result(job, started_at, clock.now(), error_message(error))
    return failed_result(job, started_at, clock, random, error, entry)


def _snooze_seconds(error: BaseException) -> float | None:
    """Return the seconds of a snooze; `None` if a subclass hides them or they are invalid, which fails the job."""
    try:
        return Snooze(float(error.seconds)).seconds  # type: ignore[attr-defined]
    except BaseException:
        return None


_NON_RETRYABLE = (GiveUp, InvalidArguments, InvalidPayload, UnknownKind)


def failed_result(
    job: Job, started_at: float, clock: Clock, random: Random, error: BaseException, entry: Entry | None = None
) -> Failed:
    """Return the result of an attempt that failed with `error`: to be retried or final, by the retry policy of `entry`."""
    now = clock.now()
    timed_out = is_error(error, TimedOut)
    mismatch = is_mismatch(error, entry)
    extra = extra_attempts(job) if mismatch else 0
    if mismatch:  # the handler did not start, so the errors that it may retry are irrelevant
        final = entry is not None and is_error(error, *entry.retry_policy.give_up_on)
    else:
        final = is_error(error, *_NON_RETRYABLE) or (entry is not None and entry.retry_policy.gives_up_on(error))
    reason = None
    if final or job.attempt >= job.max_attempts + extra:
        # A timeout is reported as such, even if the retry policy would have given up anyway.
        reason = Reason.TIMED_OUT if timed_out else Reason.GIVEN_UP if final else Reason.EXHAUSTED
    without_traceback = is_error(error, TimedOut, GiveUp, InvalidArguments, UnknownKind, PlainError)
    delay = 0.0 if reason else mismatch_delay(job, random) if mismatch else _retry_delay(job, entry, random, error)
    return Failed(
        job,
        started_at,
        now,
        retry_at=None if reason else now + delay,
        error_type=_error_type(error),
        message=error_message(error),
        traceback=None if without_traceback else format_traceback(error) or None,
        outcome=Outcome.TIMED_OUT if timed_out else Outcome.FAILED,
        reason=reason,
        extra_attempts=0 if reason else extra,
    )


def _error_type(error: BaseException) -> str:
    label: str | None = error.label if is_error(error, PlainError) else None  # type: ignore[attr-defined]
    return label or type_name(error)


def crashed_result(job: Job, started_at: float, now: float, problem: str, traceback: str | None = None) -> Failed:
    """Return the result of an attempt whose code died without one: retried at once, while attempts remain."""
    return Failed(
        job,
        started_at,
        now,
        retry_at=now if job.attempt < job.max_attempts else None,
        error_type=Crashed.__name__,
        message=problem,
        traceback=traceback,
        outcome=Outcome.CRASHED,
    )


def _retry_delay(job: Job, entry: Entry | None, random: Random, error: BaseException) -> float:
    """Return the seconds until the next attempt, by the backoff of the job, of its kind, or the default."""
    chosen = job.backoff or (None if entry is None else entry.retry_policy.backoff)
    if callable(chosen):
        try:
            return custom_delay(chosen, job.attempt, error)
        except BaseException as problem:  # the function may raise anything, which must not lose the job
            text = format_traceback(problem)
            logger.error("The backoff function of %s failed; using the default backoff\n%s", job.kind, text)
            chosen = None
    return compute_delay(job.attempt, random, *(chosen or ()))
