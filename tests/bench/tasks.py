"""Define the kinds for the measurements: `JOBDECK_APP=tests/bench/tasks.py`."""

from __future__ import annotations

import time
from typing import Literal

from jobdeck import context, job

QUEUES = ("default", "img", "mail", "report", "webhook")


@job(name="bench.sleep")
def rest(n: int, seconds: float = 0.025) -> int:
    """Sleep, like code that waits for a server."""
    context().sleep(seconds)
    return n


@job(name="bench.cpu")
def count(n: int, seconds: float = 0.01) -> int:
    """Compute for a while, like CPU-bound code."""
    until = time.thread_time() + seconds
    rounds = 0
    while time.thread_time() < until:
        rounds += sum(range(50))
    return rounds


@job(name="bench.fail", max_attempts=3)
def fail(n: int, how: Literal["timeout", "reset"] = "timeout") -> None:
    """Fail."""
    if how == "timeout":
        raise TimeoutError("The read operation timed out")
    raise ConnectionResetError(104, "Connection reset by peer")


@job(name="bench.noop")
def noop(n: int) -> None:
    """Do nothing, so that only the overhead of the queue remains."""


@job(name="bench.stamp")
def stamp(n: int) -> float:
    """Return when the handler started, on the monotonic clock that all processes of the machine share."""
    return time.monotonic()


@job(name="bench.mail")
def mail(order: int, to: str) -> None:
    """Do nothing, with typical arguments."""


@job(name="bench.hog", priority=100)
def hog(n: int) -> int:
    """Compute until asked to stop."""
    current = context()
    while not current.stopping:
        for _ in range(1_000):
            n = n * 31 % 1_000_003
    return n
