"""Process groups: what a job starts is stopped as a whole, and does not outlive the process that answers for it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
from pathlib import Path


def stop_group(group: int, how: signal.Signals) -> None:
    """Send a signal to every process of the group, if there are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, how)


def group_alive(group: int) -> bool:
    """Whether any process of the group still runs."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    found = members(group)
    # A dead child whose parent never asks for it (a container without an init) stays in the group for ever.
    return not found or any(state not in "ZX" for state in found.values())


def others_alive(group: int) -> bool:
    """Whether a process of the group other than its leader runs, or may run: where the system does not tell, `True`."""
    found = members(group)
    return not found or any(pid != group and state not in "ZX" for pid, state in found.items())


def members(group: int) -> dict[int, str]:
    """Process id → state of the group's processes, as far as the system tells (Linux: proc(5))."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The second field is a name in brackets that may hold anything.
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == group:
                found[int(entry.name)] = fields[0]
    return found


def how_ended(code: int) -> str:
    """What a return code of `subprocess` means, for use inside a sentence: `exit code 3`, `killed by SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


_tied: set[int] = set()


class Lifeline:
    """Ends a process group when this process has ended, however that came about, `kill -9` included.

    The first process of the group is given one end of a pair of sockets, and this process keeps the other, on which
    it never writes. When it is gone the kernel sees the pair hang up and kills the group itself (Linux: F_SETSIG and
    F_SETOWN, fcntl(2)); nobody has to be there, or able, to notice. Elsewhere `end_tied` does what it can.

    Give `fd` to the process, then `tie` its group; `close` when the group is gone.
    """

    def __init__(self) -> None:
        self._kept, self._given = socket.socketpair()
        self._group: int | None = None

    @property
    def fd(self) -> int:
        """The descriptor that the group's first process has to inherit."""
        return self._given.fileno()

    def tie(self, group: int) -> None:
        """The process has started, and leads this group."""
        self._group = group
        _tied.add(group)
        if sys.platform == "linux":
            # Of the open file that both processes share, not of this descriptor. It may be refused (a sandbox), or
            # the group be gone already.
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._given, fcntl.F_SETOWN, -group)
                fcntl.fcntl(self._given, fcntl.F_SETSIG, signal.SIGKILL)
                fcntl.fcntl(self._given, fcntl.F_SETFL, fcntl.fcntl(self._given, fcntl.F_GETFL) | os.O_ASYNC)
        self._given.close()

    def close(self) -> None:
        """Let go. What is left of the group ends now."""
        if self._group is not None:
            _tied.discard(self._group)
        self._given.close()
        self._kept.close()


def end_tied() -> None:
    """Kill every group that is tied to this process: for a process that is about to end."""
    for group in list(_tied):
        stop_group(group, signal.SIGKILL)
