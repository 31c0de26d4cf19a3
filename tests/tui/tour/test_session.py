"""The presenter's way through the tour: forward, back, skipping, by chapters, at any pace."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.core.helpers import wait_until
from tests.tui.tour.staged_tour import StagedTour

from jobdeck_tui.scratch_folder import scratch_folder
from jobdeck_tui.tour.picture import ActResult
from jobdeck_tui.tour.position_file import read_position
from jobdeck_tui.tour.script import STEPS
from jobdeck_tui.tour.session import Phase

DONE = ActResult("12 of 20.", [])


@pytest.fixture
def tour(tmp_path: Path) -> StagedTour:
    return StagedTour(tmp_path)


def test_each_step_asks_first_then_runs_and_then_says_the_point(tour: StagedTour) -> None:
    session = tour.start()
    assert (session.step.name, session.phase, session.run) == ("two-workers", Phase.ASK, None)
    assert session.next()
    assert session.phase is Phase.RUN
    assert not session.next(), "what runs is waited for"
    tour.acts[0].end(DONE)
    session.on_act_changed()
    assert (session.phase, session.results["two-workers"]) == (Phase.SAY, DONE)
    assert session.next()
    assert (session.step.name, session.phase, session.prediction) == (STEPS[1].name, Phase.ASK, None)


def test_a_prediction_is_made_before_the_answer_is_known(tour: StagedTour) -> None:
    session = tour.start()
    session.predict(2)
    session.predict(7)
    session.next()
    session.predict(0)
    assert session.prediction == 2


def test_back_returns_to_the_question_and_then_to_the_step_before(tour: StagedTour) -> None:
    session = tour.start()
    session.back()
    assert session.at == 0
    session.skip()
    session.next()
    session.back()
    assert (session.at, session.phase) == (1, Phase.ASK)
    wait_until(lambda: tour.acts[0].closed == 1)
    session.back()
    assert (session.at, session.phase) == (0, Phase.ASK)


def test_a_server_gives_the_tour_its_step_in_the_chapter_of_the_trade_off(tmp_path: Path) -> None:
    session = StagedTour(tmp_path, server="postgresql:///app").start()
    assert len(session.steps) == len(STEPS) + 1
    session.go_to_chapter(5)
    session.skip()
    assert (session.step.name, session.step.chapter) == ("row-locks", "scalability")
    session.next()
    assert session.phase is Phase.RUN


def test_skipping_stops_what_runs_and_the_last_step_is_followed_by_the_summary(tour: StagedTour) -> None:
    session = tour.start("90s")
    session.next()
    for n in range(4):
        assert session.at == n
        session.skip()
    wait_until(lambda: tour.acts[0].closed == 1)
    assert session.phase is Phase.END
    assert not session.next()
    session.skip()
    assert (session.phase, session.results) == (Phase.END, {})
    session.back()
    assert (session.phase, session.at) == (Phase.SAY, 3)


def test_a_chapter_is_reached_with_its_number(tour: StagedTour) -> None:
    session = tour.start()
    session.go_to_chapter(5)
    assert (session.step.chapter, session.step.name) == ("scalability", "shared-commits")
    session.go_to_chapter(9)
    assert session.step.name == "shared-commits"
    short = tour.start("90s")
    short.go_to_chapter(3)
    assert short.step.chapter == "scalability", "the third of its chapters"


def test_an_act_that_came_to_no_end_is_said_and_the_tour_goes_on(tour: StagedTour) -> None:
    session = tour.start()
    session.next()
    tour.acts[0].problem = "The experiment waited 60 s."
    session.on_act_changed()
    assert (session.phase, session.results) == (Phase.SAY, {})
    assert session.next()
    assert session.at == 1


def test_the_clock_says_how_far_the_presenter_is_behind_the_plan(tour: StagedTour) -> None:
    session = tour.start()
    tour.now += STEPS[0].seconds + 10
    assert (session.elapsed, session.behind) == (STEPS[0].seconds + 10, 10)
    session.skip()
    assert session.behind < 0


def test_the_notes_follow_the_tour_of_a_demo_that_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = tmp_path / "jobdeck-demo-dead"
    dead.mkdir()
    StagedTour(dead).start()
    assert read_position() is None, "its demo has ended"
    with scratch_folder("jobdeck-demo-", "The demo") as folder:
        session = StagedTour(folder).start()
        session.skip()
        position = read_position()
        assert position is not None
        assert (position.plan, position.step, position.phase) == ("5m", STEPS[1].name, "ask")
        session.close()
        assert read_position() is None


def test_the_notes_know_of_the_step_on_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_folder("jobdeck-demo-", "The demo") as folder:
        StagedTour(folder, server="postgresql:///app").start()
        position = read_position()
    assert position is not None
    assert position.has_server
