"""A handler that replaces the functions of `time`, as freezegun and mocks do, moves no other job in time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Queue, Registry, Settings, State, Worker
from jobdeck.kinds.registry import job


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait without reading a clock."""
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("the condition did not come true")


@contextmanager
def replaced(shift: float, *, frozen: bool) -> Iterator[None]:
    """Replace the clocks in every module that holds them under any name, as freezegun does, and shorten every sleep to none."""
    reals = {id(each): each for each in (time.time, time.monotonic, time.time_ns, time.perf_counter, time.sleep)}

    def fake(real: Any) -> Any:
        if real is time.sleep:
            return lambda _: None
        start = real()
        return (lambda: start + shift) if frozen else (lambda: real() + shift)

    fakes = {number: fake(real) for number, real in reals.items()}
    changed = []
    for name, module in list(sys.modules.items()):
        if name == "time" or name.startswith("jobdeck"):
            for attribute, value in list(vars(module).items()):
                if id(value) in fakes:
                    changed.append((module, attribute, value))
                    setattr(module, attribute, fakes[id(value)])
    try:
        yield
    finally:
        for module, attribute, value in changed:
            setattr(module, attribute, value)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("shift", [1e6, -1e6])
def test_leases_and_times_follow_the_real_clocks(tmp_path: Path, shift: float, *, frozen: bool) -> None:
    kinds, patched, release = Registry(), threading.Event(), threading.Event()
    starts: list[str] = []

    @job(name="freezes", max_attempts=2, registry=kinds)
    def freezes() -> None:
        starts.append("freezes")
        with replaced(shift, frozen=frozen):
            patched.set()
            release.wait(20)

    @job(name="holds", max_attempts=2, timeout=60, registry=kinds)
    def holds() -> None:
        starts.append("holds")
        release.wait(20)

    @job(name="neighbor", registry=kinds)
    def neighbor() -> int:
        return 7

    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF", lease=3, heartbeat=0.1)
    with Queue(settings=settings, registry=kinds) as queue:
        held = queue.enqueue("holds")
        with Worker(queue, threads=3):
            wait_until(lambda: starts == ["holds"])
            later = queue.enqueue("neighbor", delay=3600)
            freezing = queue.enqueue("freezes")
            assert patched.wait(10)
            for _ in range(3):
                made = queue.enqueue("neighbor")
                wait_until(lambda job_id=made.id: queue.get(job_id).state is State.COMPLETED)
            wait_until(lambda: queue.get(held.id).state is State.RUNNING)
            release.set()
            wait_until(lambda: {queue.get(each.id).state for each in (held, freezing)} == {State.COMPLETED})
            assert queue.get(later.id).state is State.SCHEDULED
            assert starts == ["holds", "freezes"]
            assert abs((queue.get(freezing.id).finished_at or 0) - time.time()) < 60
