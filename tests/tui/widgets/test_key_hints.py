"""Clicks on key hints run the actions of their keys."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from textual.pilot import Pilot

from jobdeck_tui.screen_registry import SCREENS
from jobdeck_tui.widgets.chrome.key_hints import KeyHints


def hints(pilot: Pilot[Any]) -> KeyHints:
    return pilot.app.screen.query_one(KeyHints)


def test_a_click_on_any_hint_of_any_screen_runs_its_action(still: FrozenQueue) -> None:
    still.busy()
    app = still.app(readonly=True)
    pressed: list[str] = []

    async def scene(pilot: Pilot[Any]) -> None:
        ways: dict[str, tuple[str, ...]] = {"jobs": ("j",), "job": ("G", "enter"), "log": ("exclamation_mark",)}
        ways |= {room.name: (room.digit, room.digit) for room in SCREENS}
        for name, keys in ways.items():
            await pilot.press(*keys)
            await wait_for_redraw(pilot)
            line = hints(pilot)
            real = app.run_action

            async def note(action: Any, *args: Any, **more: Any) -> bool:
                pressed.append(str(action))
                return True

            places = [*line._places]
            assert places, name
            app.run_action = note  # type: ignore[method-assign]
            for start, _, action in places:
                pressed.clear()
                await pilot.click(line, offset=(start, 0))
                await wait_for(pilot, lambda action=action: action in pressed)
            app.run_action = real  # type: ignore[method-assign]
            while len(app.screen_stack) > 1:
                app.pop_screen()
                await pilot.pause()
            await pilot.press("escape", "escape")

    async def run() -> None:
        async with app.run_test(size=(160, 40)) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())
