"""Commands that only read, for a role of the server that may do no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.core import damage
from tests.core.helpers import CLOSES
from tests.core.postgres import database_at
from tests.tui.cli_runner import CommandLine
from tests.tui.commands.test_read_only import READS

from jobdeck import Queue, StoreRefused

pytestmark = pytest.mark.postgres

ROLE = """
DO $$ BEGIN CREATE ROLE jobdeck_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT USAGE ON SCHEMA public TO jobdeck_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO jobdeck_reader;
"""
FAILS = ("health", "wait 1", "stack 1", "batch 1")


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[CommandLine]:
    address = database_at(tmp_path)
    damage.fill(address)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(ROLE)
    yield CommandLine(tmp_path, address)
    CLOSES["postgres"](tmp_path)


@pytest.fixture
def reader(owner: CommandLine) -> CommandLine:
    return CommandLine(owner.folder, owner.address.replace("//jobdeck@", "//jobdeck_reader@"))


def test_a_role_that_may_only_select_sees_everything_and_changes_nothing(owner: CommandLine, reader: CommandLine) -> None:
    for command in READS:
        result = reader(*command.split())
        assert result.exit_code == (1 if command in FAILS else 0), (command, result.output)
        assert "privileges" not in result.output
    refused = reader("run", "--", "true")
    assert (refused.exit_code, "does not give this user the privileges" in refused.output) == (1, True)
    assert reader.done("list", "--json") == owner.done("list", "--json")


def test_a_damaged_row_is_read_as_a_repair_would_leave_it_and_stays_damaged(owner: CommandLine, reader: CommandLine) -> None:
    with psycopg.connect(owner.address, autocommit=True) as connection:
        connection.execute("UPDATE jobdeck_jobs SET created_at = 'Infinity' WHERE id = 4")
    for command in READS:
        assert owner(*command.split()).exit_code == (1 if command in FAILS else 0), command
    assert "job 4 (created_at)" in owner("doctor").stdout
    assert "A stored row is damaged" in reader("show", 4).stderr


def test_a_queue_that_is_open_for_reading_only_refuses_changes(owner: CommandLine) -> None:
    with Queue(owner.address, readonly=True) as queue:
        with pytest.raises(StoreRefused, match="is open for reading only"):
            queue.cancel(4)
        with pytest.raises(StoreRefused, match="is open for reading only"):
            queue.enqueue("shell", {"command": ["true"]})
        assert queue.count() == 10
    with psycopg.connect(owner.address, autocommit=True) as connection:
        connection.execute("DROP TABLE jobdeck_meta CASCADE")
    with pytest.raises(StoreRefused, match="holds no queue"):
        Queue(owner.address, readonly=True)
