"""The lab in the cockpit: the list, a run with its verdicts, the board of the scheduler."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.lab.made_runs import PHASES, PLAYED, made_report, made_view
from tests.tui.screen_pilot import play, text
from textual.pilot import Pilot

from jobdeck_tui.lab.catalog import LabReport
from jobdeck_tui.lab.experiments import race
from jobdeck_tui.lab.inside import Section, Statement
from jobdeck_tui.lab.live import LiveView
from jobdeck_tui.lab.run import RunState
from jobdeck_tui.lab.stage import LabProcess, Stage
from jobdeck_tui.screens.lab import LabScreen
from jobdeck_tui.screens.lab_experiment import ExperimentScreen
from jobdeck_tui.screens.lab_query import QueryScreen
from jobdeck_tui.screens.lab_scheduler import SchedulerScreen
from jobdeck_tui.widgets.lab.verdict_table import VerdictTable

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


class MadeRun:
    """A run of an experiment as the screen sees it, which plays nothing."""

    state: RunState

    def __init__(self, name: str, seed: int, on_change: Callable[[], None]) -> None:
        self.state = RunState(name, seed)
        self.on_change = on_change
        self.asked: list[str] = []
        self.steps = 0

    def close(self) -> None:
        self.state.problem = "stopped"

    def ask(self, wish: str) -> None:
        self.asked.append(wish)

    def set_paused(self, paused: bool) -> None:
        self.state.is_paused = paused

    def set_speed(self, speed: float) -> None:
        self.state.speed = speed

    def step(self) -> None:
        self.steps += 1
        self.state.is_paused = True

    def look_inside(self) -> tuple[Section, ...]:
        plan = ("SEARCH jobdeck_jobs USING INTEGER PRIMARY KEY (rowid=?)",)
        sql = "UPDATE jobdeck_jobs SET state = 'running' WHERE id = ? RETURNING id"
        statement = Statement(sql, plan, "jobdeck/store/sqlite/claim.py:174", "_claim")
        return (Section("claim", "One UPDATE takes the job.", (statement,)),)


MADE = Section(
    "claim",
    "One UPDATE takes the job.",
    (
        Statement(
            "UPDATE jobdeck_jobs SET state = 'running' WHERE id = ? AND state = 'pending'",
            ("SEARCH jobdeck_jobs USING INTEGER PRIMARY KEY (rowid=?)",),
            "jobdeck/store/sqlite/claim.py:174",
            "_claim",
        ),
    ),
)
"""What jobdeck runs, at a line that does not move with its code."""


def plant(monkeypatch: pytest.MonkeyPatch, view: LiveView | None = None, report: LabReport | None = None) -> list[MadeRun]:
    """Let experiments show this."""
    made: list[MadeRun] = []

    def start(name: str, seed: int, on_change: Callable[[], None]) -> MadeRun:
        run = MadeRun(name, seed, on_change)
        run.state.view, run.state.report = view, report
        made.append(run)
        return run

    monkeypatch.setattr("jobdeck_tui.screens.lab_experiment.ExperimentRun", start)
    monkeypatch.setattr("jobdeck_tui.screens.lab.SystemRandom", lambda: type("Seven", (), {"randrange": lambda self, n: 7})())
    return made


async def open_experiment(pilot: Pilot[Any], name: str = "race") -> ExperimentScreen:
    """Play an experiment from the list."""
    await open_lab(pilot)
    pilot.app.screen.table.choose(name)  # type: ignore[attr-defined]
    await pilot.press("enter")
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, ExperimentScreen) and pilot.app.screen._run is not None)
    await wait_for_redraw(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, ExperimentScreen)
    return screen


@sizes
def test_the_list_of_experiments(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=open_lab)


@pytest.mark.parametrize(
    ("name", "phase", "size"),
    [(name, phase, size) for name in PLAYED for phase in PHASES for size in ((80, 24), (120, 40), (200, 60))],
    ids=lambda value: value if isinstance(value, str) else "x".join(map(str, value)),
)
def test_an_experiment(
    snap_compare: Compare, still: FrozenQueue, name: str, phase: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    view = made_view(name, phase)
    plant(monkeypatch, view, made_report(name, view) if phase == "end" and view is not None else None)

    async def show(pilot: Pilot[Any]) -> None:
        await open_experiment(pilot, name)

    assert snap_compare(still.app(), terminal_size=size, run_before=show)


@sizes
def test_an_experiment_that_failed_says_why_at_every_size(
    snap_compare: Compare, still: FrozenQueue, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plant(monkeypatch, made_view("race", "mid"))

    async def show(pilot: Pilot[Any]) -> None:
        await open_experiment(pilot)
        made[0].state.problem = "No space left on device"
        made[0].on_change()
        reason = "nothing was decided: No space left on device"
        await wait_for(pilot, lambda: reason in str(pilot.app.screen.query_one(VerdictTable).border_title))
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=show)


@sizes
def test_a_look_inside(
    snap_compare: Compare, still: FrozenQueue, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, made_view("race", "mid"))

    async def show(pilot: Pilot[Any]) -> None:
        await open_experiment(pilot)
        await pilot.press("i")
        await wait_for(pilot, lambda: "claim.py:174" in text(pilot, "#inside"))
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=show)


def test_the_keys_of_the_viewer_in_control(still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plant(monkeypatch, made_view("crash", "mid"))

    async def scene(pilot: Pilot[Any]) -> None:
        copied: list[str] = []
        pilot.app.copy = lambda text, what: copied.append(text)  # type: ignore[attr-defined]
        screen = await open_experiment(pilot, "crash")
        (run,) = made
        await pilot.press("k", "K", "k")
        assert run.asked == ["kill", "kill"]  # the idempotency key belongs to another experiment
        await pilot.press("space")
        assert run.state.is_paused
        assert "paused" in screen._status()
        await pilot.press(".", ".", "space")
        assert (run.steps, run.state.is_paused) == (2, False)
        await pilot.press("[", "[", "[")
        assert run.state.speed == 0.25
        await pilot.press(*"]]]]]]")
        assert run.state.speed == 4.0
        await pilot.press("R")  # it is running
        assert len(made) == 1
        await pilot.press("x", "y")
        await wait_for(pilot, lambda: run.state.problem)
        await pilot.press("space", "R")
        await wait_for(pilot, lambda: len(made) == 2)
        assert any("has ended" in each for each in pilot.app.said)  # type: ignore[attr-defined]
        assert (made[1].state.seed, made[1].state.speed) == (7, 4.0)
        assert copied == ["jobdeck lab crash --seed 7"]

    play(still.app(), scene)


def test_a_picture_is_saved_beside_those_that_are_there(
    still: FrozenQueue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch, made_view("race", "mid"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_experiment(pilot)
        await pilot.press("S", "S")
        await wait_for(pilot, lambda: len([*folder.iterdir()]) == 2)
        assert sorted(each.name for each in folder.iterdir()) == ["lab-race-7-2.svg", "lab-race-7.svg"]
        assert "jobs" in (folder / "lab-race-7.svg").read_text()

    play(still.app(), scene)


def test_a_question_mark_on_a_verdict_shows_the_query_that_counted_it(
    still: FrozenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, made_view("race", "mid"))

    async def scene(pilot: Pilot[Any]) -> None:
        await open_experiment(pilot)
        await pilot.press("v", "question_mark")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, QueryScreen))
        assert "FROM ledger" in str(pilot.app.screen.query_one("#lab-query-text").render())
        await pilot.press("escape", "escape")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, LabScreen))

    play(still.app(), scene)


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


async def open_inside(pilot: Pilot[Any], *lanes: str) -> None:
    """Look inside the board, after these keys."""
    await open_board(pilot)
    await press_and_see(pilot, *lanes)
    await pilot.press("i")
    await wait_for(pilot, lambda: "step 1" in text(pilot, "#inside"))
    await wait_for_redraw(pilot)


@sizes
@pytest.mark.parametrize("lane", [0, 1], ids=["naive", "atomic"])
def test_a_look_inside_the_board(
    snap_compare: Compare, still: FrozenQueue, size: tuple[int, int], lane: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobdeck_tui.lab.scheduler.tables.record_operation", lambda *_: MADE)

    async def show(pilot: Pilot[Any]) -> None:
        await open_inside(pilot, *"l" * lane, "1", "2")

    assert snap_compare(still.app(), terminal_size=size, run_before=show)


def test_the_look_inside_is_that_of_the_lane_and_the_board_is_played_beside_it(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_inside(pilot)
        assert "not atomic" in text(pilot, "#inside")
        assert "SCAN jobs" in text(pilot, "#inside")
        assert "in jobdeck" not in text(pilot, "#inside")
        await press_and_see(pilot, "1", "2")
        assert "SELECT → job 1" in text(pilot, "#ladder")
        await pilot.press("l")
        await wait_for(pilot, lambda: "the same in jobdeck: claim" in text(pilot, "#inside"))
        assert "RETURNING id" in text(pilot, "#inside")
        assert "jobdeck/store/sqlite/claim.py:" in text(pilot, "#inside")
        await pilot.press("e")
        await wait_for(pilot, lambda: "0 of 6 orders" in text(pilot, "#lab-verdict"))
        board = pilot.app.screen
        await pilot.press("escape")
        assert pilot.app.screen is board, "the first escape closes the look inside only"
        assert not board.query_one("#inside").display
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, LabScreen))

    play(still.app(), scene)


def test_space_plays_and_arrows_scroll_while_the_look_inside_is_open(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_inside(pilot, "l", "l", "l", "l")
        board = pilot.app.screen
        assert isinstance(board, SchedulerScreen)
        await pilot.press("e")
        await wait_for(pilot, lambda: board.is_playing)
        await pilot.press("space")
        assert not board.is_playing
        await pilot.press("l")
        await pilot.press("j")
        await wait_for(pilot, lambda: board.query_one("#inside").scroll_offset.y == 1)

    play(still.app(), scene)


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
        await open_experiment(pilot)
        await wait_for(pilot, lambda: processes)

    play(still.app(), scene)
    deadline = time.monotonic() + 10
    while [*scratch.glob("jobdeck-lab-*")]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not processes[0].is_alive
