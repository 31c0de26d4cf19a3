"""The tour on the screen: each step at each size, with what runs staged; keys only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.screen_pilot import play, text, toasts
from tests.tui.tour.staged_tour import StagedTour
from textual.pilot import Pilot

from jobdeck_tui.screens.tour import TourScreen
from jobdeck_tui.tour.picture import ActResult, Line
from jobdeck_tui.tour.script import STEPS

Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=["80x24", "120x40", "200x60"])

LADDER: list[Line] = [
    [("✗ ", "error"), ("12 of 20 orders", "strong"), (" run the job twice: SELECT, then UPDATE", "")],
    [("     worker 1                worker 2", "quiet")],
    [("  1  SELECT → job 1          │", "")],
    [("  2  │                       SELECT → job 1", "")],
    [("  3  │                       UPDATE → 1 row", "")],
    [("  4  │                       run job 1", "")],
    [("  5  UPDATE → 1 row          │", "")],
    [("  6  run job 1 ✗ again", "error"), ("       │", "")],
]
VERDICTS: list[Line] = [
    [("✗ ", "error"), ("naive: ", "quiet"), ("2 ", "strong"), ("lost jobs", ""), ("  must be 0", "quiet")],
    [("✗ ", "error"), ("naive: ", "quiet"), ("2 ", "strong"), ("jobs left running for ever", ""), ("  must be 0", "quiet")],
    [("✓ ", "good"), ("jobdeck: ", "quiet"), ("0 ", "strong"), ("lost jobs", "")],
    [("✓ ", "good"), ("jobdeck: ", "quiet"), ("0 ", "strong"), ("jobs left running for ever", "")],
]


LOCKS: list[Line] = [
    [("              ", ""), ("FOR UPDATE        ", "accent"), ("SKIP LOCKED", "accent")],
    [(" 1  worker 1  ", "quiet"), ("SELECT → job 1    ", "good"), ("SELECT → job 1", "good")],
    [(" 2  worker 2  ", "quiet"), ("waits: locked     ", "warning"), ("SELECT → job 2", "good")],
    [(" 3  worker 1  ", "quiet"), ("UPDATE → 1 row    ", ""), ("UPDATE → 1 row", "")],
    [(" 4  worker 1  ", "quiet"), ("COMMIT            ", ""), ("COMMIT", "")],
    [(" 5  worker 2  ", "quiet"), ("SELECT → job 2    ", "good"), ("UPDATE → 1 row", "")],
    [("    run twice ", "quiet"), ("✓ ", "good"), ("0 of 10 orders  ", ""), ("✓ ", "good"), ("0 of 70 orders", "")],
]


class TourOnScreen:
    """The cockpit of a demo, with a staged tour in it."""

    def __init__(self, still: FrozenQueue, folder: Path, *, server: str | None = None) -> None:
        self.staged = StagedTour(folder, server=server)
        self.app = still.app()
        self.app.demo = self.staged  # type: ignore[assignment]

    async def open(self, pilot: Pilot[Any], at: int = 0, plan: str = "5m") -> None:
        await press_keys()(pilot)
        self.app.push_screen(TourScreen(lambda _, on_change: self.staged.start(plan, on_change)))
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, TourScreen) and pilot.app.screen.query("#tour-question"))
        await wait_for(pilot, lambda: text(pilot, "#tour-question"))
        for _ in range(at):
            await pilot.press("s")
        await wait_for_redraw(pilot)

    async def end_act(self, pilot: Pilot[Any], lines: list[Line]) -> None:
        self.staged.acts[-1].end(ActResult("What came of it, in one sentence with numbers.", lines))
        await wait_for(pilot, lambda: "trade-off" in text(pilot, "#tour-say"))
        await wait_for_redraw(pilot)


@pytest.fixture
def tour(still: FrozenQueue, tmp_path: Path) -> TourOnScreen:
    return TourOnScreen(still, tmp_path)


@sizes
@pytest.mark.parametrize("at", range(len(STEPS)), ids=[step.name for step in STEPS])
def test_each_step_with_what_to_say(snap_compare: Compare, tour: TourOnScreen, at: int, size: tuple[int, int]) -> None:
    async def say(pilot: Pilot[Any]) -> None:
        await tour.open(pilot, at)
        await pilot.press("j", "space")
        await tour.end_act(pilot, VERDICTS if at else LADDER)

    assert snap_compare(tour.app, terminal_size=size, run_before=say)


@sizes
def test_the_step_on_a_postgresql_server(
    snap_compare: Compare, still: FrozenQueue, tmp_path: Path, size: tuple[int, int]
) -> None:
    tour = TourOnScreen(still, tmp_path, server="postgresql:///app")

    async def say(pilot: Pilot[Any]) -> None:
        await tour.open(pilot)
        await pilot.press("5", "s", "j", "j", "space")
        await tour.end_act(pilot, LOCKS)

    assert snap_compare(tour.app, terminal_size=size, run_before=say)


@sizes
def test_the_question(snap_compare: Compare, tour: TourOnScreen, size: tuple[int, int]) -> None:
    async def ask(pilot: Pilot[Any]) -> None:
        await tour.open(pilot)
        await pilot.press("j", "j")
        await wait_for_redraw(pilot)

    assert snap_compare(tour.app, terminal_size=size, run_before=ask)


@sizes
def test_what_runs(snap_compare: Compare, tour: TourOnScreen, size: tuple[int, int]) -> None:
    async def run(pilot: Pilot[Any]) -> None:
        await tour.open(pilot, 3)
        await pilot.press("space")
        await wait_for(pilot, lambda: "naive" in text(pilot, "#tour-live"))
        await wait_for_redraw(pilot)

    assert snap_compare(tour.app, terminal_size=size, run_before=run)


@sizes
def test_the_summary(snap_compare: Compare, tour: TourOnScreen, size: tuple[int, int]) -> None:
    async def summarize(pilot: Pilot[Any]) -> None:
        await tour.open(pilot)
        await pilot.press("space")
        await tour.end_act(pilot, LADDER)
        for _ in STEPS:
            await pilot.press("s")
        await wait_for_redraw(pilot)

    assert snap_compare(tour.app, terminal_size=size, run_before=summarize)


def scene_of(tour: TourOnScreen, scene: Callable[[Pilot[Any]], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    play(tour.app, scene, size=size)


def test_the_keys_lead_through_the_steps(tour: TourOnScreen) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await tour.open(pilot)
        assert STEPS[0].question in text(pilot, "#tour-question")
        await pilot.press("space", "space")
        await wait_for(pilot, lambda: any("runs for about 4 s" in each for each in toasts(pilot)))
        await tour.end_act(pilot, LADDER)
        assert STEPS[0].trade_off in text(pilot, "#tour-say")
        assert "12 of 20 orders" in text(pilot, "#tour-live")
        await pilot.press("space")
        assert STEPS[1].question in text(pilot, "#tour-question")
        assert STEPS[1].problem not in text(pilot, "#tour-say"), "it would give the answer away"
        await pilot.press("backspace")
        assert STEPS[0].question in text(pilot, "#tour-question")
        await pilot.press("6")
        assert STEPS[-1].question in text(pilot, "#tour-question")
        await pilot.press("B", "T")
        assert isinstance(pilot.app.screen, TourScreen), "the demo's own keys rest here"

    scene_of(tour, scene)


def test_a_broken_promise_is_said_and_not_talked_over(tour: TourOnScreen) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await tour.open(pilot)
        await pilot.press("space")
        tour.staged.acts[-1].end(ActResult("jobdeck 1 of 20.", [], is_broken=True))
        await wait_for(pilot, lambda: "broke a promise" in text(pilot, "#tour-live"))

    scene_of(tour, scene)


def test_the_address_of_the_command_gives_the_tour_its_step_on_the_server(
    tour: TourOnScreen,
) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        for address, name in (("/home/me/jobs.db", "wake-up"), ("postgresql://me@db/app", "row-locks")):
            tour.app.database_url = address
            await pilot.press("T")
            await wait_for(pilot, lambda: isinstance(pilot.app.screen, TourScreen))
            await wait_for(pilot, lambda: text(pilot, "#tour-question"))
            await pilot.press("5", "s")
            assert pilot.app.screen.session.step.name == name  # type: ignore[attr-defined]
            await pilot.press("escape")
            await wait_for(pilot, lambda: not isinstance(pilot.app.screen, TourScreen))

    scene_of(tour, scene)


def test_leaving_ends_what_runs_and_the_demo_goes_on(tour: TourOnScreen) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        jobs = pilot.app.screen
        await tour.open(pilot, plan="90s")
        await pilot.press("space")
        await pilot.press("escape")
        await wait_for(pilot, lambda: pilot.app.screen is jobs)
        await wait_for(pilot, lambda: tour.staged.acts[0].closed)

    scene_of(tour, scene)
