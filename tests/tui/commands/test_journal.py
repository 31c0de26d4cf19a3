"""`jobdeck undo`, `redo` and `journal`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tui.cli_runner import CommandLine

from jobdeck import State


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    deck = CommandLine(tmp_path)
    for _ in range(3):
        deck.done("run", "--", "true")
    return deck


def states(deck: CommandLine) -> list[State]:
    with deck.queue() as queue:
        return [job.state for job in queue.list(descending=False)]


def test_what_was_done_last_is_taken_back_and_done_again(deck: CommandLine) -> None:
    deck.done("cancel", 1, 2)
    assert deck.done("undo") == "Undone: cancelled 2 jobs.\n"
    assert states(deck) == [State.PENDING] * 3
    assert deck.done("redo") == "Done again: cancelled 2 jobs.\n"
    assert states(deck) == [State.CANCELLED, State.CANCELLED, State.PENDING]


def test_deleted_jobs_come_back_under_their_ids(deck: CommandLine) -> None:
    deck.done("delete", 2)
    deck.done("undo")
    assert [job["id"] for job in deck.json("list")] == [3, 2, 1]


def test_an_older_act_is_undone_by_its_id(deck: CommandLine) -> None:
    deck.done("cancel", 1)
    deck.done("pause", "mail")
    assert deck.done("undo", 1) == "Undone: cancelled job 1.\n"
    assert deck.done("undo") == "Undone: paused queue mail.\n"


def test_nothing_undone_is_a_failure_with_the_reasons(deck: CommandLine) -> None:
    deck.done("cancel", 1, 2)
    deck.done("retry", 1, 2)
    result = deck("undo", 1)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "jobdeck: Job 1 was retried since.\njobdeck: Job 2 was retried since.\n"
    deck.done("undo")
    result = deck("undo")
    assert result.exit_code == 1
    assert "Nothing to undo" in result.stderr
    assert deck("undo", 9).stderr == "jobdeck: Journal entry 9 does not exist; `jobdeck journal` lists the entries.\n"
    assert deck("redo", 1).exit_code == 1
    assert deck("undo", "x").exit_code == 2


def test_what_could_be_undone_is_and_the_rest_is_told(deck: CommandLine) -> None:
    deck.done("cancel", 1, 2)
    deck.done("retry", 1)
    result = deck("undo", 1)
    assert (result.exit_code, result.stdout) == (0, "Undone for 1 of 2 jobs: cancelled 2 jobs.\n")
    assert result.stderr == "jobdeck: Job 1 was retried since.\n"
    (told,) = [act for act in deck.json("journal") if act["id"] == 1]
    assert (told["count"], told["undone"]) == (2, 1)


def test_of_very_many_reasons_some_are_told(deck: CommandLine) -> None:
    deck.done("enqueue", "--file", "-", input='{"kind": "shell", "args": {"command": ["true"]}}\n' * 40)
    deck.done("cancel", "--where", "id>0")
    deck.done("retry", "--where", "id>0")
    lines = deck("undo", 1).stderr.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "jobdeck: And 23 jobs more could not either."


def test_an_act_on_more_jobs_than_one_transaction_takes_is_undone_as_one(deck: CommandLine) -> None:
    deck.done("enqueue", "--file", "-", input='{"kind": "shell", "args": {"command": ["true"]}}\n' * 1201)
    deck.done("priority", "+5", "--where", "id>0")
    (act,) = deck.json("journal")
    assert (act["count"], act["undoable"], act["told"]) == (1204, 1204, "changed the priority of 1,204 jobs by +5")
    (undone,) = deck.json("undo")
    assert (undone["operation"], undone["count"], undone["refused"], undone["beyond"]) == ("undo", 1204, {}, 0)
    assert {job["priority"] for job in deck.json("list", "--limit", 2000)} == {0}


def test_the_journal_tells_what_was_done_by_whom_and_what_was_undone(deck: CommandLine) -> None:
    deck.done("cancel", 1)
    with deck.queue() as queue:
        queue.cancel(2, who="ben")
        queue.pause("mail", who="ben")
        me = queue.who
    deck.done("undo")
    deck.done("undo", 2)
    lines = deck.done("journal").splitlines()
    assert lines[0].split() == ["ID", "AGE", "WHO", "WHAT", "UNDONE"]
    assert "paused queue mail" in lines[1]
    assert "ben" in lines[1]
    assert lines[2].endswith(f"cancelled job 2    undone by {me}")
    assert lines[3].split()[2] == me
    assert lines[3].endswith("undone")
    assert len(deck.done("journal", "--limit", 1).splitlines()) == 2


def test_an_empty_journal_prints_nothing_for_scripts(deck: CommandLine) -> None:
    assert deck.done("journal") == ""
    assert deck.json("journal") == []


def test_people_take_back_their_own_acts_only(deck: CommandLine) -> None:
    with deck.queue() as queue:
        queue.cancel(2, who="ben")
    result = deck("undo")
    assert result.exit_code == 1
    assert states(deck)[1] is State.CANCELLED


@pytest.mark.parametrize("command", ["undo", "redo"])
def test_readonly_takes_nothing_back(deck: CommandLine, command: str) -> None:
    deck.done("cancel", 1)
    assert deck("--readonly", command).exit_code == 2
    assert states(deck)[0] is State.CANCELLED
