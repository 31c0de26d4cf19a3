"""The demo's keys in the cockpit: break something, and quit without a question."""

from __future__ import annotations

from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for
from tests.tui.screen_pilot import play, toasts
from textual.pilot import Pilot

from jobdeck_tui.demo.faults import FAULTS
from jobdeck_tui.screens.break_something import BreakScreen
from jobdeck_tui.screens.quit import QuitScreen


class StagedDemo:
    """A demo whose faults are only named."""

    def __init__(self) -> None:
        self.caused: list[str] = []
        self.faults = self

    def cause(self, name: str) -> str:
        self.caused.append(name)
        return f"{name} is broken"


def demo_app(still: FrozenQueue) -> tuple[Any, StagedDemo]:
    app, demo = still.app(), StagedDemo()
    app.demo = demo  # type: ignore[assignment]
    return app, demo


def test_a_fault_is_picked_by_its_number_or_with_the_cursor(still: FrozenQueue) -> None:
    app, demo = demo_app(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await press_keys("B")(pilot)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, BreakScreen))
        await pilot.press("2")
        await wait_for(pilot, lambda: demo.caused == ["lock"])
        await press_keys("6", "B")(pilot)  # on the timeline, too
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, BreakScreen))
        await pilot.press("j", "j", "j", "enter")
        await wait_for(pilot, lambda: demo.caused == ["lock", [*FAULTS][3]])
        assert any("lock is broken" in each for each in toasts(pilot))
        await pilot.press("B", "escape")
        assert len(demo.caused) == 2

    play(app, scene)


def test_a_cockpit_on_a_real_queue_breaks_nothing(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        before = pilot.app.screen
        await press_keys("B")(pilot)
        assert pilot.app.screen is before

    play(still.app(), scene)


def test_the_demo_ends_without_a_question(still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    app, _ = demo_app(still)
    drained: list[float] = []

    async def scene(pilot: Pilot[Any]) -> None:
        monkeypatch.setattr(type(app.feed), "running_here", 3)
        monkeypatch.setattr(app.feed, "drain", drained.append)
        await pilot.press("q")
        assert drained == [0.0]
        assert not isinstance(pilot.app.screen, QuitScreen)

    play(app, scene)
