"""The log or the index of an open queue is deleted or truncated: nothing acknowledged is lost silently, and work resumes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from tests.core.helpers import Bench, new
from tests.core.store.test_lost_file import count

from jobdeck import StoreFailed, StoreReplaced
from jobdeck.model.filter import EVERY_JOB

pytestmark = pytest.mark.sqlite


def delete(path: Path, *endings: str) -> None:
    for ending in endings:
        Path(f"{path}{ending}").unlink()


@pytest.mark.parametrize("endings", [("-wal",), ("-shm",), ("-wal", "-shm")], ids=" ".join)
def test_a_deleted_log_or_index_loses_nothing(bench: Bench, endings: tuple[str, ...]) -> None:
    bench.enqueue(*[new()] * 5)
    delete(bench.path, *endings)
    for _ in range(50):
        bench.enqueue()
    assert bench.store.generation == 0
    assert count(bench.path) == 55
    bench.store.close()
    assert count(bench.path) == 55


@pytest.mark.parametrize("endings", [("-wal",), ("-shm",), ("-wal", "-shm")], ids=" ".join)
def test_several_processes_continue_together_after_a_deleted_log(bench: Bench, endings: tuple[str, ...]) -> None:
    with_another = bench.open_again()
    bench.enqueue(*[new()] * 5)
    assert with_another.queries.count(EVERY_JOB) == 5
    delete(bench.path, *endings)
    with_another.enqueuer.enqueue([new()])
    bench.enqueue()
    with_another.enqueuer.enqueue([new()])
    assert bench.store.queries.count(EVERY_JOB) == with_another.queries.count(EVERY_JOB) == 8
    with_another.close()
    assert count(bench.path) == 8


def test_a_process_that_opens_the_file_meanwhile_waits_until_the_log_is_back(bench: Bench) -> None:
    bench.enqueue(*[new()] * 5)
    delete(bench.path, "-wal")
    timer = threading.Timer(0.7, lambda: bench.store.reader.get(1))  # later than the other process
    timer.start()
    assert count(bench.path) == 5
    timer.join()


def test_a_log_deleted_during_a_change_is_saved_before_the_change_is_acknowledged(bench: Bench) -> None:
    bench.enqueue()
    with bench.store.transaction():
        bench.store.enqueuer.enqueue([new()])
        delete(bench.path, "-wal")
    assert count(bench.path) == 2


def lose_the_log(bench: Bench) -> None:
    """Delete the log during a transaction, while another program starts another one."""
    with bench.store.transaction():
        bench.store.enqueuer.enqueue([new()])
        delete(bench.path, "-wal", "-shm")
        Path(f"{bench.path}-wal").write_bytes(b"x" * 4096)
        Path(f"{bench.path}-shm").write_bytes(bytes(32768))


def test_a_change_that_went_to_a_log_which_another_program_has_replaced_is_not_acknowledged(bench: Bench) -> None:
    bench.enqueue()
    with pytest.raises(StoreFailed, match="was deleted during a change, which may be lost"):
        lose_the_log(bench)
    with pytest.raises(StoreReplaced, match="may have lost its newest changes: its log was deleted while it was open"):
        bench.enqueue()


def test_an_emptied_log_is_named_once_and_work_resumes_with_what_remains(bench: Bench) -> None:
    bench.enqueue()
    bench.store.maintenance.checkpoint(0)
    bench.enqueue(*[new()] * 5)
    Path(f"{bench.path}-wal").write_bytes(b"")
    with pytest.raises(StoreReplaced, match="may have lost its newest changes: its log was emptied while it was open"):
        bench.enqueue()
    bench.enqueue()
    assert bench.store.generation == 1
    assert count(bench.path) == 2


def settle(bench: Bench) -> None:
    """Wait until the folder's time tells of every later change, and let the store notice."""
    while time.time_ns() - bench.path.parent.stat().st_ctime_ns < 60_000_000:
        time.sleep(0.005)
    bench.enqueue(*[new()] * 5)


@pytest.mark.parametrize("endings", [("-wal",), ("-shm",), ("-wal", "-shm")], ids=" ".join)
def test_a_log_or_index_deleted_in_an_unchanged_folder_loses_nothing(bench: Bench, endings: tuple[str, ...]) -> None:
    bench.enqueue()
    settle(bench)
    bench.enqueue()
    delete(bench.path, *endings)
    for _ in range(5):
        bench.enqueue()
    assert count(bench.path) == 12


def test_a_log_emptied_in_an_unchanged_folder_is_named(bench: Bench) -> None:
    bench.enqueue()
    settle(bench)
    Path(f"{bench.path}-wal").write_bytes(b"")
    with pytest.raises(StoreReplaced, match="its log was emptied"):
        bench.enqueue()


def test_a_truncated_index_in_an_unchanged_folder_is_written_anew(bench: Bench) -> None:
    bench.enqueue()
    settle(bench)
    Path(f"{bench.path}-shm").write_bytes(b"")
    assert bench.store.queries.count(EVERY_JOB) == 6
    bench.enqueue()
    assert count(bench.path) == 7


def test_a_truncated_index_is_written_anew(bench: Bench) -> None:
    bench.enqueue(*[new()] * 5)
    Path(f"{bench.path}-shm").write_bytes(b"")
    bench.enqueue()
    assert bench.store.queries.count(EVERY_JOB) == 6
    assert count(bench.path) == 6
