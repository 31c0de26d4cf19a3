"""The process that `crash_guard.py` starts. Run as a script: it imports nothing of jobdeck.

The arguments are the process id of the guarded process and its mark in the environment of what it starts. Standard input
receives the process ids of its forked children, one a line, and `REGULAR_END` when it shuts down.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

REGULAR_END = "end"
_POLL = 0.25
"""Seconds between two checks of the guarded process, if the system cannot report its death."""
_KILL_TIME = 10.0
"""Seconds for which processes are looked for and killed."""
_KILL_PAUSE = 0.02
_TIDY_AT = 1000
"""The number of forked children at which those that have exited are forgotten."""


class Guard:
    """Waits for the end of one process, and then kills what it has left."""

    def __init__(self, pid: int, mark: bytes) -> None:
        self._pid = pid
        self._mark = mark
        self._environ = environ(pid)
        self._forked: dict[int, str] = {}
        """The start time of each forked child by process id, which may be reused."""

    def run(self) -> None:
        """Wait for the end of the process, and kill what it has left."""
        try:
            death = os.pidfd_open(self._pid)
        except OSError:
            death = -1  # an old kernel, or it has died already
        if self._wait(death) == REGULAR_END:
            self._kill(lambda pid: self._is_forked(pid) and environ(pid) == self._environ)
        else:
            self._kill(lambda pid: self._is_forked(pid) or self._mark in environ(pid).split(b"\0"))

    def _wait(self, death: int) -> str:
        """Return `REGULAR_END`, or an empty string if the process has died."""
        rest = b""
        inputs = [0] if death < 0 else [0, death]
        while True:
            ready, _, _ = select.select(inputs, [], [], _POLL if death < 0 else None)
            if 0 in ready:
                data = os.read(0, 1 << 16)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    if line == REGULAR_END.encode():
                        return REGULAR_END
                    with contextlib.suppress(ValueError):  # a handler may write here too
                        self._add(int(line))
                if not data:
                    inputs.remove(0)  # a handler has closed it, which says nothing
            elif death in ready or (death < 0 and os.getppid() != self._pid):
                return ""

    def _add(self, pid: int) -> None:
        if len(self._forked) >= _TIDY_AT:
            self._forked = {pid: since for pid, since in self._forked.items() if status(pid)[2] == since}
        since = status(pid)[2]
        if since:
            self._forked[pid] = since

    def _is_forked(self, pid: int) -> bool:
        return pid in self._forked and status(pid)[2] == self._forked[pid]

    def _kill(self, belongs: Callable[[int], bool]) -> None:
        """Kill all processes that belong to the guarded one, and their children."""
        until = time.monotonic() + _KILL_TIME
        found = True
        while found and time.monotonic() < until:
            found = False
            # First those that belong, then their children, until nothing is added: killing a parent hides its children.
            alive = {pid: status(pid) for pid in processes()}
            chosen = {pid for pid, (state, _, _) in alive.items() if state not in "ZX" and belongs(pid)}
            while more := {pid for pid, (_, parent, _) in alive.items() if parent in chosen} - chosen:
                chosen |= more
            for pid in chosen - {os.getpid()}:
                if alive[pid][0] not in "ZX":
                    found = True
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
            if found:
                time.sleep(_KILL_PAUSE)  # then look for what they may have started meanwhile


def processes() -> list[int]:
    """Return the ids of all processes."""
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def environ(pid: int) -> bytes:
    """Return the environment that the process was executed with; empty if it cannot be read."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes()
    return b""


def status(pid: int) -> tuple[str, int, str]:
    """Return the state, the parent and the start time of a process; `X`, 0 and nothing if it has exited."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[1]), fields[19].decode()
    return "X", 0, ""


def main() -> None:
    """Run the script."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the guarded process, never before
    Guard(int(sys.argv[1]), sys.argv[2].encode()).run()


if __name__ == "__main__":
    main()
