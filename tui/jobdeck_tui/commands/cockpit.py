"""Open the cockpit: on the terminal, as one frame, or in a browser.

Among the commands, only this module imports Textual.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import click

from jobdeck import did_you_mean

from ..terminal.screen_size import draws_screens
from .common import CliContext, CommandError

if TYPE_CHECKING:
    from ..launch_options import FrameOptions

_DEFAULT_SIZE = (120, 40)


def open_cockpit(front: CliContext, *, demo: bool = False, tour: str = "") -> None:
    """Run the cockpit until the user quits, and exit with its exit code."""
    if front.web:
        from .web import serve

        serve(front, demo=demo, tour=tour)
        return
    wants_frame = front.snapshot or front.screenshot is not None
    # Textual draws on standard error. A cockpit in a browser has no terminal: the environment names its driver.
    on_terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    if not (on_terminal or wants_frame or "TEXTUAL_DRIVER" in os.environ):
        raise CommandError("The cockpit needs a terminal; `jobdeck --help` lists the commands that do not.")
    if on_terminal and not (wants_frame or draws_screens(os.environ)):
        raise CommandError(
            f"The cockpit needs a terminal that can move the cursor, and TERM={os.environ['TERM']} says that this one cannot;"
            " set TERM (to xterm-256color, for example), or use `jobdeck list` and `jobdeck stats`."
        )
    if front.threads and not demo and front.is_remote:
        raise click.UsageError("worker threads need the queue's database, and --db is its HTTP API; run it without --threads")
    if (wants_frame or front.readonly) and not demo:
        front.refuse_missing()
    settings = front.settings
    if not demo:
        front.load_kinds()
    from ..launch import run_cockpit
    from ..launch_options import FrameUnavailable, LaunchOptions

    wish = LaunchOptions(
        threads=front.threads,
        readonly=front.readonly,
        demo=demo,
        tour=tour,
        scheme=front.theme,
        ascii_only=front.ascii,
        frame=_frame(front) if wants_frame else None,
    )
    try:
        code = run_cockpit(settings, wish)
    except FrameUnavailable as error:
        raise CommandError(str(error)) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    sys.exit(code)


def _frame(front: CliContext) -> FrameOptions:
    from ..launch_options import FrameOptions
    from ..screen_registry import BY_NAME, JOBS

    name = front.screen or JOBS
    if name != JOBS and name not in BY_NAME:
        hint = did_you_mean(name, (JOBS, *BY_NAME)) or f"; choose one of {', '.join((JOBS, *BY_NAME))}"
        raise click.BadParameter(f"unknown screen {name!r}{hint}", param_hint="--screen")
    picture = Path(front.screenshot).expanduser() if front.screenshot is not None else None
    return FrameOptions(size=front.size or terminal_size(), screen=name, picture=picture)


def terminal_size() -> tuple[int, int]:
    """Return the size of the calling terminal, even if output is redirected; 120x40 without a terminal."""
    for number in (1, 2, 0):
        try:
            return tuple(os.get_terminal_size(number))  # type: ignore[return-value]
        except OSError:
            continue
    return tuple(get_terminal_size(_DEFAULT_SIZE))  # type: ignore[return-value]
