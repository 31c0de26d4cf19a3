"""Clocks, passed in so that tests can freeze the time."""

from __future__ import annotations

import time as _time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")


class _Time:
    """The functions of Python's `time`, under their own names, as they were when jobdeck was imported.

    Handlers and tests replace those of the module (freezegun, `unittest.mock`), for their own code: leases and timeouts that
    followed would end at once, or never. The modules of the engine import this one instead.
    """

    time = staticmethod(_time.time)
    time_ns = staticmethod(_time.time_ns)
    monotonic = staticmethod(_time.monotonic)
    perf_counter = staticmethod(_time.perf_counter)
    sleep = staticmethod(_time.sleep)


time = _Time


class Clock(Protocol):
    """The source of time for the engine."""

    def now(self) -> float:
        """Return the wall-clock time in seconds since 1970-01-01 UTC. May jump."""
        ...

    def monotonic(self) -> float:
        """Return the seconds since the machine booted, the same in all its processes. Never jumps; leases use it."""
        ...

    def boot(self) -> str:
        """Return an id of the boot that `monotonic` counts from: times of another boot cannot be compared to it.

        Another boot need not be an earlier one: a container may have an id of its own, and so has another machine.
        """
        ...


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic() - _NAMESPACE_OFFSET

    def boot(self) -> str:
        return _boot()


def poll(read: Callable[[], T], is_done: Callable[[T], bool], clock: Clock, *, timeout: float | None, every: float) -> T:
    """Read every `every` seconds until it is done, and return what was read last; after `timeout` seconds, as it is then."""
    end = None if timeout is None else clock.monotonic() + timeout
    while True:
        found = read()
        if is_done(found) or (end is not None and clock.monotonic() >= end):
            return found
        time.sleep(every)


def _read_namespace_offset() -> float:
    """Return the seconds that a time namespace adds to the monotonic clock of the machine; see time_namespaces(7)."""
    try:
        for line in Path("/proc/self/timens_offsets").read_text().splitlines():
            clock, seconds, nanoseconds = line.split()
            if clock in ("monotonic", "1"):
                return int(seconds) + int(nanoseconds) / 1e9
    except (OSError, ValueError):
        pass  # no time namespaces here
    return 0.0


_NAMESPACE_OFFSET = _read_namespace_offset()
"""Every container subtracts its own, so that all of them and the machine count from the same moment."""


@cache
def _boot() -> str:
    # Linux: see random(4). macOS identifies each boot with an id of the same kind.
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        pass
    import subprocess  # imported late: it is slow to load, and only macOS needs it

    try:
        done = subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, timeout=2)
        return done.stdout.strip() or "unknown"
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
