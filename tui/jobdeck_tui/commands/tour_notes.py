"""`jobdeck lab notes`: the speaker notes of the tour, in a second terminal."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from shutil import get_terminal_size

import click

from ..lab.scheduler.programs import server_of
from ..tour.notes import all_notes, step_notes
from ..tour.position_file import Position, read_position
from ..tour.script import LONG, steps_of
from .common import CliContext
from .output import print_json

_POLL = 0.3
"""Seconds between two reads of the position."""
_WIDTH = 100
"""The maximum width of the text."""
_NONE = "No tour is running. Start one in another terminal: jobdeck demo --tour"


def show_notes(front: CliContext) -> None:
    """Print all notes; on a terminal, those of the step that the running tour is at, until ctrl+c.

    If no tour is running, they are those of the tour that would start here, with the step on the configured server.
    """
    position = read_position()
    if position is not None:
        steps = steps_of(position.plan, has_server=position.has_server)
    else:
        steps = steps_of(LONG, has_server=server_of(front.settings.database) is not None)
    if front.json:
        for step in steps:
            print_json(asdict(step))
    elif sys.stdout.isatty():
        _follow()
    else:
        click.echo(all_notes(steps), nl=False)


def _follow() -> None:
    shown: tuple[Position | None, int] | None = None
    try:
        while True:
            position, width = read_position(), min(_WIDTH, get_terminal_size().columns)
            if (position, width) != shown:
                shown = position, width
                click.clear()
                click.echo(_text(position, width))
            time.sleep(_POLL)
    except KeyboardInterrupt:
        click.echo()


def _text(position: Position | None, width: int) -> str:
    if position is None:
        return _NONE
    steps = steps_of(position.plan, has_server=position.has_server)
    names = [step.name for step in steps]
    if position.step not in names:
        return "The tour is over: its summary is on the screen."
    at = names.index(position.step)
    following = f"next: {steps[at + 1].title}" if at + 1 < len(steps) else "next: the summary"
    return f"{step_notes(steps[at], at + 1, len(steps), width=width)}\n{click.style(following, dim=True)}"
