"""The file of an open queue is deleted, moved, replaced or emptied: no write is lost, and work resumes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.core.helpers import STORES, Bench, FakeClock, new
from tests.core.store.test_refusals import environment, foreign

from jobdeck import Settings, Severity, StoreMissing, StoreRefused, StoreReplaced, doctor
from jobdeck.model.filter import EVERY_JOB

GONE = "was deleted or moved away"


pytestmark = pytest.mark.sqlite


def count(path: Path) -> int:
    """Read the file in a separate process."""
    script = f"from jobdeck import Queue\nwith Queue({str(path)!r}) as queue: print(queue.count())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment())
    return int(done.stdout)


def another(path: Path, jobs: int) -> Path:
    """Create another queue, and close it."""
    store = STORES["sqlite"](path, FakeClock())
    store.enqueuer.enqueue([new(kind="other.work")] * jobs)
    store.close()
    return path


def test_while_the_file_is_missing_every_call_fails_and_nothing_is_written(bench: Bench) -> None:
    bench.enqueue()
    bench.path.unlink()
    for _ in range(3):
        with pytest.raises(StoreMissing, match=GONE):
            bench.enqueue()
        with pytest.raises(StoreMissing, match=GONE):
            bench.store.reader.get(1)
    assert not bench.path.exists()


def test_the_wal_of_a_deleted_file_does_not_corrupt_the_next_database(bench: Bench) -> None:
    bench.enqueue(*[new()] * 50)
    assert bench.path.with_name("jobs.db-wal").stat().st_size
    bench.path.unlink()
    with pytest.raises(StoreMissing):
        bench.enqueue()
    assert list(bench.path.parent.iterdir()) == []
    another(bench.path, 3)
    assert count(bench.path) == 3
    with pytest.raises(StoreReplaced):
        bench.enqueue()
    bench.enqueue()
    assert count(bench.path) == 4


def test_a_replacement_database_is_reported_once_and_then_used(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 50)
    other = another(tmp_path / "other.db", 7)
    other.rename(bench.path)
    with pytest.raises(StoreReplaced, match=r"The database .*jobs.db was replaced"):
        bench.enqueue()
    assert bench.store.queries.count(EVERY_JOB) == 7
    (job,) = bench.enqueue()
    assert job.id == 8
    assert bench.store.generation == 1
    assert count(bench.path) == 8
    bench.store.close()
    assert count(bench.path) == 8


def test_a_replacement_is_reported_once_per_thread_and_not_to_new_threads(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue()
    asked, go, told = threading.Barrier(3), threading.Event(), []

    def look(first: bool) -> None:
        if first:
            bench.store.reader.get(1)
        asked.wait()
        go.wait(5)
        for _ in range(2):
            try:
                bench.store.reader.get(1)
                told.append((first, "fine"))
            except StoreReplaced:
                told.append((first, "replaced"))

    threads = [threading.Thread(target=look, args=(first,)) for first in (True, False)]
    for thread in threads:
        thread.start()
    asked.wait()
    another(tmp_path / "other.db", 1).rename(bench.path)
    go.set()
    for thread in threads:
        thread.join()
    assert sorted(told) == [(False, "fine"), (False, "fine"), (True, "fine"), (True, "replaced")]


def test_a_moved_file_contains_all_earlier_writes(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 50)
    moved = tmp_path / "moved.db"
    bench.path.rename(moved)
    with pytest.raises(StoreMissing):
        bench.enqueue()
    assert count(moved) == 50


def test_a_restored_file_is_the_same_database_and_nothing_is_lost(bench: Bench, tmp_path: Path) -> None:
    job = bench.running()
    away = tmp_path / "away.db"
    bench.path.rename(away)
    with pytest.raises(StoreMissing):
        bench.complete(job)
    away.rename(bench.path)
    assert bench.complete(job) == []  # its lease is still valid
    assert bench.store.generation == 0
    bench.enqueue()
    assert count(bench.path) == 2
    bench.store.close()
    assert count(bench.path) == 2


def test_an_emptied_file_is_not_written_until_it_has_content(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 5)
    bench.path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(StoreMissing, match="was emptied"):
            bench.enqueue()
    assert bench.path.stat().st_size == 0
    shutil.copyfile(another(tmp_path / "backup.db", 4), bench.path)  # into the same file
    with pytest.raises(StoreReplaced):
        bench.enqueue()
    bench.enqueue()
    bench.store.close()
    assert count(bench.path) == 5


def test_a_replacement_that_is_not_a_queue_is_refused_and_stays_unchanged(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue()
    for put in (foreign, lambda path: path.write_text("to do: nothing\n" * 9)):
        bench.path.unlink()
        put(bench.path)
        before = bench.path.read_bytes()
        with pytest.raises(StoreRefused):
            bench.enqueue()
        with pytest.raises(StoreRefused):
            bench.store.reader.get(1)
        assert bench.path.read_bytes() == before
    bench.path.unlink()
    another(bench.path, 2)
    with pytest.raises(StoreReplaced):
        bench.enqueue()
    assert bench.store.queries.count(EVERY_JOB) == 2


def test_the_folder_can_disappear_and_return(bench: Bench) -> None:
    bench.enqueue()
    shutil.rmtree(bench.path.parent)
    with pytest.raises(StoreMissing, match=GONE):
        bench.enqueue()
    assert not bench.path.parent.exists()
    bench.path.parent.mkdir()
    another(bench.path, 1)
    with pytest.raises(StoreReplaced):
        bench.enqueue()
    bench.enqueue()
    assert count(bench.path) == 2


def test_a_new_database_is_created_on_request_and_only_if_none_exists(bench: Bench) -> None:
    bench.enqueue()
    bench.store.recreate()
    assert bench.get(1)
    bench.path.unlink()
    with pytest.raises(StoreMissing):
        bench.enqueue()
    bench.store.recreate()
    with pytest.raises(StoreReplaced):
        bench.enqueue()
    assert bench.enqueue()[0].id == 1
    assert count(bench.path) == 1


def test_a_file_that_becomes_read_only_can_still_be_read_but_not_written(bench: Bench) -> None:
    bench.enqueue()
    bench.path.chmod(0o444)
    with pytest.raises(StoreRefused, match="cannot be written to; check its permissions"):
        bench.enqueue()
    assert bench.get(1)
    bench.path.chmod(0o644)
    bench.enqueue()


def test_closing_deletes_no_files_of_another_database(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 50)
    bench.path.unlink()
    for ending in ("-wal", "-shm"):
        bench.path.with_name(bench.path.name + ending).unlink()
    second = STORES["sqlite"](bench.path, FakeClock())
    second.enqueuer.enqueue([new()])
    bench.store.close()  # it has not noticed the replacement
    second.enqueuer.enqueue([new()])
    assert count(bench.path) == 2
    second.close()
    assert count(bench.path) == 2


def test_reopening_a_queue_in_the_same_process_drops_no_lock_of_the_first(bench: Bench) -> None:
    bench.enqueue()
    STORES["sqlite"](bench.path, FakeClock()).close()
    shared = 0x40000000 + 2  # the lock bytes of SQLite's readers
    script = f"""
import fcntl
with open({str(bench.path)!r}, "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, {shared})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "BlockingIOError" in done.stderr


def test_opening_a_file_waits_until_the_wal_of_its_predecessor_is_removed(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 50)
    another(tmp_path / "other.db", 7).rename(bench.path)
    timer = threading.Timer(0.7, lambda: bench.store.reader.get(1))  # later than the other process
    timer.start()
    assert count(bench.path) == 7
    timer.join()
    assert count(bench.path) == 7


def test_doctor_reports_programs_that_have_the_previous_database_open(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 50)
    another(tmp_path / "other.db", 7).rename(bench.path)
    before = bench.path.read_bytes()
    problems = [found for found in doctor(bench.path, settings=Settings()) if found.severity is Severity.PROBLEM]
    assert any("another database open that was at this path" in found.message for found in problems)
    assert bench.path.read_bytes() == before
