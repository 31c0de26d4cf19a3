"""Files that are not a queue are refused in one sentence and stay unchanged: P12."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from tests.core.helpers import STORES, FakeClock, new

from jobdeck import Queue, Settings, StoreRefused

UNOWNED_SHARD = 65534


def refusal(where: str | Path) -> str:
    with pytest.raises(StoreRefused) as caught:
        Queue(where, settings=Settings(synchronous="OFF"))
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def foreign(path: Path, *, wal: bool = False) -> None:
    connection = apsw.Connection(str(path))
    if wal:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance)")
    connection.execute("INSERT INTO accounts VALUES (1, 100)")
    connection.close()


def newer(path: Path) -> None:
    STORES["sqlite"](path, FakeClock()).close()
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE jobdeck_meta SET value = '999' WHERE key = 'schema'")
    connection.close()


def damaged(path: Path) -> None:
    store = STORES["sqlite"](path, FakeClock())
    store.enqueuer.enqueue([new()] * 100)
    store.close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xa5" * (4096 - 100)
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    store = STORES["sqlite"](path, FakeClock())
    store.enqueuer.enqueue([new()] * 100)
    store.close()
    path.write_bytes(path.read_bytes()[:5000])


def strange_schema(path: Path) -> None:
    newer(path)
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE jobdeck_meta SET value = 'two' WHERE key = 'schema'")
    connection.close()


REFUSED = {
    "a text file": (lambda path: path.write_text("to do: nothing\n" * 100), "is not an SQLite database"),
    "a short text file": (lambda path: path.write_text("hi"), "is not an SQLite database"),
    "a text file that begins like one": (
        lambda path: path.write_bytes(b"SQLite format 3\0" + b"z" * 3000),
        "is not an SQLite database",
    ),
    "another program's database": (foreign, "is a database of another program"),
    "another program's database in use": (lambda path: foreign(path, wal=True), "is a database of another program"),
    "a newer schema": (newer, "was written by a newer jobdeck (schema 999"),
    "a schema that is no number": (strange_schema, "'two', which is not a number"),
    "a damaged file": (damaged, "is a damaged SQLite database"),
    "a file cut short": (cut_short, "is a damaged SQLite database"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_a_queue_is_refused_and_stays_unchanged(tmp_path: Path, name: str) -> None:
    make, sentence = REFUSED[name]
    path = tmp_path / "jobs.db"
    make(path)
    before = path.read_bytes()
    assert sentence in refusal(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["jobs.db"]


@pytest.mark.parametrize("make", [newer, foreign], ids=["newer", "foreign"])
def test_the_wal_of_a_killed_process_is_not_checkpointed_into_a_refused_file(tmp_path: Path, make: object) -> None:
    path = tmp_path / "jobs.db"
    newer(path) if make is newer else foreign(path, wal=True)
    script = f"""
import apsw, os
connection = apsw.Connection({str(path)!r})
connection.execute("CREATE TABLE more (id)")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    files = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir() if not entry.name.endswith("-shm")}
    assert files["jobs.db-wal"]
    refusal(path)
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("/dev/null", "is not a file"),
        ("/dev/null/jobs.db", "cannot be created"),
        (":memory:", "would be lost"),
        ("sqlite:///:memory:", "would be lost"),
        ("a\0b", "is not a valid file name"),
        ("~nobody-of-that-name/jobs.db", "home folder of a user"),
        ("mysql://host/jobs", "names a mysql database"),
    ],
)
def test_an_unusable_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in refusal(where)
    assert list(tmp_path.iterdir()) == []


def test_a_relative_and_an_absolute_url_name_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Queue("sqlite:///relative.db").close()
    Queue(f"sqlite:///{tmp_path}/absolute.db").close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["absolute.db", "relative.db"]


def test_a_database_of_another_program_can_be_adopted_and_keeps_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    foreign(path)
    with Queue(path, settings=Settings(), adopt=True) as queue:
        queue.enqueue("shell", {"command": ["true"]})
    with Queue(path, settings=Settings()) as queue:
        assert queue.count() == 1
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT * FROM accounts").fetchall() == [(1, 100)]
    connection.close()


@pytest.mark.parametrize(
    ("mode", "folder_mode", "sentence"),
    [
        (0o444, 0o755, "cannot be written to"),
        (0o000, 0o755, "cannot be read"),
        (0o666, 0o555, "cannot be written to"),
    ],
    ids=["read-only", "unreadable", "in a read-only folder"],
)
def test_a_file_without_write_permission_is_refused_and_stays_unchanged(
    tmp_path: Path, mode: int, folder_mode: int, sentence: str
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    path = folder / "jobs.db"
    STORES["sqlite"](path, FakeClock()).close()
    before = path.read_bytes()
    path.chmod(mode)
    folder.chmod(folder_mode)
    try:
        assert sentence in as_nobody(path)
    finally:
        folder.chmod(0o755)
        path.chmod(0o644)
    assert path.read_bytes() == before
    assert [entry.name for entry in folder.iterdir()] == ["jobs.db"]


def test_a_file_marked_read_only_is_refused_even_to_root(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    STORES["sqlite"](path, FakeClock()).close()
    before = path.read_bytes()
    path.chmod(0o444)
    with pytest.raises(StoreRefused, match="cannot be written to"):
        STORES["sqlite"](path, FakeClock())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["jobs.db"]


def as_nobody(path: Path) -> str:
    """Return the error that a process without root privileges gets when it opens the queue."""
    root = os.geteuid() == 0
    if root:
        # The folders of the tests are accessible to their owner only.
        for folder in path.parents:
            if folder.stat().st_mode & 0o005 != 0o005:
                folder.chmod(0o755)
    script = f"""
import os
from jobdeck.store.sqlite import SqliteStore
from jobdeck import StoreRefused
from pathlib import Path
if {root}:
    os.setgid({UNOWNED_SHARD}); os.setuid({UNOWNED_SHARD})
try:
    SqliteStore(Path({str(path)!r}))
except StoreRefused as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment())
    return done.stdout


def environment() -> dict[str, str]:
    import jobdeck

    return {**os.environ, "PYTHONPATH": str(Path(jobdeck.__file__).parents[1])}


def test_eight_processes_that_create_the_same_file_all_open_it(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    script = f"""
from jobdeck import Queue
with Queue({str(path)!r}) as queue:
    queue.enqueue("shell", {{"command": ["true"]}})
"""
    processes = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, env=environment()) for _ in range(8)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [(b"", 0)] * 8
    with Queue(path) as queue:
        assert queue.count() == 8


def test_a_mistyped_path_creates_no_chain_of_folders(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="does not exist"):
        Queue(tmp_path / "no" / "such" / "folder" / "jobs.db")
    assert not list(tmp_path.iterdir())
    Queue(tmp_path / "new" / "jobs.db").close()
