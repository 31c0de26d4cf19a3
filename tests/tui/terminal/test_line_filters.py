"""The bytes that reach a real terminal with limited characters or colors."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from tests.core.helpers import wait_until
from tests.tui.terminal.test_driver import Terminal

from jobdeck import Queue

#: A session through most of the screens that a key opens, and the text to wait for after each key.
TOUR = (
    ("j", "1 of"), ("?", "most used"), ("q", "LIVE"), (":", "Search"), ("\x03", "LIVE"), ("n", "options"), ("\x03", "LIVE"),
    ("w", "cannot"), ("q", "LIVE"), ("!", "program log"), ("q", "LIVE"), ("3", "queues"), ("3", "READY"), ("q", "LIVE"),
)  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with Queue(tmp_path / "jobs.db") as queue:
        queue.pause("mail")
        for n in range(40):
            queue.enqueue("shell", {"command": ["echo", f"café {n} 東京"]}, queue="mail")
    return tmp_path / "jobs.db"


def tour(terminal: Terminal) -> bytes:
    try:
        terminal.shows("LIVE")
        for key, brings in TOUR:
            press(terminal, key, brings)
        terminal.press("\x03")
        assert terminal.process.wait(timeout=20) == 0
    finally:
        terminal.end()
    return terminal.written


def press(terminal: Terminal, key: str, brings: str) -> None:
    """Press a key and wait for the text drawn after it."""
    before = len(terminal.written)
    terminal.press(key)
    wait_until(lambda: brings.encode() in terminal.written[before:], what=f"{brings!r} after {key!r}")


def colors(written: bytes) -> set[str]:
    """Return the codes of all colors that were set."""
    found = set()
    for codes in re.findall(rb"\x1b\[([0-9;]*)m", written):
        parts = codes.decode().split(";")
        while parts:
            part = parts.pop(0)
            if part in ("38", "48"):
                found.add(f"{part};{parts[0]}")
                del parts[: 4 if parts[0] == "2" else 2]
            elif part.isdecimal() and int(part) >= 30:
                found.add(part)
    return found


@pytest.mark.parametrize("way", ["option", "setting", "encoding"])
def test_only_ascii_reaches_an_ascii_terminal(database: Path, way: str) -> None:
    env = {"setting": {"JOBDECK_ASCII": "1"}, "encoding": {"PYTHONIOENCODING": "iso-8859-1"}}.get(way, {})
    options = ("--ascii",) if way == "option" else ()
    written = tour(Terminal(sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--threads", "0", *options, **env))
    assert written.isascii()
    assert b"caf" in written


def test_no_color_sends_no_colors_and_shows_the_cursor_in_reverse(database: Path) -> None:
    written = tour(Terminal(sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--threads", "0", NO_COLOR="1"))
    assert not colors(written)
    assert re.search(rb"\x1b\[(?:[0-9]+;)*7m", written)


def test_the_ansi_theme_uses_only_the_sixteen_terminal_colors(database: Path) -> None:
    line = (sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--threads", "0", "--theme", "ansi")
    written = tour(Terminal(*line, COLORTERM="truecolor"))
    used = colors(written)
    assert used
    assert not {each for each in used if each.startswith(("38", "48"))}
