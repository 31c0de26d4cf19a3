"""Tests of a whole session and of database failures, in a real terminal with real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.core import helpers
from tests.tui.pseudo_terminal import Screen

from jobdeck import Queue, State

wait_until = partial(helpers.wait_until, timeout=30.0)
COCKPIT = (sys.executable, "-m", "jobdeck_tui")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def deck(database: Path) -> Iterator[Screen]:
    screen = Screen(*COCKPIT, "--db", str(database), "--threads", "2")
    yield screen
    screen.end()


def look(database: Path, job_id: int) -> State:
    with Queue(database) as queue:
        return queue.get(job_id).state


def test_a_whole_session_by_keyboard(database: Path, deck: Screen) -> None:
    deck.see("This queue is empty")

    # A job from the form: the shell kind and its command.
    deck.type("n")
    deck.see("command*")
    deck.type(*"sh -c 'echo all is well; exit 3'", pause=0.01)
    deck.see("all is well")
    deck.type("\x13")  # ctrl+s
    deck.see("Job 1 shell:echo enqueued")
    wait_until(lambda: look(database, 1) in (State.RETRYING, State.FAILED))

    # Jobs from other processes: one that fails permanently, one that runs long, and three in a paused queue.
    with Queue(database) as queue:
        queue.pause("later")
        queue.enqueue("shell", {"command": ["sh", "-c", "exit 7"]}, max_attempts=1)
        queue.enqueue("shell", {"command": ["sh", "-c", "echo here it is; sleep 300"]}, priority=5)
        for n in range(3):
            queue.enqueue("shell", {"command": ["echo", str(n)]}, queue="later")
    wait_until(lambda: look(database, 2) is State.FAILED)
    wait_until(lambda: look(database, 3) is State.RUNNING)
    deck.see("▸ running")

    # Filter, mark two, change their priority, undo.
    deck.type("/", *"queue:later", "enter")
    deck.see("/queue:later")
    deck.see("● live · 3 jobs")
    deck.type("j")
    deck.see("1 of 3")
    deck.type("space", "space")
    deck.see("2 marked")
    deck.type("+", "+")
    wait_until(lambda: priorities(database) == [0, 2, 2])
    deck.see("2 jobs: priority changed by +1")
    deck.type("z")
    deck.see("Undone")
    wait_until(lambda: priorities(database) == [0, 1, 1])
    deck.type("\x1c", "escape")  # clear the marks and the filter
    deck.see("of 6")

    # Retry the failed job.
    deck.type("/", *"state:failed 7", "enter")
    deck.see("● live · 1 job")
    deck.type("j")
    deck.see("1 of 1")
    deck.type("r")
    deck.see("Job 2 will run again")
    wait_until(lambda: attempts(database, 2) == 2)
    deck.type("escape", "escape")

    # More threads, and fewer.
    deck.type(">")
    deck.see("3 worker threads")
    deck.type("<", "<")
    deck.see("1 worker thread")

    # Read the log of the command while it runs, and cancel it.
    deck.type("/", *"state:running", "enter")
    deck.see(lambda text: "● live · 1 job" in text and "▸ running         3" in text)
    deck.type("j")
    deck.see("1 of 1")
    deck.type("enter")
    deck.see("attempts")
    deck.type("4")
    deck.see("here it is")
    deck.type("x")
    deck.see("cannot be undone")
    deck.type("y")
    wait_until(lambda: look(database, 3) is State.CANCELLED)
    deck.see("cancelled")
    deck.type("escape")  # the job
    deck.see("/state:running")
    deck.type("escape")  # the filter

    # Quit.
    deck.see(lambda text: "of 6" in text or "6 jobs" in text)
    deck.type("q")
    assert deck.process.wait(timeout=30) == 0
    assert b"\x1b[?1049l" in deck.written
    with Queue(database) as queue:
        assert not queue.workers.list()
        assert queue.count("state:running") == 0
        assert queue.get(1).args["command"] == ["sh", "-c", "echo all is well; exit 3"]


def priorities(database: Path) -> list[int]:
    with Queue(database) as queue:
        return sorted(job.priority for job in queue.list("queue:later"))


def attempts(database: Path, job_id: int) -> int:
    with Queue(database) as queue:
        return len(queue.attempts(job_id))


def another(path: Path, jobs: int) -> Path:
    with Queue(path) as queue:
        for n in range(jobs):
            queue.enqueue("shell", {"command": ["echo", f"of the other database {n}"]})
    return path


def test_a_deleted_and_a_replaced_database_under_a_running_cockpit(database: Path, deck: Screen, tmp_path: Path) -> None:
    with Queue(database) as queue:
        slow = queue.enqueue("shell", {"command": ["sleep", "4"]})
        wait_until(lambda: queue.get(slow.id).state is State.RUNNING)
    deck.see("LIVE")
    for path in (database, database.with_name("jobs.db-wal"), database.with_name("jobs.db-shm")):
        path.unlink()
    deck.see("STALE")
    deck.see("the database was deleted or moved away · waiting for it · ctrl+n creates a new one")
    assert not database.exists()
    other = another(tmp_path / "other.db", 5)
    begun = time.monotonic()
    other.rename(database)
    deck.see("database was replaced; the new one has 5 jobs")
    seen = time.monotonic() - begun
    deck.see("LIVE")

    def done() -> bool:
        with Queue(database) as queue:
            return queue.count("state:completed") == 5

    wait_until(done)
    print(f"another database: announced after {seen:.2f} s, worked off after {time.monotonic() - begun:.2f} s")
    shutil.copy(another(tmp_path / "third.db", 2), tmp_path / "copy.db")
    (tmp_path / "copy.db").rename(database)  # with the WAL of the old one still beside it
    deck.see("database was replaced; the new one has 2 jobs")
    deck.type("q")
    deck.see(lambda text: "quit" in text.lower() or deck.process.poll() is not None)
    deck.type("r")
    assert deck.process.wait(timeout=30) == 0
    sound = subprocess.run([*COCKPIT, "doctor", "--db", str(database)], capture_output=True, text=True, check=False)
    assert "Every page is intact" in sound.stdout


def test_ctrl_n_creates_a_new_database_in_the_terminal(database: Path, deck: Screen) -> None:
    deck.see("LIVE")
    database.unlink()
    deck.see("ctrl+n creates a new one")
    deck.type("ctrl+n")
    deck.see("database was replaced; the new one has 0 jobs")
    deck.see("LIVE")
    with Queue(database) as queue:
        job = queue.enqueue("shell", {"command": ["true"]})
        assert queue.wait(job.id, timeout=30).state is State.COMPLETED


def test_a_suspended_cockpit_redraws_when_it_resumes(database: Path, deck: Screen) -> None:
    with Queue(database) as queue:
        queue.enqueue("shell", {"command": ["true"]})
        queue.wait(1, timeout=30)
    deck.see("LIVE")
    deck.process.send_signal(signal.SIGSTOP)
    time.sleep(4.5)
    with Queue(database) as queue:
        job = queue.enqueue("shell", {"command": ["true"]})
    drawn = len(deck.written)
    os.write(deck.near, b"")
    deck.process.send_signal(signal.SIGCONT)
    begun = time.monotonic()
    wait_until(lambda: len(deck.written) - drawn > 120 * 39)  # everything is redrawn
    print(f"drawn anew after {time.monotonic() - begun:.2f} s")
    wait_until(lambda: look(database, job.id) is State.COMPLETED)
    deck.see("2 jobs")
    deck.type("j")
    deck.see("1 of 2")


def test_a_headless_worker_waits_for_its_database_and_logs_it_once(database: Path, tmp_path: Path) -> None:
    told = tmp_path / "worker.log"
    with told.open("w") as log:
        worker = subprocess.Popen(
            [*COCKPIT, "worker", "--db", str(database), "--threads", "2", "--grace", "2"], stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        wait_until(lambda: "started on" in told.read_text())
        database.unlink()
        wait_until(lambda: "was deleted or moved away" in told.read_text())
        time.sleep(2.5)
        assert told.read_text().count("was deleted or moved away") <= 2
        assert not database.exists()
        another(tmp_path / "other.db", 5).rename(database)
        begun = time.monotonic()
        with Queue(database) as queue:
            wait_until(lambda: queue.count("state:completed") == 5)
        print(f"a headless worker: all done {time.monotonic() - begun:.2f} s after the new one was there")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0
    finally:
        worker.kill()
