"""Be the init process of a container: `docker run` starts jobdeck as process 1, with the duties that it has.

Process 1 must reap every process whose parent has exited, or they remain as zombies until the process table is full. A program
that reaped them itself could not tell them from the children that its own code waits for, and would take their exit codes. So
process 1 only does this and passes signals on, and jobdeck runs in a child.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

_FORWARDED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
_FROM_KERNEL = 0x80
"""The `si_code` of signals that the kernel sends: those of a terminal have reached the child as well."""


def become_init() -> None:
    """Continue in a child process if this is process 1, which then serves as its init; otherwise do nothing."""
    if os.getpid() != 1:
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*_FORWARDED, signal.SIGCHLD})
    child = os.fork()
    if child:
        _serve(child)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _serve(child: int) -> NoReturn:
    """Forward signals to the child and reap orphans; exit as the child does, which ends every other process here."""
    while True:
        received = signal.sigwaitinfo({*_FORWARDED, signal.SIGCHLD})
        if received.si_signo == signal.SIGCHLD:
            _reap(child)
        elif received.si_code != _FROM_KERNEL:
            os.kill(child, received.si_signo)


def _reap(child: int) -> None:
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
        if not pid:
            return
