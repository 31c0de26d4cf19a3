"""Time, passed in so that tests can hold it still."""

from __future__ import annotations

import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Where the engine reads the time."""

    def now(self) -> float:
        """The wall clock: seconds since 1970-01-01 UTC. May jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since the machine booted, the same in every process of it. Never jumps; leases use it."""
        ...

    def boot(self) -> str:
        """Names the boot that `monotonic` counts from. A lease of another boot has ended."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def boot(self) -> str:
        return _boot()


@cache
def _boot() -> str:
    # Linux: random(4). macOS counts its boots by the same kind of id.
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        pass
    try:
        asked = subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, timeout=2)
        return asked.stdout.strip() or "unknown"
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
