"""Restore what handlers change for the whole process: the current folder, the umask, limits, hooks and other settings.

Only for processes that run nothing but jobs. A program that runs a worker beside its own work may change its own settings.
"""

from __future__ import annotations

import gc
import json
import locale
import os
import signal
import socket
import sys
import threading
import time as python_time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import get_ident
from typing import Any

from ..clock import time
from ..logs import get_logger

logger = get_logger("jobdeck.worker")

CHECK_INTERVAL = 0.002
"""Seconds of jobs between two checks at most: a check takes some microseconds, and jobs may take as many."""

_SIGNALS = tuple(
    number
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGCHLD", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGPIPE")
    if (number := getattr(signal, name, None)) is not None
)


class _Setting:
    """One setting: how to read it, and how to set it to what was read first."""

    __slots__ = ("first", "read", "set")

    def __init__(self, read: Callable[[], Any], change: Callable[[Any], Any]) -> None:
        self.read = read
        self.set = change
        self.first = read()

    def restore(self) -> None:
        try:  # not `suppress`, which takes longer than the rest
            if self.read() != self.first:
                self.set(self.first)
        except Exception:  # what cannot be restored must not end the worker
            pass


class _Attributes:
    """Attributes of modules, which are read together: each as a setting of its own would take four times as long."""

    __slots__ = ("_first", "_names")

    def __init__(self, names: Sequence[tuple[Any, str]]) -> None:
        self._names = names
        self._first = [getattr(module, name) for module, name in names]

    def restore(self) -> None:
        try:
            if [getattr(module, name) for module, name in self._names] == self._first:
                return
        except Exception:  # one was deleted, or cannot be compared
            pass
        for (module, name), first in zip(self._names, self._first, strict=True):
            with suppress(Exception):  # as above; the others are restored
                setattr(module, name, first)


class _Stream:
    """Standard output or error: the stream, and its descriptor."""

    def __init__(self, name: str, fd: int) -> None:
        self._name = name
        self._fd = fd
        self._first = getattr(sys, name)
        try:
            self._spare: int | None = os.dup(fd)
        except OSError:  # closed from the start
            self._spare = None

    def restore(self) -> None:
        try:
            os.get_inheritable(self._fd)  # the cheapest call that fails if the descriptor is closed
        except OSError:
            self._reopen()
        try:
            if self._first is not None and self._first.closed:
                self._first = os.fdopen(self._fd, "w", buffering=1, errors="backslashreplace", closefd=False)
            if getattr(sys, self._name) is not self._first:
                setattr(sys, self._name, self._first)
        except Exception:  # as above
            pass

    def _reopen(self) -> None:
        with suppress(OSError):
            if self._spare is not None:
                os.dup2(self._spare, self._fd)


def _identity(fd: int) -> tuple[int, int] | None:
    """Return what the descriptor refers to; `None` if it is closed."""
    try:
        about = os.fstat(fd)
    except OSError:
        return None
    return about.st_dev, about.st_ino


class ProcessState:
    """The settings of this process as they were when this was created, after the modules were imported."""

    def __init__(self) -> None:
        self._running: dict[int, float] = {}  # thread → start of its job; each operation on it is atomic
        self._checked_at = 0.0
        self._main_thread = threading.main_thread().ident
        self._canary, other_end = os.pipe()
        os.close(other_end)
        self._canary_is = _identity(self._canary)
        self._umask = os.umask(0o022)
        os.umask(self._umask)
        # What can end the threads of the worker, or the process, is restored even while other jobs run.
        self._dangerous: list[_Setting | _Attributes] = [
            _Setting(sys.getrecursionlimit, sys.setrecursionlimit),
            _Setting(sys.getswitchinterval, sys.setswitchinterval),
            _Setting(threading.gettrace, threading.settrace),
            _Setting(threading.getprofile, threading.setprofile),
            _Setting(sys.gettrace, sys.settrace),
            _Setting(sys.getprofile, sys.setprofile),
            _Setting(gc.isenabled, lambda enabled: gc.enable() if enabled else gc.disable()),
            _Attributes(_HOOKS),
            *_limits(),
        ]
        # A job that changes one of these may rely on it until its end.
        self._shared: list[_Setting | _Attributes | _Stream] = [
            _Setting(socket.getdefaulttimeout, socket.setdefaulttimeout),
            _Setting(_folder, _set_folder),
            _Setting(lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
            _Setting(lambda: warnings.filters[:], _set_filters),
            _Attributes([(module, name) for module, names in _FUNCTIONS for name in names]),
            _Stream("stdout", 1),
            _Stream("stderr", 2),
        ]
        self._of_main_thread = [
            *(_Setting(_reader(number), _setter(number)) for number in _SIGNALS),
            _Setting(lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()), _set_mask),
            _Setting(_has_timer, _set_timer),
        ]

    def enter(self) -> None:
        """Note that a job starts on this thread."""
        self._running[get_ident()] = time.monotonic()

    def leave(self) -> None:
        """Note that the job of this thread has ended, and restore what it may have changed."""
        started_at = self._running.pop(get_ident(), 0.0)
        now = time.monotonic()
        if now - started_at >= CHECK_INTERVAL or now - self._checked_at >= CHECK_INTERVAL:
            self._checked_at = now
            self.restore()

    def restore(self) -> None:
        """Restore the settings; those on which a running job may rely only if none runs.

        Ends the process if a handler has closed descriptors that are not its own, as `os.closerange` does: what is written
        from now on may go to any file.
        """
        if _identity(self._canary) != self._canary_is:
            logger.critical(
                "A handler closed descriptors of this process that are not its own, so it exits; others take its jobs"
            )
            os._exit(1)
        for setting in self._dangerous:
            setting.restore()
        if not self._running:
            for shared in self._shared:
                shared.restore()
            os.umask(self._umask)
        if get_ident() == self._main_thread:
            for setting in self._of_main_thread:
                setting.restore()


_HOOKS: tuple[tuple[Any, str], ...] = (
    (sys, "excepthook"),
    (sys, "unraisablehook"),
    (threading, "excepthook"),
    (warnings, "showwarning"),
    (warnings, "formatwarning"),
)


_FUNCTIONS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (json, ("dumps", "loads")),
    (python_time, ("time", "monotonic", "sleep")),
    (traceback, ("format_exception", "format_tb")),
)
"""Functions that handlers and the libraries of their tests replace, and that other code needs."""


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  # `Path.cwd` takes three times as long, and each check reads it
    except OSError:  # deleted
        return None


def _set_folder(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _set_mask(mask: Any) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _has_timer() -> bool:
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


def _set_timer(armed: bool) -> None:
    if not armed:  # it would end this process while it runs another job
        signal.setitimer(signal.ITIMER_REAL, 0)


def _reader(number: signal.Signals) -> Callable[[], Any]:
    return lambda: signal.getsignal(number)


def _setter(number: signal.Signals) -> Callable[[Any], Any]:
    return lambda handler: None if handler is None else signal.signal(number, handler)


def _limits() -> list[_Setting]:
    """Return the soft limits; a lowered hard limit cannot be raised again."""
    try:
        import resource
    except ImportError:  # Windows
        return []

    def limit(which: int) -> _Setting:
        return _Setting(
            lambda: resource.getrlimit(which)[0],
            lambda soft: resource.setrlimit(which, (soft, resource.getrlimit(which)[1])),
        )

    return [
        limit(getattr(resource, name)) for name in ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_AS") if hasattr(resource, name)
    ]
