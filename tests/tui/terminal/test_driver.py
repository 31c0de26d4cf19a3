"""The cockpit in a real pseudo-terminal, as a separate process."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.core.helpers import wait_until

from jobdeck import Queue, State
from jobdeck_tui.app import HANG_UP_GRACE
from jobdeck_tui.terminal.signals import PATIENCE


class Terminal:
    """A program in a pseudo-terminal, and all its output."""

    def __init__(self, *command: str, size: tuple[int, int] = (120, 40), **environ: str) -> None:
        self.near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.process = subprocess.Popen(
            command, stdin=far, stdout=far, stderr=far, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), env={**os.environ, "TERM": "xterm-256color", **environ},
        )  # fmt: skip
        os.close(far)
        self.written = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                if not select.select([self.near], [], [], 0.1)[0]:
                    continue
                got = os.read(self.near, 65536)
            except (OSError, ValueError):
                return
            if not got:
                return
            self.written += got

    def press(self, keys: str) -> None:
        os.write(self.near, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal's window."""
        fcntl.ioctl(self.near, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def shows(self, text: str) -> None:
        wait_until(lambda: text.encode() in self.written, what=f"{text!r} on the screen")

    def hang_up(self) -> None:
        """Close the terminal's window."""
        os.close(self.near)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def cockpit(database: Path) -> Iterator[Terminal]:
    terminal = Terminal(sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--threads", "2")
    yield terminal
    terminal.end()


def test_closing_the_terminal_releases_running_jobs_and_exits(database: Path, cockpit: Terminal) -> None:
    with Queue(database) as queue:
        job = queue.enqueue("shell", {"command": ["sleep", "60"]})
        wait_until(lambda: queue.get(job.id).state is State.RUNNING)
        cockpit.shows("LIVE")
        cockpit.hang_up()
        assert cockpit.process.wait(timeout=HANG_UP_GRACE - 1) == 0  # on its own, without the forced exit
        assert (queue.get(job.id).state, queue.get(job.id).attempt) == (State.PENDING, 0)


def test_closing_the_terminal_also_ends_an_idle_cockpit(database: Path, cockpit: Terminal) -> None:
    cockpit.shows("LIVE")
    cockpit.hang_up()
    assert cockpit.process.wait(timeout=HANG_UP_GRACE - 1) == 0
    with Queue(database) as queue:
        assert not queue.workers.list()


def test_sigterm_drains_and_restores_the_terminal(database: Path, cockpit: Terminal) -> None:
    cockpit.shows("LIVE")
    cockpit.process.send_signal(signal.SIGTERM)
    assert cockpit.process.wait(timeout=10) == 0
    cockpit.shows("\x1b[?1049l")  # back from the alternate screen


def test_a_cockpit_that_would_draw_into_a_file_is_refused(database: Path, tmp_path: Path) -> None:
    # The screen is drawn on standard error: it would fill the file, and the terminal would stay empty.
    errors = tmp_path / "errors.txt"
    command = f"exec {sys.executable} -m jobdeck_tui --db {database} 2>{errors}"
    terminal = Terminal("sh", "-c", command)
    try:
        assert terminal.process.wait(timeout=10) == 1
    finally:
        terminal.end()
    assert errors.read_text() == "jobdeck: The cockpit needs a terminal; `jobdeck --help` lists the commands that do not.\n"


@pytest.mark.parametrize("name", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_the_cursor_is_refused_in_one_sentence(database: Path, name: str) -> None:
    terminal = Terminal(sys.executable, "-m", "jobdeck_tui", "--db", str(database), TERM=name)
    try:
        assert terminal.process.wait(timeout=10) == 1
        terminal.shows(f"TERM={name} says that this one cannot; set TERM")
        assert b"\x1b" not in terminal.written
        assert not database.exists()
    finally:
        terminal.end()


def test_the_guide_is_printed_on_a_terminal_that_cannot_move_the_cursor() -> None:
    terminal = Terminal(sys.executable, "-m", "jobdeck_tui", "guide", "retries", TERM="dumb")
    try:
        assert terminal.process.wait(timeout=10) == 0
        terminal.shows("# Retries")
        assert b"\x1b[?1049h" not in terminal.written
    finally:
        terminal.end()


def test_a_terminal_that_reports_no_size_shows_the_cockpit_and_hears_q(database: Path) -> None:
    # Two sizes were assumed for it, which replaced each other for ever.
    terminal = Terminal(sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--threads", "0", size=(0, 0))
    try:
        terminal.shows("LIVE")
        terminal.press("q")
        assert terminal.process.wait(timeout=10) == 0
    finally:
        terminal.end()


@pytest.mark.parametrize("seed", range(3))
def test_a_window_that_is_dragged_while_the_cockpit_opens_shows_it_in_its_last_size(database: Path, seed: int) -> None:
    random = Random(seed)
    terminal = Terminal(sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--threads", "0")
    try:

        def drag() -> bool:
            terminal.resize(random.randint(60, 200), random.randint(15, 60))
            return b"LIVE" in terminal.written

        wait_until(drag, what="the cockpit")
        terminal.resize(100, 30)
        wait_until(lambda: b"\x1b[30;" in terminal.written, what="the last line of the last size")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.process.wait(timeout=10) == 0
    finally:
        terminal.end()


def test_q_quits_an_idle_cockpit_immediately(database: Path, cockpit: Terminal) -> None:
    cockpit.shows("LIVE")
    cockpit.press("q")
    assert cockpit.process.wait(timeout=10) == 0
    cockpit.shows("\x1b[?1049l")


@pytest.mark.parametrize(
    ("keys", "brings"),
    [
        ("/queue:mail", "3 jobs match"),
        ("33", "READY"),
        ("/queue:mail\r33", "READY"),
        (":zzz", "No matches found"),
        ("?/zzz", "no key matches"),
    ],
)
def test_keys_received_in_one_piece_are_processed_one_by_one(database: Path, keys: str, brings: str) -> None:
    with Queue(database) as queue:
        for name in ("mail", "mail", "img", "mail"):
            queue.enqueue("shell", {"command": ["true"]}, queue=name)
        terminal = Terminal(sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--threads", "0")
        try:
            terminal.shows("LIVE")
            terminal.press(keys)
            terminal.shows(brings)
            assert queue.count("state:pending") == 4
        finally:
            terminal.end()


HUNG = """
import os, pathlib
from jobdeck_tui.cli import main
from jobdeck_tui.screens.jobs import JobsScreen

def spin(self):
    pathlib.Path(os.environ["SPINS"]).touch()
    while True:
        pass

JobsScreen.action_help = spin
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_signals_end_a_cockpit_whose_event_loop_hangs_and_release_its_jobs(
    database: Path, tmp_path: Path, number: signal.Signals
) -> None:
    spins = tmp_path / "spins"
    with Queue(database) as queue:
        job = queue.enqueue("shell", {"command": ["sleep", "60"]})
        terminal = Terminal(sys.executable, "-c", HUNG, "--db", str(database), "--threads", "1", SPINS=str(spins))
        try:
            wait_until(lambda: queue.get(job.id).state is State.RUNNING)
            terminal.shows("LIVE")
            terminal.press("?")
            wait_until(spins.exists, what="a loop that spins")
            terminal.process.send_signal(number)
            assert terminal.process.wait(timeout=PATIENCE + HANG_UP_GRACE + 5) == 128 + number
            terminal.shows("\x1b[?1049l")  # back from the alternate screen
            assert queue.get(job.id).state is State.PENDING
        finally:
            terminal.end()


def test_a_paste_of_colored_text_on_the_table_presses_no_key(database: Path) -> None:
    with Queue(database) as queue:
        for _ in range(3):
            queue.enqueue("shell", {"command": ["true"]}, delay=3600)
        terminal = Terminal(sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--threads", "0")
        try:
            terminal.shows("LIVE")
            terminal.press("\x1b[200~\x1b[31mD x\x1b[0m p q\ndelete 3\x1b[201~")
            terminal.press("/zzz")
            terminal.shows("0 jobs match")
            assert queue.count("state:scheduled") == 3
            assert terminal.process.poll() is None
        finally:
            terminal.end()
