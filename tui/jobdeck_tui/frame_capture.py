"""Captures one frame of the cockpit as text or as an SVG, without a terminal: `jobdeck --snapshot` and `--screenshot`."""

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
from .feed.messages import QueryResult
from .launch_options import FrameUnavailable
from .screen_registry import JOBS
from .terminal.screen_size import MIN_SIZE
from .text.private_file import write_private_text

FRAME_TIMEOUT = 10.0
"""Seconds to wait for a frame."""
_STEP = 0.02


def screen_strips(app: App[Any]) -> list[Strip]:
    """Return the current screen, with its dialogs, as the strips that would be sent to the terminal."""
    # Textual exports its screen only as SVG; these are the strips it draws the SVG from.
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    return [Strip.join(list(line)) for line in cast("Any", update).strips]


def screen_text(app: App[Any]) -> str:
    """Return the current screen as text, without trailing blanks."""
    return "\n".join(line.text.rstrip() for line in screen_strips(app)).rstrip("\n") + "\n"


def capture_frame(
    app: CockpitBase, *, size: tuple[int, int], room: str = "", picture: Path | None = None, settle: float = 0.0
) -> str:
    """Open the cockpit without a terminal, wait until it shows the queue, and return the frame as text.

    Args:
        app: the cockpit, not running yet.
        size: columns and lines.
        room: the screen to open; the main one if empty.
        picture: the file to save the frame to, as SVG.
        settle: seconds to wait after the first data has arrived.

    Raises:
        FrameUnavailable: no data arrived within `PATIENCE`.
        OSError: the SVG cannot be written.
    """
    if size[0] < MIN_SIZE[0] or size[1] < MIN_SIZE[1]:
        raise FrameUnavailable(f"The cockpit needs at least {MIN_SIZE[0]}x{MIN_SIZE[1]} characters.")
    messages: list[Message] = []

    async def run() -> str:
        async with app.run_test(size=size, message_hook=lambda message: messages.append(message)) as pilot:

            async def wait_until(condition: Callable[[], bool]) -> None:
                deadline = time.monotonic() + FRAME_TIMEOUT
                while not condition():
                    if time.monotonic() > deadline:
                        raise FrameUnavailable("The database cannot be read; run `jobdeck doctor` for details.")
                    await pilot.pause(_STEP)

            await wait_until(lambda: app.latest_overview is not None)
            await pilot.pause(settle)
            if room and room != JOBS:
                app.action_open_screen(room)
                await wait_until(lambda: any(isinstance(message, QueryResult) for message in messages))
            await pilot.pause(_STEP)
            if picture is not None:
                write_private_text(picture, app.export_screenshot(title="jobdeck"))
            return screen_text(app)

    return asyncio.run(run())
