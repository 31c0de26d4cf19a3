"""Show progress on one line of standard error; print nothing if it is not a terminal."""

from __future__ import annotations

import sys
import time
from typing import Self

_EVERY = 0.1
"""Seconds between two updates of the line."""


class ProgressMeter:
    """Show a progress line; call it with the amount done and the total. As a context manager, clear the line at the end."""

    def __init__(self, doing: str, *, unit: str = "") -> None:
        self._doing = doing
        self._unit = unit
        self._shown = sys.stderr.isatty()
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Update the line, at most every 0.1 seconds."""
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
