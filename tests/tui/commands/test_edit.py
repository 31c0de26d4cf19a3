"""Test `jobdeck edit`, and how `jobdeck show` reports an edit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    made = CommandLine(tmp_path)
    made.done("--app", made.tasks(), "enqueue", "tasks.send", "to=ann", "count=3")
    return made


def test_a_pair_changes_one_argument(deck: CommandLine) -> None:
    told = deck.done("--app", "tasks.py", "edit", 1, "to=ben")
    assert told == "Edited the arguments of job 1; it is pending.\n"
    with deck.queue() as queue:
        assert queue.get(1).args == {"to": "ben", "count": 3}
    deck.done("undo")
    with deck.queue() as queue:
        assert queue.get(1).args["to"] == "ann"


def test_args_replaces_all_arguments(deck: CommandLine) -> None:
    (told,) = deck.json("--app", "tasks.py", "edit", 1, "--args", '{"to": "cyd"}')
    assert told["args"] == {"to": "cyd"}


def test_queue_time_attempts_priority_and_tags_are_changed(deck: CommandLine) -> None:
    deck.done("edit", 1, "--queue", "slow", "--in", "1h", "--max-attempts", "9", "--priority", "-3", "--tag", "a", "--tag", "b")
    with deck.queue() as queue:
        job = queue.get(1)
    assert (job.queue, str(job.state), job.max_attempts, job.priority, job.tags) == ("slow", "scheduled", 9, -3, ("a", "b"))
    deck.done("edit", 1, "--in", "0", "--no-tags")
    with deck.queue() as queue:
        assert (str(queue.get(1).state), queue.get(1).tags) == ("pending", ())


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["edit", "1"], 2, "specify what to change"),
        (["edit", "1", "--tag", "a", "--no-tags"], 2, "mutually exclusive"),
        (["edit", "1", "--priority", "10000000"], 2, "must be a whole number"),
        (["edit", "77", "--priority", "1"], 1, "Job 77 does not exist."),
        (["--app", "tasks.py", "edit", "1", "count=many"], 1, "argument 'count' is invalid"),
        (["--app", "tasks.py", "edit", "1", "--args", "[1]"], 1, "must be a JSON object"),
        (["--readonly", "edit", "1", "--priority", "1"], 2, "--readonly"),
    ],
)
def test_an_invalid_edit_is_refused_with_the_reason(deck: CommandLine, words: list[str], code: int, says: str) -> None:
    result = deck(*words)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    with deck.queue() as queue:
        assert queue.journal.entries() == []


def test_a_final_job_cannot_be_edited(deck: CommandLine) -> None:
    deck.done("cancel", 1)
    result = deck("edit", 1, "--queue", "slow")
    assert result.exit_code == 1
    assert "Job 1 is cancelled: only a queued job can be edited" in result.stderr


def test_show_as_json_contains_everything_the_job_screen_shows(deck: CommandLine) -> None:
    deck.done(
        "enqueue", "--file", "-", "--batch", "nightly", input='{"kind": "shell", "args": {"command": ["true"]}, "after": [1]}'
    )
    deck.done("edit", 2, "--tag", "schedule:night")
    (told,) = deck.json("show", 2)
    assert told["batch_status"]["name"] == "nightly"
    assert told["schedule"] == "night"
    assert told["parents"] == [{"id": 1, "state": "pending"}]
    assert [entry["summary"] for entry in told["journal"]] == ["edited the tags of job 2"]
    assert told["explanation"]["summary"].startswith("Job 2 cannot start: it waits for job 1")
    assert told["enqueue_command"].startswith("jobdeck run ")
    assert json.dumps(told["log"]) == "[]"
    shown = deck.done("show", 2)
    assert "edited the tags of job 2" in shown
    assert "schedule" in shown
