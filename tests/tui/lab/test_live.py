"""Experiments while they are played: live pictures and verdicts, what a viewer asks for, and a look inside."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from jobdeck import Queue, Registry, Settings, job
from jobdeck_tui.lab.catalog import EXPERIMENTS, module_of, run_experiment
from jobdeck_tui.lab.experiments import backlog, crash, side_effects, starvation
from jobdeck_tui.lab.inside import look_inside
from jobdeck_tui.lab.live import LiveView, LiveViewer, lanes_of, picture_before
from jobdeck_tui.lab.picture import RUNNING, TWICE, WAITING, Cells
from jobdeck_tui.lab.stage import Stage

ROOT = Path(__file__).parents[3]


def lines_of(lane: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (lane / "ledger").read_text().splitlines()]


def test_the_picture_of_a_race_and_its_verdicts_end_with_what_the_ledger_says(tmp_path: Path) -> None:
    views: list[LiveView] = []
    module = module_of("race")
    with Stage(tmp_path, seed=7) as stage, LiveViewer(module, stage, views.append):
        findings = module.run(stage, jobs=60, processes=2)
    last = views[-1]
    for lane in last.picture.lanes:
        runs = Counter(line["job"] for line in lines_of(tmp_path / lane.name) if line["event"] == "start")
        twice = sum(n > 1 for n in runs.values())
        (cells,) = lane.parts
        assert isinstance(cells, Cells)
        assert (lane.number, cells.states.count(TWICE), len(cells.states)) == (str(twice), twice, 60)
    assert last.verdicts == tuple(findings.verdicts)
    assert {lane.number for lane in views[0].picture.lanes} == {"0"}


def test_every_experiment_has_a_picture_before_it_is_played() -> None:
    for name in EXPERIMENTS:
        if lanes := lanes_of(module_of(name)):
            picture = picture_before(module_of(name))
            assert [lane.name for lane in picture.lanes] == [lane.name for lane in lanes]
            cells = [part.states for lane in picture.lanes for part in lane.parts if isinstance(part, Cells)]
            assert {letter for states in cells for letter in states} <= {WAITING}
    assert RUNNING not in WAITING


def test_a_lane_whose_tables_are_not_there_yet_looks_as_before(tmp_path: Path) -> None:
    seen = threading.Event()
    views: list[LiveView] = []

    def show(view: LiveView) -> None:
        views.append(view)
        seen.set()

    with Stage(tmp_path, seed=7) as stage:
        lane = stage.lane("jobdeck", is_jobdeck=True)
        lane.plan(jobs=1)
        lane.database.touch()
        with LiveViewer(module_of("zombie"), stage, show):
            assert seen.wait(10)
    assert views[-1].picture == picture_before(module_of("zombie"))
    assert views[-1].verdicts == ()


def test_a_paused_experiment_goes_on_step_by_step(tmp_path: Path) -> None:
    stage = Stage(tmp_path, seed=7)
    lane = stage.lane("naive")
    stage.pace.set_paused(True)
    reached: list[int] = []

    def play() -> None:
        for n in range(2):
            stage.wait(lambda: True, "nothing")
            reached.append(n)

    with stage:
        player = threading.Thread(target=play)
        player.start()
        player.join(0.05)
        assert reached == []
        stage.pace.step()
        player.join(0.1)
        assert reached == [0]
        stage.pace.set_paused(False)
        player.join(10)
        assert reached == [0, 1]
        assert lane.is_jobdeck is False


def test_a_viewer_kills_a_worker_in_mid_job(tmp_path: Path) -> None:
    with Stage(tmp_path, seed=7) as stage:
        stage.ask("kill")
        findings = crash.run(stage, jobs=2, processes=1, kills=0)
    kills = {lane: sum(line["event"] == "kill" for line in lines_of(tmp_path / lane)) for lane in ("naive", "jobdeck")}
    assert kills == {"naive": 1, "jobdeck": 0}
    assert [each.value for each in findings.verdicts if each.claim == "lost jobs"] == [1, 0]


@pytest.mark.soak
def test_a_viewer_kills_workers_again_and_again_and_jobdeck_loses_nothing(tmp_path: Path) -> None:
    with Stage(tmp_path, seed=7) as stage:

        def ask(lane: Callable[[], bool]) -> None:
            while not lane():
                stage.stopped.wait(0.01)
            for _ in range(10):
                stage.ask("kill")

        presser = threading.Thread(
            target=ask, args=(lambda: len(stage.lanes[1].processes) > 0 if len(stage.lanes) > 1 else False,)
        )
        presser.start()
        findings = crash.run(stage, jobs=4, kills=0)
        presser.join()
    assert sum(line["event"] == "kill" for line in lines_of(tmp_path / "jobdeck")) == 10
    assert not any(each.is_broken for each in findings.verdicts)


@pytest.mark.soak
def test_ageing_switched_on_by_the_viewer_lets_the_unimportant_job_run_in_that_lane(tmp_path: Path) -> None:
    with Stage(tmp_path, seed=7) as stage:
        stage.ask("ageing")
        findings = starvation.run(stage, jobs=80)
    overtook = {each.lane: each.value for each in findings.verdicts if "before the first" in each.claim}
    assert overtook["no ageing"] <= 60
    assert any("ageing is switched on" in event.text for event in stage.timeline)


@pytest.mark.soak
def test_the_idempotency_key_switched_on_by_the_viewer_charges_no_card_twice(tmp_path: Path) -> None:
    with Stage(tmp_path, seed=7) as stage:
        stage.ask("key")
        findings = side_effects.run(stage, jobs=2)
    assert [each.value for each in findings.verdicts if "charged twice" in each.claim] == [0, 0]


@pytest.mark.soak
def test_threads_that_the_viewer_adds_empty_the_backlog_sooner(tmp_path: Path) -> None:
    with Stage(tmp_path, seed=7) as stage:
        for _ in range(7):
            stage.ask("more")
        findings = backlog.run(stage, jobs=80)
    threads = [line["n"] for line in lines_of(tmp_path / "jobdeck") if line["event"] == "threads"]
    assert threads == [1, 2, 3, 4, 5, 6, 7, 8]
    until_empty = next(each.value for each in findings.figures if each.name == "until empty")
    assert until_empty < 80 * 0.2 / 3  # one thread takes 16 s
    assert not any(each.is_broken for each in findings.verdicts)


# -- a look inside --------------------------------------------------------------------------------------------


def test_a_look_inside_finds_the_statements_at_the_lines_that_execute_them(tmp_path: Path) -> None:
    with Stage(tmp_path, seed=7) as stage:
        stage.lane("naive")
        stage.lane("jobdeck", is_jobdeck=True).queue.enqueue("lab.work", {"ledger": "none"})
        sections = {each.title: each for each in stage.look_inside("race")}
    assert sections.keys() == {"naive claim", "claim"}
    update = next(each for each in sections["claim"].statements if each.sql.startswith("UPDATE jobdeck_jobs"))
    assert "lease = :lease + id" in update.sql
    assert any("jobdeck_jobs USING" in step for step in update.plan)
    for section in sections.values():
        for statement in section.statements:
            name, _, line = statement.place.rpartition(":")
            file = next(root / name for root in (ROOT / "core", ROOT / "tui") if (root / name).exists())
            source = file.read_text().splitlines()[int(line) - 1]
            assert "execute" in source or "connection" in source or "rows" in source, statement


def test_a_look_inside_shows_plans_and_no_error_for_every_experiment(tmp_path: Path) -> None:
    for name in ("zombie", "retry-storm", "contention"):
        sections = look_inside(name, tmp_path, [])
        statements = [statement for section in sections for statement in section.statements]
        assert statements
        assert not [step for statement in statements for step in statement.plan if step.startswith("no plan")]


# -- the user's own queue -------------------------------------------------------------------------------------


def _fingerprint(folder: Path) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir()}


def test_the_users_own_database_is_untouched_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, scratch = tmp_path / "own", tmp_path / "scratch"
    own.mkdir()
    scratch.mkdir()
    registry = Registry()
    job(name="mail.send", registry=registry)(lambda: None)
    with Queue(settings=Settings(database=str(own / "jobs.db")), registry=registry) as queue:
        queue.enqueue("mail.send", {})
    before = _fingerprint(own)
    monkeypatch.setenv("JOBDECK_DATABASE", str(own / "jobs.db"))
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.chdir(own)
    views: list[LiveView] = []
    report = run_experiment("race", seed=7, on_view=views.append, jobs=20, processes=2)
    run_experiment("scheduler", seed=7)
    assert (_fingerprint(own), [*scratch.iterdir()]) == (before, [])
    assert views
    assert report.inside
