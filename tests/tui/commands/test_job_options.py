"""Test unique keys, dependencies, expiry, files, batches and queue limits on the command line."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.tui.cli_runner import CommandLine, eventually

from jobdeck import State, Worker


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


def lines(*jobs: dict[str, Any]) -> str:
    """Return a file of shell jobs with these fields."""
    return "".join(json.dumps({"kind": "shell", "args": {"command": ["true"]}} | job) + "\n" for job in jobs)


def states(deck: CommandLine) -> dict[int, str]:
    return {job["id"]: job["state"] for job in deck.json("list", "--limit", 0)}


# -- unique keys ---------------------------------------------------------------------------------------


def test_a_second_job_with_the_same_key_is_not_enqueued_and_the_first_is_named(deck: CommandLine) -> None:
    assert deck.done("run", "--unique", "backup", "--", "true") == "1\n"
    result = deck("run", "--unique", "backup", "--", "false")
    assert (result.exit_code, result.stdout) == (0, "1\n")
    assert result.stderr == "jobdeck: Job 1 (pending) already holds the unique key 'backup'; nothing was enqueued.\n"
    (listed,) = deck.json("list")
    assert (listed["unique_key"], listed["args"]["command"]) == ("backup", ["true"])


def test_the_document_of_a_job_says_whether_it_already_existed(deck: CommandLine) -> None:
    app = deck.tasks()
    first, second = (
        json.loads(deck("--app", app, "--json", "enqueue", "tasks.send", "to=a", "--unique", "k").stdout) for _ in range(2)
    )
    assert [(each["id"], each["existing"]) for each in (first, second)] == [(1, False), (1, True)]


def test_a_key_is_released_when_its_job_finishes_unless_it_is_kept(deck: CommandLine) -> None:
    deck.done("run", "--unique", "a", "--", "true")
    deck.done("run", "--unique", "b", "--unique-until", "completed,failed", "--", "true")
    deck.work()
    assert deck.done("run", "--unique", "a", "--", "true") == "3\n"
    assert deck("run", "--unique", "b", "--", "true").stdout == "2\n"


def test_on_conflict_the_arguments_are_replaced_or_the_job_is_refused(deck: CommandLine) -> None:
    app = deck.tasks()
    deck.done("--app", app, "enqueue", "tasks.send", "to=a", "--unique", "k")
    words = ("--app", app, "enqueue", "tasks.send", "to=b", "--priority", "4", "--unique", "k", "--on-conflict")
    replaced = deck(*words, "replace")
    assert (replaced.exit_code, replaced.stdout) == (0, "1\n")
    assert "its arguments, priority and time were replaced" in replaced.stderr
    (listed,) = deck.json("list")
    assert (listed["args"]["to"], listed["priority"]) == ("b", 4)
    refused = deck(*words, "refuse")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "jobdeck: Job 1 (pending) already holds the unique key 'k'; wait for it, or use another key.\n"


def test_a_running_holder_of_the_key_keeps_its_arguments(deck: CommandLine) -> None:
    deck.done("run", "--unique", "k", "--shell", "while [ ! -e go ]; do sleep 0.02; done")
    with deck.queue() as queue, Worker(queue, threads=1):
        eventually(lambda: queue.get(1).state is State.RUNNING)
        result = deck("run", "--unique", "k", "--on-conflict", "replace", "--", "true")
        (deck.folder / "go").touch()
    assert "(running) already holds the unique key 'k'; nothing was enqueued" in result.stderr


def test_run_wait_follows_the_job_that_holds_the_key(deck: CommandLine) -> None:
    deck.done("run", "--unique", "k", "--unique-until", "completed", "--", "echo", "from the first")
    deck.work()
    result = deck("run", "--wait", "--unique", "k", "--", "echo", "from the second")
    assert (result.exit_code, result.stdout) == (0, "from the first\n")
    assert "Job 1 (completed) already holds the unique key 'k'" in result.stderr


# -- order and expiry ----------------------------------------------------------------------------------


def test_a_job_waits_for_its_parents(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    deck.done("run", "--queue", "other", "--", "true")
    deck.done("run", "--after", 1, "--after", 2, "--", "true")
    assert states(deck) == {1: "pending", 2: "pending", 3: "waiting"}
    (document,) = deck.json("show", 3)
    assert document["parents"] == [{"id": 1, "state": "pending"}, {"id": 2, "state": "pending"}]
    assert (document["waits_for"], document["if_parent_fails"], document["children"]) == ([1, 2], "cancel", [])
    assert deck.json("show", 1)[0]["children"] == [{"id": 3, "state": "waiting"}]
    shown = deck.done("show", 3)
    assert re.search(r"^parents +1 pending\n +2 pending\n +if one fails: cancel$", shown, re.MULTILINE)
    assert re.search(r"^waiting for +1, 2$", shown, re.MULTILINE)
    assert re.search(r"^children +3 waiting$", deck.done("show", 1), re.MULTILINE)
    deck.work()
    assert states(deck) == dict.fromkeys((1, 2, 3), "completed")
    assert "waiting for" not in deck.done("show", 3)


@pytest.mark.parametrize(("policy", "becomes"), [("cancel", "cancelled"), ("run", "completed"), ("wait", "waiting")])
def test_if_parent_fails_decides_about_the_child(deck: CommandLine, policy: str, becomes: str) -> None:
    deck.done("run", "--max-attempts", 1, "--", "false")
    deck.done("run", "--after", 1, "--if-parent-fails", policy, "--", "true")
    deck.work(1) if policy == "wait" else deck.work()
    assert states(deck) == {1: "failed", 2: becomes}


def test_show_lists_ten_children_and_counts_the_rest(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    deck.done("enqueue", "--after", 1, "--file", "-", input=lines(*[{}] * 14))
    shown = deck.done("show", 1)
    assert "11 waiting\n" in shown
    assert "12 waiting" not in shown
    assert "and 4 more" in shown


def test_a_missing_parent_is_refused(deck: CommandLine) -> None:
    result = deck("run", "--after", 99, "--", "true")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "jobdeck: Job 99 does not exist.\n")


def test_a_job_that_is_not_started_in_time_expires(deck: CommandLine) -> None:
    job = json.loads(deck.done("--json", "run", "--expires", "1h", "--", "true"))
    begin, end = (datetime.fromisoformat(job[name]) for name in ("created_at", "expires_at"))
    assert abs((end - begin).total_seconds() - 3600) < 1
    assert re.search(r"^expires +\S+ \S+ \(in \d+m\)$", deck.done("show", 1), re.MULTILINE)
    late = json.loads(deck.done("--json", "run", "--expires", "30ms", "--", "true"))
    eventually(lambda: datetime.now(UTC) > datetime.fromisoformat(late["expires_at"]))
    deck.work()
    assert [(job["state"], job["reason"]) for job in deck.json("list")] == [("failed", "expired"), ("completed", None)]


def test_the_back_off_is_stored_with_the_job(deck: CommandLine) -> None:
    assert json.loads(deck.done("--json", "run", "--backoff", "500ms,10m", "--", "true"))["backoff"] == [0.5, 600.0]
    assert re.search(r"^back-off +500ms to 10m00s$", deck.done("show", 1), re.MULTILINE)


# -- files ---------------------------------------------------------------------------------------------


def test_lines_of_a_file_set_keys_dependencies_expiry_and_back_off(deck: CommandLine) -> None:
    deck.done("run", "--unique", "held", "--", "true")
    job = {"unique": "k", "unique_until": ["completed"], "after": [1], "if_parent_fails": "run", "expires": "1h"}
    told = lines(job | {"backoff": ["1s", 60]}, {"unique": "held", "on_conflict": "return"}, {"after": 1, "backoff": "1s,2m"})
    result = deck("enqueue", "--file", "-", input=told)
    assert (result.exit_code, result.stdout) == (0, "2\n1\n3\n")
    assert result.stderr == "jobdeck: 1 job not enqueued: unique key already taken; 2 jobs enqueued.\n"
    third, second, _ = deck.json("list")
    assert (second["unique_key"], second["state"], second["backoff"]) == ("k", "waiting", [1.0, 60.0])
    assert second["expires_at"] is not None
    assert (third["state"], third["backoff"]) == ("waiting", [1.0, 120.0])
    assert deck.json("show", 2)[0]["if_parent_fails"] == "run"


def test_options_are_defaults_for_the_lines_of_a_file(deck: CommandLine) -> None:
    deck.done("run", "--", "true")
    deck.done("run", "--", "true")
    words = ("--after", 1, "--if-parent-fails", "run", "--on-conflict", "refuse")
    deck.done("enqueue", "--file", "-", *words, input=lines({}, {"after": [2], "if_parent_fails": "wait"}))
    fourth, third = deck.json("show", 4)[0], deck.json("show", 3)[0]
    assert ([each["id"] for each in third["parents"]], third["if_parent_fails"]) == ([1], "run")
    assert ([each["id"] for each in fourth["parents"]], fourth["if_parent_fails"]) == ([2], "wait")
    refused = deck("enqueue", "--file", "-", *words, input=lines({"unique": "k"}, {"unique": "k"}))
    assert refused.exit_code == 1
    assert len(states(deck)) == 4


def test_two_lines_with_one_key_create_one_job(deck: CommandLine) -> None:
    first, second = (
        json.loads(line)
        for line in deck("enqueue", "--json", "--file", "-", input=lines({"unique": "k"}, {"unique": "k"})).stdout.splitlines()
    )
    assert [(each["id"], each["existing"]) for each in (first, second)] == [(1, False), (1, True)]


@pytest.mark.parametrize(
    ("job", "told"),
    [
        ({"unique": 3}, "unique: must be text"),
        ({"unique": ""}, "unique key must have 1 to 500"),
        ({"unique": "k", "unique_until": ["pending"]}, "final states only"),
        ({"unique": "k", "unique_until": 3}, "unique_until: must be a list of words"),
        ({"unique": "k", "on_conflict": "fight"}, "return, replace, refuse"),
        ({"after": "first"}, "after: must be a whole number"),
        ({"after": [True]}, "after: must be a whole number"),
        ({"after": 1, "if_parent_fails": "cry"}, "cancel, run, wait"),
        ({"expires": "soon"}, "expires: 'soon' is not a duration"),
        ({"expires": 0}, "expiry must be later"),
        ({"expires": "1m", "in": "1h"}, "expiry must be later"),
        ({"backoff": 3}, "backoff: must be two durations"),
        ({"backoff": "1s"}, "backoff: '1s' is not two durations"),
        ({"backoff": ["1h", "1s"]}, "backoff must have a first step"),
    ],
)
def test_an_invalid_line_is_refused_with_its_number(deck: CommandLine, job: dict[str, Any], told: str) -> None:
    result = deck("enqueue", "--file", "-", input=lines({}, job))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "standard input, line 2: " in result.stderr
    assert told in result.stderr
    assert states(deck) == {}


# -- batches -------------------------------------------------------------------------------------------


def test_a_batch_has_one_id_and_one_outcome(deck: CommandLine) -> None:
    assert deck.done("enqueue", "--batch", "nightly", "--file", "-", input=lines({}, {}, {})) == "1\n"
    assert {job["batch"] for job in deck.json("list")} == {1}
    before = deck("batch", 1)
    assert before.exit_code == 1
    assert before.stdout.startswith("Batch 1  nightly  0 of 3 finished\n")
    assert re.search(r"^pending +3$", before.stdout, re.MULTILINE)
    deck.work()
    (document,) = deck.json("batch", 1)
    assert (document["id"], document["name"], document["total"], document["unfinished"]) == (1, "nightly", 3, 0)
    assert (document["finished"], document["succeeded"], document["counts"]["completed"]) == (True, True, 3)
    assert deck.done("batch", 1, "--wait").startswith("Batch 1  nightly  succeeded\n")
    assert re.search(r"^batch +1$", deck.done("show", 1), re.MULTILINE)


def test_the_document_of_an_enqueued_batch_has_its_id(deck: CommandLine) -> None:
    deck.done("enqueue", "--batch", "one", "--file", "-", input=lines({}))
    (document,) = deck.json("enqueue", "--batch", "two", "--file", "-", input=lines({}, {}))
    assert (document["id"], document["name"], document["total"], document["counts"]["pending"]) == (2, "two", 2, 2)


def test_a_batch_with_failed_or_cancelled_jobs_ends_with_1(deck: CommandLine) -> None:
    bad = {"args": {"command": ["false"]}, "max_attempts": 1}
    deck.done("enqueue", "--batch", "b", "--file", "-", input=lines({}, bad, {"in": "1h"}))
    deck.work(1, 2)
    assert "2 of 3 finished, 1 failed so far" in deck("batch", 1).stdout
    deck.done("cancel", 3)
    result = deck("batch", 1, "--wait")
    assert result.exit_code == 1
    assert result.stdout.startswith("Batch 1  b  finished, 1 failed and 1 cancelled\n")


def test_batch_wait_returns_when_the_last_job_finishes(deck: CommandLine) -> None:
    deck.done("enqueue", "--batch", "b", "--file", "-", input=lines({"args": {"command": ["sleep", "0.2"]}}, {}))
    with deck.queue() as queue, Worker(queue, threads=1):
        process = deck.start("batch", 1, "--wait", "--json")
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err, json.loads(out)["succeeded"]) == (0, "", True)


def test_batch_wait_stops_after_its_timeout(deck: CommandLine) -> None:
    deck.done("enqueue", "--batch", "b", "--file", "-", input=lines({}))
    result = deck("batch", 1, "--wait", "--timeout", "50ms")
    assert result.exit_code == 1
    assert result.stderr == "jobdeck: Batch 1 waits for a worker; `jobdeck` or `jobdeck worker` starts one.\n"
    assert "0 of 1 finished" in result.stdout


def test_jobs_whose_key_is_taken_are_not_in_the_batch(deck: CommandLine) -> None:
    deck.done("run", "--unique", "k", "--", "true")
    result = deck("enqueue", "--batch", "b", "--file", "-", input=lines({"unique": "k"}, {}))
    assert (result.exit_code, result.stdout) == (0, "1\n")
    assert "1 job not enqueued: unique key already taken; the batch contains 1 job." in result.stderr
    assert json.loads(deck("batch", 1, "--json").stdout)["total"] == 1


def test_batch_reports_deleted_jobs(deck: CommandLine) -> None:
    deck.done("enqueue", "--batch", "b", "--file", "-", input=lines({}, {}))
    deck.work()
    deck.done("delete", 1)
    assert "1 job deleted or pruned" in deck.done("batch", 1)


def test_an_empty_batch_and_a_missing_batch_are_refused(deck: CommandLine) -> None:
    result = deck("enqueue", "--batch", "b", "--file", "-", input="\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "contains no jobs; no batch was created" in result.stderr
    result = deck("batch", 7)
    assert (result.exit_code, result.stderr) == (1, "jobdeck: Batch 7 does not exist; it may have been pruned.\n")


# -- limits --------------------------------------------------------------------------------------------


def test_limits_are_set_one_by_one_and_removed(deck: CommandLine) -> None:
    assert deck.done("limit", "mail", "--running", 2) == "Queue mail: 2 at once.\n"
    assert deck.done("limit", "mail", "--rate", "100/1m") == "Queue mail: 2 at once, 100 per 1m.\n"
    assert deck.done("limit", "img", "--rate", "5/s") == "Queue img: 5 per 1s.\n"
    assert deck.done("limit", "mail") == "Queue mail: 2 at once, 100 per 1m.\n"
    assert deck.done("limit").splitlines() == ["img   5 per 1s", "mail  2 at once, 100 per 1m"]
    assert deck.json("limit", "mail") == [{"queue": "mail", "limits": {"running": 2, "rate": 100, "period": 60.0}}]
    assert deck.done("limit", "mail", "--none", "--running", 4) == "Queue mail: 4 at once.\n"
    assert deck.json("limit", "mail", "--none")[0]["limits"] == {"running": None, "rate": None, "period": None}
    assert deck.done("limit", "mail") == "Queue mail: no limit.\n"
    assert [each["queue"] for each in deck.json("limit")] == ["img"]


def test_stats_show_the_pause_and_limits_of_a_queue(deck: CommandLine) -> None:
    deck.done("run", "--queue", "mail", "--", "true")
    deck.done("limit", "mail", "--running", 1, "--rate", "10/90s")
    deck.done("pause", "mail")
    (queue,) = deck.json("stats")[0]["queues"]
    assert queue["limits"] == {"running": 1, "rate": 10, "period": 90.0}
    assert re.search(r"^mail .* paused, 1 at once, 10 per 90s$", deck.done("stats"), re.MULTILINE)


def test_a_rate_limit_is_enforced(deck: CommandLine) -> None:
    deck.done("limit", "default", "--rate", "1/1h")
    deck.done("enqueue", "--file", "-", input=lines({}, {}))
    deck.work(1)
    assert states(deck) == {1: "completed", 2: "pending"}


def test_showing_limits_creates_no_database(deck: CommandLine) -> None:
    assert deck("limit").exit_code == 1
    assert not deck.database.exists()


# -- wrong usage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "--unique-until", "completed", "--", "true"), "--unique-until requires --unique"),
        (("run", "--on-conflict", "refuse", "--", "true"), "--on-conflict requires --unique"),
        (("run", "--if-parent-fails", "run", "--", "true"), "--if-parent-fails requires --after"),
        (("run", "--unique", "k", "--unique-until", "pending", "--", "true"), "final states"),
        (("run", "--unique", "k", "--unique-until", ",", "--", "true"), "final states"),
        (("run", "--unique", "k", "--on-conflict", "fight", "--", "true"), "'return', 'replace', 'refuse'"),
        (("run", "--unique", "", "--", "true"), "unique key must have 1 to 500"),
        (("run", "--after", "first", "--", "true"), "--after"),
        (("run", "--after", "1", "--if-parent-fails", "cry", "--", "true"), "'cancel', 'run', 'wait'"),
        (("run", "--expires", "soon", "--", "true"), "is not a duration"),
        (("run", "--expires", "1m", "--in", "1h", "--", "true"), "expiry must be later"),
        (("run", "--expires", "0", "--", "true"), "expiry must be later"),
        (("run", "--backoff", "2s", "--", "true"), "is not two durations"),
        (("run", "--backoff", "1h,1s", "--", "true"), "backoff must have a first step"),
        (("enqueue", "shell", "--batch", "b"), "--batch requires --file"),
        (("enqueue", "--file", "jobs.jsonl", "--unique", "k"), "--unique applies to one job"),
        (("enqueue", "--file", "jobs.jsonl", "--batch", "b\nc"), "batch name must have"),
        (("batch",), "ID"),
        (("batch", "0"), "ID"),
        (("batch", "1", "--timeout", "1s"), "--timeout requires --wait"),
        (("limit", "--running", "2"), "name the queue"),
        (("limit", "--none"), "name the queue"),
        (("limit", "mail", "--running", "0"), "The number of running jobs must be"),
        (("limit", "mail", "--rate", "100"), "is not a rate such as"),
        (("limit", "mail", "--rate", "many/1m"), "is not a rate such as"),
        (("limit", "mail", "--rate", "5/fortnight"), "is not a rate such as"),
        (("limit", "mail", "--rate", "0/1m"), "rate must be"),
        (("limit", "mail", "--rate", "5/90d"), "period goes with a rate"),
        (("limit", "a\nb", "--running", "2"), "queue must be"),
        (("--readonly", "limit", "mail", "--running", "2"), "--readonly"),
    ],
)
def test_wrong_usage_is_reported_and_changes_nothing(deck: CommandLine, words: tuple[str, ...], told: str) -> None:
    deck.done("run", "--", "true")
    (deck.folder / "jobs.jsonl").write_text(lines({}))
    result = deck(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("jobdeck: ")
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert states(deck) == {1: "pending"}
    assert deck.json("limit") == []


# -- ageing --------------------------------------------------------------------------------------------


def test_the_effective_priority_is_shown_only_if_priorities_age(deck: CommandLine) -> None:
    deck.done("run", "--priority", 3, "--at", "2020-01-01T00:00", "--", "true")
    deck.done("run", "--in", "1h", "--", "true")
    assert "effective_priority" not in deck.json("list")[0]
    assert re.search(r"^priority +3$", deck.done("show", 1), re.MULTILINE)
    env = {"JOBDECK_AGEING": "3600"}
    later, ready = deck.json("list", env=env)
    assert (ready["priority"], later["effective_priority"]) == (3, None)
    assert ready["effective_priority"] > 10_000
    assert re.search(r"^priority +3, effectively \d{5,} now$", deck.done("show", 1, env=env), re.MULTILINE)
