"""Many jobs over HTTP: all or none, batches, and operations on all that match a filter."""

from __future__ import annotations

import json

import pytest
from tests.core.http.api import Api, problem

from jobdeck import Worker

LINES = {"Content-Type": "application/x-ndjson"}


def lines(*jobs: object) -> bytes:
    return "\n".join(json.dumps(each) for each in jobs).encode()


def test_many_jobs_are_enqueued_in_their_order(api: Api) -> None:
    body = lines(*({"kind": "mail.send", "args": {"to": str(n)}, "queue": "bulk"} for n in range(500)))
    response = api("POST", "/jobs:bulk", content=body, headers=LINES)
    assert (response.status_code, response.json()["count"]) == (201, 500)
    found = api.queue.get_many(response.json()["ids"])
    assert [job.args["to"] for job in found] == [str(n) for n in range(500)]


def test_one_wrong_line_enqueues_none_and_is_named(api: Api) -> None:
    good = {"kind": "mail.send", "args": {"to": "x"}, "queue": "none"}
    for wrong, status, pointers in [
        ({"kind": "mail.send", "args": {"to": 5}}, 422, ["/1/args/to"]),
        ({"kind": "nosuch"}, 422, ["/1/kind"]),
        ({"kind": 5}, 422, ["/1/kind"]),
        ([], 422, ["/1"]),
        ({**good, "priority": 10**9}, 422, ["/1/priority"]),
        ({**good, "after": [99999999]}, 404, None),
    ]:
        found = problem(api("POST", "/jobs:bulk", content=lines(good, wrong, good), headers=LINES), status)
        assert pointers is None or [each["pointer"] for each in found["errors"]] == pointers
    assert problem(api("POST", "/jobs:bulk", content=b'{"kind": "x"}\n{', headers=LINES), 422)
    assert problem(api("POST", "/jobs:bulk", content=b"\n\n", headers=LINES), 400)
    assert problem(api("POST", "/jobs:bulk", content=b"\xff", headers=LINES), 422)
    assert problem(api("POST", "/jobs:bulk", content=b"{}\n" * 10_001, headers=LINES), 413)
    assert problem(api("POST", "/jobs:bulk", json=good), 415)
    assert api.queue.count("queue:none") == 0


def test_a_batch_is_waited_for_as_a_whole(api: Api) -> None:
    jobs = [{"kind": "work.nap", "args": {"seconds": 0}, "queue": "batch"}] * 3
    response = api("POST", "/batches", json={"name": "nightly", "jobs": jobs})
    assert response.status_code == 201
    assert (response.json()["name"], response.json()["unfinished"]) == ("nightly", 3)
    with Worker(api.queue, threads=1, queues=["batch"]):
        done = api.client().get(response.headers["location"], params={"wait": 20}).json()
    assert (done["finished"], done["succeeded"], done["counts"]["completed"]) == (True, True, 3)
    (wrong,) = problem(api("POST", "/batches", json={"jobs": [jobs[0], {"kind": "nosuch"}]}), 422)["errors"]
    assert wrong["pointer"] == "/jobs/1/kind"
    assert problem(api("GET", "/batches/99999999"), 404)


def test_an_operation_on_a_filter_can_be_tried_first_and_is_undone_as_one(api: Api) -> None:
    ids = [api.enqueue(queue="many") for _ in range(5)]
    tried = api("POST", "/jobs/cancel", json={"filter": "queue:many", "dry_run": True}).json()
    assert (tried["count"], tried["ids"], tried["dry_run"]) == (5, ids, True)
    part = api("POST", "/jobs/cancel", json={"filter": "queue:many", "limit": 3}).json()
    assert (part["count"], part["more"]) == (3, True)
    rest = api("POST", "/jobs/cancel", json={"filter": "queue:many"}).json()
    assert (rest["ids"], rest["more"]) == (ids[3:], False)
    assert api.queue.count("queue:many state:cancelled") == 5
    undone = api("POST", "/undo", json={"entry_id": part["journal_id"]}).json()
    assert sorted(undone["done"]) == ids[:3]
    assert api("POST", "/redo", json={"entry_id": part["journal_id"]}).json()["count"] == 3
    retried = api("POST", "/jobs/retry", json={"filter": "queue:many"}).json()
    assert retried["count"] == 5
    assert api("POST", "/jobs/delete", json={"filter": "queue:many"}).json()["count"] == 5
    assert api.queue.count("queue:many") == 0


@pytest.mark.parametrize("operation", ["cancel", "retry", "delete"])
def test_an_operation_needs_a_filter(api: Api, operation: str) -> None:
    assert problem(api("POST", f"/jobs/{operation}", json={"filter": "  "}), 400)["column"] == 0
    assert problem(api("POST", f"/jobs/{operation}", json={}), 422)
    assert problem(api("POST", f"/jobs/{operation}", json={"filter": "state:nosuch"}), 400)["column"] == 6
