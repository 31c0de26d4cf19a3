"""The README's pictures that do not move, from the real program: what each shows happens while it is taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.pictures.frames import Caption, Frame
from tests.pictures.real_terminal import real_terminal
from tests.pictures.recorder import Recorder
from tests.pictures.svg import draw

FOLDER = Path(__file__).parent
LIMIT = 150_000
"""Bytes that each may have."""
SIZE = (110, 34)
_CELLS = re.compile(r"(\d+) of (\d+) busy")


def _open(terminal: Recorder, command: str, until: str) -> None:
    terminal.start()
    terminal.type(command, pace=0.01)
    terminal.press("enter")
    terminal.wait_for(lambda text: until in text)


def _tour(terminal: Recorder) -> None:
    """The first step of the tour, answered."""
    _open(terminal, "jobdeck demo --tour", "Two workers, one job")
    for key in ("j", "j", "space"):
        terminal.press(key)
    terminal.wait_for(lambda text: "trade-off  " in text)
    terminal.pause(0.5)


def _timeline(terminal: Recorder) -> None:
    """The timeline, after the database was locked and a worker killed."""
    _open(terminal, "jobdeck demo", "LIVE")
    terminal.press("6")
    terminal.wait_for(lambda text: _CELLS.search(text) is not None)
    terminal.pause(9)
    for fault in ("2", "1"):
        terminal.press("B")
        terminal.wait_for(lambda text: "HOW IT HEALS" in text)
        terminal.press(fault)
        terminal.wait_for(lambda text: "HOW IT HEALS" not in text)
        terminal.pause(5 if fault == "2" else 0)
    terminal.wait_for(lambda text: "crashed" in text.partition("╰")[2].replace("† crashed", ""), timeout=40)
    terminal.pause(4)


STILLS: Mapping[str, tuple[str, Callable[[Recorder], None]]] = {
    "tour.svg": ("jobdeck demo --tour", _tour),
    "timeline.svg": ("jobdeck demo", _timeline),
}
"""File name → the title of its window, and what is done before it is taken."""


def take(name: str) -> str:
    """Take one picture, and return it."""
    title, scene = STILLS[name]
    with real_terminal(SIZE) as terminal:
        scene(terminal)
        frame = terminal.finish().frames[-1]
    return draw(Frame(0.0, frame.lines, Caption()), title)
