"""The handlers of jobdeck's own logs go on although a thread was interrupted while it held the lock of one."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jobdeck import PatientHandler
from jobdeck.processes.child_output import ForwardingHandler
from jobdeck_tui.commands.log_output import DescriptorHandler
from jobdeck_tui.terminal.program_log import ProgramLog

HANDLERS: dict[str, Callable[[Path], PatientHandler]] = {
    "worker": lambda path: DescriptorHandler(os.open(path, os.O_WRONLY | os.O_CREAT)),
    "cockpit": lambda _: ProgramLog(),
    "child process": lambda path: ForwardingHandler(lambda message: path.write_text(str(message)) > 0, logging.INFO),
}


def lines_of(handler: PatientHandler, path: Path) -> str:
    return str([entry.text for entry in handler.entries()]) if isinstance(handler, ProgramLog) else path.read_text()


@pytest.mark.parametrize("name", HANDLERS)
def test_a_line_is_logged_although_an_interrupted_thread_kept_the_lock(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobdeck.engine_logger.LOCK_PATIENCE", 0.05)
    handler = HANDLERS[name](tmp_path / "log")
    # An exception that another thread raises in this one may arrive when the lock is taken, and before anything releases it.
    thread = threading.Thread(target=handler.acquire)
    thread.start()
    thread.join()
    logger = logging.Logger("jobdeck.worker")
    logger.addHandler(handler)
    writer = threading.Thread(target=lambda: [logger.info("line %d", n) for n in range(3)], daemon=True)
    writer.start()
    writer.join(10)
    assert not writer.is_alive()
    assert "line 2" in lines_of(handler, tmp_path / "log")


def test_a_slow_line_whose_lock_was_replaced_releases_nothing_of_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck.engine_logger.LOCK_PATIENCE", 0.05)
    handler = PatientHandler()
    handler.acquire()
    held, released = threading.Event(), threading.Event()

    def hold() -> None:
        handler.acquire()  # replaces the lock
        held.set()
        released.wait(10)
        handler.release()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert held.wait(10)
    handler.release()  # of the lock that was replaced
    second = handler.lock
    assert second is not None
    assert not second.acquire(blocking=False)
    released.set()
    thread.join(10)
    assert second.acquire(blocking=False)
