"""Queues, kinds, figures, schedules and health over HTTP."""

from __future__ import annotations

from tests.core.http.api import Api, eventually, problem

from jobdeck import Worker


def test_a_queue_is_limited_paused_and_resumed_under_the_name_of_the_token(api: Api) -> None:
    api.enqueue(queue="limited")
    changed = api("PATCH", "/queues/limited", json={"paused": True, "limits": {"running": 2, "rate": 5, "period": 1.5}}).json()
    assert (changed["paused"], changed["limits"]) == (True, {"running": 2, "rate": 5, "period": 1.5})
    assert api("POST", "/queues/limited/resume").json()["paused"] is False
    assert api("POST", "/queues/a%2Fb%20c/pause").json()["name"] == "a/b c"
    assert api("GET", "/queues/a%2Fb%20c").json()["paused"] is True
    listed = {each["name"]: each for each in api("GET", "/queues").json()["queues"]}
    assert listed["limited"]["counts"]["pending"] == 1
    newest = api("GET", "/journal?limit=4").json()["entries"][1:]
    assert [entry["operation"] for entry in newest] == ["resume", "pause", "limit"]
    assert {entry["actor"] for entry in newest} == {"read-enqueue-operate-shell"}
    (wrong,) = problem(api("PATCH", "/queues/limited", json={"limits": {"running": 0}}), 422)["errors"]
    assert wrong["pointer"] == "/limits/running"


def test_a_kind_has_the_json_schema_of_its_arguments(api: Api) -> None:
    kinds = {each["kind"]: each for each in api("GET", "/kinds").json()["kinds"]}
    assert {"mail.send", "shell", "work.fail"} <= {*kinds}
    assert (kinds["mail.send"]["description"], kinds["mail.send"]["queue"]) == ("Send a mail.", "mail")
    schema = kinds["mail.send"]["arguments"]
    assert (schema["required"], schema["properties"]["count"]["default"]) == (["to"], 1)


def test_a_schedule_lives_under_its_name(api: Api) -> None:
    body = {"name": "a/b:c", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "kind": "mail.send", "args": {"to": "x"}}
    added = api("POST", "/schedules", json=body)
    assert added.status_code == 201
    assert added.headers["location"] == "/api/v1/schedules/a%2Fb%3Ac"
    assert problem(api("POST", "/schedules", json=body), 409)["name"] == "a/b:c"
    assert api.client().get(added.headers["location"]).json() == added.json()
    assert api("POST", "/schedules/a%2Fb%3Ac/pause").json()["paused"] is True
    api("POST", "/schedules", json={**body, "name": "nightly"})
    edited = api("PATCH", "/schedules/nightly", json={"cron": "@weekly", "paused": True}).json()
    assert (edited["cron"], edited["paused"], edited["next_at"], edited["timezone"]) == ("@weekly", True, None, "Europe/Berlin")
    assert api("POST", "/schedules/nightly/resume").json()["next_at"] is not None
    job_id = api("POST", "/schedules/nightly/run").json()["id"]
    assert [job["id"] for job in api("GET", "/schedules/nightly/jobs").json()["jobs"]] == [job_id]
    assert api("DELETE", "/schedules/nightly").status_code == 204
    assert problem(api("GET", "/schedules/nightly"), 404)["name"] == "nightly"
    preview = api("GET", "/schedule-preview", params={"cron": "0 3 * * *", "n": 2}).json()
    assert len(preview["ticks"]) == 2


def test_figures_and_health_say_what_the_commands_say(api: Api) -> None:
    job_id = api.enqueue("work.fail", {"text": "figures"}, queue="figures")
    unhealthy = problem(api.client().get("/health"), 503)
    assert "No live worker" in " ".join(unhealthy["reasons"])
    with Worker(api.queue, threads=1, queues=["figures"]) as worker:
        eventually(lambda: api.queue.get(job_id).state == "failed")
        assert worker.id in [each["id"] for each in api("GET", "/workers").json()["workers"]]
        drained = api("POST", f"/workers/{worker.id}/drain").json()
        assert (drained["id"], drained["draining"]) == (worker.id, True)
    (group,) = [each for each in api("GET", "/errors").json()["errors"] if job_id in each["job_ids"]]
    assert (group["kind"], group["error_type"], group["message"]) == ("work.fail", "ValueError", "figures")
    stats = api("GET", "/stats", params={"seconds": 600, "queue": "figures"}).json()
    assert (stats["total"]["failed"], stats["counts"]["failed"] >= 1) == (1, True)
