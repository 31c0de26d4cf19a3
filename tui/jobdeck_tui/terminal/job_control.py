"""The shell's job control: nothing is drawn on a terminal that belongs to another program."""

from __future__ import annotations

import os
import signal

_TRIES = 100
"""How often an attempt to draw from the background stops the process; a process that no shell controls cannot be stopped."""


def in_foreground(fileno: int) -> bool:
    """Return whether this process may use the terminal; `True` as well if the terminal is not the one that controls it."""
    try:
        return os.tcgetpgrp(fileno) == os.getpgrp()
    except OSError:
        return True


def wait_for_foreground(fileno: int) -> None:
    """Stop, as any program that wants to draw from the background does, until the shell gives the terminal to this process."""
    for _ in range(_TRIES):
        if in_foreground(fileno):
            return
        os.kill(os.getpid(), signal.SIGTTOU)
