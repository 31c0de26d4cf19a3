"""A traceback told in lines: opened at the frame that raised, the frames above it folded away until they are asked for."""

from __future__ import annotations

import re

from ..text import safe
from .telling import Told

_CODE = re.compile(r"^[ |]* {4}")
_FRAME = re.compile(r'^[ |]*File ".+", line \d+')


def opened(traceback: str, *, whole: bool = False) -> list[Told]:
    """The raising frame with its code; with `whole` everything, the raising frame standing out.

    Args:
        traceback: as Python writes it. Where there is no frame in it, all of it is told.
        whole: tell the frames above, the errors that led to this one, and the error itself, too.
    """
    lines = traceback.rstrip().split("\n")
    frames = [at for at, line in enumerate(lines) if _FRAME.match(line)]
    if not frames:
        return [[(safe(line), "quiet")] for line in lines]
    raising = frames[-1]
    if whole:
        return [_line(line, at - raising) for at, line in enumerate(lines)]
    above = len(frames) - 1
    what = f"{above} frame{'s' * (above != 1)} above" if above else "the error"
    code = next((at for at in range(raising + 1, len(lines)) if not _CODE.match(lines[at])), len(lines))
    told: list[Told] = [[(f"⋯ {what} · ", "quiet"), ("t", "accent"), (" shows all", "quiet")]]
    return told + [_line(lines[at], at - raising) for at in range(raising, code)]


def _line(line: str, below: int) -> Told:
    """A line that stands so many lines below the raising frame."""
    text = safe(line.expandtabs(4))
    if below == 0:
        return [(text, "strong")]
    if _CODE.match(line):
        return [(text, "" if below > 0 else "quiet")]
    return [(text, "error" if below > 0 else "quiet")]
