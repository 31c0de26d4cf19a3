"""Kill what the jobs of a process have started if the process dies without shutting down (`kill -9`, out of memory).

Process groups, which `process_group.py` guards, hold neither commands that call `setsid` nor what a handler in a thread
starts. So a small process waits for the death of this one and then kills every process that bears its mark, an environment
variable, and every process that has been forked from it, as build servers do. Linux only: it needs proc(5).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from typing import IO

from . import crash_guard_main

MARK = "JOBDECK_WORKER"
"""The environment variable that marks what the jobs of a worker have started. A process without it is not killed."""
_EXIT_TIME = 2.0
"""Seconds that the guarding process gets to exit."""

_notes: IO[bytes] | None = None
"""The pipe to which forked children write their process ids."""
_notes_identity: tuple[int, int] | None = None


class CrashGuard:
    """Guards this process from `start` to `close`. A process that ends without `close`, for any reason, has crashed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start to guard this process, on Linux. What it starts from now on is marked, with a variable of its environment."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # unguarded is better than not running
                self._start()

    def _start(self) -> None:
        global _notes, _notes_identity
        mark = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._process = subprocess.Popen(
            # Without site-packages: it starts in a few milliseconds and takes little memory.
            [sys.executable, "-I", "-S", crash_guard_main.__file__, str(os.getpid()), f"{MARK}={mark}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={name: value for name, value in os.environ.items() if name != MARK},
            start_new_session=True,  # no signal of the terminal or to the group reaches it
        )
        assert self._process.stdin is not None
        descriptor = self._process.stdin.fileno()
        os.set_blocking(descriptor, False)  # a fork must not wait
        _notes, _notes_identity = self._process.stdin, _identify(descriptor)
        os.environ[MARK] = mark

    def close(self) -> None:
        """End the guard, after every job has stopped.

        Commands that finished jobs have left running, each in a session of its own, continue to run. Forked copies of this
        process are killed.
        """
        global _notes
        if self._process is None:
            return
        _note(crash_guard_main.REGULAR_END)
        _notes = None
        os.environ.pop(MARK, None)
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._process.wait(_EXIT_TIME)
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._process = None


def _identify(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _note(text: str) -> None:
    if _notes is not None:
        with contextlib.suppress(OSError, ValueError):
            # A handler may have closed the descriptor, and its number may name a file of its own now.
            if _identify(_notes.fileno()) == _notes_identity:
                os.write(_notes.fileno(), f"{text}\n".encode())


def _note_fork() -> None:
    if _notes is not None:
        _note(str(os.getpid()))


os.register_at_fork(after_in_child=_note_fork)
