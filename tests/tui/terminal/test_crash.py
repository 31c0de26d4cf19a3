"""A crash of the cockpit in a real pseudo-terminal: the terminal, the report, the message and the jobs."""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
from pathlib import Path

import pytest
from tests.core.helpers import wait_until
from tests.tui.terminal.test_driver import Terminal

from jobdeck import Queue, State
from jobdeck_tui.terminal.crash import write_report
from jobdeck_tui.terminal.program_log import ProgramLog

BREAKS = """
import logging
from jobdeck_tui.screens.jobs import JobsScreen

def fail(self):
    secret = "hunter2"
    logging.getLogger("jobdeck.test").warning("just before")
    raise ZeroDivisionError("by \\x1b[31mnought")

JobsScreen.action_sort = fail
"""


@pytest.fixture
def broken(tmp_path: Path) -> Terminal:
    """A cockpit that crashes when s is pressed."""
    (tmp_path / "breaks.py").write_text(BREAKS)
    return Terminal(
        sys.executable, "-m", "jobdeck_tui", "--db", str(tmp_path / "jobs.db"), "--app", str(tmp_path / "breaks.py"),
        "--threads", "1", XDG_STATE_HOME=str(tmp_path / "state"),
    )  # fmt: skip


def test_a_crash_restores_the_terminal_releases_jobs_and_writes_a_report(broken: Terminal, tmp_path: Path) -> None:
    before = termios.tcgetattr(broken.near)
    with Queue(tmp_path / "jobs.db") as queue:
        job = queue.enqueue("shell", {"command": ["sleep", "60"]})
        broken.shows("LIVE")
        wait_until(lambda: queue.get(job.id).state is State.RUNNING)
        broken.press("s")
        try:
            assert broken.process.wait(timeout=20) == 1
            broken.shows("jobdeck: The cockpit crashed")
        finally:
            broken.end()
        assert (queue.get(job.id).state, queue.get(job.id).attempt) == (State.PENDING, 0)
        assert not queue.workers.list()
    screen, _, after = broken.written.rpartition(b"\x1b[?1049l")  # back from the alternate screen
    assert b"\x1b[?1049h" in screen
    assert b"\x1b[?25h" in broken.written  # the cursor is shown again
    assert b"\x1b[?1003l" in broken.written  # the mouse is released
    assert termios.tcgetattr(broken.near)[3] == before[3]  # echo and line editing are restored
    said = after.decode().replace("\r\n", "\n")
    told = re.search(r"jobdeck: The cockpit crashed because of a bug \((.*?)\); the report is in (\S+)\.\n", said)
    assert told is not None, said
    assert told[1] == r"ZeroDivisionError: by \x1b[31mnought"
    assert "Traceback" not in said
    file = Path(told[2])
    assert file.parent == tmp_path / "state" / "jobdeck" / "log"
    account = file.read_text()
    assert 'raise ZeroDivisionError("by' in account
    assert "WARNING" not in account
    assert "warning jobdeck.test: just before" in account
    assert "hunter2" not in account.replace('secret = "hunter2"', "")


def test_sigint_from_outside_exits_cleanly(tmp_path: Path) -> None:
    terminal = Terminal(sys.executable, "-m", "jobdeck_tui", "--db", str(tmp_path / "jobs.db"), "--threads", "1")
    try:
        terminal.shows("LIVE")
        os.kill(terminal.process.pid, signal.SIGINT)
        assert terminal.process.wait(timeout=15) == 0
        terminal.shows("\x1b[?1049l")
    finally:
        terminal.end()


def test_a_crash_is_reported_even_if_the_file_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").write_text("a file where the folder would be")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    said = write_report(KeyError("x"), ProgramLog())
    assert said.startswith("The cockpit crashed because of a bug (KeyError: 'x'); the report could not be written")
    assert said.endswith(".")


def test_the_message_has_only_the_first_line_of_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    said = write_report(ValueError("one\ntwo"), ProgramLog())
    assert "(ValueError: one)" in said
    assert "\n" not in said
    assert "two" in next((tmp_path / "jobdeck" / "log").iterdir()).read_text()
