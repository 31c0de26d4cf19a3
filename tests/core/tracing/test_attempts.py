"""Each attempt is a `process` span, wherever its code runs: begun with the code, and ended with the outcome."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from tests.core.tracing.spans import Spans, attributes, linked, parent_id, span_id, spans, trace_id

from jobdeck import Job, Queue, Registry, Settings, Snooze, State, Worker, add_shell, carry_trace, context, job, load_apps
from jobdeck.kinds.registry import REGISTRY
from jobdeck.testing import drain

__all__ = ["spans"]

TASKS = Path(__file__).parents[1] / "traced_kinds.py"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def kinds() -> Registry:
    registry = Registry()
    add_shell(registry)
    return registry


@pytest.fixture
def queue(address: str, kinds: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr("jobdeck.execution.executor.compute_delay", lambda attempt, random: 0.02)
    with Queue(settings=Settings(database=address, synchronous="OFF"), registry=kinds) as opened:
        yield opened


def finish(queue: Queue, *jobs: Job, **options: Any) -> list[Job]:
    """Run a worker until these jobs are final."""
    with Worker(queue, **{"threads": 2, **options}):
        return [queue.wait(each.id, timeout=20, every=0.01) for each in jobs]


def current() -> str:
    return trace.format_span_id(trace.get_current_span().get_span_context().span_id)


def test_two_attempts_are_two_consumer_spans_that_descend_from_the_enqueue_and_link_to_it(
    queue: Queue, kinds: Registry, spans: Spans
) -> None:
    @job(name="flaky", queue="mail", max_attempts=2, registry=kinds)
    def flaky() -> str:
        if context().attempt == 1:
            raise ValueError("not yet")
        return current()

    with spans.request() as request:
        stored = queue.enqueue("flaky")
    (done,) = finish(queue, stored)
    sent = spans.one("send mail")
    first, second = spans.named("process mail")
    assert [each.kind for each in (first, second)] == [SpanKind.CONSUMER] * 2
    assert [parent_id(each) for each in (first, second)] == [span_id(sent)] * 2
    assert [linked(each) for each in (first, second)] == [[span_id(sent)]] * 2
    assert {trace_id(each) for each in (first, second, sent, request)} == {trace_id(request)}
    assert attributes(first) == {
        "messaging.system": "jobdeck",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "mail",
        "messaging.message.id": str(stored.id),
        "jobdeck.job.kind": "flaky",
        "jobdeck.job.attempt": 1,
        "jobdeck.job.outcome": "failed",
        "error.type": "ValueError",
    }
    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, "not yet")
    (event,) = first.events
    recorded = dict(event.attributes or {})
    assert (event.name, recorded["exception.type"], recorded["exception.message"]) == ("exception", "ValueError", "not yet")
    assert "in flaky" in str(recorded["exception.stacktrace"])
    assert (attributes(second)["jobdeck.job.attempt"], attributes(second)["jobdeck.job.outcome"]) == (2, "completed")
    assert (second.status.status_code, second.events) == (StatusCode.UNSET, ())
    assert done.result == span_id(second)


def test_the_span_of_a_job_that_waited_for_a_thread_begins_with_its_code(queue: Queue, kinds: Registry, spans: Spans) -> None:
    started: list[float] = []

    @job(name="nap", registry=kinds)
    def nap() -> None:
        started.append(time.time())
        time.sleep(0.05)

    # All are claimed at once, for one thread.
    finish(queue, *[queue.enqueue("nap") for _ in range(3)], threads=1)
    for span, at in zip(spans.named("process default"), started, strict=True):
        assert abs((span.start_time or 0) / 1e9 - at) < 0.04


def test_async_handlers_and_their_tasks_run_in_the_span_of_their_own_attempt(
    queue: Queue, kinds: Registry, spans: Spans
) -> None:
    @job(name="both", max_attempts=1, registry=kinds)
    async def both(fail: bool) -> list[str]:
        await asyncio.sleep(0.02)
        seen = [current(), await asyncio.create_task(_current())]
        if fail:
            raise LookupError(json.dumps(seen))
        return seen

    async def _current() -> str:
        await asyncio.sleep(0)
        return current()

    good, bad = finish(queue, queue.enqueue("both", {"fail": False}), queue.enqueue("both", {"fail": True}))
    found = {attributes(span)["messaging.message.id"]: span for span in spans.named("process default")}
    ended, failed = found[str(good.id)], found[str(bad.id)]
    assert good.result == [span_id(ended)] * 2
    assert json.loads(str(failed.status.description)) == [span_id(failed)] * 2
    assert attributes(failed)["error.type"] == "LookupError"
    assert (attributes(ended)["jobdeck.job.outcome"], attributes(failed)["jobdeck.job.outcome"]) == ("completed", "failed")


def test_an_attempt_that_fails_before_its_handler_starts_ends_its_span(queue: Queue, kinds: Registry, spans: Spans) -> None:
    @job(name="typed", max_attempts=1, registry=kinds)
    async def typed(n: int) -> None: ...

    stored = queue.enqueue("typed", {"n": 1})
    with queue.store.transaction() as connection:
        connection.execute("UPDATE jobdeck_jobs SET args = '{\"m\": 1}'")
    with Worker(queue, threads=1):
        ended = queue.store  # keeps the queue open
        while not spans.named("process default"):
            time.sleep(0.005)
    assert ended is not None
    assert attributes(spans.named("process default")[0])["error.type"] == queue.attempts(stored.id)[0].error_type


def test_snoozed_and_released_attempts_are_no_errors(queue: Queue, kinds: Registry, spans: Spans) -> None:
    @job(name="later", registry=kinds)
    def later() -> None:
        if len(spans.named("process default")) == 0:
            raise Snooze(0.01)

    finish(queue, queue.enqueue("later"))
    snoozed, completed = spans.named("process default")
    assert (attributes(snoozed)["jobdeck.job.outcome"], snoozed.status.status_code) == ("snoozed", StatusCode.UNSET)
    assert attributes(completed)["jobdeck.job.outcome"] == "completed"


def test_a_job_without_a_trace_begins_one_not_below_the_span_in_which_the_worker_was_started(
    queue: Queue, kinds: Registry, spans: Spans
) -> None:
    @job(name="alone", registry=kinds)
    def alone() -> None: ...

    stored = queue.enqueue("alone")
    with queue.store.transaction() as connection:
        connection.execute("UPDATE jobdeck_jobs SET trace = NULL")
    with spans.request() as request:
        finish(queue, stored)
    span = spans.one("process default")
    assert (parent_id(span), linked(span)) == (None, [])
    assert trace_id(span) != trace_id(request)


def test_a_job_that_a_handler_enqueues_descends_from_its_attempt(queue: Queue, kinds: Registry, spans: Spans) -> None:
    @job(name="child", registry=kinds)
    def child() -> None: ...

    @job(name="parent", registry=kinds)
    def parent() -> int:
        return queue.enqueue("child").id

    with spans.request() as request:
        stored = queue.enqueue("parent")
    with Worker(queue, threads=1):
        done = queue.wait(stored.id, timeout=20, every=0.01)
        queue.wait(done.result, timeout=20, every=0.01)
    first, second = spans.named("process default")
    _, sent = spans.named("send default")
    assert (parent_id(sent), parent_id(second)) == (span_id(first), span_id(sent))
    assert queue.get(done.result).trace_id == trace_id(request)


def test_without_a_tracer_handlers_and_the_jobs_that_they_enqueue_stay_in_the_trace(queue: Queue, kinds: Registry) -> None:
    @job(name="child", registry=kinds)
    def child() -> None: ...

    @job(name="parent", registry=kinds)
    def parent() -> list[Any]:
        return [queue.enqueue("child").traceparent, current()]

    @job(name="apart", registry=kinds)
    async def apart() -> list[Any]:
        return [queue.enqueue("child").traceparent, current()]

    with carry_trace(PARENT):
        named = [queue.enqueue("parent"), queue.enqueue("apart")]
        bare = queue.enqueue("apart", delay=0)
    with queue.store.transaction() as connection:
        connection.execute(f"UPDATE jobdeck_jobs SET trace = NULL WHERE id = {bare.id}")
    with carry_trace(PARENT):  # a worker that was started in a trace gives it to no job
        first, second, third = finish(queue, *named, bare)
    assert first.result == second.result == [PARENT, SPAN]
    assert third.result == [None, "0" * 16]


def test_a_handler_that_another_thread_interrupts_ends_its_span(queue: Queue, kinds: Registry, spans: Spans) -> None:
    @job(name="exits", max_attempts=1, registry=kinds)
    def exits() -> None:
        sys.exit(3)

    finish(queue, queue.enqueue("exits"))
    assert attributes(spans.one("process default"))["error.type"] == "SystemExit"


def test_a_program_whose_tracer_fails_runs_its_jobs_all_the_same(
    queue: Queue, kinds: Registry, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no exporter")

    @job(name="fine", registry=kinds)
    def fine() -> int:
        return 1

    monkeypatch.setattr("opentelemetry.sdk.trace.Span.end", fail)
    assert finish(queue, queue.enqueue("fine"))[0].result == 1
    monkeypatch.setattr("opentelemetry.sdk.trace.Tracer.start_span", fail)
    assert finish(queue, queue.enqueue("fine"))[0].result == 1


def test_jobs_that_tests_drain_are_traced(queue: Queue, kinds: Registry, spans: Spans) -> None:
    @job(name="plain", registry=kinds)
    def plain() -> None: ...

    queue.enqueue("plain")
    drain(queue)
    assert parent_id(spans.one("process default")) == span_id(spans.one("send default"))
    assert not trace.get_current_span().get_span_context().is_valid


# -- commands -----------------------------------------------------------------------------------------

SHOW = ["sh", "-c", 'echo "$TRACEPARENT $TRACESTATE"']


def output(queue: Queue, job_id: int) -> list[str]:
    return [line.text.strip() for line in queue.logs(job_id)]


def test_each_attempt_of_a_command_gets_its_span_in_its_environment(queue: Queue, spans: Spans) -> None:
    script = SHOW[2] + '; [ "$JOBDECK_ATTEMPT" = 2 ]'
    (done,) = finish(queue, queue.enqueue("shell", {"command": ["sh", "-c", script]}, traceparent=PARENT, tracestate="v=1"))
    found = spans.named("process default")
    assert output(queue, done.id) == [f"00-{TRACE}-{span_id(span)}-01 v=1" for span in found]
    assert [attributes(span).get("error.type") for span in found] == ["exit code 1", None]
    assert {attributes(span)["jobdeck.job.kind"] for span in found} == {done.kind}


def test_without_a_tracer_a_command_gets_the_span_that_enqueued_it_and_never_that_of_its_worker(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEPARENT", PARENT.replace("0", "1"))
    monkeypatch.setenv("TRACESTATE", "worker=1")
    stale = {"PATH": "/usr/bin:/bin", "TRACEPARENT": "00-stale", "TRACESTATE": "stale=1"}
    jobs = [
        queue.enqueue("shell", {"command": SHOW}, traceparent=PARENT, tracestate="v=1"),
        queue.enqueue("shell", {"command": SHOW}),
        queue.enqueue("shell", {"command": SHOW, "base_env": stale}, traceparent=PARENT),
        queue.enqueue("shell", {"command": SHOW, "env": {"TRACEPARENT": "own"}}, traceparent=PARENT),
    ]
    finish(queue, *jobs)
    assert [output(queue, each.id) for each in jobs] == [[f"{PARENT} v=1"], [""], [PARENT], ["own"]]


# -- child processes ----------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_child_processes_trace_and_the_span_of_one_that_was_killed_is_recorded_by_its_worker(
    tmp_path: Path, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_apps([str(TASKS)])
    names = [name for name in REGISTRY.kinds if name.startswith("traced.")]
    registry = Registry(REGISTRY.get(name) for name in names)
    file = tmp_path / "spans.jsonl"
    monkeypatch.setenv("TRACED_SPANS", str(file))
    settings = Settings(database=str(tmp_path / "jobs.db"), app=(str(TASKS),), synchronous="OFF")
    with Queue(settings=settings, registry=registry) as queue:
        with spans.request() as request:
            jobs = [queue.enqueue(name, queue=name) for name in ("traced.see", "traced.isolated", "traced.killed")]
        in_pool, isolated, killed = finish(queue, *jobs, processes=1, threads=1)
    found = [json.loads(line) for line in file.read_text().splitlines()]
    for done in (in_pool, isolated):
        assert done.state is State.COMPLETED
        span = next(each for each in found if each["name"] == f"process {done.kind}")
        inner = next(each for each in found if each["parent_id"] == span["context"]["span_id"])
        assert inner["name"] == "inner"
        assert span["context"]["trace_id"] == inner["context"]["trace_id"] == f"0x{trace_id(request)}"
        assert span["parent_id"] == f"0x{span_id(spans.one(f'send {done.kind}'))}"
        assert span["attributes"]["jobdeck.job.outcome"] == "completed"
    assert in_pool.result in {each["context"]["span_id"].removeprefix("0x") for each in found}
    assert killed.state is State.FAILED
    lost = spans.one("process traced.killed")
    assert (attributes(lost)["jobdeck.job.outcome"], attributes(lost)["error.type"]) == ("crashed", "Crashed")
    assert (trace_id(lost), parent_id(lost)) == (trace_id(request), span_id(spans.one("send traced.killed")))
    assert [each["name"] for each in found if "killed" in each["name"]] == []
