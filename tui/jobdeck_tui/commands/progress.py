"""One line on standard error that says how far a command is; nothing where nobody watches."""

from __future__ import annotations

import sys
import time
from typing import Self

_EVERY = 0.1
"""Seconds between two changes of the line."""


class Meter:
    """The line. Called with how much is done, and of how much; a context manager that clears it at the end."""

    def __init__(self, doing: str, *, unit: str = "") -> None:
        self._doing = doing
        self._unit = unit
        self._shown = sys.stderr.isatty()
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Show it, but not too often."""
        if self._shown and (done >= total or time.monotonic() >= self._next):
            self._next = time.monotonic() + _EVERY
            share = 100 * done // max(1, total)
            sys.stderr.write(f"\r\x1b[K{self._doing} {share} % ({done:,} of {total:,}{self._unit})")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
