"""Test `jobdeck undo`, `redo` and `journal`."""

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


def test_the_last_action_is_undone_and_redone(deck: CommandLine) -> None:
    deck.done("cancel", 1, 2)
    assert deck.done("undo") == "Undone: cancelled 2 jobs.\n"
    assert states(deck) == [State.PENDING] * 3
    assert deck.done("redo") == "Redone: cancelled 2 jobs.\n"
    assert states(deck) == [State.CANCELLED, State.CANCELLED, State.PENDING]


def test_deleted_jobs_are_restored_under_their_ids(deck: CommandLine) -> None:
    deck.done("delete", 2)
    deck.done("undo")
    assert [job["id"] for job in deck.json("list")] == [3, 2, 1]


def test_an_older_action_is_undone_by_its_id(deck: CommandLine) -> None:
    deck.done("cancel", 1)
    deck.done("pause", "mail")
    assert deck.done("undo", 1) == "Undone: cancelled job 1.\n"
    assert deck.done("undo") == "Undone: paused queue mail.\n"


def test_undo_fails_with_the_reasons_if_nothing_was_undone(deck: CommandLine) -> None:
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


def test_a_partial_undo_reports_the_rest(deck: CommandLine) -> None:
    deck.done("cancel", 1, 2)
    deck.done("retry", 1)
    result = deck("undo", 1)
    assert (result.exit_code, result.stdout) == (0, "Undone for 1 of 2 jobs: cancelled 2 jobs.\n")
    assert result.stderr == "jobdeck: Job 1 was retried since.\n"
    (told,) = [act for act in deck.json("journal") if act["id"] == 1]
    assert (told["count"], told["undone"]) == (2, 1)


def test_only_the_first_twenty_reasons_are_printed(deck: CommandLine) -> None:
    deck.done("enqueue", "--file", "-", input='{"kind": "shell", "args": {"command": ["true"]}}\n' * 40)
    deck.done("cancel", "--where", "id>0")
    deck.done("retry", "--where", "id>0")
    lines = deck("undo", 1).stderr.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "jobdeck: 23 more jobs could not be undone."


def test_an_action_in_several_transactions_is_undone_as_one(deck: CommandLine) -> None:
    deck.done("enqueue", "--file", "-", input='{"kind": "shell", "args": {"command": ["true"]}}\n' * 1201)
    deck.done("priority", "+5", "--where", "id>0")
    (act,) = deck.json("journal")
    assert (act["count"], act["undoable"], act["summary"]) == (1204, 1204, "changed the priority of 1,204 jobs by +5")
    (undone,) = deck.json("undo")
    assert (undone["operation"], undone["count"], undone["refused"], undone["not_recorded"]) == ("undo", 1204, {}, 0)
    assert {job["priority"] for job in deck.json("list", "--limit", 2000)} == {0}


def test_the_journal_lists_actors_actions_and_undos(deck: CommandLine) -> None:
    deck.done("cancel", 1)
    with deck.queue() as queue:
        queue.cancel(2, actor="ben")
        queue.pause("mail", actor="ben")
        me = queue.actor
    deck.done("undo")
    deck.done("undo", 2)
    lines = deck.done("journal").splitlines()
    assert lines[0].split() == ["ID", "AGE", "ACTOR", "ACTION", "UNDONE"]
    assert "paused queue mail" in lines[1]
    assert "ben" in lines[1]
    assert lines[2].endswith(f"cancelled job 2    undone by {me}")
    assert lines[3].split()[2] == me
    assert lines[3].endswith("undone")
    assert len(deck.done("journal", "--limit", 1).splitlines()) == 2


def test_an_empty_journal_prints_nothing_for_scripts(deck: CommandLine) -> None:
    assert deck.done("journal") == ""
    assert deck.json("journal") == []


def test_undo_without_an_id_considers_only_your_own_actions(deck: CommandLine) -> None:
    with deck.queue() as queue:
        queue.cancel(2, actor="ben")
    result = deck("undo")
    assert result.exit_code == 1
    assert states(deck)[1] is State.CANCELLED


@pytest.mark.parametrize("command", ["undo", "redo"])
def test_readonly_refuses_undo_and_redo(deck: CommandLine, command: str) -> None:
    deck.done("cancel", 1)
    assert deck("--readonly", command).exit_code == 2
    assert states(deck)[0] is State.CANCELLED
