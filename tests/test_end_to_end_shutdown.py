"""Shut down the worker and the cockpit while their database does not answer: P9, with the processes a user would start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import apsw
import pytest
from tests.core.helpers import ADDRESSES, CLOSES, EVERY_STORE, wait_until
from tests.tui.cli_runner import CommandLine, eventually
from tests.tui.terminal.test_driver import Terminal

from jobdeck import Queue, State

GRACE = 1.5
ALLOWED = 1.5
"""Seconds that a busy machine may take to deliver a signal and to end a process."""
AT_ONCE = 2.0
"""Seconds within which a process has exited after a second signal."""


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the lock of the file, as another program with a long transaction."""
    other = apsw.Connection(str(database))
    other.set_busy_timeout(10_000)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@pytest.fixture(params=EVERY_STORE)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield str(request.param)
    CLOSES[request.param](tmp_path / "jobs.db")


@pytest.fixture
def deck(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, address=ADDRESSES[store](tmp_path / "jobs.db"))


def unavailable(deck: CommandLine) -> AbstractContextManager[None]:
    """Make the database answer nothing."""
    if deck.address == str(deck.database):
        return locked(deck.database)
    from tests.core.postgres import server

    return server().frozen()


def seconds_until_exit(process: subprocess.Popen[str] | subprocess.Popen[bytes], since: float) -> float:
    process.wait(timeout=60)
    return time.monotonic() - since


def start_worker(deck: CommandLine) -> subprocess.Popen[str]:
    """Start a worker, and wait until it runs a job whose command does not end by itself."""
    deck.done("run", "--shell", "echo $$ > pid; exec sleep 100")
    worker = deck.start("worker", "--threads", 2, env={"JOBDECK_SHUTDOWN_GRACE": str(GRACE)})
    eventually(lambda: (deck.folder / "pid").exists() and (deck.folder / "pid").read_text().strip())
    return worker


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_worker_exits_within_its_grace_while_the_database_does_not_answer(deck: CommandLine) -> None:
    worker = start_worker(deck)
    with unavailable(deck):
        began = time.monotonic()
        worker.terminate()
        assert seconds_until_exit(worker, began) < GRACE + ALLOWED
        wait_until(lambda: not alive(int((deck.folder / "pid").read_text())), what="the end of the command")
    assert worker.stderr is not None
    log = worker.stderr.read()
    assert "did not answer" in log
    assert "Traceback" not in log
    with deck.queue() as queue:  # nothing else runs: it is rescued once its lease has ended
        assert queue.get(1).state is State.RUNNING


def test_the_second_signal_ends_a_worker_at_once_while_the_database_does_not_answer(deck: CommandLine) -> None:
    worker = start_worker(deck)
    with unavailable(deck):
        time.sleep(1.2)  # it is waiting for the database by now
        worker.terminate()
        time.sleep(0.3)
        began = time.monotonic()
        worker.terminate()
        assert seconds_until_exit(worker, began) < AT_ONCE
        wait_until(lambda: not alive(int((deck.folder / "pid").read_text())), what="the end of the command")


@pytest.mark.screens
@pytest.mark.parametrize("signals", [1, 2])
def test_the_cockpit_exits_in_time_while_the_database_does_not_answer(deck: CommandLine, signals: int) -> None:
    with deck.queue() as queue:
        job = queue.enqueue("shell", {"command": ["sleep", "100"]})
    words = (sys.executable, "-m", "jobdeck_tui", "--db", deck.address, "--threads", "2")
    cockpit = Terminal(*words, JOBDECK_SHUTDOWN_GRACE=str(GRACE))
    try:
        cockpit.shows("LIVE")
        with Queue(deck.address) as queue:
            wait_until(lambda: queue.get(job.id).state is State.RUNNING)
        with unavailable(deck):
            time.sleep(0.5)
            began = time.monotonic()
            cockpit.process.send_signal(signal.SIGTERM)
            if signals == 2:
                time.sleep(0.3)
                began = time.monotonic()
                cockpit.process.send_signal(signal.SIGTERM)
            assert seconds_until_exit(cockpit.process, began) < (AT_ONCE if signals == 2 else GRACE) + ALLOWED
        cockpit.shows("\x1b[?1049l")  # it has left the alternate screen
    finally:
        cockpit.end()
