"""The cockpit under the job control of a real shell: suspended, resumed, and started in the background."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import wait_until
from tests.tui.pseudo_terminal import Screen

from jobdeck import Queue

LEAVE = b"\x1b[?1049l"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Screen]:
    database = tmp_path / "jobs.db"
    with Queue(str(database)) as queue:
        queue.enqueue("shell", {"command": ["true"]}, queue="asleep")
    made = Screen("bash", "--norc", "--noprofile", "-i", PS1="ready> ", JOBDECK_DATABASE=str(database))
    made.see("ready>")
    yield made
    made.end()


def start(shell: Screen, more: str = "") -> None:
    shell.press(f"{sys.executable} -m jobdeck_tui --threads 0{more}\r")


def is_whole(text: str) -> bool:
    return all(each in text for each in ("throughput", "latency", "workers", "jobs", "asleep", "? help"))


def returns(shell: Screen, what: str) -> None:
    """Wait until the shell shows this after the cockpit has left the screen."""
    wait_until(lambda: what.encode() in shell.written.rpartition(LEAVE)[2], 20, what)


def cockpit(shell: Screen) -> int:
    children = Path(f"/proc/{shell.process.pid}/task/{shell.process.pid}/children").read_text().split()
    return int(children[0])


@pytest.mark.parametrize("how", ["ctrl+z", "TSTP", "STOP"])
def test_a_suspended_cockpit_leaves_the_screen_and_is_whole_again_in_the_foreground(shell: Screen, how: str) -> None:
    start(shell)
    shell.see(is_whole)
    for _ in range(2):
        if how == "ctrl+z":
            shell.press("\x1a")
        else:
            os.kill(cockpit(shell), signal.SIGTSTP if how == "TSTP" else signal.SIGSTOP)
        wait_until(lambda: b"Stopped" in shell.written, 20)
        shell.written = b""
        shell._drawn = 0
        shell._cells = [[" "] * shell.size[0] for _ in range(shell.size[1])]
        shell.press("fg\r")
        shell.see(is_whole)
    shell.press("q")
    returns(shell, "ready>")
    shell.press("stty -a | tr ' ' '\\n' | grep -x icanon; echo st'ate'\r")
    returns(shell, "icanon")


def test_a_suspended_cockpit_draws_nothing_in_the_background(shell: Screen) -> None:
    start(shell)
    shell.see(is_whole)
    shell.press("\x1a")
    returns(shell, "Stopped")
    before = len(shell.written)
    shell.press("bg\r")
    shell.press("jobs; echo d'one'\r")
    wait_until(lambda: b"done" in shell.written[before:], 20)
    assert b"\x1b[?1049h" not in shell.written[before:]
    shell.press("fg\r")
    wait_until(lambda: b"\x1b[?1049h" in shell.written[before:], 20)


def test_a_cockpit_started_in_the_background_waits_for_the_foreground(shell: Screen) -> None:
    start(shell, " &")
    wait_until(lambda: Path(f"/proc/{shell.process.pid}").exists())
    shell.press("wait -n; sleep 0.1; jobs\r")
    wait_until(lambda: b"Stopped" in shell.written, 20, "the stopped job")
    assert b"\x1b[?1049h" not in shell.written
    shell.press("fg\r")
    shell.see(is_whole)
