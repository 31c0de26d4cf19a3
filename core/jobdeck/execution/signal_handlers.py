"""The signal handlers of a program that runs jobs, which the processes that its handlers fork must not inherit.

A worker notes a signal and goes on; a forked child that inherited this could not be terminated: `Process.terminate()` and
`with Pool()` of `multiprocessing` would wait for ever. Programs that are executed get the default dispositions anyway.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals that ask a program to stop: by a service manager, by Ctrl-C, and by a terminal that has closed."""

Handler = Callable[[int, FrameType | None], Any]

_installed: dict[int, Any] = {}
"""The handlers of this program by signal number, as `signal.getsignal` returns them."""
_masks: dict[int, set[signal.Signals | int]] = {}
"""The signal mask of each thread that forks, before the fork."""


def handle_signal(number: int, handler: Handler) -> None:
    """Install a signal handler of this process; forked children get the default disposition. Call it on the main thread.

    A SIGHUP that is ignored stays ignored: the program was started to outlive its terminal (nohup).
    """
    if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, handler)
        default_in_forks(number)


def default_in_forks(*numbers: int) -> None:
    """Give forked children the default dispositions of these signals, in place of the handlers installed now."""
    for number in numbers:
        _installed[number] = signal.getsignal(number)


def _before_fork() -> None:
    # A signal that arrives in the child before its dispositions are set waits until then.
    if _installed:
        _masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, _installed)


def _after_fork_in_parent() -> None:
    mask = _masks.pop(threading.get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _after_fork_in_child() -> None:
    interrupts = signal.SIGINT in _installed and signal.getsignal(signal.SIGINT) == _installed[signal.SIGINT]
    with suppress(ValueError, OSError):  # of an interpreter that handles no signals
        if _installed:
            signal.set_wakeup_fd(-1)  # shared with the parent, which would handle the child's signals
        for number, handler in _installed.items():
            if signal.getsignal(number) == handler:  # otherwise the program has installed its own
                signal.signal(number, signal.SIG_DFL)
        _installed.clear()
        _after_fork_in_parent()  # a signal that has arrived meanwhile ends the child here
        _masks.clear()
        if interrupts:
            signal.signal(signal.SIGINT, signal.default_int_handler)


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
