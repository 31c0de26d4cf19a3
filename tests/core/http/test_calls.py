"""Calls: the scope of each, what is sent to them, and that a server that only reads still answers those that read."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import httpx
import pytest
from tests.core.http.api import Api, problem, served

from jobdeck import HttpServer, Scope
from jobdeck.http.calls.all import CALLS

BY_SCOPE = {
    Scope.READ: (
        *("about", "get", "get_many", "list", "ids", "count", "count_states", "attempts", "logs", "dependencies", "stack"),
        *("queues", "queue_stats", "overview", "explain", "batches.get", "limits.get", "workers.list"),
        *("kinds.list", "kinds.argument_schema"),
        *("journal.entries", "journal.of_job", "history.metrics", "history.errors", "history.runs", "history.events"),
        *("history.totals", "history.oldest_waits"),
        *("schedules.list", "schedules.get", "schedules.history", "schedules.preview"),
    ),
    Scope.ENQUEUE: ("new_jobs", "enqueue_new", "batches.enqueue"),
    Scope.OPERATE: (
        *("change_many", "edit", "check_edit", "pause", "resume", "pause_all", "resume_all", "limits.set", "workers.drain"),
        *("journal.undo", "journal.redo", "schedules.new_schedule", "schedules.add", "schedules.edit"),
        *("schedules.pause", "schedules.resume", "schedules.run", "schedules.delete"),
    ),
}


def test_every_call_needs_the_scope_of_the_table() -> None:
    assert {name: each.scope for name, each in CALLS.items()} == {
        name: scope for scope, names in BY_SCOPE.items() for name in names
    }


@pytest.mark.parametrize("name", ["about", "new_jobs", "change_many"])
def test_a_call_is_refused_without_its_scope_before_its_arguments_are_read(api: Api, name: str) -> None:
    needed = CALLS[name].scope
    other = ",".join(scope for scope in Scope if scope is not needed)
    assert problem(api.client(other).post(f"/api/v1/calls/{name}", content=b"{"), 403)["scope"] == needed
    assert problem(api.client("").post(f"/api/v1/calls/{name}", content=b"{"), 401)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_wrong_arguments_of_a_call_are_a_problem_document(api: Api, name: str) -> None:
    wrong = problem(api("POST", f"/calls/{name}", json={"nosuch": 1, "name": 5, "ids": ["x"], "jobs": 1}), 422)
    assert {"pointer": "/nosuch", "detail": "Extra inputs are not permitted"} in wrong["errors"]
    for body in (b"", b"[" * 100_000, b'{"a": "\xff"}', b"NaN"):
        answer = api("POST", f"/calls/{name}", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), answer.text


def test_a_call_that_does_not_exist_is_refused(api: Api) -> None:
    for name in ("nosuch", "store", "transaction", "__init__", "schedules"):
        assert problem(api("POST", f"/calls/{name}", json={}), 422)


def test_commands_need_the_scope_shell_in_calls_too(api: Api) -> None:
    some = api.client("read,enqueue,operate")
    request = {"kind": "shell:true", "args": {"command": ["true"]}, "options": {}}
    job_id = api.queue.enqueue("shell", {"command": ["true"]}, delay=60).id
    api.queue.schedules.add("call", "@daily", "shell", {"command": ["true"]}, replace=True)
    changed = {"args": {"command": ["false"]}}
    for name, arguments in (
        ("new_jobs", {"jobs": [request]}),
        ("enqueue_new", {"jobs": [request]}),
        ("batches.enqueue", {"jobs": [request], "name": "", "into": None}),
        ("edit", {"job_id": job_id, "changes": {}, **changed}),
        ("check_edit", {"job_id": job_id, "changes": {}, **changed}),
        ("schedules.add", {"name": "x", "cron": "@daily", "kind": "shell", "replace": False, "options": {}, **changed}),
        ("schedules.new_schedule", {"name": "x", "cron": "@daily", "kind": "shell", "options": {}, **changed}),
        ("schedules.edit", {"name": "call", "cron": None, "kind": None, "options": {}, **changed}),
        ("schedules.edit", {"name": "call", "cron": None, "kind": "work.fail", "options": {}, "args": None}),
    ):
        assert problem(some.post(f"/api/v1/calls/{name}", json=arguments), 403)["scope"] == "shell", name


def test_a_server_that_only_reads_answers_the_calls_that_read(tmp_path: Path) -> None:
    with served(tmp_path, readonly=True) as api:
        assert api("POST", "/calls/count", json={"filter": ""}).json() == 0
        refused = problem(api("POST", "/calls/pause", json={"queue": "mail"}), 403)
        assert refused["detail"] == "This server was started with --readonly."


def test_large_answers_are_compressed_for_clients_that_read_that(api: Api) -> None:
    ids = [api.queue.enqueue("mail.send", {"to": "x" * 200}).id for _ in range(100)]
    url = f"{api.server.url}/api/v1/calls/get_many"
    headers = {"Authorization": api.client().headers["Authorization"], "Accept-Encoding": "gzip"}
    with httpx.stream("POST", url, json={"ids": ids}, headers=headers) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(json.loads(zlib.decompress(packed, wbits=31))) == 100
    assert (
        "content-encoding" not in httpx.post(url, json={"ids": ids}, headers={**headers, "Accept-Encoding": "identity"}).headers
    )


def test_no_call_names_what_only_the_server_may_know(api: Api) -> None:
    """Errors of the store are reported in general words, whoever asks."""
    answer = problem(api("POST", "/calls/get", json={"job_id": 2**62}), 404)
    assert answer["cause"] == {
        "error": "JobNotFound",
        "sentence": f"Job {2**62} does not exist.",
        "data": {"job_id": 2**62},
    }
    assert isinstance(api.server, HttpServer)
