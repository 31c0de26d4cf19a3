"""Tests of quitting while jobs are running: drain, release or stay, by key and mouse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, deck_of, press_keys, wait_for
from textual.pilot import Pilot

from jobdeck_tui.app import Cockpit
from jobdeck_tui.screens.quit import QuitScreen

Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


@pytest.fixture
def app(still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> Cockpit:
    """Return a cockpit that reports three running jobs and records how it is drained."""
    still.busy()
    made = still.app()
    monkeypatch.setattr(type(made.feed), "running_here", property(lambda feed: 3))
    made.asked = []  # type: ignore[attr-defined]
    monkeypatch.setattr(made.feed, "drain", lambda grace: made.asked.append(grace))  # type: ignore[attr-defined]
    return made


def play(app: Cockpit, scene: Any) -> None:
    async def run() -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await press_keys("q")(pilot)
            assert isinstance(app.screen, QuitScreen)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        (("d",), [20.0]),
        (("q",), [20.0]),
        (("r",), [0.0]),
        (("d", "r"), [20.0, 0.0]),
        (("enter",), [20.0]),
        (("l", "enter"), [0.0]),
        (("right", "right", "left", "enter"), [0.0]),
        (("ctrl+c",), [0.0]),
    ],
)
def test_each_key_drains_or_releases(app: Cockpit, keys: tuple[str, ...], asked: list[float]) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press(*keys)
        await wait_for(pilot, lambda: app.asked == asked)  # type: ignore[attr-defined]

    play(app, scene)


@pytest.mark.parametrize("keys", [("escape",), ("l", "l", "enter"), ("h", "h", "h", "l", "l", "enter")])
def test_staying_changes_nothing(app: Cockpit, keys: tuple[str, ...]) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press(*keys)
        await wait_for(pilot, lambda: not isinstance(app.screen, QuitScreen))
        assert app.asked == []  # type: ignore[attr-defined]
        assert app.is_running

    play(app, scene)


@pytest.mark.parametrize(("button", "asked"), [("#drain", [20.0]), ("#release", [0.0]), ("#stay", [])])
def test_each_answer_can_be_clicked(app: Cockpit, button: str, asked: list[float]) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.click(button)
        await pilot.pause(0.1)
        assert app.asked == asked  # type: ignore[attr-defined]
        assert isinstance(app.screen, QuitScreen) == bool(asked)

    play(app, scene)


@sizes
def test_the_question_as_a_picture(snap_compare: Compare, app: Cockpit, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=press_keys("q"))


@sizes
def test_the_count_down_as_a_picture(snap_compare: Compare, app: Cockpit, size: tuple[int, int]) -> None:
    async def drain(pilot: Pilot[Any]) -> None:
        await press_keys("q", "d")(pilot)
        leave = pilot.app.screen
        assert isinstance(leave, QuitScreen)
        leave._count = lambda: None  # type: ignore[method-assign]
        leave._remaining = 12.3
        deck = deck_of(pilot)
        worker = deck.overview.running[0].worker
        leave.show(replace(deck, local_worker=replace(deck.local_worker, worker=worker)))
        leave.query_one("#quit-title").update("Draining: 12.3s remaining")  # type: ignore[attr-defined]
        leave.show = lambda deck: None  # type: ignore[method-assign]
        for timer in [*leave._timers]:
            timer.pause()
        leave.query_one("#quit-title").update("Draining: 12.3s remaining")  # type: ignore[attr-defined]

    assert snap_compare(app, terminal_size=size, run_before=drain)
