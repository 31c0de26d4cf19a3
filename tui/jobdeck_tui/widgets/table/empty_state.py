"""The empty states of the job table: a welcome on an empty queue, or a hint to change the filter. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.cells import cell_len

from jobdeck import record

from ...feed.messages import View
from ...text.sanitize import safe

Pieces = tuple[tuple[str, str], ...]
"""Pieces of (text, meaning): strong, quiet or accent."""


@record
class EmptyStateLine:
    """One line, and the action of a click on it."""

    pieces: Pieces
    action: str = ""

    @property
    def width(self) -> int:
        """The width in cells."""
        return sum(cell_len(text) for text, _ in self.pieces)


BLANK = EmptyStateLine(())
_KEYS = (
    ("n", "a new job, in a form made from its kind", "new"),
    ("?", "every key of this screen", "help"),
    (":", "every command, by name", "app.command_palette"),
)
_KEYS_IN_SHORT = (("n", "a new job", "new"), ("?", "every key", "help"), (":", "every command", "app.command_palette"))


def welcome(where: str, width: int, height: int, *, default: bool, readonly: bool = False) -> list[EmptyStateLine]:
    """Return the welcome: what jobdeck is, the first keys, and how to enqueue from elsewhere.

    Args:
        where: the name of the database, as shown to users.
        width: the available width in cells.
        height: the available lines.
        default: whether commands use this database without `--db`.
        readonly: whether the cockpit cannot enqueue.
    """
    option = "" if default else f"--db {_quoted(where)} "
    run = f"jobdeck run {option}-- echo hello"
    opens = "open_queue" if where.startswith(("http://", "https://")) else "Queue"
    keys = [each for each in _KEYS if not (readonly and each[0] == "n")]
    what = "A durable job queue and its cockpit: jobs survive crashes,"
    more = "run on workers, retry if they fail, and are shown here."
    large = [
        _line("Welcome to jobdeck. This queue is empty.", "strong"),
        _line(what, "quiet"),
        _line(more, "quiet"),
        BLANK,
        _line("First keys", "strong"),
        *(EmptyStateLine(((f"{key}  ", "accent"), (text, "quiet")), action) for key, text, action in keys),
        BLANK,
        _line("From another terminal", "strong"),
        _line(run, "accent"),
        _line("jobdeck demo", "accent", "   a busy queue to explore"),
        BLANK,
        _line("From Python", "strong"),
        _line(f"from jobdeck import {opens}", "accent"),
        _line(f'{opens}({_python_string(where)}).enqueue("shell", {{"command": ["echo", "hello"]}})', "accent"),
    ]
    small = [
        _line("Welcome to jobdeck. This queue is empty.", "strong"),
        _line(what, "quiet"),
        _line(more, "quiet"),
        *(EmptyStateLine(((f"{key}  ", "accent"), (text, "quiet")), action) for key, text, action in keys),
        _line(run, "accent", "   elsewhere"),
    ]
    short = [key for key in _KEYS_IN_SHORT if not (readonly and key[0] == "n")]
    least = [
        _line("Welcome to jobdeck. This queue is empty.", "strong"),
        *(EmptyStateLine(((f"{key}  ", "accent"), (text, "quiet")), action) for key, text, action in short),
        _line(run, "accent"),
    ]
    if height > len(least):
        least.insert(1, _line("A durable job queue: enqueued jobs are stored and run.", "quiet"))
    for lines in (large, large[:-4], small):  # the name of the database may be long
        if len(lines) <= height and max(line.width for line in lines) <= width:
            return lines
    return least[:height]


def nothing_matches(view: View, problem: str | None) -> list[EmptyStateLine]:
    """Explain why the list is empty, and name the key that shows more."""
    if problem:
        return [_line("The filter is not complete yet", "quiet")]
    state = None if view.tab == "all" else view.tab
    if view.filter:
        jobs = f"{state} job" if state else "job"
        return [
            _line(f"No {jobs} matches {safe(view.filter)}", "strong"),
            EmptyStateLine((("esc  ", "accent"), ("clears the filter", "quiet")), "back"),
            EmptyStateLine((("/    ", "accent"), ("changes it", "quiet")), "filter"),
        ]
    return [
        _line("No job has failed" if state == "failed" else f"No job is {state}", "strong"),
        EmptyStateLine((("esc  ", "accent"), ("shows all jobs", "quiet")), "back"),
        EmptyStateLine((("← →  ", "accent"), ("other states", "quiet")), "tab(1)"),
    ]


def center(lines: Sequence[EmptyStateLine], width: int, height: int) -> tuple[int, int]:
    """Return the column and line at which the block of lines starts: centered, a third of the way down."""
    widest = max((line.width for line in lines), default=0)
    return max(1, (width - widest) // 2), max(0, (height - len(lines)) // 3)


def _line(text: str, meaning: str, more: str = "") -> EmptyStateLine:
    return EmptyStateLine(((text, meaning), (more, "quiet")) if more else ((text, meaning),))


def _quoted(where: str) -> str:
    where = safe(where)
    return f"~/{shlex.quote(where[2:])}" if where.startswith("~/") else shlex.quote(where)


def _python_string(where: str) -> str:
    return f'"{safe(where)}"'
