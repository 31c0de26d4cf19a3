"""Runs the cockpit without a terminal, for tests of the main screen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.tui.frozen_queue import press_keys
from textual.pilot import Pilot

from jobdeck_tui.app import Cockpit
from jobdeck_tui.screens.confirm_bulk import BulkConfirmScreen

Scene = Callable[[Pilot[Any]], Awaitable[None]]


def play(app: Cockpit, scene: Scene, size: tuple[int, int] = (120, 40)) -> None:
    """Run the app without a terminal, wait for the first snapshot, and play the scene."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


def toasts(pilot: Pilot[Any]) -> list[str]:
    return [note.message for note in pilot.app._notifications]  # the current toasts; Textual has no public list


def table(pilot: Pilot[Any]) -> Any:
    return pilot.app.jobs_screen.table  # type: ignore[attr-defined]


def text_of(screen: Any, panel: str) -> str:
    """Return the text of a text view."""
    view = screen.query_one(f"#{panel}")
    return "\n".join("".join(text for text, _ in told) for told in view.lines)


def weighed(pilot: Pilot[Any]) -> Any:
    """Return the preview of the bulk confirmation; `None` until it is complete."""
    return pilot.app.screen.weighed if isinstance(pilot.app.screen, BulkConfirmScreen) else None
