"""Tests of resizing: screens adapt to any size, nothing overlaps the edge, and below 60×15 only one sentence is shown."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pkgutil import iter_modules
from random import Random
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from textual.pilot import Pilot
from textual.screen import Screen

from jobdeck_tui import screens
from jobdeck_tui.app import Cockpit
from jobdeck_tui.frame_capture import screen_strips, screen_text
from jobdeck_tui.screen_registry import SCREENS
from jobdeck_tui.screens.terminal_screen import TerminalScreen

#: The keys that open each screen and dialog from the main screen.
WAYS: dict[str, tuple[str, ...]] = {
    "jobs": ("j", "j"),
    "filter": ("slash", *"kind:"),
    "job": ("G", "enter"),
    "help": ("question_mark",),
    "why": ("j", "w"),
    "new": ("n",),
    "log": ("exclamation_mark",),
    "confirm": ("j", "space", "j", "space", "D"),
    "palette": ("colon",),
    **{room.name: (room.digit, room.digit) for room in SCREENS},
}
SENTENCE = "jobdeck needs at least 60"


def play(app: Cockpit, scene: Any, size: tuple[int, int] = (120, 40)) -> None:
    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


def sizes(random: Random, count: int) -> list[tuple[int, int]]:
    """Yield extreme sizes, then random ones."""
    made = [(60, 15), (300, 100), (59, 40), (120, 14), (80, 24), (20, 5), (160, 15), (60, 100), (100, 30), (99, 29)]
    made += [(random.randrange(30, 301), random.randrange(8, 101)) for _ in range(count)]
    return made


@pytest.mark.parametrize("name", WAYS)
def test_a_screen_adapts_to_every_size(still: FrozenQueue, name: str) -> None:
    still.busy()
    app = still.app()
    random = Random(name)

    async def scene(pilot: Pilot[Any]) -> None:
        for key in WAYS[name]:
            await pilot.press(key)
            await pilot.pause(0.03)
        opened = type(app.screen)
        for at, (width, height) in enumerate(sizes(random, 8)):
            await pilot.resize_terminal(width, height)
            if at % 3 == 0:
                app.feed.refresh()  # a snapshot in between
            await pilot.pause(0.02)
            shown = screen_strips(app)
            assert len(shown) == height, (width, height)
            assert {line.cell_length for line in shown} == {width}, (width, height)
        assert type(app.screen) is opened
        await pilot.resize_terminal(120, 40)
        await wait_for_redraw(pilot)
        assert screen_text(app).splitlines()[0].strip()

    play(app, scene)


@pytest.mark.parametrize("name", ["jobs", "job", *(room.name for room in SCREENS)])
def test_below_the_minimum_size_one_sentence_replaces_the_screen_until_it_grows(still: FrozenQueue, name: str) -> None:
    still.busy()
    app = still.app()

    async def scene(pilot: Pilot[Any]) -> None:
        for key in WAYS[name]:
            await pilot.press(key)
            await pilot.pause(0.03)
        await wait_for_redraw(pilot)
        before = screen_text(app).splitlines()
        for size in ((59, 40), (120, 14), (40, 9)):
            await pilot.resize_terminal(*size)
            await wait_for(pilot, lambda: SENTENCE in screen_text(app))
            words = " ".join(screen_text(app).split())
            assert words.startswith(SENTENCE)
            assert words.endswith("larger.")
        await pilot.resize_terminal(60, 15)
        await wait_for(pilot, lambda: SENTENCE not in screen_text(app))
        assert screen_text(app).splitlines()[0][:9] == before[0][:9]
        await pilot.resize_terminal(120, 40)
        await wait_for_redraw(pilot)
        assert len(screen_text(app).splitlines()) == len(before)

    play(app, scene)


def test_many_resizes_while_keys_are_pressed(still: FrozenQueue) -> None:
    still.busy()
    app = still.app()
    random = Random(7)

    async def scene(pilot: Pilot[Any]) -> None:
        keys = [
            "j",
            "k",
            "G",
            "g",
            "space",
            "l",
            "h",
            "s",
            "1",
            "2",
            "4",
            "5",
            "3",
            "escape",
            "f",
            "f",
            "question_mark",
            "escape",
        ]
        for _ in range(60):
            await pilot.resize_terminal(random.randrange(30, 301), random.randrange(8, 101))
            await pilot.press(random.choice(keys))
        while len(app.screen_stack) > 1:
            app.pop_screen()
        await pilot.resize_terminal(120, 40)
        await wait_for_redraw(pilot)
        assert app.is_running

    play(app, scene)


def test_every_screen_and_dialog_ignores_sizes_that_the_terminal_no_longer_has() -> None:
    # Two sizes that the terminal had would otherwise replace each other for ever on a screen that posts when it is resized.
    for module in iter_modules(screens.__path__, f"{screens.__name__}."):
        import_module(module.name)
    own = [each for each in subclasses(Screen) if each.__module__.startswith("jobdeck_tui.")]
    assert len(own) > 20
    assert [each.__name__ for each in own if not issubclass(each, TerminalScreen)] == []


def subclasses(kind: type[Any]) -> list[type[Any]]:
    return [below for each in kind.__subclasses__() for below in (each, *subclasses(each))]
