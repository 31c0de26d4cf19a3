"""Manage process groups: stop all processes of a job with one signal, and never let them outlive the worker."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def stop_group(group: int, how: signal.Signals) -> None:
    """Send a signal to every process of the group; do nothing if it is empty."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, how)


def group_alive(group: int) -> bool:
    """Report whether any process of the group still runs."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    states = members(group)
    # A zombie whose parent never reaps it (in a container without an init) stays in the group forever.
    return not states or any(state not in "ZX" for state in states.values())


def others_alive(group: int) -> bool:
    """Report whether a process of the group other than its leader runs; `True` if the system cannot list processes."""
    states = members(group)
    return not states or any(pid != group and state not in "ZX" for pid, state in states.items())


def members(group: int) -> dict[int, str]:
    """Return the state of each process of the group by process id, on systems with proc(5); empty on others."""
    states = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The second field is a name in parentheses that may contain any character.
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == group:
                states[int(entry.name)] = fields[0]
    return states


def describe_exit(code: int) -> str:
    """Describe a return code of `subprocess` for use inside a sentence: `exit code 3`, `killed by SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


_starting = threading.RLock()
"""Held while a process is started, and while a thread forks."""


def start_process(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process as `subprocess.Popen` does, but never while another thread forks.

    The forked child would inherit the pipes of the start, which this thread would then wait for as long as the child lives.
    """
    popen: type[subprocess.Popen[bytes]] = subprocess.Popen
    with _starting:
        return popen(command, **options)


_guarded: set[int] = set()
_kept_ends: set[socket.socket] = set()


class ProcessGroupGuard:
    """Kills a process group if this process exits for any reason, including `kill -9`.

    The leader of the group inherits one end of a socket pair, and this process keeps the other, to which it never
    writes. If this process exits, the socket hangs up and the kernel kills the group (Linux: F_SETSIG and F_SETOWN,
    fcntl(2)), without the help of any process. On other systems, `kill_guarded` kills the groups on a regular exit.

    Pass `fd` to the process, then `tie` its group; `close` once the group has exited.
    """

    def __init__(self) -> None:
        self._kept_end, self._inherited_end = socket.socketpair()
        _kept_ends.add(self._kept_end)
        self._group: int | None = None

    @property
    def fd(self) -> int:
        """Return the file descriptor that the leader of the group must inherit."""
        return self._inherited_end.fileno()

    def guard(self, group: int) -> None:
        """Guard the group, after its leader has started."""
        self._group = group
        _guarded.add(group)
        if sys.platform == "linux":
            # The settings belong to the open file that both processes share, not to this descriptor. A sandbox may refuse
            # them, or the group may have exited already.
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._inherited_end, fcntl.F_SETOWN, -group)
                fcntl.fcntl(self._inherited_end, fcntl.F_SETSIG, signal.SIGKILL)
                fcntl.fcntl(self._inherited_end, fcntl.F_SETFL, fcntl.fcntl(self._inherited_end, fcntl.F_GETFL) | os.O_ASYNC)
        self._inherited_end.close()

    def close(self) -> None:
        """Close the sockets, which kills any remaining process of the group."""
        if self._group is not None:
            _guarded.discard(self._group)
        self._inherited_end.close()
        _kept_ends.discard(self._kept_end)
        self._kept_end.close()


def _after_fork_in_child() -> None:
    """Leave the groups to the parent: a copy of a kept end would keep the socket from hanging up when the parent exits."""
    global _starting
    _starting = threading.RLock()
    for end in _kept_ends:
        end.close()
    _kept_ends.clear()
    _guarded.clear()


os.register_at_fork(
    before=lambda: _starting.acquire(), after_in_parent=lambda: _starting.release(), after_in_child=_after_fork_in_child
)


def kill_guarded() -> None:
    """Kill every guarded group; for a process that is about to exit."""
    for group in list(_guarded):
        stop_group(group, signal.SIGKILL)
