"""Jobs that are enqueued over HTTP belong to the trace that the header `traceparent` of the request names."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.http.api import Api

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def trace_of(job: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    return job["trace_id"], job["traceparent"], job["tracestate"]


def test_every_request_that_enqueues_gives_its_trace_to_the_jobs(api: Api) -> None:
    headers = {"traceparent": PARENT, "tracestate": "vendor=1"}
    body = {"kind": "mail.send", "args": {"to": "ann"}}
    one = api("POST", "/jobs", json=body, headers=headers).json()
    many = api(
        *("POST", "/jobs:bulk"),
        content=b'{"kind": "mail.send", "args": {"to": "ann"}}\n' * 2,
        headers={**headers, "content-type": "application/x-ndjson"},
    ).json()
    api("POST", "/batches", json={"jobs": [body]}, headers=headers)
    api("POST", "/schedules", json={"name": "traced", "cron": "@yearly", **body})
    scheduled = api("POST", "/schedules/traced/run", headers=headers).json()
    expected = (TRACE, PARENT, "vendor=1")
    assert trace_of(one) == trace_of(scheduled) == expected
    for job_id in (*many["ids"], many["ids"][-1] + 1):
        assert trace_of(api("GET", f"/jobs/{job_id}").json()) == expected
    assert trace_of(api("POST", "/jobs", json=body).json()) == (None, None, None)  # nothing of it stays


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", "hello")],
        [("traceparent", f"{PARENT}-more")],
        [("traceparent", PARENT), ("traceparent", PARENT)],
        [("tracestate", "vendor=1")],
        [("traceparent", b"\xff\xfe")],
        [("traceparent", "0" * 5000)],
    ],
)
def test_headers_that_cannot_be_used_name_no_trace(api: Api, headers: list[tuple[str, Any]]) -> None:
    response = api("POST", "/jobs", json={"kind": "mail.send", "args": {"to": "ann"}}, headers=headers)
    assert (response.status_code, trace_of(response.json())) == (201, (None, None, None))


def test_several_tracestates_are_one(api: Api) -> None:
    headers = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]
    response = api("POST", "/jobs", json={"kind": "mail.send", "args": {"to": "ann"}}, headers=headers)
    assert response.json()["tracestate"] == "a=1,b=2"
