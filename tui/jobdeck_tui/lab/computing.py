"""Jobs that only compute, and how long a worker takes for them: with threads, or with processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from jobdeck import Queue, Registry, Settings, job

from .child_process import start_module
from .stage import ExperimentStuck

ROUNDS = 700_000
"""About 50 ms of one core."""
_POLL = 0.1
_WARM_UP = 0.8
"""Seconds in which the child processes of a worker start; they are not what is measured."""
_PATIENCE = 40.0
"""Seconds."""


def compute(rounds: int = ROUNDS) -> int:
    """Compute for a while, without waiting for anything."""
    found = 0
    for n in range(rounds):
        found = (found * 31 + n) % 1_000_003
    return found


def register(registry: Registry) -> None:
    """Add the kind to a registry."""
    job(name="lab.compute", registry=registry)(compute)


def time_computing(
    folder: Path, options: Sequence[str], jobs: int, on_done: Callable[[int], None], pause: Callable[[float], None]
) -> float:
    """Let a worker process run jobs that compute; return the seconds from the first start to the last end.

    Args:
        folder: an empty scratch folder.
        options: options of `jobdeck worker`.
        jobs: the number of jobs.
        on_done: called with the number of jobs that are done.
        pause: waits for seconds; may raise, if the viewer leaves.

    Raises:
        ExperimentStuck: the jobs were not done in time.
    """
    registry = Registry()
    register(registry)
    database = str(folder / "jobs.db")
    with Queue(database, settings=Settings(database=database, synchronous="NORMAL"), registry=registry) as queue:
        words = ["jobdeck_tui", "--db", database, "--app", f"{__package__}.computing_app", "worker", *options]
        process = start_module(words, folder, {})
        try:
            waited = 0.0
            while not queue.workers.list() and waited < _PATIENCE:
                pause(_POLL)
                waited += _POLL
            pause(_WARM_UP)
            queue.enqueue_bulk("lab.compute", [{}] * jobs)
            while (n := queue.count("state:completed,failed")) < jobs:
                on_done(n)
                pause(_POLL)
                waited += _POLL
                if waited > _PATIENCE or process.poll() is not None:
                    raise ExperimentStuck(f"The worker with {' '.join(options)} did not finish its jobs")
            on_done(n)
            done = queue.list(limit=jobs)
        finally:
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
            queue.wake()  # removes the socket of the killed process
    return max(each.finished_at or 0.0 for each in done) - min(each.started_at or 0.0 for each in done)
