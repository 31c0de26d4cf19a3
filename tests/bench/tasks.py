"""The kinds that the measurements run: `JOBDECK_APP=tests/bench/tasks.py`."""

from __future__ import annotations

import time
from typing import Literal

from jobdeck import context, job

QUEUES = ("default", "img", "mail", "report", "webhook")


@job(name="bench.sleep")
def rest(n: int, seconds: float = 0.025) -> int:
    """Wait, as code does that talks to a server."""
    context().sleep(seconds)
    return n


@job(name="bench.cpu")
def count(n: int, seconds: float = 0.01) -> int:
    """Keep the interpreter busy, as code does that computes."""
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
    """Do nothing: what is left is the queue's own work."""


@job(name="bench.stamp")
def stamp(n: int) -> float:
    """Tell when the handler began, on the clock that all processes of the machine share."""
    return time.monotonic()


@job(name="bench.mail")
def mail(order: int, to: str) -> None:
    """Do nothing, with arguments of the usual kind."""


@job(name="bench.hog", priority=100)
def hog(n: int) -> int:
    """Keep the interpreter busy until asked to stop."""
    asked = context()
    while not asked.stopping:
        for _ in range(1_000):
            n = n * 31 % 1_000_003
    return n
