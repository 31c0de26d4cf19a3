"""What the table of jobs says when it has none to show: a welcome on an empty queue, and what to do about a filter. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from ...feed.messages import View
from ...text.sanitize import safe

Told = tuple[tuple[str, str], ...]
"""Text, and its meaning: strong, quiet or accent."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and what a click on it does."""

    told: Told
    action: str = ""

    @property
    def width(self) -> int:
        """Cells it takes."""
        return sum(cell_len(text) for text, _ in self.told)


BLANK = Line(())
_KEYS = (
    ("n", "a new job, here: a form made from its kind", "new"),
    ("?", "every key of this screen", "help"),
    (":", "every command, found by its name", "app.command_palette"),
)
_KEYS_IN_SHORT = (("n", "a new job", "new"), ("?", "every key", "help"), (":", "every command", "app.command_palette"))


def welcome(where: str, width: int, height: int, *, default: bool, readonly: bool = False) -> list[Line]:
    """The first thing that a person sees: what this is, the keys to press next, how jobs come from elsewhere.

    Args:
        where: the database as people know it.
        width: cells there are.
        height: lines there are.
        default: whether commands find this database without being told.
        readonly: whether nothing can be enqueued from here.
    """
    option = "" if default else f"--db {_quoted(where)} "
    run = f"jobdeck run {option}-- echo hello"
    keys = [each for each in _KEYS if not (readonly and each[0] == "n")]
    what = "A durable job queue, and its cockpit: what is enqueued is kept,"
    more = "run by workers, retried when it fails, and seen here."
    large = [
        _said("Welcome to jobdeck. This queue is empty.", "strong"),
        _said(what, "quiet"),
        _said(more, "quiet"),
        BLANK,
        _said("Keys to begin with", "strong"),
        *(Line(((f"{key}  ", "accent"), (told, "quiet")), action) for key, told, action in keys),
        BLANK,
        _said("From another terminal", "strong"),
        _said(run, "accent"),
        _said("jobdeck demo", "accent", "   a lively queue of its own, to look around in"),
        BLANK,
        _said("From Python", "strong"),
        _said("from jobdeck import Queue", "accent"),
        _said(f'Queue({_named(where)}).enqueue("shell", {{"command": ["echo", "hello"]}})', "accent"),
    ]
    small = [
        _said("Welcome to jobdeck. This queue is empty.", "strong"),
        _said(what, "quiet"),
        _said(more, "quiet"),
        *(Line(((f"{key}  ", "accent"), (told, "quiet")), action) for key, told, action in keys),
        _said(run, "accent", "   elsewhere"),
    ]
    short = [key for key in _KEYS_IN_SHORT if not (readonly and key[0] == "n")]
    least = [
        _said("Welcome to jobdeck. This queue is empty.", "strong"),
        *(Line(((f"{key}  ", "accent"), (told, "quiet")), action) for key, told, action in short),
        _said(run, "accent"),
    ]
    if height > len(least):
        least.insert(1, _said("A durable job queue: what is enqueued is run, and kept.", "quiet"))
    for lines in (large, large[:-4], small):  # the name of the database may be long
        if len(lines) <= height and max(line.width for line in lines) <= width:
            return lines
    return least[:height]


def nothing_matches(view: View, problem: str | None) -> list[Line]:
    """Why a list is empty, and the key that shows more."""
    if problem:
        return [_said("The filter is not complete yet", "quiet")]
    state = None if view.tab == "all" else view.tab
    if view.filter:
        jobs = f"{state} job" if state else "job"
        return [
            _said(f"No {jobs} matches {safe(view.filter)}", "strong"),
            Line((("esc  ", "accent"), ("clears the filter", "quiet")), "back"),
            Line((("/    ", "accent"), ("changes it", "quiet")), "filter"),
        ]
    return [
        _said("No job has failed" if state == "failed" else f"No job is {state}", "strong"),
        Line((("esc  ", "accent"), ("shows all jobs", "quiet")), "back"),
        Line((("← →  ", "accent"), ("other states", "quiet")), "tab(1)"),
    ]


def placed(lines: Sequence[Line], width: int, height: int) -> tuple[int, int]:
    """Where to begin: as one block, a third of the way down; columns and lines."""
    widest = max((line.width for line in lines), default=0)
    return max(1, (width - widest) // 2), max(0, (height - len(lines)) // 3)


def _said(text: str, meaning: str, more: str = "") -> Line:
    return Line(((text, meaning), (more, "quiet")) if more else ((text, meaning),))


def _quoted(where: str) -> str:
    where = safe(where)
    return f"~/{shlex.quote(where[2:])}" if where.startswith("~/") else shlex.quote(where)


def _named(where: str) -> str:
    return f'"{safe(where)}"'
