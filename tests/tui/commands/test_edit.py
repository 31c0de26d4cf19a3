"""`jobdeck edit`: a job that still waits is changed from the command line, and `jobdeck show` tells of it."""

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


def test_one_argument_is_changed_and_the_others_stay(deck: CommandLine) -> None:
    told = deck.done("--app", "tasks.py", "edit", 1, "to=ben")
    assert told == "Edited the arguments of job 1; it is pending.\n"
    with deck.queue() as queue:
        assert queue.get(1).args == {"to": "ben", "count": 3, "mode": "plain", "attach": None}
    deck.done("undo")
    with deck.queue() as queue:
        assert queue.get(1).args["to"] == "ann"


def test_all_arguments_are_given_anew_as_json(deck: CommandLine) -> None:
    (told,) = deck.json("--app", "tasks.py", "edit", 1, "--args", '{"to": "cyd"}')
    assert told["args"] == {"to": "cyd", "count": 1, "mode": "plain", "attach": None}


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
        (["edit", "1"], 2, "say what to change"),
        (["edit", "1", "--tag", "a", "--no-tags"], 2, "exclude each other"),
        (["edit", "1", "--priority", "10000000"], 2, "must be a whole number"),
        (["edit", "77", "--priority", "1"], 1, "There is no job 77."),
        (["--app", "tasks.py", "edit", "1", "count=many"], 1, "argument 'count' is wrong"),
        (["--app", "tasks.py", "edit", "1", "--args", "[1]"], 1, "takes a JSON object"),
        (["--readonly", "edit", "1", "--priority", "1"], 2, "--readonly"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(deck: CommandLine, words: list[str], code: int, says: str) -> None:
    result = deck(*words)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    with deck.queue() as queue:
        assert queue.journal.entries() == []


def test_what_is_final_is_refused(deck: CommandLine) -> None:
    deck.done("cancel", 1)
    result = deck("edit", 1, "--queue", "slow")
    assert result.exit_code == 1
    assert "Job 1 is cancelled: only a job that still waits can be edited" in result.stderr


def test_show_tells_scripts_all_that_the_screen_of_a_job_tells(deck: CommandLine) -> None:
    deck.done(
        "enqueue", "--file", "-", "--batch", "nightly", input='{"kind": "shell", "args": {"command": ["true"]}, "after": [1]}'
    )
    deck.done("edit", 2, "--tag", "schedule:night")
    (told,) = deck.json("show", 2)
    assert told["of_batch"]["name"] == "nightly"
    assert told["schedule"] == "night"
    assert told["after"] == [{"id": 1, "state": "pending"}]
    assert [act["told"] for act in told["acts"]] == ["edited the tags of job 2"]
    assert told["why"]["summary"].startswith("Job 2 cannot start: it waits for job 1")
    assert told["command"].startswith("jobdeck run ")
    assert json.dumps(told["log"]) == "[]"
    shown = deck.done("show", 2)
    assert "edited the tags of job 2" in shown
    assert "schedule" in shown
