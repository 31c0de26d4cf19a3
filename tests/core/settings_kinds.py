"""Kinds that change what belongs to the whole process, and report what they found. Child processes import this file."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import time
import warnings
from typing import Any

from jobdeck import job


def look() -> dict[str, Any]:
    """Return the settings in readable form."""
    umask = os.umask(0o022)
    os.umask(umask)
    return {
        "folder": os.getcwd(),
        "umask": umask,
        "timeout": socket.getdefaulttimeout(),
        "recursion": sys.getrecursionlimit(),
        "switch": sys.getswitchinterval(),
        "gc": gc.isenabled(),
        "trace": threading.gettrace() is None and sys.gettrace() is None,
        "warnings": [str(each[0]) for each in warnings.filters],
        "stdout": sys.stdout is not None and not sys.stdout.closed,
        "hook": threading.excepthook is not print,
        "term": signal.getsignal(signal.SIGTERM) is signal.SIG_IGN,
        "mask": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "alarm": signal.getitimer(signal.ITIMER_REAL)[0] > 300,
    }


def look_and_change() -> dict[str, Any]:
    found = look()
    os.chdir("/")
    os.umask(0o777)
    socket.setdefaulttimeout(0.01)
    sys.setrecursionlimit(sys.getrecursionlimit() + 17)
    sys.setswitchinterval(1)
    gc.disable()
    threading.settrace(lambda *_: None)
    sys.settrace(lambda *_: None)
    warnings.simplefilter("error")
    sys.stdout = None  # type: ignore[assignment]
    threading.excepthook = print
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        signal.setitimer(signal.ITIMER_REAL, 600)
    time.sleep(0.002)
    return found


@job(name="settings.thread")
def in_thread() -> dict[str, Any]:
    return look_and_change()


@job(name="settings.isolated", isolate=True)
def isolated() -> dict[str, Any]:
    return look_and_change()
