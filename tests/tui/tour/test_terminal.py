"""The tour in a real terminal: keys only, left in the middle; nothing is left running, no file, a restored terminal."""

from __future__ import annotations

import os
import sys
import termios
from pathlib import Path
from random import Random

import pytest
from tests.core.helpers import wait_until
from tests.tui.pseudo_terminal import Screen

from jobdeck_tui.tour.script import steps_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def processes_in(folder: Path) -> list[int]:
    """Every process whose temporary folder this is."""
    wanted = f"TMPDIR={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def leave_nothing(terminal: Screen, before: list[object], folder: Path) -> None:
    """Check that the program has ended, that its terminal is as before, and that nothing else of it is left."""
    assert terminal.process.wait(timeout=20) == 0, terminal.text
    wait_until(lambda: terminal.written.rstrip().endswith(b"\x1b[?1004l") or b"\x1b[?1049l" in terminal.written[-2000:])
    assert b"\x1b[?25h" in terminal.written[-2000:], "the cursor is visible again"
    assert termios.tcgetattr(terminal.near) == before
    wait_until(lambda: processes_in(folder) == [], 10)
    assert [*folder.iterdir()] == []


def tour(folder: Path, size: tuple[int, int], plan: str = "90s") -> Screen:
    settings = {"TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder.parent / "config")}
    return Screen(sys.executable, "-m", "jobdeck_tui", "demo", "--tour", plan, size=size, **settings)


def wander(terminal: Screen, plan: str, random: Random, keys: int) -> None:
    """Press keys of the tour at a random pace."""
    for _ in range(keys):
        terminal.type(random.choice(("space", "space", "space", "b", "s", "j", str(random.randint(1, 6)))), pause=0.02)
        if random.random() < 0.5:
            wait_until(lambda: any(step.title in terminal.text for step in steps_of(plan)) or "the end" in terminal.text)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("t")


def test_leaving_the_tour_in_the_middle_of_a_crash_leaves_nothing(folder: Path) -> None:
    terminal = tour(folder, (80, 24))
    try:
        before = termios.tcgetattr(terminal.near)
        terminal.see("Two workers, one job")
        terminal.type("2")
        terminal.see("kill -9 in the middle of a job")
        terminal.type("space")
        terminal.see(lambda text: "· running" in text and "kills" in text)
        assert len(processes_in(folder)) >= 2
        os.write(terminal.near, b"\x03")  # ctrl+c quits from anywhere
        leave_nothing(terminal, before, folder)
    finally:
        terminal.end()
