"""The file of an open queue is deleted, moved, replaced, emptied: nothing is written where nobody looks, and work goes on."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.core.helpers import STORES, Bench, FakeClock, new
from tests.core.store.test_refusals import environment, foreign

from jobdeck import Settings, Severity, StoreLost, StoreRefused, StoreReplaced, doctor
from jobdeck.model.filter import EVERY_JOB

GONE = "was deleted or moved away"


pytestmark = pytest.mark.sqlite


def count(path: Path) -> int:
    """What a process of its own finds in the file."""
    script = f"from jobdeck import Queue\nwith Queue({str(path)!r}) as queue: print(queue.count())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment())
    return int(done.stdout)


def another(path: Path, jobs: int) -> Path:
    """Another queue, closed."""
    store = STORES["sqlite"](path, FakeClock())
    store.enqueuer.enqueue([new(kind="other.work")] * jobs)
    store.close()
    return path


def test_while_the_file_is_gone_every_call_says_so_and_nothing_is_written(bench: Bench) -> None:
    bench.enqueue()
    bench.path.unlink()
    for _ in range(3):
        with pytest.raises(StoreLost, match=GONE):
            bench.enqueue()
        with pytest.raises(StoreLost, match=GONE):
            bench.store.reader.get(1)
    assert not bench.path.exists()


def test_its_log_does_not_stay_behind_to_spoil_the_next_database(bench: Bench) -> None:
    bench.enqueue(*[new()] * 50)
    assert bench.path.with_name("jobs.db-wal").stat().st_size
    bench.path.unlink()
    with pytest.raises(StoreLost):
        bench.enqueue()
    assert list(bench.path.parent.iterdir()) == []
    another(bench.path, 3)
    assert count(bench.path) == 3
    with pytest.raises(StoreReplaced):
        bench.enqueue()
    bench.enqueue()
    assert count(bench.path) == 4


def test_another_database_put_in_its_place_is_told_once_and_used_from_then_on(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 50)
    other = another(tmp_path / "other.db", 7)
    other.rename(bench.path)
    with pytest.raises(StoreReplaced, match=r"There is another database at .*jobs.db now"):
        bench.enqueue()
    assert bench.store.queries.count(EVERY_JOB) == 7
    (job,) = bench.enqueue()
    assert job.id == 8
    assert bench.store.generation == 1
    assert count(bench.path) == 8
    bench.store.close()
    assert count(bench.path) == 8


def test_each_thread_is_told_once_and_one_that_had_nothing_open_not_at_all(bench: Bench, tmp_path: Path) -> None:
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


def test_what_was_written_before_it_was_moved_is_all_in_the_moved_file(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 50)
    moved = tmp_path / "moved.db"
    bench.path.rename(moved)
    with pytest.raises(StoreLost):
        bench.enqueue()
    assert count(moved) == 50


def test_a_file_that_comes_back_is_the_same_database_and_nothing_is_lost(bench: Bench, tmp_path: Path) -> None:
    job = bench.running()
    away = tmp_path / "away.db"
    bench.path.rename(away)
    with pytest.raises(StoreLost):
        bench.complete(job)
    away.rename(bench.path)
    assert bench.complete(job) == []  # its lease still holds
    assert bench.store.generation == 0
    bench.enqueue()
    assert count(bench.path) == 2
    bench.store.close()
    assert count(bench.path) == 2


def test_an_emptied_file_is_left_alone_until_something_is_in_it(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 5)
    bench.path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(StoreLost, match="was emptied"):
            bench.enqueue()
    assert bench.path.stat().st_size == 0
    shutil.copyfile(another(tmp_path / "backup.db", 4), bench.path)  # into the same file
    with pytest.raises(StoreReplaced):
        bench.enqueue()
    bench.enqueue()
    bench.store.close()
    assert count(bench.path) == 5


def test_what_cannot_be_a_queue_in_its_place_is_refused_and_keeps_its_every_byte(bench: Bench, tmp_path: Path) -> None:
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


def test_its_folder_may_go_and_come_back(bench: Bench) -> None:
    bench.enqueue()
    shutil.rmtree(bench.path.parent)
    with pytest.raises(StoreLost, match=GONE):
        bench.enqueue()
    assert not bench.path.parent.exists()
    bench.path.parent.mkdir()
    another(bench.path, 1)
    with pytest.raises(StoreReplaced):
        bench.enqueue()
    bench.enqueue()
    assert count(bench.path) == 2


def test_a_new_one_is_made_when_asked_for_and_only_where_there_is_none(bench: Bench) -> None:
    bench.enqueue()
    bench.store.recreate()
    assert bench.get(1)
    bench.path.unlink()
    with pytest.raises(StoreLost):
        bench.enqueue()
    bench.store.recreate()
    with pytest.raises(StoreReplaced):
        bench.enqueue()
    assert bench.enqueue()[0].id == 1
    assert count(bench.path) == 1


def test_a_file_that_is_marked_read_only_is_written_to_no_more_and_still_read(bench: Bench) -> None:
    bench.enqueue()
    bench.path.chmod(0o444)
    with pytest.raises(StoreRefused, match="cannot be written to; check its permissions"):
        bench.enqueue()
    assert bench.get(1)
    bench.path.chmod(0o644)
    bench.enqueue()


def test_closing_takes_nothing_of_another_database_away(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 50)
    bench.path.unlink()
    for ending in ("-wal", "-shm"):
        bench.path.with_name(bench.path.name + ending).unlink()
    second = STORES["sqlite"](bench.path, FakeClock())
    second.enqueuer.enqueue([new()])
    bench.store.close()  # it has not even noticed
    second.enqueuer.enqueue([new()])
    assert count(bench.path) == 2
    second.close()
    assert count(bench.path) == 2


def test_opening_a_queue_again_in_the_same_process_takes_no_lock_from_the_first(bench: Bench) -> None:
    bench.enqueue()
    STORES["sqlite"](bench.path, FakeClock()).close()
    shared = 0x40000000 + 2  # where SQLite's readers have their lock
    script = f"""
import fcntl
with open({str(bench.path)!r}, "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, {shared})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "BlockingIOError" in done.stderr


def test_who_opens_a_file_waits_until_the_log_of_the_one_before_it_is_taken_away(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 50)
    another(tmp_path / "other.db", 7).rename(bench.path)
    timer = threading.Timer(0.7, lambda: bench.store.reader.get(1))  # later than the other process
    timer.start()
    assert count(bench.path) == 7
    timer.join()
    assert count(bench.path) == 7


def test_doctor_says_when_a_program_has_the_database_open_that_was_here_before(bench: Bench, tmp_path: Path) -> None:
    bench.enqueue(*[new()] * 50)
    another(tmp_path / "other.db", 7).rename(bench.path)
    before = bench.path.read_bytes()
    problems = [found for found in doctor(bench.path, settings=Settings()) if found.severity is Severity.PROBLEM]
    assert any("another database open that was at this path" in found.told for found in problems)
    assert bench.path.read_bytes() == before
