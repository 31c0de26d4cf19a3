"""Test `jobdeck prune`, `backup` and `doctor`."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from tests.tui.cli_runner import CommandLine

from jobdeck import State


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path)


@pytest.fixture(autouse=True)
def _healthy_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make these tests independent of the disk and file system of the machine."""
    monkeypatch.setattr("jobdeck.store.sqlite.doctor.environment_checks.file_system_of", lambda path: "ext4")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10**12}))


@pytest.fixture
def history(deck: CommandLine) -> CommandLine:
    """Return a queue with three completed jobs, two failed, one cancelled and one scheduled."""
    for word in ("true", "true", "true", "false", "false"):
        deck.done("run", "--max-attempts", "1", "--", word)
    deck.work()
    deck.done("run", "--in", "1h", "--", "true")
    deck.done("cancel", 6)
    deck.done("run", "--in", "1h", "--", "true")
    return deck


def states(deck: CommandLine) -> dict[str, int]:
    (stats,) = deck.json("stats")
    return {state: n for state, n in stats["counts"].items() if n}


def test_prune_without_options_applies_the_settings(history: CommandLine) -> None:
    assert history.done("prune") == "Deleted no jobs.\n"
    env = {"JOBDECK_RETENTION": "0.0001", "JOBDECK_RETENTION_FAILED": "0", "JOBDECK_RETENTION_COUNT": "1"}
    assert history.done("prune", env=env) == "Deleted 5 jobs: 3 completed, 1 failed, 1 cancelled.\n"
    assert states(history) == {"failed": 1, "scheduled": 1}


def test_prune_by_age_count_and_state(history: CommandLine) -> None:
    assert history.done("prune", "--older-than", "1h", "--keep", "2") == "Deleted 1 job: 1 completed.\n"
    (told,) = history.json("prune", "--older-than", "0s", "--state", "failed", "--state", "cancelled")
    assert told == {"operation": "prune", "dry_run": False, "count": 3, "counts": {"failed": 2, "cancelled": 1}}
    assert states(history) == {"completed": 2, "scheduled": 1}


def test_prune_dry_run_counts_without_deleting(history: CommandLine) -> None:
    assert history.done("prune", "--keep", "1", "--dry-run") == "Would delete 3 jobs: 2 completed, 1 failed.\n"
    (told,) = history.json("prune", "--keep", "1", "--dry-run")
    assert (told["dry_run"], told["count"], told["counts"]["completed"]) == (True, 3, 2)
    assert states(history) == {"completed": 3, "failed": 2, "cancelled": 1, "scheduled": 1}


@pytest.mark.parametrize("wrong", [("--keep", "0"), ("--older-than", "old"), ("--state", "pending"), ("--older-than", "-1h")])
def test_prune_refuses_invalid_bounds(history: CommandLine, wrong: tuple[str, str]) -> None:
    assert history("prune", *wrong).exit_code == 2
    assert sum(states(history).values()) == 7


def test_prune_creates_no_database(deck: CommandLine) -> None:
    assert deck("prune").exit_code == 1
    assert not deck.database.exists()


def test_readonly_refuses_prune_except_a_dry_run(history: CommandLine) -> None:
    assert history("--readonly", "prune").exit_code == 2
    assert history("--readonly", "prune", "--dry-run").exit_code == 0


def test_backup_prints_its_size_and_the_copy_can_be_read(history: CommandLine) -> None:
    told = history.done("backup", "copy.db")
    copy = history.folder / "copy.db"
    assert told.startswith("Wrote 7 jobs, ")
    assert told.endswith("the copy passed all checks.\n")
    assert str(copy) in told
    with history.queue() as queue:
        ids = [*queue.ids()]
    (made,) = history.json("backup", "--force", "copy.db")
    assert (made["path"], made["bytes"], made["jobs"]) == (str(copy), copy.stat().st_size, 7)
    listed = CommandLine(history.folder).json("--db", str(copy), "list")
    assert [job["id"] for job in listed] == ids


def test_backup_replaces_a_file_only_with_force(history: CommandLine) -> None:
    (history.folder / "copy.db").write_text("precious")
    result = history("backup", "copy.db")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr
        == f"jobdeck: No backup was written to {history.folder / 'copy.db'}: a file with this name already exists.\n"
    )
    assert (history.folder / "copy.db").read_text() == "precious"
    assert history("backup").exit_code == 2
    assert history("backup", "jobs.db", "--force").exit_code == 1


def test_doctor_exits_with_0_for_a_healthy_queue(history: CommandLine) -> None:
    documents = history.json("doctor", "--full")
    assert {each["severity"] for each in documents} == {"ok"}
    assert [set(each) for each in documents] == [{"check", "severity", "message", "advice"}] * len(documents)
    shown = history.done("doctor")
    assert "The counters match the 7 jobs in the queue." in shown


def test_doctor_exits_with_1_and_repair_fixes_the_problem(history: CommandLine) -> None:
    connection = apsw.Connection(str(history.database))
    connection.execute("UPDATE jobdeck_counts SET n = n + 1 WHERE n > 0")
    connection.close()
    result = history("doctor")
    assert result.exit_code == 1
    assert "`jobdeck doctor --repair` recomputes them." in result.stdout
    assert "1 problem, 0 warnings." in result.stdout
    assert history("--readonly", "doctor", "--repair").exit_code == 2
    assert "Recomputed: 4 counters" in history.done("doctor", "--repair")
    assert history.done("doctor").endswith("No problems found.\n")
    with history.queue() as queue:
        assert queue.count("state:completed") == queue.overview().counts[State.COMPLETED] == 3


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be one", b"SQLite format 3\0" + b"z" * 3000])
@pytest.mark.parametrize("options", [(), ("--repair",), ("--full", "--json")])
def test_doctor_reports_a_file_that_is_not_a_database_and_changes_no_byte(
    deck: CommandLine, content: bytes, options: tuple[str, ...]
) -> None:
    deck.database.write_bytes(content)
    result = deck("doctor", *options)
    assert (result.exit_code, result.stderr) == (1, "")
    assert f"{deck.database} is not an SQLite database." in result.stdout
    assert deck.database.read_bytes() == content
    assert [entry.name for entry in deck.folder.iterdir()] == ["jobs.db"]


def test_doctor_creates_no_database(deck: CommandLine) -> None:
    result = deck("doctor")
    assert result.exit_code == 1
    assert "does not exist" in result.stdout
    assert not deck.database.exists()
