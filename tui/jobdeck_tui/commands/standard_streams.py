"""Standard input, output and error of commands, which may be closed, full, or lose their reader.

What a command did and what it could print are two things: a script repeats a command that fails, and must not enqueue a job
twice because its id could not be printed.
"""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class CheckedStream(io.FileIO):
    """Writes to a descriptor and remembers the first error."""

    error: OSError | None = None
    discards = False
    """Whether writing continues after an error, to nowhere, instead of raising it."""

    def write(self, data: Any) -> int:
        """Write all of the data, also to a pipe that does not block, and return its length in bytes."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest and not (self.error and self.discards):
            try:
                written = super().write(rest)
            except OSError as error:
                self.error = self.error or error
                if not self.discards:
                    raise
            else:
                if written is None:
                    select.select([], [self], [])
                rest = rest[written or 0 :]
        return size


def check_standard_streams() -> None:
    """Replace the standard streams of this process by checked ones; open those that are closed.

    No file of the queue gets the number of a closed stream then. What is written to it is discarded; reading from it fails.
    """
    closed = [number for number in range(3) if not _is_open(number)]
    for number in closed:
        opened = os.open(os.devnull, os.O_WRONLY)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
    if sys.stdin is None or 0 in closed:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "r", closefd=False)))
    sys.stdout = _checked(1, sys.stdout)
    sys.stderr = _checked(2, sys.stderr)
    _raw(sys.stderr).discards = True  # nothing can report it


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _checked(number: int, before: Any) -> io.TextIOWrapper:
    raw = CheckedStream(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None),
        errors="backslashreplace",  # escape what a non-UTF-8 terminal cannot encode, instead of failing
        line_buffering=number == 2 or raw.isatty(),
        write_through=number == 2,
    )


def _raw(stream: Any) -> Any:
    """Return what is below a standard stream; something else if it is not checked, as in a program that runs commands."""
    return getattr(getattr(stream, "buffer", None), "raw", None)


def complete_despite_output() -> None:
    """Continue without output from now on if it fails: the command changes the queue, and must not stop halfway."""
    if isinstance(raw := _raw(sys.stdout), CheckedStream):
        raw.discards = True


def is_output_error(error: Exception) -> bool:
    """Return whether the error is that the output cannot be written, which `finish_output` reports."""
    raw = _raw(sys.stdout)
    return isinstance(raw, CheckedStream) and raw.error is error


def finish_output(code: int, report: Callable[[str], None]) -> int:
    """Write the rest of the output, report what could not be written, and return the exit code.

    A command that changed the queue keeps its exit code; others failed. Nothing is reported if the reader has gone: it has
    read as much as it wanted.

    Args:
        code: the exit code of the command.
        report: a function that prints a sentence on standard error.
    """
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    raw = _raw(sys.stdout)
    if not isinstance(raw, CheckedStream) or raw.error is None:
        return code
    changed, raw.discards = raw.discards, True
    if not isinstance(raw.error, BrokenPipeError):
        done = "The command succeeded, but its" if changed and not code else "The"
        report(f"{done} output could not be written: {raw.error.strerror}.")
    return code if changed else code or 1
