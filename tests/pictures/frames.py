"""A recording of a terminal: frames of lines of cells, and the JSON file that keeps one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple


class Cell(NamedTuple):
    """One cell of a terminal. Colors are `#rrggbb`; an empty one is the terminal's own."""

    text: str = " "
    color: str = ""
    ground: str = ""
    bold: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False


Line = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Caption:
    """What is said below the terminal: the key that was pressed, and what for."""

    key: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """The terminal at one time."""

    at: float
    """In seconds since the start of the recording."""
    lines: tuple[Line, ...]
    caption: Caption = Caption()


@dataclass(frozen=True, slots=True)
class Recording:
    """Frames in the order of their times, the length in seconds, and the frame that stands for all of them."""

    frames: tuple[Frame, ...]
    seconds: float
    still: int = -1


def line_of(text: str, color: str = "", width: int = 0) -> Line:
    """Return a line of one color, filled with spaces up to the width."""
    return tuple(Cell(sign, color) for sign in text.ljust(width))


def save(recording: Recording, file: Path) -> None:
    """Write a recording to a JSON file. Every distinct line is written once."""
    numbers: dict[Line, int] = {}
    frames = []
    for frame in recording.frames:
        lines = [numbers.setdefault(line, len(numbers)) for line in frame.lines]
        frames.append([frame.at, lines, frame.caption.key, frame.caption.text])
    runs = [[_run(cells) for _, cells in groupby(line, key=lambda cell: cell[1:])] for line in numbers]
    file.write_text(json.dumps({"seconds": recording.seconds, "still": recording.still, "lines": runs, "frames": frames}))


def load(file: Path) -> Recording:
    """Read a recording from a JSON file."""
    document = json.loads(file.read_text())
    lines = [tuple(_cells(runs)) for runs in document["lines"]]
    frames = [
        Frame(at, tuple(lines[number] for number in numbers), Caption(key, text))
        for at, numbers, key, text in document["frames"]
    ]
    return Recording(tuple(frames), document["seconds"], document["still"])


def _run(cells: Iterator[Cell]) -> list[object]:
    same = list(cells)
    return [[cell.text for cell in same], *same[0][1:]]


def _cells(runs: Sequence[Sequence[object]]) -> Iterator[Cell]:
    for texts, *looks in runs:
        for text in texts:  # type: ignore[attr-defined]
            yield Cell(text, *looks)  # type: ignore[arg-type]
