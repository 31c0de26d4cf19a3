"""Every way to enqueue makes one `send` span, and the jobs carry it; without a tracer they carry the trace that is named."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from tests.core.helpers import FakeClock
from tests.core.tracing.spans import Spans, attributes, carries, parent_id, span_id, spans, trace_id

from jobdeck import InvalidOption, Job, JobNotFound, Queue, Registry, Settings, UniqueKeyConflict, carry_trace, job
from jobdeck.scheduling.ticker import enqueue_due

__all__ = ["spans"]

REGISTRY = Registry()
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


@job(name="mail.send", queue="mail", registry=REGISTRY)
def send(to: str = "ann") -> None: ...


@job(name="tidy", registry=REGISTRY)
def tidy() -> None: ...


@pytest.fixture
def queue(address: str) -> Iterator[Queue]:
    with Queue(address, registry=REGISTRY, settings=Settings(synchronous="OFF")) as opened:
        yield opened


def test_an_enqueue_is_one_producer_span_which_its_job_carries(queue: Queue, spans: Spans) -> None:
    with spans.request() as request:
        stored = queue.enqueue("mail.send", {"to": "bob"})
    sent = spans.one("send mail")
    assert sent.kind is SpanKind.PRODUCER
    assert (parent_id(sent), trace_id(sent)) == (span_id(request), trace_id(request))
    assert attributes(sent) == {
        "messaging.system": "jobdeck",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "mail",
        "messaging.message.id": str(stored.id),
        "jobdeck.job.kind": "mail.send",
    }
    assert carries(stored, sent)
    assert queue.get(stored.id).trace == stored.trace
    assert stored.trace_id == trace_id(request)


def test_an_enqueue_without_a_span_around_it_begins_a_trace(queue: Queue, spans: Spans) -> None:
    stored = queue.enqueue(tidy)
    assert parent_id(spans.one("send default")) is None
    assert carries(stored, spans.one("send default"))


def test_many_jobs_are_one_span_with_their_number(queue: Queue, spans: Spans) -> None:
    queue.enqueue_bulk("mail.send", [{"to": str(n)} for n in range(3)], priority=1)
    queue.enqueue_many([queue.new_job("mail.send"), queue.new_job("tidy")])
    batch = queue.batches.enqueue([queue.new_job("tidy"), queue.new_job("tidy")], name="night")
    bulk, many, batched = spans.one("send mail"), spans.one("send"), spans.one("send default")
    counts = [attributes(span)["messaging.batch.message_count"] for span in (bulk, many, batched)]
    assert counts == [3, 2, 2]
    assert "messaging.destination.name" not in attributes(many)  # there are two
    assert attributes(bulk)["jobdeck.job.kind"] == "mail.send"
    jobs = queue.list("id>0", sort="id", descending=False)
    assert [carries(each, span) for each, span in zip(jobs, [bulk] * 3 + [many] * 2 + [batched] * 2, strict=True)] == [True] * 7
    assert [each.id for each in jobs if each.batch == batch.id] == [6, 7]


def test_nothing_enqueued_makes_no_span(queue: Queue, spans: Spans) -> None:
    queue.enqueue_many([])
    queue.enqueue_bulk("tidy", [])
    assert spans.names() == []


def test_jobs_of_threads_that_share_a_commit_keep_their_own_traces(queue: Queue, spans: Spans) -> None:
    stored: list[tuple[Job, str]] = []

    def work() -> None:
        for _ in range(5):
            with spans.request() as request:
                stored.append((queue.enqueue("tidy"), trace_id(request)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [queue.get(each.id).trace_id for each, _ in stored] == [request for _, request in stored]


def test_jobs_of_coroutines_that_share_a_commit_are_each_in_a_span_of_its_own(queue: Queue, spans: Spans) -> None:
    async def enqueue(n: int) -> tuple[Job, str]:
        with spans.request() as request:
            return await queue.aenqueue("mail.send", {"to": str(n)}), trace_id(request)

    async def refused() -> None:
        with pytest.raises(JobNotFound):
            await queue.aenqueue("tidy", after=[10**9])

    async def all_at_once() -> list[tuple[Job, str]]:
        stored, _ = await asyncio.gather(asyncio.gather(*map(enqueue, range(20))), refused())
        return stored

    stored = asyncio.run(all_at_once())
    sent = {attributes(span)["messaging.message.id"]: span for span in spans.named("send mail")}
    assert [each.args["to"] for each, _ in stored] == [str(n) for n in range(20)]
    assert [queue.get(each.id).trace_id for each, _ in stored] == [request for _, request in stored]
    assert all(carries(each, sent[str(each.id)]) for each, _ in stored)
    assert attributes(spans.one("send default"))["error.type"] == "jobdeck.model.errors.JobNotFound"


@pytest.mark.sqlite
def test_an_enqueue_in_the_callers_transaction_is_a_span_too(tmp_path: Path, spans: Spans) -> None:
    with Queue(tmp_path / "jobs.db", registry=REGISTRY) as queue, queue.transaction() as connection:
        assert isinstance(connection, apsw.Connection)
        stored = queue.enqueue_in(connection, "tidy")
    assert carries(stored, spans.one("send default"))
    assert attributes(spans.one("send default"))["messaging.message.id"] == str(stored.id)


def test_a_refused_enqueue_ends_its_span_with_the_error(queue: Queue, spans: Spans) -> None:
    first = queue.enqueue("tidy", unique="k")
    with pytest.raises(UniqueKeyConflict):
        queue.enqueue("tidy", unique="k", on_conflict="refuse")
    _, refused = spans.named("send default")
    assert (refused.status.status_code, attributes(refused)["error.type"]) == (
        StatusCode.ERROR,
        "jobdeck.model.errors.UniqueKeyConflict",
    )
    assert queue.get(first.id).trace == first.trace


def test_a_job_that_holds_the_key_keeps_its_trace_unless_its_work_is_replaced(queue: Queue, spans: Spans) -> None:
    first = queue.enqueue("mail.send", {"to": "ann"}, unique="k")
    assert queue.enqueue("mail.send", {"to": "bob"}, unique="k").trace == first.trace
    replaced = queue.enqueue("mail.send", {"to": "bob"}, unique="k", on_conflict="replace")
    assert replaced.id == first.id
    assert carries(queue.get(first.id), spans.named("send mail")[-1])


def test_a_retry_a_duplicate_and_an_undone_deletion_keep_the_trace(queue: Queue, spans: Spans) -> None:
    stored = queue.enqueue("tidy", delay=3600)
    queue.retry(stored.id)
    assert queue.get(stored.id).trace == stored.trace
    queue.delete(stored.id)
    queue.journal.undo()
    assert queue.get(stored.id).trace == stored.trace


def test_a_job_that_waits_for_others_carries_the_trace_of_its_own_enqueue(queue: Queue, spans: Spans) -> None:
    with spans.request():
        parent = queue.enqueue("tidy")
    with spans.request() as second:
        child = queue.enqueue("tidy", after=[parent.id])
    assert child.trace_id == trace_id(second) != parent.trace_id


@pytest.mark.sqlite  # the ticks of a server follow its own clock
@pytest.mark.parametrize("tracing", [True, False])
def test_a_tick_of_a_schedule_begins_a_trace_if_the_process_traces(
    tmp_path: Path, request: pytest.FixtureRequest, tracing: bool
) -> None:
    found: Spans | None = request.getfixturevalue("spans") if tracing else None
    clock = FakeClock()
    with Queue(tmp_path / "jobs.db", registry=REGISTRY, clock=clock) as queue:
        queue.schedules.add("night", "@yearly", "tidy")
        by_hand = queue.schedules.run("night")
        clock.wall = queue.schedules.get("night").next_at + 1
        enqueue_due(queue.store, clock)
        ticked = queue.get(by_hand.id + 1)
    if found is None:
        assert (by_hand.trace, ticked.trace) == (None, None)
    else:
        first, second = found.named("send default")
        assert carries(by_hand, first)
        assert carries(ticked, second)
        assert by_hand.trace_id != ticked.trace_id


# -- without a tracer ---------------------------------------------------------------------------------


def test_without_a_tracer_jobs_carry_no_trace_unless_one_is_named(queue: Queue) -> None:
    assert queue.enqueue("tidy").trace is None
    named = queue.enqueue("tidy", traceparent=PARENT, tracestate="vendor=1")
    assert (named.traceparent, named.tracestate, named.trace_id) == (PARENT, "vendor=1", TRACE)
    assert queue.get(named.id).tracestate == "vendor=1"
    assert queue.enqueue_bulk("tidy", [{}], traceparent=OTHER)
    assert queue.get(named.id + 1).traceparent == OTHER


def test_the_span_of_a_caller_is_passed_on_without_a_tracer(queue: Queue) -> None:
    remote = trace.SpanContext(int(TRACE, 16), int(SPAN, 16), True, trace.TraceFlags(1))
    token = contexts.attach(trace.set_span_in_context(trace.NonRecordingSpan(remote)))
    try:
        stored = queue.enqueue("tidy")
        named = queue.enqueue("tidy", traceparent=OTHER)
    finally:
        contexts.detach(token)
    assert (stored.traceparent, named.traceparent) == (PARENT, OTHER)


def test_the_jobs_of_one_call_may_name_different_traces(queue: Queue, spans: Spans) -> None:
    jobs = [queue.new_job("tidy", traceparent=PARENT), queue.new_job("tidy", traceparent=OTHER), queue.new_job("tidy")]
    first, second, third = queue.enqueue_many(jobs)
    assert (first.traceparent, second.traceparent) == (PARENT, OTHER)
    assert carries(third, spans.one("send default"))


def test_a_trace_that_is_named_is_the_parent_of_the_span(queue: Queue, spans: Spans) -> None:
    with spans.request():
        stored = queue.enqueue("tidy", traceparent=PARENT, tracestate="vendor=1")
    sent = spans.one("send default")
    assert (trace_id(sent), parent_id(sent), carries(stored, sent)) == (TRACE, SPAN, True)
    assert stored.tracestate == "vendor=1"
    assert trace_id(spans.one("request")) != TRACE


def test_a_carried_trace_gives_way_to_the_spans_of_the_program(queue: Queue, spans: Spans) -> None:
    with carry_trace(PARENT):
        alone = queue.enqueue("tidy")
        with spans.request() as request:
            inside = queue.enqueue("tidy")
    assert (alone.trace_id, inside.trace_id) == (TRACE, trace_id(request))
    assert parent_id(spans.named("send default")[0]) == SPAN


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "hello",
        PARENT.upper(),
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"{PARENT}-more",
        f"{PARENT}\nx: y",
        7,
    ],
)
def test_a_malformed_traceparent_is_refused(queue: Queue, wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="traceparent"):
        queue.enqueue("tidy", traceparent=wrong)
    with pytest.raises(InvalidOption, match="tracestate"):
        queue.enqueue("tidy", tracestate="vendor=1")


@pytest.mark.parametrize("state", ["a" * 513, "a=\x1b[31m", "a=ä", "  "])
def test_a_tracestate_that_cannot_be_passed_on_is_left_out(queue: Queue, state: str) -> None:
    stored = queue.enqueue("tidy", traceparent=f"cc-{TRACE}-{SPAN}-01-later", tracestate=state)
    assert (stored.traceparent, stored.tracestate) == (PARENT, None)


def test_a_stored_trace_that_no_jobdeck_wrote_counts_as_none(queue: Queue) -> None:
    stored = queue.enqueue("tidy", traceparent=PARENT)
    with queue.store.transaction() as connection:
        connection.execute("UPDATE jobdeck_jobs SET trace = 'x\x1b[31m y' WHERE id = 1")
    found = queue.get(stored.id)
    assert (found.trace_id, found.traceparent, found.tracestate) == (None, None, None)


def test_a_program_whose_tracer_fails_enqueues_all_the_same(
    queue: Queue, spans: Spans, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no sampler")

    monkeypatch.setattr("jobdeck.tracing.spans._has_failed", False)
    monkeypatch.setattr(spans.provider, "sampler", None)
    monkeypatch.setattr("opentelemetry.sdk.trace.Tracer.start_span", fail)
    assert [queue.enqueue("tidy").trace for _ in range(2)] == [None, None]
    assert [record.message for record in caplog.records if "OpenTelemetry" in record.message] == [
        "OpenTelemetry failed; jobs run without the spans: RuntimeError: no sampler"
    ]
