"""Another SQLite library, or anything else, opens and closes the files of an open queue in the same process."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.core.concurrency import in_background
from tests.core.helpers import Bench, new
from tests.core.store.test_lost_file import count

from jobdeck import InvalidOption, Queue, StoreFailed

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.skipif(sys.platform != "linux", reason="other systems have no locks of an open file"),
]


def read(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT count(*) FROM jobdeck_jobs").fetchall()


def open_and_close(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{path}{ending}").open("rb").close()


def copy_folder(path: Path) -> None:
    shutil.copytree(path.parent, path.parent / "copy")


def read_copy_and_close(path: Path) -> None:
    read(path)
    sqlite3.connect(path).close()
    copy_folder(path)


CLOSES: dict[str, Callable[[Path], None]] = {"sqlite3": read, "everything": read_copy_and_close}


@pytest.mark.parametrize("close", CLOSES)
def test_what_is_acknowledged_after_a_foreign_close_is_seen_by_all_and_survives_a_kill(tmp_path: Path, close: str) -> None:
    path = tmp_path / "jobs.db"
    script = f"""
import os, signal, sys
from pathlib import Path
from jobdeck import Queue
from tests.core.store.test_second_library import CLOSES
queue = Queue({str(path)!r})
queue.enqueue("shell", {{"command": ["true"]}})
queue.enqueue("shell", {{"command": ["true"]}})
CLOSES[{close!r}](Path({str(path)!r}))
print("closed", flush=True)
sys.stdin.readline()
for _ in range(3):
    queue.enqueue("shell", {{"command": ["true"]}})
print("acknowledged", flush=True)
sys.stdin.readline()
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        while "closed" not in child.stdout.readline():
            assert child.poll() is None
        assert count(path) == 2  # opens the file and closes it, believing to be the last one
        child.stdin.write("go on\n")
        child.stdin.flush()
        assert child.stdout.readline() == "acknowledged\n"
        assert count(path) == 5
        child.kill()
    assert count(path) == 5


def enqueue_while_another_process_writes(bench: Bench) -> None:
    script = f"""
import apsw
connection = apsw.Connection({str(bench.path)!r})
connection.execute("BEGIN IMMEDIATE; UPDATE jobdeck_jobs SET priority = 7; COMMIT")
"""
    with bench.store.transaction():
        bench.store.enqueuer.enqueue([new()])
        Path(f"{bench.path}-shm").open("rb").close()
        subprocess.run([sys.executable, "-c", script], check=True)


def test_a_foreign_close_during_a_transaction_lets_no_other_process_write(bench: Bench) -> None:
    bench.enqueue()
    with pytest.raises(StoreFailed, match="something in this process closed"):
        enqueue_while_another_process_writes(bench)
    assert [job.priority for job in bench.store.reader.get_many([1, 2])] == [7]
    bench.enqueue()
    assert count(bench.path) == 2


def test_a_foreign_close_during_a_transaction_that_nobody_disturbs_changes_nothing(bench: Bench) -> None:
    bench.enqueue()
    with bench.store.transaction():
        bench.store.enqueuer.enqueue([new()])
        open_and_close(bench.path)
        read(bench.path)
    assert count(bench.path) == 2


def end_by_itself(bench: Bench) -> None:
    """End the transaction inside its block, as SQLite does if the disk is full."""
    with bench.store.transaction() as connection:
        connection.execute("ROLLBACK")


def test_a_transaction_that_sqlite_has_ended_by_itself_keeps_no_other_process_from_writing(bench: Bench) -> None:
    bench.enqueue()
    with pytest.raises(StoreFailed):
        end_by_itself(bench)
    script = f"import apsw; apsw.Connection({str(bench.path)!r}).execute('BEGIN IMMEDIATE')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == ""


def test_sqlite3_reads_the_file_of_an_open_queue_but_cannot_write_to_it_at_the_same_time(bench: Bench) -> None:
    bench.enqueue()
    with closing(sqlite3.connect(bench.path, timeout=0)) as connection:
        assert connection.execute("SELECT count(*) FROM jobdeck_jobs").fetchall() == [(1,)]
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            connection.execute("UPDATE jobdeck_jobs SET priority = 7")
        bench.enqueue()
        assert connection.execute("SELECT count(*) FROM jobdeck_jobs").fetchall() == [(2,)]


def test_a_transaction_of_sqlite3_that_was_open_before_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    Queue(path).close()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection, Queue(path) as queue:
        connection.execute("CREATE TABLE orders (id INTEGER)")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO orders VALUES (1)")
        timer = threading.Timer(0.1, lambda: connection.execute("COMMIT"))
        timer.start()
        queue.enqueue("shell", {"command": ["true"]})
        timer.join()
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(1,)]
    assert count(path) == 1


def test_a_connection_of_sqlite3_is_refused_for_an_enqueue_with_the_right_way(bench: Bench) -> None:
    with Queue(bench.path) as queue, closing(sqlite3.connect(bench.path)) as connection:
        with pytest.raises(InvalidOption, match=r"is one of sqlite3.* run your statements in Queue\.transaction\(\)"):
            queue.enqueue_in(connection, "shell", {"command": ["true"]})
        with queue.transaction() as own:  # the right way
            own.execute("CREATE TABLE orders (id INTEGER)")
            own.execute("INSERT INTO orders VALUES (1)")
            queue.enqueue("shell", {"command": ["true"]})
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(1,)]
        assert queue.count() == 1


def test_closing_one_of_two_queues_keeps_the_locks_of_the_other(bench: Bench) -> None:
    bench.enqueue()
    with bench.store.transaction():
        bench.store.enqueuer.enqueue([new()])
        bench.open_again().close()
        thread, errors = in_background(lambda: bench.open_again().close())
        thread.join()
        script = f"import apsw; apsw.Connection({str(bench.path)!r}).execute('BEGIN IMMEDIATE')"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "BusyError" in done.stderr
    assert not errors
    assert len(bench.store.reader.get_many([1, 2])) == 2


def test_the_last_queue_to_close_checks_in_the_log_and_leaves_one_file(tmp_path: Path) -> None:
    with Queue(tmp_path / "jobs.db") as queue:
        queue.enqueue("shell", {"command": ["true"]})
        read(tmp_path / "jobs.db")
        queue.enqueue("shell", {"command": ["true"]})
        descriptors = len(os.listdir("/proc/self/fd"))
    assert [each.name for each in tmp_path.iterdir()] == ["jobs.db"]
    assert len(os.listdir("/proc/self/fd")) < descriptors
