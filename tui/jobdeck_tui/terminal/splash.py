"""The very first picture: what is opened, and how many jobs it holds, while the rest of the cockpit is still being loaded.

Loading the toolkit takes longer than opening the queue. This is drawn without it, where the header will be, and the cockpit
draws over it without a flicker.
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
"""To the terminal's other screen, and back from it."""
TOLD = (State.PENDING, State.RUNNING, State.RETRYING, State.FAILED, State.COMPLETED)

_showing = False


@contextmanager
def greeting(queue: Queue, where: str, *, theme: str) -> Iterator[None]:
    """Around the loading and the run of the cockpit: whatever ends it before it has the terminal gives the terminal back.

    Args:
        queue: its counts are shown, if they can be read.
        where: the queue, as people know it.
        theme: the name of the theme that the cockpit is going to have.
    """
    global _showing
    columns, lines = get_terminal_size()
    if columns < MIN_SIZE[0] or lines < MIN_SIZE[1]:
        yield  # the cockpit says that it is too small
        return
    usual = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the cockpit sets its own
    _write(_picture(_counts(queue), safe(where), columns, _colours(theme, os.environ)))
    _showing = True
    try:
        yield
    except BaseException:
        if taken_over():
            _write("\x1b[0m" + LEAVE)
        raise
    finally:
        signal.signal(signal.SIGTERM, usual)


def taken_over() -> bool:
    """Whether the first picture is there; from now on it is somebody else's."""
    global _showing
    was, _showing = _showing, False
    return was


def _counts(queue: Queue) -> Mapping[State, int]:
    try:
        return queue.count_states()
    except JobdeckError:  # the cockpit says why, and goes on trying
        return {}


def _colours(theme: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """What makes text and ground those of the theme, and text quiet; nothing where colours are the terminal's own."""
    able = environ.get("COLORTERM") in ("truecolor", "24bit") and not environ.get("NO_COLOR")
    if not able or theme not in GROUNDS:
        return "", ""
    ground = GROUNDS[theme]
    colour, text, quiet = (";".join(map(str, bytes.fromhex(each[1:]))) for each in (ground.colour, ground.text, ground.quiet))
    return f"\x1b[38;2;{text};48;2;{colour}m", f"\x1b[38;2;{quiet}m"


def _picture(counts: Mapping[State, int], where: str, columns: int, colours: tuple[str, str]) -> str:
    ground, quiet = colours
    # ASCII only: whether the terminal has more is found out later.
    left = f"  {where}  opening" if where.isascii() and len(where) < columns - 24 else "  opening"
    right = "".join(f"  {state.value} {number(counts[state])}" for state in TOLD if counts.get(state)) + " "
    room = columns - len(" jobdeck" + left)
    line = f"{ground}\x1b[1m jobdeck\x1b[22m{quiet}{left}{right.rjust(room) if len(right) <= room else ''}"
    # Synchronized, so that a terminal that can shows it at once; wrapped by no line, with no cursor.
    return f"\x1b[?2026h{ENTER}\x1b[?25l{ground}\x1b[2J\x1b[H{line}\x1b[0m\x1b[?2026l"


def _write(text: str) -> None:
    sys.stderr.flush()
    os.write(sys.stderr.fileno(), text.encode(errors="backslashreplace"))
