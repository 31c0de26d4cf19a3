"""Test the command line on a PostgreSQL server end to end, with the processes a user would start."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.core.helpers import CLOSES
from tests.core.postgres import database_at, server
from tests.tui.cli_runner import CommandLine, eventually

from jobdeck import State

pytestmark = pytest.mark.postgres


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    monkeypatch.chdir(tmp_path)
    yield CommandLine(tmp_path, address=database_at(tmp_path))
    CLOSES["postgres"](tmp_path)


def test_all_commands_work_on_a_server(deck: CommandLine) -> None:
    app = deck.tasks()
    deck.done("--app", app, "enqueue", "tasks.send", "to=ann@example.org", "--priority", "7", "--tag", "vip")
    deck.done("--app", app, "enqueue", "tasks.boom", "text=no", "--queue", "mail")
    deck.done("--app", app, "enqueue", "tasks.nap", "seconds=0", "--in", "1h")
    deck.done("run", "--", "echo", "hello")
    assert [job["id"] for job in deck.json("list")] == [4, 3, 2, 1]
    assert [job["id"] for job in deck.json("list", "args.to:ann@example.org tag:vip")] == [1]
    worker = deck.start("--app", app, "worker", "--threads", 2)
    try:
        eventually(lambda: [job["state"] for job in deck.json("list", "-state:scheduled")].count("completed") == 2)
        eventually(lambda: deck.json("show", 2)[0]["state"] == "failed")
        (shown,) = deck.json("workers")
        assert shown["alive"]
        assert "Healthy" in deck.done("health")
        assert "hello" in deck.done("logs", 4)
        deck.done("pause", "mail")
        deck.done("retry", "--where", "state:failed")
        assert "paused" in deck.done("why", 2)
        deck.done("resume", "mail")
        eventually(lambda: deck.json("show", 2)[0]["state"] == "failed")
        deck.done("cancel", 3)
        assert deck("wait", 1, 4).exit_code == 0
        deck.done("--app", app, "schedule", "add", "nightly", "0 3 * * *", "tasks.nap", "seconds=0")
        assert [each["name"] for each in deck.json("schedule", "list")] == ["nightly"]
        assert "mail" in deck.done("queues")
        assert "completed" in deck.done("stats")
        deck.done("undo")
        assert deck.json("journal")
    finally:
        worker.send_signal(signal.SIGTERM)
        _, log = worker.communicate(timeout=30)
    assert worker.returncode == 0, log
    assert "Traceback" not in log
    assert deck.json("workers") == []
    assert deck.done("prune", "--older-than", "0s", "--yes")
    checkup = {each["check"]: each["severity"] for each in map(json.loads, deck("doctor", "--json").stdout.splitlines())}
    assert {check for check, severity in checkup.items() if severity != "ok"} <= {"durability"}


def test_a_signal_lets_running_jobs_finish_and_starts_no_others(deck: CommandLine) -> None:
    for _ in range(5):
        deck.done("run", "--shell", "echo started; while [ ! -e go ]; do sleep 0.02; done")
    worker = deck.start("worker", "--threads", 2, "--grace", "20s")
    with deck.queue() as queue:
        eventually(lambda: len([job for job in queue.list("state:running") if queue.logs(job.id)]) == 2)
        worker.send_signal(signal.SIGTERM)
        eventually(lambda: queue.workers.list()[0].draining)
        (deck.folder / "go").touch()
        _, log = worker.communicate(timeout=30)
        states = [job.state for job in queue.list(descending=False)]
    assert worker.returncode == 0, log
    assert states == [State.COMPLETED] * 2 + [State.PENDING] * 3


def test_another_worker_reruns_the_job_of_a_killed_worker(deck: CommandLine) -> None:
    env = {"JOBDECK_LEASE": "1"}
    deck.done("run", "--shell", "echo x >> starts; while [ ! -e go ]; do sleep 0.02; done")
    first = deck.start("worker", "--threads", 1, env=env)
    eventually((deck.folder / "starts").exists)
    first.kill()
    first.wait()
    second = deck.start("worker", "--threads", 1, env=env)
    try:
        eventually(lambda: (deck.folder / "starts").read_text().count("x") == 2, within=30)
        (deck.folder / "go").touch()
        eventually(lambda: deck.json("show", 1)[0]["state"] == "completed")
    finally:
        second.terminate()
        second.communicate(timeout=30)
    (job,) = deck.json("list")
    assert (job["attempt"], job["crashes"]) == (2, 1)


def test_handlers_run_in_child_processes(deck: CommandLine) -> None:
    app = deck.tasks()
    for n in range(6):
        deck.done("--app", app, "enqueue", "tasks.add", f"numbers=[{n},1]")
    worker = deck.start("--app", app, "worker", "--processes", 2, "--threads", 1)
    try:
        eventually(lambda: {job["state"] for job in deck.json("list")} == {"completed"}, within=40)
    finally:
        worker.terminate()
        _, log = worker.communicate(timeout=30)
    assert worker.returncode == 0, log
    assert sorted(job["result"] for job in deck.json("list")) == [1, 2, 3, 4, 5, 6]


def test_a_worker_logs_an_unreachable_server_and_resumes_when_it_returns(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    worker = deck.start("worker", "--threads", 1)
    try:
        eventually(lambda: deck.json("show", 1)[0]["state"] == "completed")
        server().stop()
        try:
            assert worker.stderr is not None
            while "cannot be reached" not in worker.stderr.readline():
                pass
            refused = deck("list")
            assert refused.exit_code == 1
            assert "cannot be reached" in refused.stderr
            assert "Traceback" not in refused.output
        finally:
            server().start()
        deck.done("run", "--", "true")
        newest = deck.json("list")[0]["id"]  # after a crash, the server skips some ids
        eventually(lambda: deck.json("show", newest)[0]["state"] == "completed", within=30)
    finally:
        worker.terminate()
        worker.communicate(timeout=30)
    assert worker.returncode == 0


def test_commands_on_existing_jobs_create_no_tables(deck: CommandLine) -> None:
    with psycopg.connect(deck.address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        for words in (("health",), ("show", 1), ("cancel", 1), ("schedule", "list"), ("doctor",)):
            refused = deck(*words)
            assert refused.exit_code == 1, words
            assert "holds no queue" in refused.output
        assert connection.execute("SELECT to_regclass('jobdeck_meta')").fetchone() == (None,)
    assert deck.done("run", "--", "true")
    assert len(deck.json("list")) == 1


def test_no_output_contains_the_password(deck: CommandLine) -> None:
    with_password = CommandLine(deck.folder, address=deck.address.replace("jobdeck@", "jobdeck:hush@"))
    told = [with_password.done("run", "--", "true")]
    worker = with_password.start("worker", "--threads", 1)
    eventually(lambda: with_password.json("show", 1)[0]["state"] == "completed")
    worker.terminate()
    told += worker.communicate(timeout=30)
    told.append(with_password("backup", "copy.db").output)
    told.append(with_password("doctor").output)
    told.append(CommandLine(deck.folder, address="postgresql://me:hush@/jobs?host=/nowhere")("list").output)
    assert any("started on postgresql://jobdeck@/" in each for each in told)
    assert "cannot be reached" in told[-1]
    assert not [each for each in told if "hush" in each]


def test_backup_is_refused_and_points_to_pg_dump(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    refused = deck("backup", "copy.db")
    assert refused.exit_code == 1
    assert "pg_dump" in refused.output
    assert not (deck.folder / "copy.db").exists()


def test_a_frame_of_the_cockpit_shows_the_queue_and_its_address(deck: CommandLine) -> None:
    deck.done("run", "--", "echo", "hello")
    shown = deck.done("--snapshot", "--size", "120x40")
    assert deck.address.partition("://")[2].partition("?")[0] in shown.splitlines()[0]
    assert "echo hello" in shown
