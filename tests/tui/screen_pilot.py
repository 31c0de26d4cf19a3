"""Runs the cockpit without a terminal, for tests of the view screens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.tui.frozen_queue import press_keys, wait_for, wait_for_redraw
from textual.pilot import Pilot

from jobdeck_tui.app import Cockpit
from jobdeck_tui.widgets.table.keyed_table import KeyedTable

Scene = Callable[[Pilot[Any]], Awaitable[None]]


def play(app: Cockpit, scene: Scene, size: tuple[int, int] = (120, 40)) -> None:
    """Run the app, wait for the first snapshot, and play the scene."""

    said: list[str] = []
    tell = app.notify_user

    def heard(sentence: str, *, failed: bool = False) -> None:
        said.append(sentence)
        tell(sentence, failed=failed)

    app.notify_user, app.said = heard, said  # type: ignore[method-assign,attr-defined]

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


async def open_screen(pilot: Pilot[Any], name: str, *, rows: bool = True) -> None:
    """Open a screen and wait until its table shows something."""
    pilot.app.action_open_screen(name)  # type: ignore[attr-defined]
    await wait_for(pilot, lambda: getattr(pilot.app.screen, "SCREEN_NAME", "") == name and pilot.app.screen.query(KeyedTable))
    if rows:
        await wait_for(pilot, lambda: table(pilot).rows)
    await wait_for_redraw(pilot)


def table(pilot: Pilot[Any]) -> KeyedTable:
    return pilot.app.screen.query_one(KeyedTable)


def keys(pilot: Pilot[Any]) -> list[Any]:
    return [row.key for row in table(pilot).rows]


def text(pilot: Pilot[Any], selector: str) -> str:
    """Return the text of a text view."""
    return "\n".join("".join(piece for piece, _ in line) for line in pilot.app.screen.query_one(selector).lines)  # type: ignore[attr-defined]


def drawn(pilot: Pilot[Any]) -> list[str]:
    """Return the visible lines of the table."""
    shown = table(pilot)
    return ["".join(part.text for part in shown.render_line(y)) for y in range(shown.size.height)]


def toasts(pilot: Pilot[Any]) -> list[str]:
    """Return all toasts so far; the visible ones may already have expired on a busy machine."""
    said: list[str] = pilot.app.said  # type: ignore[attr-defined]
    return said


async def wait_for_toast(pilot: Pilot[Any], words: str) -> None:
    """Wait for a toast."""
    await wait_for(pilot, lambda: any(words in each for each in toasts(pilot)))
