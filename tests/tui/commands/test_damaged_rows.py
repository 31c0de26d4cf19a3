"""Commands on rows that jobdeck has not written, and on files with flipped bits: P11, P12."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
from tests.core import damage
from tests.tui.cli_runner import CommandLine

READS = ("list", "stats", "events", "timeline", "workers")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a queue with rows in every table."""
    path = tmp_path_factory.mktemp("filled") / "jobs.db"
    damage.fill(path)
    return path


@pytest.fixture
def deck(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture
def damaged(filled: Path, deck: CommandLine) -> CommandLine:
    """Return commands on a queue in which the arguments of job 4 are not UTF-8."""
    shutil.copy(filled, deck.database)
    with damage.relaxed(deck.database, "jobdeck_jobs") as connection:
        connection.execute("UPDATE jobdeck_jobs SET args = CAST(X'7bff7d' AS TEXT) WHERE id = 4")
    return deck


def test_the_doctor_names_a_damaged_job_and_repairs_it(damaged: CommandLine) -> None:
    found = damaged("doctor")
    assert found.exit_code == 1
    assert "1 row is damaged: job 4 (args)." in found.stdout
    assert "job 4 (args)" in damaged.done("doctor", "--repair")
    assert damaged.done("doctor").count("damaged") == 0


@pytest.mark.parametrize(
    "first",
    ["list", "show 4", "why 4", "logs 4", "cancel 4", "delete 4", pytest.param("--snapshot", marks=pytest.mark.screens)],
)
def test_whoever_reads_a_damaged_job_first_goes_on(damaged: CommandLine, first: str) -> None:
    result = damaged(*first.split())
    assert "bug" not in result.output
    assert result.exit_code == (1 if first == "cancel 4" else 0), result.output
    if first != "delete 4":
        shown = damaged.done("show", 4)
        assert "failed (damaged)" in shown
        assert r"{\xff}" in damaged.done("logs", 4)
        damaged.done("delete", 4)
    assert damaged.done("list", "id:4") == ""


@pytest.mark.parametrize("command", READS)
def test_no_command_meets_an_infinite_time(filled: Path, deck: CommandLine, command: str) -> None:
    shutil.copy(filled, deck.database)
    for table, column in (
        *(("jobdeck_jobs", name) for name in ("created_at", "scheduled_at", "started_at", "finished_at", "expires_at")),
        *(("jobdeck_attempts", name) for name in ("started_at", "finished_at")),
        *(("jobdeck_workers", name) for name in ("started_at", "heartbeat_at", "beat")),
        *(("jobdeck_journal", "at"), ("jobdeck_logs", "at"), ("jobdeck_depths", "oldest"), ("jobdeck_batches", "created_at")),
    ):
        with damage.relaxed(deck.database, table) as connection:
            connection.execute(f"UPDATE {table} SET {column} = 9e999 WHERE {column} IS NOT NULL")
    result = deck(command)
    assert "bug" not in result.output
    assert result.exit_code == 0


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_are_survived_or_one_sentence(filled: Path, deck: CommandLine, seed: int) -> None:
    """Try a few; `tests/soak/damaged.py bits` tries more."""
    random, content = Random(seed), bytearray(filled.read_bytes())
    used = [at for at, byte in enumerate(content) if byte]
    for _ in range(3):
        content[random.choice(used)] ^= 1 << random.randrange(8)
    deck.database.write_bytes(content)
    for words in (["doctor"], ["list"], ["show", "4"], ["run", "--", "true"]):
        result = deck(*words)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "bug" not in result.output
        assert result.stderr.count("\n") <= 1
