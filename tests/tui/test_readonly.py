"""Tests of `--readonly`: it is marked, and no key that changes the queue is hinted or listed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from textual.pilot import Pilot

from jobdeck_tui.app import Cockpit
from jobdeck_tui.app_base import is_refused
from jobdeck_tui.frame_capture import screen_text
from jobdeck_tui.screen_registry import SCREENS
from jobdeck_tui.screens.help import HelpScreen, _bindings

CHANGING = {
    "retry", "cancel", "priority", "set_priority", "delete", "pause", "pause_all", "undo", "redo", "resize", "new", "duplicate",
    "edit", "edit_options", "limit", "run", "recreate",
}  # fmt: skip
"""The actions that change the queue, on any screen."""


def play(app: Cockpit, scene: Any) -> None:
    async def run() -> None:
        async with app.run_test(size=(160, 40)) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


@pytest.mark.screens
def test_a_readonly_cockpit_is_marked_and_lists_no_key_that_changes_something(still: FrozenQueue) -> None:
    still.busy()
    app = still.app(readonly=True)

    async def scene(pilot: Pilot[Any]) -> None:
        ways: dict[str, tuple[str, ...]] = {"jobs": ("j",), "job": ("G", "enter")}
        ways |= {room.name: (room.digit, room.digit) for room in SCREENS}
        for name, keys in ways.items():
            await pilot.press(*keys)
            await wait_for_redraw(pilot)
            screen = app.screen
            assert "  read-only" in screen_text(app).split("\n")[0], name
            commands = {command.title.lower() for command in app.get_system_commands(screen)}
            listed = {text for _, rows in HelpScreen.of(screen)._groups for _, text in rows}
            for node in (screen, *screen.focus_chain, app):
                for binding in _bindings(node):
                    action = binding.action.partition("(")[0].rpartition(".")[2]
                    refused = is_refused(node, binding.action)
                    own = not (type(node).__name__ in ("Timeline", "EventList") and action in ("pause", "run"))
                    assert refused == (action in CHANGING and own) or action == "open", (name, binding)
                    if refused:
                        text = binding.tooltip or binding.description
                        assert binding.description.lower() not in commands, (name, binding)
                        assert text[:1].lower() + text[1:] not in listed, (name, binding)
            while len(app.screen_stack) > 1:
                app.pop_screen()
                await pilot.pause()
            await pilot.press("escape", "escape")

    play(app, scene)


def test_a_cockpit_that_may_change_the_queue_is_not_marked(few: FrozenQueue) -> None:
    app = few.app()

    async def scene(pilot: Pilot[Any]) -> None:
        assert "read-only" not in screen_text(app)
        await pilot.press("G")
        await wait_for(pilot, lambda: " retry " in screen_text(app))

    play(app, scene)
