"""The pace of an experiment: a viewer pauses it, takes single steps, and plays it slower or faster.

The pace is a small file that the lab writes and that handlers read, in all its processes. A pause holds handlers before
their job and in mid-job, and the experiment before what it does next; heartbeats go on, so that no lease of a live worker ends.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

VARIABLE = "LAB_PACE"
"""The environment variable that names the file."""
SLOWEST, FASTEST = 0.25, 4.0
_RECORD = struct.Struct("<d?I")
_CHECK = 0.01
"""Seconds between two looks at the file."""
_SLOW_JOB = 0.004
"""Seconds that half the speed adds to a job that does nothing."""


_Values = tuple[float, bool, int]
"""The speed, whether it is paused, and the steps that may be taken meanwhile."""
_USUAL: _Values = (1.0, False, 0)


def _read(descriptor: int) -> _Values:
    speed, paused, steps = _RECORD.unpack(os.pread(descriptor, _RECORD.size, 0))
    return speed, paused, steps


class Pace:
    """The pace, shared by all processes of an experiment through a file."""

    def __init__(self, path: Path) -> None:
        """Open the file; it is created with the usual pace if it does not exist."""
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._lock = threading.Lock()
        """Held while the file is used: after `close`, its descriptor may be that of any other file."""
        if not os.fstat(self._descriptor).st_size:
            os.pwrite(self._descriptor, _RECORD.pack(*_USUAL), 0)

    def close(self) -> None:
        """Close the file; from then on the pace is the usual one, and cannot be changed."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None

    def _read(self) -> _Values:
        with self._lock:
            return _USUAL if self._descriptor is None else _read(self._descriptor)

    @property
    def speed(self) -> float:
        """Return the speed: 1 as usual, from ¼ to 4."""
        return self._read()[0]

    @property
    def is_paused(self) -> bool:
        """Return whether it is paused."""
        return self._read()[1]

    def set_speed(self, speed: float) -> float:
        """Play at a speed, within the limits; return it."""
        return self._change(lambda _speed, paused, steps: (min(FASTEST, max(SLOWEST, speed)), paused, steps))[0]

    def set_paused(self, paused: bool) -> None:
        """Pause, or go on."""
        self._change(lambda speed, _paused, _steps: (speed, paused, 0))

    def step(self) -> None:
        """Let one thing happen, and pause again: a job starts, or the experiment does what it does next."""
        self._change(lambda speed, paused, steps: (speed, True, steps + 1 if paused else 1))

    def _change(self, change: Callable[[float, bool, int], _Values]) -> _Values:
        with self._lock:
            if self._descriptor is None:
                return _USUAL
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                changed = change(*_read(self._descriptor))
                os.pwrite(self._descriptor, _RECORD.pack(*changed), 0)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return changed

    def wait_turn(self, is_stopped: Callable[[], bool] = lambda: False) -> None:
        """Wait while it is paused, until a step is taken. Each step lets one caller go on, of whichever process."""
        while not is_stopped():
            if not self.is_paused or self._take_step():
                return
            time.sleep(_CHECK)

    def _take_step(self) -> bool:
        taken = False

        def take(speed: float, paused: bool, steps: int) -> _Values:
            nonlocal taken
            taken = not paused or steps > 0
            return speed, paused, steps - 1 if steps else 0

        if self._read()[2]:
            self._change(take)
        return taken

    def sleep(self, seconds: float, is_stopped: Callable[[], bool] = lambda: False) -> None:
        """Sleep for seconds of the experiment: longer if it is slow, shorter if it is fast, not at all while it is paused."""
        remaining = seconds
        while remaining > 0 and not is_stopped():
            speed, paused, _ = self._read()
            if paused:
                time.sleep(_CHECK)
                continue
            began = time.monotonic()
            time.sleep(min(remaining / speed, _CHECK))
            remaining -= (time.monotonic() - began) * speed


@cache
def _own_pace(path: str) -> Pace:
    return Pace(Path(path))


def take_turn() -> None:
    """Wait before a job, as the pace says; a job that does nothing takes a moment if the pace is slow."""
    if (path := os.environ.get(VARIABLE)) is not None:
        pace = _own_pace(path)
        pace.wait_turn()
        if (speed := pace.speed) < 1:
            time.sleep(_SLOW_JOB * (1 / speed - 1))


def sleep(seconds: float) -> None:
    """Work for a time, at the pace of the experiment."""
    if (path := os.environ.get(VARIABLE)) is None:
        time.sleep(seconds)
    else:
        _own_pace(path).sleep(seconds)
