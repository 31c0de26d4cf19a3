"""Who may do what: every endpoint × {no token, wrong scope, right scope} × {good, bad, missing, hostile}, hosts and origins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.core.http.api import Api, problem

from jobdeck import HttpServer, InvalidOption, Scope, TokenFile

MANY = {"Content-Type": "application/x-ndjson"}


@dataclass(frozen=True)
class Endpoint:
    """An endpoint, the scope that it needs, and what is sent to it."""

    operation: str
    method: str
    path: str
    scope: Scope
    good: int
    """The status of a good request."""
    send: dict[str, Any] = field(default_factory=dict)
    bad: tuple[tuple[dict[str, Any], int], ...] = ()
    """What else is sent, and the status."""
    prepare: Callable[[Api], object] | None = None
    """Makes what `{}` in the path stands for."""

    def url(self, api: Api) -> str:
        return self.path.format(self.prepare(api)) if self.prepare else self.path


def job(api: Api) -> int:
    return api.enqueue(queue="access")


def cancelled(api: Api) -> int:
    return api.queue.cancel(job(api)).id


def batch(api: Api) -> int:
    return api.queue.batches.enqueue([api.queue.new_job("mail.send", {"to": "x"}, queue="access")]).id


def schedule(api: Api) -> str:
    api.queue.schedules.add("access", "@daily", "mail.send", {"to": "x"}, replace=True)
    return "access"


def fresh(api: Api) -> str:
    if any(each.name == "new" for each in api.queue.schedules.list()):
        api.queue.schedules.delete("new")
    return ""


def own_operation(api: Api) -> str:
    """Let the caller of this test have something to undo."""
    job_id = job(api)
    assert api.client("operate").post(f"/api/v1/jobs/{job_id}/cancel").status_code == 200
    return ""


def undone_operation(api: Api) -> str:
    own_operation(api)
    assert api.client("operate").post("/api/v1/undo").status_code == 200
    return ""


SEND = {"kind": "mail.send", "args": {"to": "x"}, "queue": "access"}
NEW = {"name": "new", "cron": "@daily", "kind": "mail.send", "args": {"to": "x"}}
WRONG: tuple[tuple[dict[str, Any], int], ...] = (
    ({"json": []}, 422),
    ({"json": {"nosuch": 1}}, 422),
    ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
    ({"content": b"\x00\xff", "headers": {"Content-Type": "application/json"}}, 400),
    ({"content": b"a=b", "headers": {"Content-Type": "text/plain"}}, 415),
)
R, E, O = Scope.READ, Scope.ENQUEUE, Scope.OPERATE  # noqa: E741
ENDPOINTS = (
    Endpoint("enqueueJob", "POST", "/jobs", E, 201, {"json": SEND}, WRONG),
    Endpoint(
        "enqueueJobs",
        "POST",
        "/jobs:bulk",
        E,
        201,
        {"content": b'{"kind": "work.fail"}', "headers": MANY},
        ((WRONG[4][0], 415),),
    ),
    Endpoint("enqueueBatch", "POST", "/batches", E, 201, {"json": {"jobs": [SEND]}}, WRONG),
    Endpoint("getBatch", "GET", "/batches/{}", R, 200, bad=(({"params": {"wait": "x"}}, 422),), prepare=batch),
    Endpoint(
        "listJobs", "GET", "/jobs", R, 200, bad=(({"params": {"filter": "a:b"}}, 400), ({"params": {"sort": "; --"}}, 422))
    ),
    Endpoint("cancelJobs", "POST", "/jobs/cancel", O, 200, {"json": {"filter": "id:0"}}, WRONG),
    Endpoint("retryJobs", "POST", "/jobs/retry", O, 200, {"json": {"filter": "id:0"}}, WRONG),
    Endpoint("deleteJobs", "POST", "/jobs/delete", O, 200, {"json": {"filter": "id:0"}}, WRONG),
    Endpoint("getJob", "GET", "/jobs/{}", R, 200, bad=(({"params": {"wait": "-1"}}, 422),), prepare=job),
    Endpoint("editJob", "PATCH", "/jobs/{}", O, 200, {"json": {"priority": 1}}, WRONG, prepare=job),
    Endpoint("deleteJob", "DELETE", "/jobs/{}", O, 204, prepare=job),
    Endpoint("cancelJob", "POST", "/jobs/{}/cancel", O, 200, prepare=job),
    Endpoint("retryJob", "POST", "/jobs/{}/retry", O, 200, prepare=cancelled),
    Endpoint("listAttempts", "GET", "/jobs/{}/attempts", R, 200, prepare=job),
    Endpoint("explainJob", "GET", "/jobs/{}/why", R, 200, prepare=job),
    Endpoint("listRelatedJobs", "GET", "/jobs/{}/related", R, 200, prepare=job),
    Endpoint("getStack", "GET", "/jobs/{}/stack", R, 409, prepare=job),
    Endpoint("readLog", "GET", "/jobs/{}/logs", R, 200, bad=(({"params": {"limit": "0"}}, 422),), prepare=job),
    Endpoint("followEvents", "GET", "/events", R, 422, {"params": {"type": "nosuch"}}),
    Endpoint(
        "call",
        "POST",
        "/calls/count",
        R,
        200,
        {"json": {"filter": "state:failed"}},
        (*WRONG[:1], *WRONG[2:], ({"json": {"filter": 1}}, 422), ({"json": {"filter": "", "x": 1}}, 422)),
    ),
    Endpoint("listQueues", "GET", "/queues", R, 200),
    Endpoint("getQueue", "GET", "/queues/access", R, 200, prepare=job),
    Endpoint("editQueue", "PATCH", "/queues/other", O, 200, {"json": {"paused": False, "limits": {"running": 2}}}, WRONG),
    Endpoint("pauseQueue", "POST", "/queues/other/pause", O, 200),
    Endpoint("resumeQueue", "POST", "/queues/other/resume", O, 200),
    Endpoint("listWorkers", "GET", "/workers", R, 200),
    Endpoint("drainWorker", "POST", "/workers/nosuch/drain", O, 404),
    Endpoint("listKinds", "GET", "/kinds", R, 200),
    Endpoint("getStats", "GET", "/stats", R, 200, bad=(({"params": {"seconds": "nan"}}, 422),)),
    Endpoint("listErrors", "GET", "/errors", R, 200, bad=(({"params": {"newest": "-1"}}, 422),)),
    Endpoint("listSchedules", "GET", "/schedules", R, 200),
    Endpoint(
        "addSchedule",
        "POST",
        "/schedules{}",
        O,
        201,
        {"json": NEW},
        (*WRONG, ({"json": {**NEW, "cron": "x"}}, 422)),
        prepare=fresh,
    ),
    Endpoint(
        "previewSchedule",
        "GET",
        "/schedule-preview",
        R,
        200,
        {"params": {"cron": "@daily"}},
        (({"params": {"cron": "\0"}}, 422),),
    ),
    Endpoint("getSchedule", "GET", "/schedules/{}", R, 200, prepare=schedule),
    Endpoint("editSchedule", "PATCH", "/schedules/{}", O, 200, {"json": {"cron": "@weekly"}}, WRONG, prepare=schedule),
    Endpoint("deleteSchedule", "DELETE", "/schedules/{}", O, 204, prepare=schedule),
    Endpoint("pauseSchedule", "POST", "/schedules/{}/pause", O, 200, prepare=schedule),
    Endpoint("resumeSchedule", "POST", "/schedules/{}/resume", O, 200, prepare=schedule),
    Endpoint("runSchedule", "POST", "/schedules/{}/run", O, 201, prepare=schedule),
    Endpoint("listScheduledJobs", "GET", "/schedules/{}/jobs", R, 200, prepare=schedule),
    Endpoint("listJournal", "GET", "/journal", R, 200, bad=(({"params": {"limit": "1001"}}, 422),)),
    Endpoint("undo", "POST", "/undo{}", O, 200, bad=(({"json": {"entry_id": 0}}, 422),), prepare=own_operation),
    Endpoint("redo", "POST", "/redo{}", O, 200, bad=(({"json": {"entry_id": "1"}}, 422),), prepare=undone_operation),
)
HOSTILE = (
    "9" * 5000,
    "99999999999999999999",
    "-1",
    "0x1",
    "%00",
    "%ff%fe",
    "..%2f..%2fetc%2fpasswd",
    "%0d%0aSet-Cookie:%20a=b",
    "'--",
    "a" * 3000,
)


def endpoints() -> Iterator[Any]:
    yield from (pytest.param(each, id=each.operation) for each in ENDPOINTS)


def test_the_table_has_every_endpoint(api: Api) -> None:
    schema = api.client("").get("/api/v1/openapi.json").json()
    described = {each["operationId"] for methods in schema["paths"].values() for each in methods.values()}
    assert described - {"isAlive", "isReady", "getHealth", "getMetrics"} == {each.operation for each in ENDPOINTS}


@pytest.mark.parametrize("endpoint", endpoints())
def test_the_status_depends_on_the_token_then_on_what_is_sent(api: Api, endpoint: Endpoint) -> None:
    url = f"/api/v1{endpoint.url(api)}"
    for each in [endpoint.send, *(more for more, _ in endpoint.bad)]:
        refused = api.client("").request(endpoint.method, url, **each)
        assert problem(refused, 401)
        assert refused.headers["www-authenticate"].startswith("Bearer")
        wrong = ",".join(scope for scope in Scope if scope is not endpoint.scope)
        assert problem(api.client(wrong).request(endpoint.method, url, **each), 403)["scope"] == endpoint.scope
    right = api.client(endpoint.scope)
    for each, status in endpoint.bad:
        assert problem(right.request(endpoint.method, url, **each), status)
    done = right.request(endpoint.method, url, **endpoint.send)
    assert done.status_code == endpoint.good, done.text
    if "{}" in endpoint.path and endpoint.prepare not in (fresh, own_operation, undone_operation):
        missing = f"/api/v1{endpoint.path.format(99999999)}"
        assert problem(right.request(endpoint.method, missing, **endpoint.send), 404)
        # Each endpoint gets two of them; `test_every_endpoint_refuses_every_hostile_name` has all.
        start = ENDPOINTS.index(endpoint) % len(HOSTILE)
        send_hostile(api, endpoint, (HOSTILE * 2)[start : start + 2])


def send_hostile(api: Api, endpoint: Endpoint, names: tuple[str, ...]) -> None:
    for name in names:
        url = f"/api/v1{endpoint.path.format(name)}"
        answer = api.client(endpoint.scope).request(endpoint.method, url, **endpoint.send)
        assert problem(answer, answer.status_code)
        assert answer.status_code in ((400,) if "%0a" in name else (404, 405, 422)), (name, answer.text)
        assert "set-cookie" not in answer.headers


@pytest.mark.soak
@pytest.mark.parametrize("endpoint", endpoints())
def test_every_endpoint_refuses_every_hostile_name(api: Api, endpoint: Endpoint) -> None:
    if "/{}" in endpoint.path:
        send_hostile(api, endpoint, HOSTILE)


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/nosuch", "/api/v1/jobs/", "/api/v1/../../etc/passwd", "/api/v1/jobs//1", "/docs"]
)
def test_a_path_that_does_not_exist_is_a_problem_document(api: Api, path: str) -> None:
    assert problem(api.client().get(path), 404)


def test_a_method_that_a_resource_does_not_have_is_answered_with_those_that_it_has(api: Api) -> None:
    response = api("PUT", "/jobs/1")
    assert problem(response, 405)
    assert response.headers["allow"] == "DELETE, GET, PATCH"
    for path, allowed in [
        ("/jobs/cancel", "POST"),
        ("/jobs", "GET, POST"),
        ("/schedules/a", "DELETE, GET, PATCH"),
        ("/docs", "GET"),
        ("/workers/a:1/drain", "POST"),
        ("/queues/a%2Fb/pause", "POST"),
        ("/schedules/a/jobs", "GET"),
    ]:
        assert api("PUT", path).headers["allow"] == allowed
    assert api("PATCH", "/jobs/cancel", json={"priority": 1}).headers["allow"] == "POST"


def test_commands_can_be_used_with_the_scope_shell_only(api: Api) -> None:
    shell = {"kind": "shell", "args": {"command": ["true"]}, "queue": "access"}
    some = api.client("read,enqueue,operate")
    job_id = api.queue.enqueue("shell", {"command": ["true"]}, delay=60).id
    api.queue.schedules.add("command", "@daily", "shell", {"command": ["true"]}, replace=True)
    new = {"name": "other", "cron": "@daily", **shell}
    for method, path, body in [
        ("POST", "jobs", {"json": shell}),
        ("POST", "jobs", {"json": {**shell, "kind": "shell:true"}}),
        ("POST", "jobs:bulk", {"content": b'{"kind": "shell", "args": {"command": ["true"]}}', "headers": MANY}),
        ("POST", "batches", {"json": {"jobs": [shell]}}),
        ("PATCH", f"jobs/{job_id}", {"json": {"args": {"command": ["false"]}}}),
        ("POST", "schedules", {"json": {key: new[key] for key in ("name", "cron", "kind", "args")}}),
        ("PATCH", "schedules/command", {"json": {"args": {"command": ["false"]}}}),
        ("PATCH", "schedules/access", {"json": {"kind": "shell", "args": {"command": ["false"]}}}),
    ]:
        schedule(api)
        assert problem(some.request(method, f"/api/v1/{path}", **body), 403)["scope"] == "shell"
    assert api("POST", "/jobs", json=shell).status_code == 201


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "user@127.0.0.1"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:8765"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Authorization": "Basic eDp5"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer jobdeck_wrong"}, 401),
        ({"Authorization": b"Bearer \xff\xfe"}, 401),
    ],
)
def test_pages_of_other_sites_and_other_names_are_refused(api: Api, headers: dict[str, Any], status: int) -> None:
    response = api("GET", "/jobs", headers=headers)
    assert response.status_code == status
    if status != 200:
        assert problem(response, status)


def test_what_needs_no_token_tells_nothing_of_the_queue(api: Api) -> None:
    none = api.client("")
    assert none.get("/healthz").text == none.get("/readyz").text == "ok\n"
    for path in ("/health", "/metrics"):
        assert problem(none.get(path), 401)
        assert problem(api.client("enqueue").get(path), 403)["scope"] == "read"
    page = none.get("/api/v1/docs")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "/api/v1/jobs/{job_id}" in page.text
    assert none.get("/api/v1/openapi.json").json()["openapi"] == "3.1.0"


def test_other_machines_are_served_only_with_tokens(api: Api, tmp_path: Any) -> None:
    with pytest.raises(InvalidOption, match=r"without a token; add one with `jobdeck token add NAME`, or bind 127\.0\.0\.1"):
        HttpServer(api.queue, host="0.0.0.0", port=0, tokens=TokenFile(tmp_path / "none.json"))
