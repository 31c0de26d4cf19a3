"""The splash screen: the queue and its number of jobs, shown while the rest of the cockpit is loading.

Loading Textual takes longer than opening the queue. The splash is drawn without it, in the place of the header, and the
cockpit draws over it without flicker.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from shutil import get_terminal_size

from jobdeck import JobdeckError, Queue, State

from ..text.format import number
from ..text.sanitize import safe
from .screen_size import GROUNDS, MIN_SIZE

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?25h\x1b[?1049l"
"""The sequences that enter and leave the terminal's alternate screen."""
_SHOWN_STATES = (State.PENDING, State.RUNNING, State.RETRYING, State.FAILED, State.COMPLETED)

_showing = False


@contextmanager
def show_splash(queue: Queue, where: str, *, theme: str) -> Iterator[None]:
    """Show the splash while the cockpit loads; restore the terminal if loading ends before the cockpit takes over.

    Args:
        queue: the queue whose counts are shown, if they can be read.
        where: the queue's path or URL, as shown to the user.
        theme: the name of the cockpit's theme.
    """
    global _showing
    columns, lines = get_terminal_size()
    if columns < MIN_SIZE[0] or lines < MIN_SIZE[1]:
        yield  # the cockpit reports that it is too small
        return
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the cockpit sets its own
    _write(_picture(_counts(queue), safe(where), columns, _colors(theme, os.environ)))
    _showing = True
    try:
        yield
    except BaseException:
        if take_over():
            _write("\x1b[0m" + LEAVE)
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)


def take_over() -> bool:
    """Return whether the splash is shown, and hand it over to the caller."""
    global _showing
    was, _showing = _showing, False
    return was


def _counts(queue: Queue) -> Mapping[State, int]:
    try:
        return queue.count_states()
    except JobdeckError:  # the cockpit reports why, and retries
        return {}


def _colors(theme: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the sequences for the theme's colors and for quiet text; empty if the terminal uses its own colors."""
    truecolor = environ.get("COLORTERM") in ("truecolor", "24bit") and not environ.get("NO_COLOR")
    if not truecolor or theme not in GROUNDS:
        return "", ""
    ground = GROUNDS[theme]
    color, text, quiet = (";".join(map(str, bytes.fromhex(each[1:]))) for each in (ground.color, ground.text, ground.quiet))
    return f"\x1b[38;2;{text};48;2;{color}m", f"\x1b[38;2;{quiet}m"


def _picture(counts: Mapping[State, int], where: str, columns: int, colors: tuple[str, str]) -> str:
    ground, quiet = colors
    # ASCII only: the terminal's encoding is not known yet.
    label = f"  {where}  opening" if where.isascii() and len(where) < columns - 24 else "  opening"
    right = "".join(f"  {state.value} {number(counts[state])}" for state in _SHOWN_STATES if counts.get(state)) + " "
    width = columns - len(" jobdeck" + label)
    line = f"{ground}\x1b[1m jobdeck\x1b[22m{quiet}{label}{right.rjust(width) if len(right) <= width else ''}"
    # A synchronized update, without a cursor, so that a terminal that supports it shows the line in one step.
    return f"\x1b[?2026h{ENTER}\x1b[?25l{ground}\x1b[2J\x1b[H{line}\x1b[0m\x1b[?2026l"


def _write(text: str) -> None:
    sys.stderr.flush()
    os.write(sys.stderr.fileno(), text.encode(errors="backslashreplace"))
