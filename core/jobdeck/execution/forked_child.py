"""End the child process that a handler forks once it leaves the handler, as `multiprocessing` ends its children.

A forked child has a copy of everything, including jobdeck's own frames above the handler. If it returned into them, it
would act as a second worker: report results, run its copy of the claimed jobs, and outlive the worker.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from .serialization import format_traceback

_FLUSH_TIME = 5.0
"""Seconds that the standard streams get to accept the remaining output."""


_identity = object()


def process_identity() -> object:
    """Return an object that stands for this process; a forked child has another. Costs no system call, unlike `getpid`."""
    return _identity


def _renew_identity() -> None:
    global _identity
    _identity = object()


os.register_at_fork(after_in_child=_renew_identity)


def exit_if_forked(identity: object, error: BaseException | None = None) -> None:
    """End this process if it has been forked since `process_identity` returned `identity`, before the handler was called.

    The child exits with 0 if its code returned, with the code of a `SystemExit`, and with 1 after any other `error`, whose
    traceback it prints. It flushes standard output and error, but runs no `atexit` functions: those are the worker's.
    """
    if identity is not _identity:
        _exit(error)


def _exit(error: BaseException | None) -> NoReturn:
    code = 1
    try:
        # A lock of a stream may have been held by another thread at the moment of the fork, and is never released here.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, _FLUSH_TIME)
        code = _report(error)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except BaseException:  # a stream may be closed or replaced
        code = code or 1
    finally:
        os._exit(code)


def _report(error: BaseException | None) -> int:
    """Print what Python would print for an exception that ends a program, and return the exit code."""
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        if error.code is None:
            return 0
        if isinstance(error.code, int):
            return error.code & 0xFF
        text = f"{error.code}\n"
    else:
        text = format_traceback(error)
    if sys.stderr is not None:
        sys.stderr.write(text)
    return 1
