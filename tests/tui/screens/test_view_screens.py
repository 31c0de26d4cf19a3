"""Tests of every view screen: its digit opens it, it shows its content and keys, and it leads back."""

from __future__ import annotations

from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, wait_for
from tests.tui.jobs_pilot import play
from textual.pilot import Pilot

from jobdeck_tui.screen_registry import SCREENS
from jobdeck_tui.screens.help import HelpScreen
from jobdeck_tui.screens.view_screen import ViewScreen

SIZES = [(80, 24), (200, 60)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_each_screen_opens_by_its_digit_shows_its_keys_and_returns(still: FrozenQueue, size: tuple[int, int]) -> None:
    still.busy()

    async def scene(pilot: Pilot[Any]) -> None:
        app: Any = pilot.app
        for room in SCREENS:
            app.jobs_screen.query_one("#workers").focus()
            app.action_open_screen("queues")
            await pilot.press(room.digit)
            await wait_for(pilot, lambda room=room: isinstance(app.screen, ViewScreen) and room.name == app.screen.SCREEN_NAME)
            await wait_for(pilot, lambda: "LIVE" in app.screen.query_one("#header").render_line(0).text)
            await pilot.press("question_mark")
            await wait_for(pilot, lambda: isinstance(app.screen, HelpScreen))
            assert len(app.screen.query_one("#help-text").render().plain.splitlines()) > 10
            await pilot.press("escape")
            await pilot.press("5")
            await wait_for(pilot, lambda: app.screen is app.jobs_screen and app.jobs_screen.table.has_focus)

    play(still.app(), scene, size)


def test_a_new_screen_shows_the_counts_that_are_known_from_its_first_frame_on(
    still: FrozenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    still.busy()

    async def scene(pilot: Pilot[Any]) -> None:
        app: Any = pilot.app
        monkeypatch.setattr(ViewScreen, "receive_snapshot", lambda self, snapshot: None)
        app.action_open_screen("queues")
        await wait_for(pilot, lambda: app.screen.query("#header"))
        assert "LIVE" in "".join(text for text, _ in app.screen.query_one("#header").draw(0, 120))

    play(still.app(), scene)
