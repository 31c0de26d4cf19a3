"""One frame of the cockpit as text or as a picture, without a terminal: `jobdeck --snapshot` and `--screenshot`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from textual.app import App
from textual.message import Message
from textual.strip import Strip

from .app_base import CockpitBase
from .feed.messages import Seen
from .launch_options import NoFrame
from .screen_registry import JOBS
from .terminal.screen_size import MIN_SIZE

PATIENCE = 10.0
"""Seconds until a frame is given up."""
_STEP = 0.02


def lines(app: App[Any]) -> list[Strip]:
    """What is on the screen now, dialogs and all, as it would be sent to the terminal."""
    # Textual offers a picture of its screen only as SVG; these are the strips that it makes it from.
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    return [Strip.join(list(line)) for line in cast("Any", update).strips]


def frame(app: App[Any]) -> str:
    """What is on the screen now as text, without blanks at the ends of lines."""
    return "\n".join(line.text.rstrip() for line in lines(app)).rstrip("\n") + "\n"


def take(app: CockpitBase, *, size: tuple[int, int], room: str = "", picture: Path | None = None, settle: float = 0.0) -> str:
    """Open the cockpit without a terminal, wait until it shows what there is, and return the frame as text.

    Args:
        app: the cockpit, not opened yet.
        size: columns and lines.
        room: the screen to open; the main one when empty.
        picture: where to save the frame as SVG too.
        settle: seconds to wait once there is something to show.

    Raises:
        NoFrame: nothing came to be shown within `PATIENCE`.
        OSError: the picture cannot be written.
    """
    if size[0] < MIN_SIZE[0] or size[1] < MIN_SIZE[1]:
        raise NoFrame(f"The cockpit needs at least {MIN_SIZE[0]}x{MIN_SIZE[1]} characters.")
    shown: list[Message] = []

    async def run() -> str:
        async with app.run_test(size=size, message_hook=lambda message: shown.append(message)) as pilot:

            async def until(holds: Callable[[], bool]) -> None:
                end = time.monotonic() + PATIENCE
                while not holds():
                    if time.monotonic() > end:
                        raise NoFrame("The database cannot be read; `jobdeck doctor` says more.")
                    await pilot.pause(_STEP)

            await until(lambda: app.latest_overview is not None)
            await pilot.pause(settle)
            if room and room != JOBS:
                app.action_open_screen(room)
                await until(lambda: any(isinstance(message, Seen) for message in shown))
            await pilot.pause(_STEP)
            if picture is not None:
                picture.write_text(app.export_screenshot(title="jobdeck"), "utf-8")
            return frame(app)

    return asyncio.run(run())
