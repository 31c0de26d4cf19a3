"""One frame of the cockpit as text or as a picture, without a terminal: `jobdeck --snapshot` and `--screenshot`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual.app import App
from textual.strip import Strip

from .screens.base import MIN_SIZE

if TYPE_CHECKING:
    from .app import Cockpit

PATIENCE = 10.0
"""Seconds until a frame is given up."""
_STEP = 0.02


class NoFrame(RuntimeError):
    """The cockpit has nothing to show: the database cannot be read."""


def lines(app: App[Any]) -> list[Strip]:
    """What is on the screen now, dialogs and all, as it would be sent to the terminal."""
    # Textual offers a picture of its screen only as SVG; these are the strips that it makes it from.
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    return [Strip.join(list(line)) for line in cast("Any", update).strips]


def frame(app: App[Any]) -> str:
    """What is on the screen now as text, without blanks at the ends of lines."""
    return "\n".join(line.text.rstrip() for line in lines(app)).rstrip("\n") + "\n"


def take(app: Cockpit, *, size: tuple[int, int], room: str = "", picture: Path | None = None) -> str:
    """Open the cockpit without a terminal, wait until it shows what there is, and return the frame as text.

    Args:
        app: the cockpit, not opened yet.
        size: columns and lines.
        room: the screen to open; the main one when empty.
        picture: where to save the frame as SVG too.

    Raises:
        NoFrame: nothing came to be shown within `PATIENCE`.
        OSError: the picture cannot be written.
    """
    width, height = size
    if width < MIN_SIZE[0] or height < MIN_SIZE[1]:
        raise NoFrame(f"The cockpit needs at least {MIN_SIZE[0]}x{MIN_SIZE[1]} characters.")

    async def run() -> str:
        async with app.run_test(size=size) as pilot:
            end = time.monotonic() + PATIENCE
            while app.jobs_screen.deck is None:
                if time.monotonic() > end:
                    raise NoFrame("The database cannot be read; `jobdeck doctor` says more.")
                await pilot.pause(_STEP)
            if room:
                before = app.seen
                app.action_room(room)
                while room != "jobs" and app.seen == before and time.monotonic() < end:
                    await pilot.pause(_STEP)
            await pilot.pause(_STEP)
            if picture is not None:
                picture.write_text(app.export_screenshot(title="jobdeck"), "utf-8")
            return frame(app)

    return asyncio.run(run())
