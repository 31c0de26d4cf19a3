"""The pace of an experiment: paused, stepped, slower and faster, for all its processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobdeck_tui.lab.pace import Pace


@pytest.fixture
def pace(tmp_path: Path) -> Iterator[Pace]:
    made = Pace(tmp_path / "pace")
    yield made
    made.close()


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_each_step_lets_one_caller_go_on_and_a_pause_holds_the_others(pace: Pace, tmp_path: Path) -> None:
    pace.set_paused(True)
    passed: list[int] = []

    def play(number: int) -> None:
        own = Pace(tmp_path / "pace")  # as another process has it
        own.wait_turn()
        passed.append(number)
        own.close()

    threads = [threading.Thread(target=play, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for n in (1, 2):
        pace.step()
        wait_until(lambda n=n: len(passed) == n)  # type: ignore[misc]
    time.sleep(0.03)
    assert len(passed) == 2
    pace.set_paused(False)
    for thread in threads:
        thread.join()
    assert sorted(passed) == [0, 1, 2]


def test_a_sleep_follows_the_speed_and_stands_still_in_a_pause(pace: Pace) -> None:
    def slept(seconds: float) -> float:
        began = time.monotonic()
        pace.sleep(seconds)
        return time.monotonic() - began

    assert pace.set_speed(64) == 4
    assert slept(0.4) < 0.3
    assert pace.set_speed(0.01) == 0.25
    assert slept(0.05) >= 0.2
    pace.set_paused(True)
    sleeper = threading.Thread(target=pace.sleep, args=(0.001,))
    sleeper.start()
    sleeper.join(0.05)
    assert sleeper.is_alive()
    pace.set_paused(False)
    sleeper.join(10)
    assert not sleeper.is_alive()


def test_a_viewer_whose_key_comes_after_the_end_writes_into_no_file_that_has_taken_its_place(tmp_path: Path) -> None:
    pace = Pace(tmp_path / "pace")
    pace.close()
    with (tmp_path / "mine").open("w+b") as mine:  # the descriptor that was closed last is the next to be given out
        mine.write(b"my own bytes, as they were before")
        mine.flush()
        pace.set_paused(True)
        pace.step()
        pace.set_speed(4)
        assert (tmp_path / "mine").read_bytes() == b"my own bytes, as they were before"
        assert (pace.is_paused, pace.speed) == (False, 1.0)
    pace.close()


def test_a_viewer_who_leaves_ends_a_pause(pace: Pace) -> None:
    pace.set_paused(True)
    pace.wait_turn(lambda: True)
    pace.sleep(100, lambda: True)
