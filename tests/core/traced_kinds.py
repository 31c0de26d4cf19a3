"""Kinds of a program that traces, for the tests of traces; child processes and workers import this file.

Where TRACED_SPANS names a file, the program appends its spans to it, each as a JSON document on one line.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from jobdeck import Queue, context, job


class FileExporter(SpanExporter):
    """Appends each span to a file, at once, so that several processes may share it."""

    def export(self, spans: object) -> SpanExportResult:
        assert isinstance(spans, (list, tuple))
        with open(os.environ["TRACED_SPANS"], "a") as file:
            file.write("".join(each.to_json(indent=None) + "\n" for each in spans if isinstance(each, ReadableSpan)))
        return SpanExportResult.SUCCESS


if os.environ.get("TRACED_SPANS"):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(FileExporter()))
    trace.set_tracer_provider(provider)


def current() -> str:
    """Return the id of the current span."""
    return trace.format_span_id(trace.get_current_span().get_span_context().span_id)


@job(name="traced.see", max_attempts=2)
def see(fail: bool = False) -> str:
    with trace.get_tracer("program").start_as_current_span("inner"):
        if fail and context().attempt == 1:
            raise ValueError("the first attempt fails")
    return current()


@job(name="traced.isolated", isolate=True)
def isolated() -> str:
    with trace.get_tracer("program").start_as_current_span("inner"):
        return current()


@job(name="traced.killed", isolate=True, max_attempts=1)
def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


@job(name="traced.follow")
def follow(database: str) -> int:
    with Queue(Path(database)) as queue:
        return queue.enqueue("traced.see").id
