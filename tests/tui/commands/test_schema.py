"""`jobdeck schema`: the version of the tables, and their migration by hand."""

from __future__ import annotations

from contextlib import closing
from importlib.resources import files
from pathlib import Path

import apsw
import pytest
from tests.tui.cli_runner import CommandLine

from jobdeck import Queue


@pytest.fixture
def deck(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


STEPS = sorted(each.name for each in (files("jobdeck.store") / "migrations").iterdir() if each.name.endswith(".sql"))
NEWEST = len(STEPS)


def old_file(path: Path, versions: int) -> None:
    """Create a queue with the tables of an older version."""
    with closing(apsw.Connection(str(path))) as connection:
        for step in STEPS[:versions]:
            connection.execute((files("jobdeck.store") / "migrations" / step).read_text())
        connection.execute("INSERT OR REPLACE INTO jobdeck_meta VALUES ('schema', ?)", (str(versions),))


def tables(path: Path) -> list[tuple[object, ...]]:
    with closing(apsw.Connection(str(path))) as connection:
        return connection.execute(
            "SELECT type, name, sql FROM sqlite_schema WHERE name LIKE 'jobdeck%' ORDER BY name"
        ).fetchall()


def test_the_version_of_a_missing_an_old_and_a_current_database_is_printed(deck: CommandLine) -> None:
    missing = deck("schema", "version")
    assert (missing.exit_code, missing.stdout) == (1, f"No queue; this jobdeck creates schema {NEWEST}.\n")
    assert not deck.database.exists()
    old_file(deck.database, 5)
    before = deck.database.read_bytes()
    old = deck("schema", "version")
    assert (old.exit_code, old.stdout) == (1, f"Schema 5; this jobdeck uses {NEWEST}.\n")
    assert deck.database.read_bytes() == before
    assert deck.done("schema", "migrate") == f"Migrated schema 5 to {NEWEST}.\n"
    assert deck.done("schema", "migrate") == f"Schema {NEWEST}: nothing to migrate.\n"
    assert deck.json("schema", "version") == [{"version": NEWEST, "newest": NEWEST}]


def test_the_version_of_a_newer_database_is_printed_and_it_is_not_migrated(deck: CommandLine) -> None:
    old_file(deck.database, NEWEST)
    with closing(apsw.Connection(str(deck.database))) as connection:
        connection.execute("UPDATE jobdeck_meta SET value = '99' WHERE key = 'schema'")
    assert deck("schema", "version").stdout == f"Schema 99; this jobdeck uses {NEWEST}.\n"
    refused = deck("schema", "migrate")
    assert refused.exit_code == 1
    assert f"was written by a newer jobdeck (schema 99; this one knows {NEWEST})" in refused.output


@pytest.mark.parametrize("since", [0, 1, 5])
def test_the_printed_sql_makes_the_tables_that_opening_makes(deck: CommandLine, tmp_path: Path, since: int) -> None:
    Queue(tmp_path / "opened.db").close()
    by_hand = tmp_path / "by_hand.db"
    if since:
        old_file(by_hand, since)
    script = deck.done("schema", "sql", "--from", since)
    assert not deck.database.exists()
    with closing(apsw.Connection(str(by_hand))) as connection:
        connection.execute(script).fetchall()
    assert tables(by_hand) == tables(tmp_path / "opened.db")
    with Queue(by_hand) as queue:
        assert queue.enqueue("shell", {"command": ["true"]}).id == 1


def test_a_version_that_does_not_exist_is_wrong_usage(deck: CommandLine) -> None:
    refused = deck("schema", "sql", "--from", NEWEST + 1)
    assert refused.exit_code == 2
    assert f"must be from 0 to {NEWEST}" in refused.output


def test_readonly_migrates_nothing(deck: CommandLine) -> None:
    old_file(deck.database, 5)
    assert deck("--readonly", "schema", "migrate").exit_code == 2
    assert deck("schema", "version").stdout == f"Schema 5; this jobdeck uses {NEWEST}.\n"
