"""The board and the experiments as a screen plays them: on a thread, answered by pictures, left at any time."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tui.cli_runner import eventually

from jobdeck_tui.lab.experiments import race
from jobdeck_tui.lab.run import ExperimentRun
from jobdeck_tui.lab.scheduler.session import BoardPicture, SchedulerSession
from jobdeck_tui.lab.stage import Findings, Stage


class Player:
    """Plays the board, one command after another."""

    def __init__(self) -> None:
        self._pictures: queue.Queue[BoardPicture] = queue.Queue()
        self.session = SchedulerSession(self._pictures.put)

    def see(self) -> BoardPicture:
        """The picture that follows the last command."""
        return self._pictures.get(timeout=30)


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Player]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = Player()
    made.see()
    yield made
    made.session.close()
    assert [*tmp_path.iterdir()] == []


def test_two_workers_that_both_select_first_run_the_job_twice(player: Player) -> None:
    for worker in (0, 1, 0, 0, 1, 1):
        player.session.step(worker)
        picture = player.see()
    assert (picture.double_runs, picture.runs) == (1, ((0, 1), (1, 1)))
    assert picture.next_steps == (None, None)
    player.session.back()
    assert player.see().double_runs == 0


def test_every_order_is_tried_and_the_worst_one_can_be_followed_step_by_step(player: Player) -> None:
    player.session.enumerate()
    picture = player.see()
    assert picture.enumeration is not None
    assert (picture.enumeration.bad, picture.enumeration.total, picture.moves) == (12, 20, ())
    while picture.is_scripted:
        player.session.follow()
        picture = player.see()
    assert (picture.double_runs, len(picture.moves)) == (1, 6)
    player.session.step(2)  # the third worker does not play
    assert player.see().moves == picture.moves


def test_lanes_and_the_number_of_workers_change_what_is_played(player: Player) -> None:
    player.session.next_lane(-1)
    assert player.see().program.name == "jobdeck"
    player.session.next_lane()
    player.see()
    player.session.more_workers()
    assert player.see().workers == 3


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ExperimentRun]:
    """A race that goes on until it is stopped."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def endless(stage: Stage) -> Findings:
        stage.show("naive", run=1)
        stage.wait(lambda: False, "the end")
        raise AssertionError

    monkeypatch.setattr(race, "run", endless)
    changed: queue.Queue[None] = queue.Queue()
    made = ExperimentRun("race", 7, lambda: changed.put(None))
    changed.get(timeout=30)
    yield made
    made.close()
    assert [*tmp_path.iterdir()] == []


def test_an_experiment_that_is_left_ends_and_removes_its_folder(run: ExperimentRun) -> None:
    eventually(lambda: run.state.figures == {"naive": {"run": 1}})
    assert run.state.is_running
    run.close()
    assert (run.state.report, run.state.problem) == (None, "stopped")


def test_an_experiment_that_fails_says_why(run: ExperimentRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(stage: Stage) -> Findings:
        raise OSError("no space left")

    monkeypatch.setattr(race, "run", fail)
    ended: queue.Queue[None] = queue.Queue()
    failed = ExperimentRun("race", 7, lambda: ended.put(None))
    ended.get(timeout=30)
    failed.close()
    assert failed.state.problem == "OSError: no space left"
