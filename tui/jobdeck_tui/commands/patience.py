"""What is said to who waits for jobs that nobody is there to run."""

from __future__ import annotations

from jobdeck import Queue

from .front import complain


def say_if_nobody_works(queue: Queue, whom: str) -> None:
    """Say on standard error that no worker is alive, so that waiting is not taken for work being done.

    Args:
        queue: where the jobs are.
        whom: what waits for a worker, as the beginning of a sentence: `Job 4`.
    """
    if not any(worker.alive for worker in queue.workers()):
        complain(f"{whom} waits for a worker; `jobdeck` or `jobdeck worker` starts one.")
