"""Decides whether spans are made: only in a program that has imported `opentelemetry.trace`, as no other can have set it up.

A program that does not trace pays one look into a dictionary for each enqueue and each attempt, and imports nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..model.jobs import Job, NewJob
from .carried import carried_trace, with_trace

if TYPE_CHECKING:
    from ..model.attempt_result import AttemptResult
    from .spans import AttemptSpan

T = TypeVar("T")

_API = "opentelemetry.trace"
_modules = sys.modules
_loaded: Any = None
"""The module that makes spans; `False` if it cannot be imported."""


def _spans() -> Any:
    """Return the module that makes spans; `None` unless the program has imported OpenTelemetry."""
    global _loaded
    if _API not in _modules:
        return None
    if _loaded is None and _modules[_API] is not None:
        try:
            from . import spans
        except Exception:  # another version of the package, or what a test has put in its place
            _loaded = False
        else:
            _loaded = spans
    return _loaded or None


def makes_spans() -> bool:
    """Return whether `send` and `start_attempt` make spans."""
    return _spans() is not None


def send(write: Callable[[Sequence[NewJob]], T], jobs: Sequence[NewJob], number: int | None = None) -> T:
    """Write new jobs in a `send` span, whose trace they then carry, and return what `write` returns.

    Args:
        write: stores the jobs.
        jobs: the jobs. Those that name a trace of their own keep it; if all name the same, it is the parent of the span.
        number: how many jobs they stand for; `None` means one each.
    """
    spans = _spans()
    if spans is not None:
        return spans.send(write, jobs, number)  # type: ignore[no-any-return]
    trace = carried_trace.get()
    return write(jobs if trace is None else with_trace(jobs, trace))


def start_attempt(job: Job) -> AttemptSpan | None:
    """Begin the `process` span of an attempt, whose code begins here and now; `None` if the program makes no spans."""
    if _API not in _modules:  # as in most programs, and each attempt asks
        return None
    spans = _spans()
    return None if spans is None else spans.start_attempt(job)


def record_lost_attempt(result: AttemptResult) -> None:
    """Record the span of an attempt whose process died, and with it the span that it had begun."""
    spans = _spans()
    if spans is not None:
        spans.record_lost_attempt(result)


def current_trace() -> str | None:
    """Return the trace that the code which runs here belongs to; `None` if there is none."""
    spans = _spans()
    found: str | None = None if spans is None else spans.current_trace()
    return found or carried_trace.get()
