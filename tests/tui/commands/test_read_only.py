"""Commands that only read: they write nothing, and need nothing that they could write to."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from threading import Event

import apsw
import pytest
from tests.core import damage
from tests.tui.cli_runner import CommandLine

from jobdeck import Queue, Settings, StoreError, StoreRefused

NOBODY = 65534
READS = (
    "list", "list --json", "show 1", "show 4", "stats", "stats --by kind", "queues", "workers", "errors", "events", "timeline",
    "journal", "schedule list", "health", "logs 1", "why 4", "batch 1", "limit mail", "wait 1", "stack 1", "retry --dry-run 1",
    "prune --dry-run", "metrics",
)  # fmt: skip
DIES = """
import os, sys
from jobdeck import Queue
queue = Queue(sys.argv[1])
for _ in range(5):
    queue.enqueue("shell", {"command": ["true"]})
os._exit(0)
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a queue with rows in every table."""
    path = tmp_path_factory.mktemp("filled") / "jobs.db"
    damage.fill(path)
    return path


@pytest.fixture
def deck(filled: Path, tmp_path: Path) -> Iterator[CommandLine]:
    folder = tmp_path / "queue"
    folder.mkdir()
    shutil.copy(filled, folder / "jobs.db")
    for each in [folder, *folder.parents]:  # other users reach it
        if each != Path(each.anchor) and not each.stat().st_mode & 0o001:
            each.chmod(each.stat().st_mode | 0o055)
    yield CommandLine(folder)
    folder.chmod(0o755)


def contents(deck: CommandLine) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in deck.folder.iterdir()}


def jobs(deck: CommandLine) -> int:
    """Return the number of jobs."""
    return len(deck.done("list", "--json").splitlines())


def leave_log(deck: CommandLine) -> None:
    """Let a process die that has enqueued five jobs, which only the log holds."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", DIES, str(deck.database)], check=True, env=environment)
    assert (deck.folder / "jobs.db-wal").stat().st_size


def damage_job(deck: CommandLine) -> None:
    with damage.relaxed(deck.database, "jobdeck_jobs") as connection:
        connection.execute("UPDATE jobdeck_jobs SET args = CAST(X'7bff7d' AS TEXT) WHERE id = 4")


def make_older(deck: CommandLine) -> None:
    """Set the machine's boot back, as after a restart of it, and the schema, as before an upgrade that adds nothing."""
    connection = apsw.Connection(str(deck.database))
    connection.execute("UPDATE jobdeck_meta SET value = 'another' WHERE key = 'boot'")
    connection.close()


def forbid_writing(deck: CommandLine) -> None:
    """Leave nothing for a user to write to."""
    for each in deck.folder.iterdir():
        each.chmod(0o444)
    deck.folder.chmod(0o555)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Act as another user inside the block."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextmanager
def as_owner() -> Iterator[None]:
    """Act as the owner of the database inside a block of `as_nobody`."""
    before = os.geteuid()
    os.seteuid(os.getuid())
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("state", [leave_log, damage_job, make_older, None], ids=["log", "damage", "boot", "plain"])
def test_commands_that_read_leave_every_file_as_it_is(deck: CommandLine, state: Callable[[CommandLine], None] | None) -> None:
    if state is not None:
        state(deck)
    before = contents(deck)
    for command in READS:
        result = deck(*command.split())
        assert result.exit_code == (1 if command in ("health", "wait 1", "stack 1", "batch 1") else 0), (command, result.output)
        assert contents(deck) == before, command
    assert jobs(deck) == (15 if state is leave_log else 10)


@pytest.mark.parametrize("state", [leave_log, damage_job, None], ids=["log", "damage", "plain"])
def test_a_user_who_may_only_read_sees_everything(deck: CommandLine, state: Callable[[CommandLine], None] | None) -> None:
    if state is not None:
        state(deck)
    expected = {command: deck(*command.split()).exit_code for command in READS}
    forbid_writing(deck)
    before = contents(deck)
    with as_nobody():
        assert {command: deck(*command.split()).exit_code for command in READS} == expected
        refused = deck("run", "--", "true")
    assert (refused.exit_code, "cannot be written to" in refused.output) == (1, True)
    assert contents(deck) == before


def test_a_backup_needs_no_permission_to_write_and_holds_what_the_log_holds(deck: CommandLine, tmp_path: Path) -> None:
    leave_log(deck)
    forbid_writing(deck)
    before, copy = contents(deck), tmp_path / "copies"
    copy.mkdir()
    copy.chmod(0o777)
    with as_nobody():
        assert deck.done("backup", str(copy / "jobs.db")).startswith("Wrote 15 jobs")
    assert contents(deck) == before
    assert jobs(CommandLine(copy)) == 15


def test_a_log_without_its_index_is_read(deck: CommandLine) -> None:
    leave_log(deck)
    (deck.folder / "jobs.db-shm").unlink()
    forbid_writing(deck)
    with as_nobody():
        assert jobs(deck) == 15


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide a file from another user")
def test_what_a_log_holds_that_may_not_be_read_is_reported_as_missing(deck: CommandLine) -> None:
    leave_log(deck)
    forbid_writing(deck)
    (deck.folder / "jobs.db-wal").chmod(0)
    with as_nobody():
        result = deck("list", "--json")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 10)
    assert result.stderr.startswith("jobdeck: The newest changes are in the log jobs.db-wal (")
    assert result.stderr.endswith("which this user may not read; they are not shown.\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide a file from another user")
def test_a_file_is_read_while_a_worker_writes_to_a_log_that_may_not_be_read(deck: CommandLine) -> None:
    deck.database.chmod(0o644)
    with Queue(deck.database, settings=Settings(synchronous="OFF")) as writer:
        writer.enqueue("shell", {"command": ["true"]})
        (deck.folder / "jobs.db-wal").chmod(0)
        with as_nobody(), Queue(deck.database, readonly=True) as reader:
            for _ in range(3):
                assert reader.count() == 10
                assert "are in the log jobs.db-wal" in str(reader.notice)
                with as_owner():
                    writer.enqueue("shell", {"command": ["true"]})
        writer.store.maintenance.checkpoint(0)
        with as_nobody(), Queue(deck.database, readonly=True) as reader:
            assert reader.count() == 14


def test_threads_that_read_while_others_open_and_close_the_file_never_fail(deck: CommandLine) -> None:
    """Each writer that comes or goes changes how the file has to be read."""
    settings = Settings(synchronous="OFF")
    counts: list[int] = []
    with Queue(deck.database, settings=settings, readonly=True) as reader, ThreadPoolExecutor(3) as threads:
        done = Event()

        def read() -> None:
            while not done.is_set():
                counts.append(reader.count())

        reads = [threads.submit(read) for _ in range(3)]
        try:
            for _ in range(20):
                with Queue(deck.database, settings=settings) as writer:
                    writer.enqueue("shell", {"command": ["true"]})
        finally:
            done.set()
        for each in reads:
            each.result()
        assert reader.count() == 30


def test_damaged_rows_are_named_and_shown_as_a_repair_would_leave_them(deck: CommandLine) -> None:
    damage_job(deck)
    result = deck("show", 4)
    assert "failed (damaged)" in result.stdout
    assert result.stderr == ("jobdeck: A damaged row is shown as `jobdeck doctor --repair` would repair it: job 4 (args).\n")
    assert "1 row is damaged: job 4 (args)." in deck("doctor").stdout


def test_a_file_that_is_marked_read_only_for_all_is_read(deck: CommandLine) -> None:
    deck.database.chmod(0o444)
    assert jobs(deck) == 10
    assert "cannot be written to" in deck("cancel", 4).output


def test_a_reader_who_may_not_write_sees_what_others_write_meanwhile(deck: CommandLine) -> None:
    settings = Settings(synchronous="OFF")
    deck.database.chmod(0o644)
    os.chmod(deck.folder, 0o755)
    with as_nobody(), Queue(deck.database, settings=settings, readonly=True) as reader:
        counts = [reader.count()]
        assert reader.version() == reader.version()
        for _ in range(3):
            seen = reader.version()
            with as_owner():
                leave_log(deck)
            counts.append(reader.count())
            assert reader.version() != seen
    assert counts == [10, 15, 20, 25]


def test_a_reader_in_the_process_of_a_writer_sees_each_change(deck: CommandLine) -> None:
    settings = Settings(synchronous="OFF")
    with Queue(deck.database, settings=settings, readonly=True) as reader:
        assert reader.count() == 10
        with Queue(deck.database, settings=settings) as writer:
            for n in range(3):
                writer.enqueue("shell", {"command": ["true"]})
                assert reader.count() == 11 + n
        assert reader.count() == 13
    Queue(deck.database).close()  # the next writer checkpoints the log, which a reader leaves as it is
    assert {each.name for each in deck.folder.iterdir()} == {"jobs.db"}
    assert jobs(deck) == 13


def test_a_queue_that_is_open_for_reading_only_refuses_changes(deck: CommandLine) -> None:
    with Queue(deck.database, readonly=True) as reader:
        for change in (
            lambda: reader.enqueue("shell", {"command": ["true"]}),
            lambda: reader.cancel(4),
            lambda: reader.pause("mail"),
            lambda: reader.recreate(),
            lambda: reader.transaction().__enter__(),
        ):
            with pytest.raises(StoreRefused, match="is open for reading only"):
                change()
        assert reader.count() == 10


def test_a_replaced_and_a_missing_database_are_noticed(deck: CommandLine, filled: Path) -> None:
    with Queue(deck.database, readonly=True) as reader:
        assert reader.count() == 10
        shutil.copy(filled, deck.folder / "other.db")
        (deck.folder / "other.db").rename(deck.database)
        with pytest.raises(StoreError, match="was replaced"):
            reader.count()
        assert (reader.count(), reader.store.generation) == (10, 1)
        deck.database.unlink()
        with pytest.raises(StoreError, match="was deleted or moved away"):
            reader.count()


def test_a_database_of_an_older_schema_is_read_and_stays_as_it_is(deck: CommandLine) -> None:
    connection = apsw.Connection(str(deck.folder / "old.db"))
    first = min((each for each in (files("jobdeck.store") / "migrations").iterdir() if each.name.endswith(".sql")), key=str)
    connection.execute(first.read_text())
    connection.execute("INSERT OR REPLACE INTO jobdeck_meta VALUES ('schema', '1')")
    connection.close()
    deck.database.unlink()
    (deck.folder / "old.db").rename(deck.database)
    before = contents(deck)
    assert deck.done("list") == ""
    assert json.loads(deck.done("stats", "--json"))["counts"]["pending"] == 0
    assert contents(deck) == before


@pytest.mark.screens
@pytest.mark.parametrize("state", [leave_log, damage_job, None], ids=["log", "damage", "plain"])
def test_a_picture_of_the_cockpit_leaves_every_file_as_it_is(
    deck: CommandLine, state: Callable[[CommandLine], None] | None
) -> None:
    deck("--snapshot")  # imports everything, which another user may not be allowed to
    if state is not None:
        state(deck)
    forbid_writing(deck)
    before = contents(deck)
    with as_nobody():
        assert "5 demo.work" in deck.done("--snapshot", "--size", "80x24")
    assert contents(deck) == before
