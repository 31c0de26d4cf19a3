"""Logs and events as streams: in order, without a gap, resumable, and without a thread for each."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.core.http.api import Api, ServerSentEvent, eventually, problem, read_events, served

from jobdeck import Worker
from jobdeck.http import watcher


@contextmanager
def stream(api: Api, path: str, **options: Any) -> Iterator[Iterator[ServerSentEvent]]:
    """Open a stream; it has begun when this returns."""
    with api.client().stream("GET", f"/api/v1{path}", **options) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert next(lines).startswith("retry:")
        yield read_events(lines)


def test_a_followed_log_has_every_line_and_ends_with_the_job(api: Api) -> None:
    job_id = api.enqueue("work.talk", {"lines": 2500}, queue="talk")
    with stream(api, f"/jobs/{job_id}/logs?follow=true") as events, Worker(api.queue, threads=1, queues=["talk"]):
        found = [*events]
    assert [each.data["text"] for each in found[:-1]] == [f"line {number}" for number in range(2500)]
    assert (found[-1].name, found[-1].data) == ("end", {"state": "completed"})
    resume = {"Last-Event-ID": found[2489].id or ""}
    with stream(api, f"/jobs/{job_id}/logs?follow=true", headers=resume) as events:
        assert [each.data.get("text") for each in events] == [*(f"line {number}" for number in range(2490, 2500)), None]
    done = api("GET", f"/jobs/{job_id}/logs?follow=true", headers={"Last-Event-ID": found[-2].id or ""})
    assert done.status_code == 204
    assert problem(api("GET", f"/jobs/{job_id}/logs?follow=true", headers={"Last-Event-ID": "x"}), 400)
    assert problem(api("GET", "/jobs/99999999/logs?follow=true"), 404)


def test_events_come_once_in_order_and_go_on_after_the_last_one(api: Api) -> None:
    with stream(api, "/events?queue=happens") as events:
        first = [api.enqueue("work.nap", {"seconds": 0}, queue="happens") for _ in range(3)]
        api.enqueue("work.nap", {"seconds": 0}, queue="elsewhere")
        found = [next(events) for _ in first]
    assert [(each.name, each.data["job_id"]) for each in found] == [("enqueued", job_id) for job_id in first]
    more = api.enqueue("work.nap", {"seconds": 0}, queue="happens")
    with stream(api, "/events?queue=happens", headers={"Last-Event-ID": found[1].id or ""}) as events:
        assert [next(events).data["job_id"] for _ in range(2)] == [first[2], more]
    forgotten = {"Last-Event-ID": f"{api.queue.get(more).created_at}/nosuch"}
    with stream(api, "/events?queue=happens", headers=forgotten) as events:
        assert {next(events).data["job_id"] for _ in range(4)} == {*first, more}
    for wrong in ({"Last-Event-ID": "x"}, {"Last-Event-ID": "/"}):
        assert problem(api("GET", "/events", headers=wrong), 400)


def test_a_stream_says_when_events_came_too_fast_to_be_read(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "MAX_EVENTS", 5)
    with stream(api, "/events?queue=burst") as events:
        api.queue.enqueue_bulk("work.nap", [{"seconds": 0}] * 30, queue="burst")
        assert next(events).name == "gap"
        assert next(events).name == "enqueued"


def test_streams_of_one_type_and_job_have_nothing_else(api: Api) -> None:
    job_id = api.enqueue("work.fail", queue="typed")
    api.enqueue("work.fail", queue="typed")
    path = f"/events?type=failed&type=cancelled&job_id={job_id}"
    with stream(api, path) as events, Worker(api.queue, threads=1, queues=["typed"]):
        found = next(events)
    assert (found.name, found.data["job_id"], found.data["text"]) == ("failed", job_id, "ValueError: no")


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process, which is both server and client, have as many connections as the system allows."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 4096), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("count", [20, pytest.param(500, marks=pytest.mark.soak)])
def test_streams_share_one_thread_and_end_when_the_server_shuts_down(tmp_path: Path, many_files: None, count: int) -> None:
    with served(tmp_path) as api:
        waiting = api.enqueue("work.nap", {"seconds": 0})
        before = threading.active_count()
        limits = httpx.Limits(max_connections=None)
        with httpx.Client(base_url=api.server.url, headers=api.client().headers, limits=limits, verify=False) as client:
            opened = [client.send(client.build_request("GET", "/api/v1/events"), stream=True) for _ in range(count)]
            polls = threading.Thread(target=lambda: found.append(client.get(f"/api/v1/jobs/{waiting}?wait=50", timeout=60)))
            found: list[httpx.Response] = []
            polls.start()
            eventually(lambda: api.server.waiting == count + 1)
            assert threading.active_count() < before + 25
            job_id = api.enqueue("work.nap", {"seconds": 0})
            for response in opened:
                assert next(read_events(response.iter_lines())).data["job_id"] == job_id
            api.server.drain()
            polls.join(10)
            assert found[0].json()["state"] == "pending"
            assert found[0].headers["connection"] == "close"
            for response in opened:
                with pytest.raises(httpx.StreamConsumed):
                    response.read()
                response.close()
        assert api.server.stop(10)
