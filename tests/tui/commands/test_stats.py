"""Test `jobdeck stats`, `health`, `workers`, `kinds` and `completion`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine, eventually

from jobdeck import Worker


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


def test_stats_count_states_and_queues_and_measure_the_range(deck: CommandLine) -> None:
    for queue in ("mail", "mail", "img"):
        deck.done("run", "--queue", queue, "--max-attempts", "1", "--", "true" if queue == "mail" else "false")
    deck.done("run", "--in", "1h", "--", "true")
    deck.work(1, 2, 3)
    deck.done("pause", "img")
    (stats,) = deck.json("stats", "--over", "1h")
    assert stats["counts"] | {"completed": 0, "failed": 0, "scheduled": 0} == dict.fromkeys(stats["counts"], 0)
    assert [stats["counts"][name] for name in ("completed", "failed", "scheduled")] == [2, 1, 1]
    assert (stats["completed"], stats["failed_attempts"]) == (2, 1)
    assert stats["throughput"] == pytest.approx(2 / stats["seconds"], abs=1e-5)
    assert 0 < stats["run"]["p50"] <= stats["run"]["p95"] <= stats["run"]["p99"]
    assert stats["run"]["count"] == 3
    queues = {queue["queue"]: queue for queue in stats["queues"]}
    assert queues["mail"]["counts"]["completed"] == 2
    assert (queues["img"]["paused"], queues["mail"]["paused"]) == (True, False)
    shown = deck.done("stats")
    assert re.search(r"^mail( +\d+){5} ", shown, re.MULTILINE)
    assert re.search(r"^img .* paused$", shown, re.MULTILINE)


def test_health_requires_a_worker_only_while_jobs_are_pending(deck: CommandLine) -> None:
    assert deck("health").exit_code == 1  # there is no database
    deck.done("run", "--", "true")
    result = deck("health")
    assert (result.exit_code, result.stdout) == (1, "No live worker; 1 job pending in queue default.\n")
    deck.done("pause", "default")
    assert deck.done("health").startswith("Healthy")
    deck.done("resume", "default")
    with deck.queue() as queue, Worker(queue, threads=1, queues=["mail"]):
        result = deck("health")
        assert (result.exit_code, result.stdout) == (1, "No live worker serves queue default; 1 job pending.\n")
        with Worker(queue, threads=1):
            (told,) = deck.json("health")
            assert (told["healthy"], told["reasons"], told["workers"]) == (True, [], 2)


def test_a_worker_that_died_is_unhealthy_and_is_listed_as_silent(deck: CommandLine) -> None:
    env = {"JOBDECK_LEASE": "0.3"}
    worker = deck.start("worker", "--threads", 3, "--queues", "q", env=env)
    eventually(lambda: deck.database.exists() and [each["threads"] for each in deck.json("workers")] == [3])
    worker.kill()
    worker.communicate()
    eventually(lambda: deck("health", env=env).exit_code == 1)
    assert "has sent no heartbeat for" in deck("health", env=env).stdout
    (listed,) = deck.json("workers", env=env)
    assert (listed["pid"], listed["alive"], listed["queues"]) == (worker.pid, False, ["q"])
    assert deck.done("workers", env=env).splitlines()[1].split()[:3] == ["silent", listed["id"], "0/3"]


def test_kinds_shows_arguments_types_defaults_and_descriptions(deck: CommandLine) -> None:
    app = deck.tasks()
    kinds = {kind["kind"]: kind for kind in deck.json("--app", app, "kinds")}
    assert {"shell", "tasks.send", "tasks.add"} <= set(kinds)
    send, add = kinds["tasks.send"], kinds["tasks.add"]
    assert (send["description"], send["queue"], send["max_attempts"]) == ("Send a mail.", "mail", 2)
    to, count, mode, _ = send["arguments"]
    assert (to["name"], to["type"], to["required"]) == ("to", "str", True)
    assert (count["required"], count["default"], mode["choices"]) == (False, 1, ["plain", "html"])
    assert add["arguments"][0]["description"] == "what to add"
    shown = deck.done("--app", app, "kinds", "tasks.send")
    assert "Send a mail." in shown
    assert re.search(r"^  count +int  = 1$", shown, re.MULTILINE)
    assert not deck.database.exists()
    assert deck("kinds", "nosuch").exit_code == 1


POLICY = """
from jobdeck import TimedOut, job

@job(
    max_attempts=4, timeout=30, concurrency=2, backoff=(1, 90),
    retry_on=(ConnectionError, TimedOut), give_up_on=ConnectionResetError,
)
def fetch() -> None:
    'Fetch it.'

@job(backoff=lambda attempt, error: 1.0, give_up_on=(KeyError, ValueError))
def own() -> None: ...

@job(max_attempts=1)
def once() -> None: ...
"""


def test_kinds_shows_the_policy_of_each_kind(deck: CommandLine) -> None:
    (deck.folder / "rules.py").write_text(POLICY)
    app = str(deck.folder / "rules.py")
    shown = deck.done("--app", app, "kinds")
    assert "rules.fetch  queue default, 4 attempts, timeout 30.0s, 2 at once\n" in shown
    assert (
        "  Retried on ConnectionError, TimedOut only, never on ConnectionResetError; delays of up to 1s, doubling up to 90s.\n"
        in shown
    )
    assert (
        "rules.own  queue default, 5 attempts\n"
        "  Retried, never on KeyError, ValueError; delays come from the kind's own function.\n" in shown
    )
    assert "rules.once  queue default, 1 attempt\n\n" in shown
    kinds = {kind["kind"]: kind for kind in deck.json("--app", app, "kinds")}
    fetch, own = kinds["rules.fetch"], kinds["rules.own"]
    assert (fetch["concurrency"], fetch["backoff"]) == (2, [1.0, 90.0])
    assert (fetch["retry_on"], fetch["give_up_on"]) == (["ConnectionError", "TimedOut"], ["ConnectionResetError"])
    assert (own["concurrency"], own["backoff"], own["retry_on"]) == (None, None, None)


def test_workers_shows_how_busy_a_worker_is(deck: CommandLine) -> None:
    deck.done("run", "--shell", "while [ ! -e go ]; do sleep 0.02; done")
    with deck.queue() as queue, Worker(queue, threads=2):
        eventually(lambda: [(each["running"], each["threads"]) for each in deck.json("workers")] == [(1, 2)])
        (listed,) = deck.json("workers")
        assert (listed["alive"], listed["draining"], listed["queues"]) == (True, False, [])
        (deck.folder / "go").touch()
        eventually(lambda: deck.json("workers")[0]["running"] == 0)
    assert deck.json("workers") == []
