"""The lab in the cockpit: the list, a run with its verdicts, the board of the scheduler."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.screen_pilot import play, text
from textual.pilot import Pilot

from jobdeck_tui.lab.audit import Verdict
from jobdeck_tui.lab.experiments import race
from jobdeck_tui.lab.stage import Findings, LabProcess, Stage
from jobdeck_tui.screens.lab import LabScreen
from jobdeck_tui.screens.lab_scheduler import SchedulerScreen

Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=["80x24", "120x40", "200x60"])


async def open_lab(pilot: Pilot[Any]) -> None:
    await press_keys("L")(pilot)
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, LabScreen) and pilot.app.screen.table.rows)
    await wait_for_redraw(pilot)


async def open_board(pilot: Pilot[Any]) -> None:
    await open_lab(pilot)
    await pilot.press("enter")
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, SchedulerScreen) and pilot.app.screen.picture is not None)


async def press_and_see(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys of the board, each after the picture that follows the one before."""
    for key in keys:
        before = pilot.app.screen.picture  # type: ignore[attr-defined]
        await pilot.press(key)
        await wait_for(pilot, lambda before=before: pilot.app.screen.picture is not before)  # type: ignore[misc,attr-defined]
    await wait_for_redraw(pilot)


def plant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the race find this, at once."""

    def run(stage: Stage) -> Findings:
        stage.timeline.clear()
        verdicts = [
            Verdict(lane, "jobs that ran twice", n, "0", not n, lane == "jobdeck", "SELECT count(*) FROM ledger")
            for lane, n in (("naive", 37), ("jobdeck", 0))
        ]
        return Findings(verdicts, notes=["naive: SELECT, then UPDATE."])

    monkeypatch.setattr(race, "run", run)
    monkeypatch.setattr("jobdeck_tui.screens.lab.SystemRandom", lambda: type("Seven", (), {"randrange": lambda self, n: 7})())


@sizes
def test_the_list_of_experiments(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=open_lab)


@sizes
def test_a_run_with_its_verdicts(
    snap_compare: Compare, still: FrozenQueue, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    async def run(pilot: Pilot[Any]) -> None:
        await open_lab(pilot)
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: "37 jobs" in text(pilot, "#lab-verdicts"))
        await pilot.press("i")
        await wait_for(pilot, lambda: "SELECT count" in text(pilot, "#lab-verdicts"))
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=run)


@sizes
def test_the_board_in_the_middle_of_a_race(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    async def step(pilot: Pilot[Any]) -> None:
        await open_board(pilot)
        await press_and_see(pilot, "1", "2", "2", "2", "1", "u")

    assert snap_compare(still.app(), terminal_size=size, run_before=step)


def test_the_board_tries_every_order_and_plays_the_worst_one(still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck_tui.screens.lab_scheduler._PLAY", 0.02)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_board(pilot)
        await pilot.press("e")
        await wait_for(pilot, lambda: "12 of 20 orders of 2 workers run the job twice" in text(pilot, "#lab-verdict"))
        await wait_for(pilot, lambda: "A job ran twice: worker 2, then worker 1" in text(pilot, "#lab-verdict"))
        assert "run job 1 ✗ again" in text(pilot, "#ladder")
        await press_and_see(pilot, "l")
        assert "RETURNING id" in text(pilot, "#lab-workers")
        await press_and_see(pilot, "1", "2")
        assert "no job" in text(pilot, "#ladder")

    play(still.app(), scene)


def test_what_happens_is_followed_to_its_end(still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(stage: Stage) -> Findings:
        for n in range(30):
            stage.report("naive", f"kill -9 {n}")
        return Findings([])

    monkeypatch.setattr(race, "run", run)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_lab(pilot)
        await pilot.press("j", "enter")
        events = pilot.app.screen.query_one("#lab-events")
        await wait_for(pilot, lambda: "kill -9 29" in "".join(part.text for part in events.render_line(3)))  # type: ignore[attr-defined]

    play(still.app(), scene, size=(80, 24))


def test_leaving_the_board_and_the_lab_returns_to_the_jobs(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        jobs = pilot.app.screen
        await open_board(pilot)
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, LabScreen))
        await pilot.press("L")
        assert [type(each) for each in pilot.app.screen_stack[1:]] == [LabScreen]
        await pilot.press("q")
        await wait_for(pilot, lambda: pilot.app.screen is jobs)

    play(still.app(), scene)


def test_a_second_experiment_waits_until_the_first_is_stopped(still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "run", lambda stage: stage.wait(lambda: False, "the end"))

    async def scene(pilot: Pilot[Any]) -> None:
        await open_lab(pilot)
        screen: Any = pilot.app.screen
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: screen.state is not None)
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: any("race is running" in each for each in pilot.app.said))  # type: ignore[attr-defined]
        await pilot.press("x")
        await wait_for(pilot, lambda: screen.state.problem == "stopped")

    play(still.app(), scene)


def test_quitting_the_cockpit_in_mid_experiment_leaves_no_process_and_no_folder(
    still: FrozenQueue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    processes: list[LabProcess] = []

    def endless(stage: Stage) -> None:
        processes.append(stage.lane("naive").start_worker())
        stage.show("naive", workers=1)
        stage.wait(lambda: False, "the end")

    monkeypatch.setattr(race, "run", endless)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_lab(pilot)
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: processes)

    play(still.app(), scene)
    deadline = time.monotonic() + 10
    while [*scratch.glob("jobdeck-lab-*")]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not processes[0].is_alive
