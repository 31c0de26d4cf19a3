"""Test `jobdeck why`, `stack`, `errors` and the groups of `stats`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine, eventually

from jobdeck import State, Worker


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


def test_why_starts_with_the_answer_and_marks_unmet_conditions(deck: CommandLine) -> None:
    deck.done("run", "--queue", "mail", "--", "true")
    deck.done("pause", "mail")
    first, empty, *lines = deck.done("why", 1).splitlines()
    assert re.fullmatch(r"Job 1 cannot start: queue mail has been paused for .*s \(and 1 more reason below\)\.", first)
    assert empty == ""
    assert lines[0].startswith("✓ It has been ready for")
    assert lines[1].startswith("✗ Queue mail has been paused")
    assert lines[2] == "    `jobdeck resume mail` resumes it"
    assert lines[3].startswith("✗ No worker is alive")


def test_an_error_that_ends_with_a_full_stop_ends_its_sentence_with_one(deck: CommandLine) -> None:
    deck.done("run", "--", "/no/such/program")
    deck.done("run", "--backoff", "1h,1h", "--shell", "echo No luck. >&2; exit 1")
    with deck.queue() as queue, Worker(queue, threads=1):
        eventually(lambda: [job.state for job in queue.get_many([1, 2])] == [State.FAILED, State.RETRYING])
    lines = deck.done("why", 1).splitlines()
    assert [line.partition("does not exist")[2] for line in (lines[0], lines[2])] == [".", "."]
    assert "failed (exit code 1: No luck); the next one is due" in deck.done("why", 2)


def test_why_as_json_contains_each_condition(deck: CommandLine) -> None:
    deck.done("run", "--in", "1h", "--", "true")
    (told,) = deck.json("why", 1)
    assert (told["id"], told["state"], told["ahead"], told["starts_in"]) == (1, "scheduled", None, None)
    due = told["checks"][0]
    assert (due["name"], due["met"], due["advice"]) == ("due", False, "`jobdeck retry 1` runs it now")
    assert due["until"].endswith("Z")
    assert {check["name"]: check["met"] for check in told["checks"]} == {"due": False, "paused": True, "workers": False}


def test_stack_shows_the_calls_of_a_running_job(deck: CommandLine) -> None:
    app = deck.tasks()
    deck.done("--app", app, "enqueue", "tasks.nap", "seconds=60")
    worker = deck.start("--app", app, "worker", "--threads", 1)
    eventually(lambda: deck("stack", 1).exit_code == 0)
    lines = deck.done("stack", 1).splitlines()
    line = app_line(app, "context().sleep(seconds)")
    assert lines == [
        f"Job 1 in process {worker.pid}",
        "Stack (most recent call last):",
        f'  File "{app}", line {line}, in nap',
        "    context().sleep(seconds)",
    ]
    (told,) = deck.json("stack", 1)
    assert (told["id"], told["pid"], told["omitted"], told["reason"]) == (1, worker.pid, 0, None)
    assert told["calls"] == [{"file": app, "line": line, "function": "nap", "code": "context().sleep(seconds)"}]
    worker.kill()
    worker.communicate()


def app_line(path: str, code: str) -> int:
    return next(n for n, line in enumerate(Path(path).read_text().split("\n"), 1) if line.strip() == code)


def test_stack_fails_with_the_reason_if_there_is_none(deck: CommandLine) -> None:
    deck.done("run", "--", "sleep", "60")
    result = deck("stack", 1)
    assert (result.exit_code, result.stderr) == (1, "jobdeck: Job 1 is pending: only running jobs have a stack.\n")
    with deck.queue() as queue, Worker(queue, threads=1) as worker:
        eventually(lambda: "It runs a command, process " in deck("stack", 1).stderr)
        assert deck("stack", 1).exit_code == 1
        result = deck("stack", 1, "--json")
        assert (result.exit_code, json.loads(result.stdout)["calls"]) == (1, [])
        assert json.loads(result.stdout)["reason"].startswith("It runs a command, process ")
        worker.stop(grace=0.4)
    result = deck("stack", 77)
    assert (result.exit_code, result.stderr) == (1, "jobdeck: Job 77 does not exist.\n")


def test_why_reports_when_a_job_starts_and_where_it_runs(deck: CommandLine) -> None:
    deck.done("run", "--shell", "while [ ! -e go ]; do sleep 0.02; done")
    with deck.queue() as queue, Worker(queue, threads=1):
        eventually(lambda: queue.get(1).state == "running")
        assert "Job 1 is running: attempt 1 of" in deck.done("why", 1)
        deck.done("run", "--", "true")
        eventually(lambda: "the only thread is busy" in deck.done("why", 2) or "No job is ahead" in deck.done("why", 2))
        assert deck.json("why", 2)[0]["ahead"] == 0
        (deck.folder / "go").touch()
        eventually(lambda: queue.get(2).state == "completed")
    assert deck.done("why", 2).startswith("Job 2 completed")


def test_why_reports_a_missing_job_in_one_sentence(deck: CommandLine) -> None:
    assert deck("why", 1).exit_code == 1
    deck.done("run", "--", "true")
    result = deck("why", 7)
    assert (result.exit_code, result.stderr) == (1, "jobdeck: Job 7 does not exist.\n")


def test_errors_groups_similar_failures(deck: CommandLine) -> None:
    app = deck.tasks()
    for text in ("one", "two"):
        deck.done("--app", app, "enqueue", "tasks.boom", f"text={text}")
    deck.done("run", "--max-attempts", "1", "--", "sh", "-c", "exit 3")
    deck.work()
    boom, shell = deck.json("errors")
    assert (boom["kind"], boom["error_type"], boom["count"], boom["message"]) == (
        "tasks.boom",
        "ValueError",
        2,
        boom["message"],
    )
    assert re.fullmatch(r".*tasks\.py:\d+ boom", boom["place"])
    assert sorted(boom["job_ids"]) == [1, 2]
    assert (shell["kind"], shell["error_type"], shell["job_ids"]) == ("shell:exit", "exit code 3", [3])
    head, row, _ = deck.done("errors").splitlines()
    assert head.split() == ["COUNT", "KIND", "ERROR", "WHERE", "LAST", "FIRST", "JOBS", "MESSAGE"]
    assert re.search(r"2 +tasks\.boom +ValueError +tasks\.py:\d+ boom ", row)
    assert [job["id"] for job in deck.json("list", boom["filter"])] == [2, 1]
    assert "2" in deck.done("retry", "--where", f"state:failed {boom['filter']}", "--dry-run")
    assert [job["id"] for job in deck.json("list", "exception:ValueError", "place:*tasks.py:*")] == [2, 1]
    assert len(deck.json("errors", "--limit", 1)) == 1
    assert deck.json("errors", "--newest", 1)[0]["count"] == 1


def test_stats_by_kind_and_queue_shows_rates_and_percentiles(deck: CommandLine) -> None:
    app = deck.tasks()
    deck.done("--app", app, "enqueue", "tasks.add", "numbers=[1]")
    deck.done("--app", app, "enqueue", "tasks.boom", "text=x", "--queue", "mail")
    deck.done("run", "--in", "1h", "--", "true")
    deck.work(1, 2)
    for over in ("10m", "1h", "24h", "7d"):
        (stats,) = deck.json("stats", "--range", over, "--by", "kind")
        assert (stats["started"], stats["completed"], stats["failed_attempts"], stats["failure_rate"]) == (2, 1, 1, 0.5)
        kinds = {each["kind"]: each for each in stats["by"]}
        assert (kinds["tasks.add"]["completed"], kinds["tasks.boom"]["failed_attempts"]) == (1, 1)
        assert sum(slot["completed"] for slot in stats["slices"]) == 1
    assert stats["oldest_wait"] is None
    (stats,) = deck.json("stats", "--by", "queue")
    assert {each["queue"]: each["failure_rate"] for each in stats["by"]} == {"default": 0.0, "mail": 1.0}
    assert [sum(each["completed_by_slice"]) for each in stats["by"]] == [1, 0]
    (mail,) = deck.json("stats", "--queue", "mail", "--by", "kind")
    assert (mail["started"], [each["kind"] for each in mail["by"]]) == (1, ["tasks.boom"])
    assert deck.json("stats", "--kind", "tasks.add")[0]["completed"] == 1
    shown = deck.done("stats", "--by", "kind")
    assert re.search(r"^success +50.0% of 2 attempts", shown, re.MULTILINE)
    assert re.search(r"^tasks.boom +0.0 +0 +1 +0 +100.0% ", shown, re.MULTILINE)
    assert deck("stats", "--range", "91d").exit_code == 2
