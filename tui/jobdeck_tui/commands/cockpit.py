"""Opening the cockpit: on the terminal, as one frame, or in a browser.

Textual is imported here and nowhere else on the command line's side.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import click

from .common import Front, Refused

if TYPE_CHECKING:
    from ..launch_options import Frame

_USUAL = (120, 40)


def open_cockpit(front: Front, *, demo: bool = False) -> None:
    """Run the cockpit until it is quit, and exit with its exit code."""
    if front.web:
        from .web import serve

        serve(front, demo=demo)
        return
    wants_frame = front.snapshot or front.screenshot is not None
    # It is drawn on the last of them. A browser's cockpit has none: what drives it is named by the environment.
    on_terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    if not (on_terminal or wants_frame or "TEXTUAL_DRIVER" in os.environ):
        raise Refused("The cockpit needs a terminal; `jobdeck --help` lists the commands that do without.")
    if wants_frame and not demo:
        front.refuse_missing()
    settings = front.settings
    if not demo:
        front.load_kinds()
    from ..launch import run_cockpit
    from ..launch_options import NoFrame, Wish

    wish = Wish(
        threads=front.threads,
        readonly=front.readonly,
        demo=demo,
        scheme=front.theme,
        ascii_only=front.ascii,
        frame=_frame(front) if wants_frame else None,
    )
    try:
        code = run_cockpit(settings, wish)
    except NoFrame as nothing:
        raise Refused(str(nothing)) from None
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    sys.exit(code)


def _frame(front: Front) -> Frame:
    from ..launch_options import Frame
    from ..screen_registry import BY_NAME, JOBS

    room = front.screen or JOBS
    if room != JOBS and room not in BY_NAME:
        raise click.BadParameter(
            f"there is no screen {room!r}: it is one of {', '.join((JOBS, *BY_NAME))}", param_hint="--screen"
        )
    picture = Path(front.screenshot).expanduser() if front.screenshot is not None else None
    return Frame(size=front.size or terminal_size(), room=room, picture=picture)


def terminal_size() -> tuple[int, int]:
    """The size of the terminal that this was called from, be its output redirected; a usual one where there is none."""
    for number in (1, 2, 0):
        try:
            return tuple(os.get_terminal_size(number))  # type: ignore[return-value]
        except OSError:
            continue
    return tuple(get_terminal_size(_USUAL))  # type: ignore[return-value]
