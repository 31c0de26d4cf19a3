"""Problems that a user or the system can cause are one sentence; only the rest is a bug."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from jobdeck import StoreBusy, known_problem
from jobdeck.worker.outage_backoff import OutageBackoff

PROBLEMS = {
    "an error of jobdeck": (StoreBusy("jobs.db", 10), "The database jobs.db stayed locked for 10 s; try again."),
    "a file": (OSError(errno.EACCES, "Permission denied", "a/b"), "a/b: Permission denied."),
    "no more descriptors": (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "refused an operation: Too many open files."),
    "no temporary folder": (FileNotFoundError("No usable folder"), "The system refused an operation: No usable folder."),
    "no more processes": (BlockingIOError(errno.EAGAIN, "Try again"), "The system refused an operation: Try again."),
    "no text": (ConnectionResetError(), "The system refused an operation: ConnectionResetError."),
    "no memory": (MemoryError(), "There is not enough memory."),
    "no threads": (RuntimeError("can't start new thread"), "The system allows no more threads."),
    "no module": (ModuleNotFoundError("No module named 'apsw'"), "is incomplete or damaged: No module named 'apsw'."),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_the_system_refuses_is_a_sentence(name: str) -> None:
    error, sentence = PROBLEMS[name]
    assert (known_problem(error) or "").endswith(sentence)


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError(), RuntimeError("x"), TypeError("x"), RecursionError()])
def test_anything_else_is_a_bug(error: Exception) -> None:
    assert known_problem(error) is None


def test_a_worker_calls_only_bugs_bugs() -> None:
    stopped = threading.Event()
    stopped.set()
    backoff = OutageBackoff(stopped)
    backoff.wait(OSError(errno.EMFILE, "Too many open files"))
    assert backoff.last_error == "The system refused an operation: Too many open files."
    backoff.wait(KeyError("x"))
    assert backoff.last_error == "A bug in jobdeck: KeyError: 'x'"
