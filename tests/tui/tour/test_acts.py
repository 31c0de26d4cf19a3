"""What the tour runs is real, says what came of it in numbers, and leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.core.helpers import wait_until

from jobdeck import Worker
from jobdeck_tui.demo.demo import Demo
from jobdeck_tui.demo.sandbox import demo_queue
from jobdeck_tui.tour.acts import ACTS, ActRun
from jobdeck_tui.tour.picture import Line
from jobdeck_tui.tour.row_locks import play_row_locks


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    """A demo with its history, without traffic."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with demo_queue() as queue, Demo(queue) as made:
        made._history.join()
        yield made
    assert [*tmp_path.iterdir()] == []
    wait_until(lambda: not any(thread.name.startswith("jobdeck-tour") for thread in threading.enumerate()))


def played(act: str, demo: Demo) -> ActRun:
    changes: list[int] = []
    run = ActRun(ACTS[act], demo, lambda: changes.append(1))
    wait_until(lambda: not run.is_running, 60)
    assert run.problem == ""
    assert changes
    return run


def text(run: ActRun) -> str:
    return "\n".join("".join(piece for piece, _ in line) for line in run.lines)


def test_every_order_of_the_naive_workers_is_tried_and_the_worst_one_drawn(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck_tui.tour.acts._BEAT", 0)
    run = played("naive-orders", demo)
    assert run.result is not None
    assert "naive 12 of 20" in run.result.headline
    assert "run job 1 ✗ again" in text(run)
    assert not run.result.is_broken


def test_jobdecks_own_claim_runs_no_job_twice_in_any_order(demo: Demo) -> None:
    result = played("jobdeck-orders", demo).result
    assert result is not None
    assert (result.headline, result.is_broken) == ("Orders that run it twice: jobdeck 0 of 20.", False)


def test_the_engine_loads_no_module_of_the_front(demo: Demo) -> None:
    run = played("engine", demo)
    assert run.result is not None
    assert run.result.headline.startswith("Front modules that the engine loaded: 0 (its own: ")
    assert f"{demo.queue.count():,}" in text(run)
    assert not [*demo.folder.glob("engine.json")]


def test_charges_survive_an_outage_of_their_provider(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck_tui.tour.acts._OUTAGE", 0.3)
    monkeypatch.setattr("jobdeck_tui.tour.acts._CHARGES", 2)
    with Worker(demo.queue, threads=4) as worker:
        result = played("outage", demo).result
        worker.stop(0)
    assert result is not None
    assert result.headline.startswith("0 of 2 charges failed for good")


def test_leaving_ends_an_experiment_with_its_processes(demo: Demo) -> None:
    run = ActRun(ACTS["race"], demo, lambda: None)
    wait_until(lambda: run._stage.experiment is not None and run._stage.experiment.lanes)
    lanes = run._stage.experiment.lanes if run._stage.experiment else []
    wait_until(lambda: lanes[0].processes)
    run.close()
    assert run.problem == "Stopped."
    assert not any(process.is_alive for lane in lanes for process in lane.processes)


def test_an_act_that_fails_is_a_sentence_on_the_screen(demo: Demo) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("oh")

    run = ActRun(fail, demo, lambda: None)  # type: ignore[arg-type]
    wait_until(lambda: not run.is_running)
    assert run.problem == "ZeroDivisionError: oh."


def test_a_server_that_cannot_be_reached_is_no_longer_connected_to() -> None:
    shown: list[str] = []

    def show(lines: Sequence[Line]) -> None:
        shown.append(" ".join(text for line in lines for text, _ in line))

    with pytest.raises(OSError, match="cannot use the PostgreSQL server"):
        play_row_locks("postgresql://127.0.0.1:1/none", show, lambda _: None, lambda: False)
    assert ["connects" in each for each in shown] == [True, False]
