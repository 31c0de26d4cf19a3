"""The trace that code belongs to in a program that makes no spans: a caller named it, in a variable, a header or an option."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from ..model.jobs import NewJob

carried_trace: ContextVar[str | None] = ContextVar("jobdeck_trace", default=None)
"""The trace of the jobs that are enqueued here, as `model.trace_context` stores it."""


@contextmanager
def carry_trace(trace: str | None) -> Iterator[None]:
    """Give this trace to the jobs that are enqueued inside, unless they name another or the program makes spans."""
    token = carried_trace.set(trace)
    try:
        yield
    finally:
        carried_trace.reset(token)


def with_trace(jobs: Sequence[NewJob], trace: str | None) -> Sequence[NewJob]:
    """Return the jobs; those that name no trace with this one."""
    return jobs if trace is None else [each if each.trace is not None else replace(each, trace=trace) for each in jobs]
