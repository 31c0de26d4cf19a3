"""Jobs over HTTP: enqueue, list, read, wait, edit, cancel, retry, delete."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest
from tests.core.http.api import Api, eventually, problem

from jobdeck import Worker
from jobdeck_tui.commands.json_documents import job_document


def test_an_enqueued_job_is_created_at_its_location(api: Api) -> None:
    body = {"kind": "mail.send", "args": {"to": "ann@example.org"}, "priority": 5, "delay": 60, "tags": ["a"]}
    response = api("POST", "/jobs", json=body)
    assert response.status_code == 201
    job = api.client().get(response.headers["location"]).json()
    assert job == response.json()
    assert (job["kind"], job["queue"], job["priority"], job["state"], job["tags"]) == (
        "mail.send",
        "mail",
        5,
        "scheduled",
        ["a"],
    )
    assert job["args"] == {"to": "ann@example.org"}


def test_a_request_with_the_same_idempotency_key_gets_the_same_job_even_when_it_has_finished(api: Api) -> None:
    body, headers = {"kind": "mail.send", "args": {"to": "key"}}, {"Idempotency-Key": "order-12"}
    first = api("POST", "/jobs", json=body, headers=headers)
    again = api("POST", "/jobs", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    api("POST", f"/jobs/{first.json()['id']}/cancel")
    final = api("POST", "/jobs", json=body, headers=headers)
    assert (final.status_code, final.json()["id"], final.json()["state"]) == (200, first.json()["id"], "cancelled")
    other = problem(api("POST", "/jobs", json={**body, "args": {"to": "bob"}}, headers=headers), 422)
    assert other["holder"] == first.json()["id"]
    assert "Two keys" in problem(api("POST", "/jobs", json={**body, "unique": "x"}, headers=headers), 422)["title"]


def test_a_taken_key_names_the_job_that_holds_it(api: Api) -> None:
    holder = api.enqueue(unique="nightly")
    body = {"kind": "mail.send", "args": {"to": "x"}, "unique": "nightly"}
    assert problem(api("POST", "/jobs", json={**body, "on_conflict": "refuse"}), 409)["holder"] == holder
    returned = api("POST", "/jobs", json=body)
    assert (returned.status_code, returned.json()["id"]) == (200, holder)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"kind": "mail.send", "args": {"count": "x", "inner": {"a": [1, "b"]}, "more": 1}}, None),
        ({"kind": "nosuch"}, {"/kind"}),
        ({"kind": "mail.send", "args": {"to": "a"}, "priority": "5"}, {"/priority"}),
        ({"kind": "mail.send", "args": {"to": "a"}, "delay": 1, "at": "2030-01-01T00:00:00Z"}, {"/delay"}),
        ({"kind": "mail.send", "args": {"to": "a"}, "at": "2030-01-01T00:00:00"}, {"/at"}),
        ({"kind": "mail.send", "args": {"to": "a"}, "tags": ["ok", "a\nb"]}, {"/tags"}),
        ({"kind": "mail.send", "args": {"to": "a"}, "nosuch": 1}, {"/nosuch"}),
        ({"kind": "mail.send", "args": {"to": "a"}, "unique_until": ["pending"]}, {"/unique_until/0"}),
        ([], {""}),
    ],
)
def test_wrong_values_are_named_by_json_pointers(api: Api, body: Any, wrong: set[str] | None) -> None:
    found = {each["pointer"] for each in problem(api("POST", "/jobs", json=body), 422)["errors"]}
    if wrong is None:
        assert found >= {"/args/to", "/args/count", "/args/more"}
        assert any(each.startswith("/args/inner") for each in found)
    else:
        assert found == wrong


def test_bodies_that_cannot_be_read_are_refused_by_their_kind(api: Api) -> None:
    text = {"Content-Type": "application/json"}
    assert problem(api("POST", "/jobs", content=b"{", headers=text), 400)
    assert problem(api("POST", "/jobs", content=b"\xff\xfe{}", headers=text), 400)
    assert problem(api("POST", "/jobs", content=b"[" * 100_000, headers=text), 400)
    assert problem(api("POST", "/jobs", content=b"kind=x", headers={"Content-Type": "text/plain"}), 415)
    assert problem(api("POST", "/jobs", content=b'{"kind": "work.nap", "args": {"seconds": NaN}}', headers=text), 422)
    big = {"kind": "mail.send", "args": {"to": "x" * 70_000}}
    assert problem(api("POST", "/jobs", json=big), 413)["limit"] == 65536
    assert problem(api("POST", "/jobs", content=b" " * 1_100_000, headers=text), 413)
    assert problem(api("POST", "/jobs", content=iter([b" " * 700_000] * 2), headers=text), 413)


def test_pages_follow_each_other_without_a_gap_while_jobs_come_and_go(api: Api) -> None:
    ids = [api.enqueue("work.nap", {"seconds": 0}, priority=number % 3, queue="pages") for number in range(10)]
    for sort in (
        "id",
        "-id",
        "priority",
        "-priority",
        "age",
        "-due",
        "state",
        "-queue",
        "kind",
        "attempt",
        "-finished",
        "started",
    ):
        found: list[int] = []
        url = f"/api/v1/jobs?filter=queue:pages&limit=4&sort={sort}"
        while url:
            page = api.client().get(url)
            found += [job["id"] for job in page.json()["jobs"]]
            url = page.links["next"]["url"] if "next" in page.links else ""
            assert bool(url) == (page.json()["next"] is not None)
        assert sorted(found) == ids, sort
    first = api("GET", "/jobs", params={"filter": "queue:pages", "limit": 4}).json()
    api.queue.delete(first["jobs"][-1]["id"])
    api.enqueue("work.nap", {"seconds": 0}, queue="pages")
    second = api("GET", "/jobs", params={"filter": "queue:pages", "limit": 4, "cursor": first["next"]}).json()
    assert [job["id"] for job in second["jobs"]] == [*reversed(ids)][4:8]


@pytest.mark.parametrize("cursor", ["x", "%%%", "WzEsMiwzXQ", "bnVsbA", "W10", "é"])
def test_a_cursor_of_another_list_is_refused(api: Api, cursor: str) -> None:
    assert "cursor" in problem(api("GET", "/jobs", params={"cursor": cursor}), 400)["detail"]


def test_a_filter_names_the_column_of_its_mistake(api: Api) -> None:
    assert problem(api("GET", "/jobs", params={"filter": "queue:a nosuch:b"}), 400)["column"] == 8
    assert problem(api("GET", "/jobs", params={"filter": "\0"}), 400)["column"] == 0
    (wrong,) = problem(api("GET", "/jobs", params={"limit": "0"}), 422)["errors"]
    assert wrong["parameter"] == "limit"


def test_a_long_poll_returns_when_the_job_has_finished(api: Api) -> None:
    job_id = api.enqueue("work.nap", {"seconds": 0}, queue="poll")
    asked = api("GET", f"/jobs/{job_id}", params={"wait": 0.05}).json()
    assert asked["state"] == "pending"
    found: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: found.append(api("GET", f"/jobs/{job_id}?wait=20")))
    waiting.start()
    with Worker(api.queue, threads=1, queues=["poll"]):
        waiting.join(20)
    assert found[0].json()["state"] == "completed"
    assert problem(api("GET", "/jobs/99999999?wait=5"), 404)


def test_a_queued_job_can_be_edited_cancelled_retried_and_deleted(api: Api) -> None:
    job_id = api.enqueue(delay=60)
    edited = api("PATCH", f"/jobs/{job_id}", json={"args": {"to": "bob"}, "priority": 7})
    assert (edited.status_code, edited.json()["args"], edited.json()["priority"]) == (200, {"to": "bob"}, 7)
    (wrong,) = problem(api("PATCH", f"/jobs/{job_id}", json={"args": {"to": 5}}), 422)["errors"]
    assert wrong["pointer"] == "/args/to"
    assert problem(api("PATCH", f"/jobs/{job_id}", json={}), 422)
    assert api("POST", f"/jobs/{job_id}/cancel").json()["state"] == "cancelled"
    assert problem(api("POST", f"/jobs/{job_id}/cancel"), 409)["state"] == "cancelled"
    assert problem(api("PATCH", f"/jobs/{job_id}", json={"priority": 1}), 409)
    assert api("POST", f"/jobs/{job_id}/retry").json()["state"] == "pending"
    deleted = api("DELETE", f"/jobs/{job_id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert problem(api("GET", f"/jobs/{job_id}"), 404)["job_id"] == job_id
    entries = api("GET", "/journal").json()["entries"]
    assert {entry["actor"] for entry in entries[:4]} == {"read-enqueue-operate-shell"}
    assert api("POST", "/undo").json()["done"] == [job_id]
    assert api("GET", f"/jobs/{job_id}").status_code == 200


def test_what_belongs_to_a_job_is_below_it(api: Api) -> None:
    parent = api.enqueue("work.fail", queue="parts")
    child = api.enqueue("work.nap", {"seconds": 0}, after=[parent], queue="parts")
    assert "No worker" in api("GET", f"/jobs/{parent}/why").text
    with Worker(api.queue, threads=1, queues=["parts"]):
        eventually(lambda: api.queue.get(child).state == "cancelled")
    (attempt,) = api("GET", f"/jobs/{parent}/attempts").json()["attempts"]
    assert (attempt["outcome"], attempt["error_type"]) == ("failed", "ValueError")
    assert api("GET", f"/jobs/{parent}/related").json()["children"] == [{"id": child, "state": "cancelled"}]
    assert api("GET", f"/jobs/{parent}/logs").json() == {"lines": []}
    assert problem(api("GET", f"/jobs/{parent}/stack"), 409)["state"] == "failed"
    for part in ("attempts", "why", "related", "logs", "stack"):
        assert problem(api("GET", f"/jobs/99999999/{part}"), 404)


def test_text_that_utf8_cannot_encode_is_returned_as_escapes(api: Api) -> None:
    job_id = api.enqueue(delay=60)
    api.queue.edit(job_id, tags=["ok"])
    body = b'{"kind": "mail.send", "args": {"to": "\\ud800"}}'
    assert problem(api("POST", "/jobs", content=body, headers={"Content-Type": "application/json"}), 422)


def test_secrets_of_commands_are_masked_and_survive_an_edit_of_what_was_read(api: Api) -> None:
    args = {"command": ["true"], "env": {"API_TOKEN": "s3cr3t", "MODE": "fast"}}
    job_id = api.queue.enqueue("shell", args, delay=60).id
    read = api("GET", f"/jobs/{job_id}").json()["args"]
    assert read["env"] == {"API_TOKEN": "***", "MODE": "fast"}
    edited = api("PATCH", f"/jobs/{job_id}", json={"args": {**read, "command": ["false"]}})
    assert "s3cr3t" not in edited.text
    assert api.queue.get(job_id).args == {**args, "command": ["false"]}


def test_a_job_has_the_members_that_the_commands_print(api: Api) -> None:
    job_id = api.enqueue(delay=60)
    printed = {*job_document(api.queue.get(job_id))} - {"lease"}  # the fencing token is of no use to others
    assert {*api("GET", f"/jobs/{job_id}").json()} == printed
