"""Child processes that die before they run any job are started ever more slowly, and the attempts of their jobs end."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobdeck import Queue, Registry, Settings, State, Worker, load_apps
from jobdeck.kinds.registry import REGISTRY
from jobdeck.processes.start_backoff import StartBackoff

CORE = Path(__file__).parents[1]


def open_queue(tmp_path: Path, app: str) -> Queue:
    """Open a queue with the kinds of the app only."""
    load_apps([str(CORE / app)])
    module = sys.modules[app.removesuffix(".py")].__name__
    kinds = Registry(REGISTRY.get(kind) for kind in REGISTRY.kinds if REGISTRY.get(kind).handler.__module__ == module)
    settings = Settings(database=str(tmp_path / "jobs.db"), app=(str(CORE / app),), synchronous="OFF", shutdown_grace=2.0)
    return Queue(settings=settings, registry=kinds)


@pytest.fixture
def default_timeout() -> Iterator[None]:
    socket.setdefaulttimeout(0.05)
    yield
    socket.setdefaulttimeout(None)


@pytest.mark.parametrize(("kind", "processes"), [("dying.isolated", 0), ("dying.thread", 1)])
def test_a_job_whose_processes_die_before_it_starts_fails_in_the_end(
    tmp_path: Path, kind: str, processes: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("jobdeck.processes.start_backoff._FIRST_PAUSE", 0.02)
    with open_queue(tmp_path, "dying_kinds.py") as queue, caplog.at_level(logging.ERROR):
        made = queue.enqueue(kind)
        with Worker(queue, threads=1, processes=processes):
            failed = queue.wait(made.id, timeout=30, every=0.01)
        assert failed.state is State.FAILED
        assert "A child process could not start: it exited before it started a job (exit code 9)" in (failed.error or "")
        assert len(queue.attempts(made.id)) <= 5
    assert "it exited before it started a job (exit code 9)" in caplog.text


def test_each_early_death_doubles_the_pause_up_to_a_minute_and_a_job_ends_it() -> None:
    starts = StartBackoff()
    assert [starts.on_early_death() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert starts.is_hopeless
    starts.on_started_job()
    assert not starts.is_hopeless
    assert starts.on_early_death() == 0.5


@pytest.mark.parametrize(("kind", "processes"), [("iso.who", 0), ("who", 1)])
def test_a_default_timeout_of_sockets_does_not_reach_child_processes(
    tmp_path: Path, kind: str, processes: int, default_timeout: None
) -> None:
    with open_queue(tmp_path, "child_process_kinds.py") as queue, Worker(queue, threads=1, processes=processes):
        done = queue.wait(queue.enqueue(kind).id, timeout=30, every=0.01)
    assert done.state is State.COMPLETED
