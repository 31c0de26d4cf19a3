"""The spans of OpenTelemetry, by its conventions for messaging. Imported only in programs that use the package.

A job carries the context of the `send` span of its enqueue. Each of its attempts is a `process` span: a child of that span,
which it also links to. What fails inside the package, such as a sampler of the program, stops no job; it is logged once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, ProxyTracerProvider, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..logs import get_logger
from ..model.attempt_result import AttemptResult, Cancelled, Completed, Failed, Released, Snoozed
from ..model.foreign_errors import full_type_name, text_of, type_name
from ..model.jobs import Job, NewJob, Outcome
from ..model.trace_context import join_trace, split_trace
from .carried import carried_trace, with_trace

T = TypeVar("T")

logger = get_logger("jobdeck.tracing")

_SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
_W3C = TraceContextTextMapPropagator()
_OUTCOMES: dict[type[AttemptResult], Outcome] = {
    Completed: Outcome.COMPLETED,
    Snoozed: Outcome.SNOOZED,
    Released: Outcome.RELEASED,
    Cancelled: Outcome.CANCELLED,
}

_tracer: tuple[object, Tracer] | None = None
"""The provider of the program and our tracer of it."""
_has_failed = False


def _current_tracer() -> Tracer | None:
    """Return the tracer; `None` if the program has set up none, so that no span would go anywhere."""
    global _tracer
    provider = trace.get_tracer_provider()
    if type(provider) is ProxyTracerProvider:
        return None
    if _tracer is None or _tracer[0] is not provider:
        from .. import __version__

        _tracer = provider, provider.get_tracer("jobdeck", __version__, _SCHEMA)
    return _tracer[1]


def _report(error: BaseException) -> None:
    global _has_failed
    if not _has_failed:
        _has_failed = True
        logger.warning("OpenTelemetry failed; jobs run without the spans: %s: %s", type_name(error), text_of(error))


def _context_of(job_trace: str | None) -> Context | None:
    """Return a context with the span that a job's trace names, and nothing else; `None` if it names none."""
    found = split_trace(job_trace)
    if found is None:
        return None
    traceparent, state = found
    carrier = {"traceparent": traceparent} if state is None else {"traceparent": traceparent, "tracestate": state}
    return _W3C.extract(carrier, Context())


def _trace_of(span: Span) -> str | None:
    """Return the trace of a span as a job stores it; `None` if it belongs to none."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
    return join_trace(carrier.get("traceparent"), carrier.get("tracestate"))


def current_trace() -> str | None:
    """Return the trace of the span that is current here; `None` if there is none."""
    span = trace.get_current_span()
    return None if span is trace.INVALID_SPAN else _trace_of(span)


# -- enqueue --------------------------------------------------------------------------------------


def send(write: Callable[[Sequence[NewJob]], T], jobs: Sequence[NewJob], number: int | None) -> T:
    """See `tracer.send`."""
    try:
        tracer = _current_tracer()
        if tracer is None or not jobs:
            span, job_trace = None, current_trace() or carried_trace.get()
        else:
            span = _start_send(tracer, jobs, number)
            job_trace = _trace_of(span)
    except Exception as error:
        _report(error)
        span, job_trace = None, carried_trace.get()
    if span is None:
        return write(with_trace(jobs, job_trace))
    try:
        with trace.use_span(span):
            written = write(_in_span(jobs, job_trace))
    except Exception as error:
        span.set_attribute("error.type", full_type_name(error))
        raise
    else:
        if number is None and len(jobs) == 1 and isinstance(written, list):
            span.set_attribute("messaging.message.id", str(written[0].id))
        return written
    finally:
        _end(span)


def _end(span: Span) -> None:
    try:
        span.end()
    except Exception as error:  # of a processor of the program; the jobs are stored
        _report(error)


def _common_trace(jobs: Sequence[NewJob]) -> str | None:
    """Return the trace that all jobs name; `None` if they name none, or several."""
    named = {each.trace for each in jobs}
    return named.pop() if len(named) == 1 else None


def _in_span(jobs: Sequence[NewJob], job_trace: str | None) -> Sequence[NewJob]:
    """Return the jobs with the trace of their `send` span, unless they name several others."""
    if job_trace is not None and _common_trace(jobs) is not None:  # that one is the parent of the span
        return [replace(each, trace=job_trace) for each in jobs]
    return with_trace(jobs, job_trace)


def _start_send(tracer: Tracer, jobs: Sequence[NewJob], number: int | None) -> Span:
    attributes: dict[str, Any] = {
        "messaging.system": "jobdeck",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
    }
    queues, kinds = {each.queue for each in jobs}, {each.kind for each in jobs}
    name = "send"
    if len(queues) == 1:
        attributes["messaging.destination.name"] = queue = queues.pop()
        name = f"send {queue}"
    if len(kinds) == 1:
        attributes["jobdeck.job.kind"] = kinds.pop()
    if number is not None or len(jobs) > 1:
        attributes["messaging.batch.message_count"] = number or len(jobs)
    parent = _context_of(_common_trace(jobs))
    if parent is None and not trace.get_current_span().get_span_context().is_valid:
        parent = _context_of(carried_trace.get())
    return tracer.start_span(name, parent, SpanKind.PRODUCER, attributes)


# -- attempts -------------------------------------------------------------------------------------


class AttemptSpan:
    """The `process` span of one attempt. While it is entered, it is current; an exception that leaves it ends it."""

    __slots__ = ("_ended", "_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._ended = False
        self._token: Any = None

    def __enter__(self) -> Self:
        self._token = contexts.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        contexts.detach(self._token)
        if error is not None:  # raised in this thread by another one
            self._end(lambda: _set_error(self._span, type_name(error), text_of(error), None))

    def current(self) -> AbstractContextManager[Span]:
        """Make the span current for the code inside, and for the tasks that it starts; it ends later."""
        return trace.use_span(self._span, record_exception=False, set_status_on_exception=False)

    def end(self, result: AttemptResult) -> AttemptResult:
        """End the span with the result of the attempt, and return the result."""
        self._end(lambda: _set_result(self._span, result))
        return result

    def _end(self, describe: Callable[[], None]) -> None:
        if self._ended:
            return
        self._ended = True
        try:
            describe()
        except Exception as error:
            _report(error)
        _end(self._span)


def start_attempt(job: Job) -> AttemptSpan | None:
    """See `tracer.start_attempt`."""
    try:
        tracer = _current_tracer()
        if tracer is not None:
            return AttemptSpan(_start_process(tracer, job))
        # Without spans here, requests that the code sends still belong to the trace.
        sender = _context_of(job.trace)
        return None if sender is None else AttemptSpan(NonRecordingSpan(_span_context(sender)))
    except Exception as error:
        _report(error)
        return None


def record_lost_attempt(result: AttemptResult) -> None:
    """See `tracer.record_lost_attempt`."""
    try:
        tracer = _current_tracer()
        if tracer is not None:
            span = _start_process(tracer, result.job, result.started_at)
            _set_result(span, result)
            span.end(round(max(result.started_at, result.finished_at) * 1e9))
    except Exception as error:
        _report(error)


def _start_process(tracer: Tracer, job: Job, started_at: float | None = None) -> Span:
    sender = _context_of(job.trace)
    return tracer.start_span(
        f"process {job.queue}",
        # Never the span in which the program has started its worker.
        Context() if sender is None else sender,
        SpanKind.CONSUMER,
        {
            "messaging.system": "jobdeck",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": job.queue,
            "messaging.message.id": str(job.id),
            "jobdeck.job.kind": job.kind,
            "jobdeck.job.attempt": job.attempt,
        },
        links=() if sender is None else (Link(_span_context(sender)),),
        start_time=None if started_at is None else round(started_at * 1e9),
    )


def _span_context(context: Context) -> Any:
    return trace.get_current_span(context).get_span_context()


def _set_result(span: Span, result: AttemptResult) -> None:
    if not span.is_recording():
        return
    if not isinstance(result, Failed):
        span.set_attribute("jobdeck.job.outcome", str(_OUTCOMES[type(result)]))
        return
    span.set_attribute("jobdeck.job.outcome", str(result.outcome))
    _set_error(span, result.error_type, result.message, result.traceback)


def _set_error(span: Span, error_type: str, message: str, traceback: str | None) -> None:
    span.set_attribute("error.type", error_type)
    event = {"exception.type": error_type, "exception.message": message, "exception.stacktrace": traceback}
    span.add_event("exception", {name: value for name, value in event.items() if value is not None})
    span.set_status(Status(StatusCode.ERROR, message))
