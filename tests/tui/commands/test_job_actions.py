"""Test `jobdeck cancel`, `retry`, `delete`, `priority`, `pause` and `resume`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.tui.cli_runner import CommandLine, eventually

from jobdeck import State, Worker


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


def _states(deck: CommandLine) -> list[State]:
    with deck.queue() as queue:
        return [job.state for job in queue.list(descending=False)]


def _enqueue(deck: CommandLine, n: int, *options: str) -> None:
    for _ in range(n):
        deck.done("run", *options, "--", "true")


def test_cancel_changes_what_it_can_and_explains_the_rest(deck: CommandLine) -> None:
    _enqueue(deck, 3)
    deck.done("cancel", 1)
    result = deck("cancel", 1, 2, 77, 2)
    assert result.exit_code == 1
    assert result.stdout == "Cancelled 1 job.\n"
    assert result.stderr == "jobdeck: Job 1 is cancelled: it has already been cancelled.\njobdeck: Job 77 does not exist.\n"
    assert _states(deck) == [State.CANCELLED, State.CANCELLED, State.PENDING]


def test_where_selects_the_matching_jobs_that_can_be_cancelled(deck: CommandLine) -> None:
    _enqueue(deck, 2, "--queue", "mail")
    _enqueue(deck, 2)
    deck.done("cancel", 1)
    assert deck.done("cancel", "--where", "queue:mail", "--dry-run") == "Would cancel 1 job.\n"
    assert _states(deck).count(State.CANCELLED) == 1
    (told,) = deck.json("cancel", "--where", "queue:mail")
    assert (told["operation"], told["count"], told["ids"], told["refused"]) == ("cancel", 1, [2], {})
    assert deck.done("cancel", "--where", "queue:mail") == "Cancelled 0 jobs.\n"
    assert _states(deck) == [State.CANCELLED, State.CANCELLED, State.PENDING, State.PENDING]


def test_a_filter_may_match_more_jobs_than_fit_in_one_transaction(deck: CommandLine) -> None:
    deck.done("enqueue", "--file", "-", input='{"kind": "shell", "args": {"command": ["true"]}}\n' * 1201)
    assert deck.done("cancel", "--where", "id>1") == "Cancelled 1,200 jobs.\n"
    assert _states(deck).count(State.PENDING) == 1


def test_a_dry_run_reports_which_ids_would_be_refused(deck: CommandLine) -> None:
    _enqueue(deck, 1)
    deck.done("cancel", 1)
    result = deck("cancel", 1, 9, "--dry-run")
    assert (result.exit_code, result.stdout) == (1, "Would cancel 0 jobs.\n")
    assert "has already been cancelled" in result.stderr
    assert "Job 9 does not exist" in result.stderr


def test_cancelling_a_running_job_asks_it_to_stop(deck: CommandLine) -> None:
    deck.done("run", "--", "sleep", "60")
    with deck.queue() as queue, Worker(queue, threads=1):
        eventually(lambda: queue.get(1).state is State.RUNNING)
        assert deck.done("cancel", 1) == "1 running job asked to stop.\n"
        eventually(lambda: queue.get(1).state is State.CANCELLED)


def test_retry_skips_completed_jobs_unless_the_filter_names_them(deck: CommandLine) -> None:
    _enqueue(deck, 1)
    deck.done("run", "--max-attempts", "1", "--", "false")
    deck.work()
    assert deck.json("retry", "--where", "kind:shell")[0]["ids"] == [2]
    assert deck.json("retry", "--where", "state:completed")[0]["ids"] == [1]
    assert _states(deck) == [State.PENDING, State.PENDING]
    assert deck("retry", 1).exit_code == 1


def test_delete_asks_only_on_a_terminal(deck: CommandLine) -> None:
    _enqueue(deck, 3)
    assert deck.done("delete", 1) == "Deleted 1 job.\n"
    assert deck.done("delete", "--where", "id>0", "--dry-run") == "Would delete 2 jobs.\n"
    assert deck.done("delete", "--where", "id>2") == "Deleted 1 job.\n"
    assert [job["id"] for job in deck.json("list")] == [2]


@pytest.mark.parametrize(("answer", "left"), [("n\n", 2), ("\n", 2), ("y\n", 0)])
def test_delete_by_filter_asks_on_a_terminal_and_names_the_count(
    deck: CommandLine, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    _enqueue(deck, 2)
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("jobdeck_tui.commands.job_actions.sys", terminal)
    result = deck("delete", "--where", "id>0", input=answer)
    assert "Delete 2 jobs" in result.stderr
    assert result.exit_code == (0 if left == 0 else 1)
    assert len(_states(deck)) == left
    assert deck("delete", "--where", "id>0", "--yes").exit_code == 0
    assert _states(deck) == []


def _priorities(deck: CommandLine) -> list[int]:
    return [job["priority"] for job in deck.json("list", "--reverse")]


def test_priority_can_be_set_raised_lowered_and_negative(deck: CommandLine) -> None:
    _enqueue(deck, 2, "--priority", "10")
    assert deck.done("priority", "5", 1) == "Reprioritized 1 job.\n"
    deck.done("priority", "+3", 1, 2)
    assert _priorities(deck) == [8, 13]
    deck.done("priority", "-20", 1, 2)
    assert _priorities(deck) == [-12, -7]
    deck.done("priority", "=-3", 1)
    deck.done("priority", "-1", "--where", "id:2 -id:1")
    assert _priorities(deck) == [-3, -8]
    deck.done("run", "--priority", "-4", "--", "true")
    assert _priorities(deck)[-1] == -4


def test_a_priority_out_of_range_changes_nothing(deck: CommandLine) -> None:
    _enqueue(deck, 1)
    result = deck("priority", "99999999", 1)
    assert result.exit_code == 2
    assert "priority" in result.stderr
    assert _priorities(deck) == [0]


def test_a_filter_of_several_words_that_is_not_quoted_is_recognized(deck: CommandLine) -> None:
    result = deck("cancel", "--where", "state:pending", "queue:mail")
    assert result.exit_code == 2
    assert result.stderr.startswith("jobdeck: quote a filter of several words: --where 'state:pending queue:mail'\n")


def test_a_paused_queue_starts_nothing_until_it_is_resumed(deck: CommandLine) -> None:
    assert deck.done("pause", "mail") == "Queue mail paused.\n"
    assert deck.done("pause", "mail") == "Queue mail was already paused.\n"
    _enqueue(deck, 1, "--queue", "mail")
    _enqueue(deck, 1)
    deck.work(2)
    assert _states(deck) == [State.PENDING, State.COMPLETED]
    assert deck.json("resume", "mail") == [{"queue": "mail", "paused": False, "changed": True}]
    assert deck.done("resume", "mail") == "Queue mail was not paused.\n"
    deck.work()
    assert _states(deck) == [State.COMPLETED, State.COMPLETED]


def test_undo_of_pause_all_resumes_only_the_queues_it_paused(deck: CommandLine) -> None:
    _enqueue(deck, 1, "--queue", "mail")
    _enqueue(deck, 1)
    deck.done("pause", "img")
    assert deck.done("pause", "--all") == "Paused 2 queues; 1 was already paused.\n"
    assert deck.json("pause", "--all") == [
        {"queue": name, "paused": True, "changed": False} for name in ("default", "img", "mail")
    ]
    assert deck.done("undo") == "Undone: paused 2 queues.\n"
    assert deck.json("resume", "--all") == [
        {"queue": name, "paused": False, "changed": name == "img"} for name in ("default", "img", "mail")
    ]
    assert deck.done("resume", "--all") == "Resumed 0 queues; 2 were not paused.\n"
    deck.work()
    assert _states(deck) == [State.COMPLETED, State.COMPLETED]


def test_undo_of_pause_all_reports_queues_resumed_since(deck: CommandLine) -> None:
    _enqueue(deck, 1, "--queue", "mail")
    _enqueue(deck, 1)
    deck.done("pause", "--all")
    deck.done("resume", "mail")
    act = next(each["id"] for each in deck.json("journal") if each["operation"] == "pause")
    result = deck("undo", act)
    assert (result.exit_code, result.stdout) == (0, "Undone for 1 of 2 queues: paused 2 queues.\n")
    assert result.stderr == "jobdeck: Queue mail was resumed since.\n"


@pytest.mark.parametrize("words", [("pause",), ("resume",), ("pause", "mail", "--all"), ("resume", "mail", "--all")])
def test_pause_and_resume_need_a_queue_or_all(deck: CommandLine, words: tuple[str, ...]) -> None:
    result = deck(*words)
    assert result.exit_code == 2
    assert "give either a QUEUE or --all" in result.stderr
    assert not deck.database.exists()


def test_pause_all_creates_no_database(deck: CommandLine) -> None:
    result = deck("pause", "--all")
    assert result.exit_code == 1
    assert "jobs.db does not exist" in result.stderr
    assert not deck.database.exists()


@pytest.mark.parametrize(
    "words", [("cancel", 1), ("retry", 1), ("delete", 1), ("priority", 3, 1), ("pause", "q"), ("resume", "--all"), ("worker",)]
)
def test_readonly_changes_nothing(deck: CommandLine, words: tuple[str | int, ...]) -> None:
    _enqueue(deck, 1)
    result = deck("--readonly", *words)
    assert result.exit_code == 2
    assert "--readonly" in result.stderr
    assert _states(deck) == [State.PENDING]
