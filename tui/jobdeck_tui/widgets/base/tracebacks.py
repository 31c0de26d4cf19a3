"""Parses tracebacks into frames, and renders them folded (only the frame that raised) or unfolded. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobdeck import record

from .styled_text import StyledLine, cut

MOST = 100_000
"""The maximum number of characters parsed, from the end: the last frame is the one that raised."""

_FRAME = re.compile(r'^([ |]*)File "([^"\n]*)", line (\d+)(?:, in (.*))?$')


@record
class TracebackFrame:
    """One call: its location and its code lines."""

    file: str
    line: str
    function: str
    code: tuple[str, ...]

    @property
    def location(self) -> str:
        """`/srv/app/smtp.py:88 in send`."""
        return f"{self.file}:{self.line}" + (f" in {self.function}" if self.function else "")


@record
class Traceback:
    """A parsed traceback. Chained exceptions are one traceback."""

    parts: tuple[TracebackFrame | str, ...]
    """Frames, and the lines between and after them, in order."""
    omitted: int = 0
    """The number of characters omitted at the start."""

    @property
    def frames(self) -> Sequence[TracebackFrame]:
        """The frames; the last one raised."""
        return [part for part in self.parts if isinstance(part, TracebackFrame)]


def parse_traceback(text: str) -> Traceback:
    """Parse a traceback. A text without frames yields only lines."""
    left_out = max(0, len(text) - MOST)
    parts: list[TracebackFrame | str] = []
    found: re.Match[str] | None = None
    code: list[str] = []
    for line in [*text[left_out:].rstrip().split("\n"), None]:
        if line is not None and found is not None and line.startswith(found[1] + "  ") and not _FRAME.match(line):
            code.append(line.strip())
            continue
        if found is not None:
            parts.append(TracebackFrame(found[2], found[3], found[4] or "", tuple(code)))
            found, code = None, []
        if line is None:
            break
        found = _FRAME.match(line)
        if found is None:
            parts.append(line)
    return Traceback(tuple(parts), left_out)


def fold(traceback: Traceback, *, unfolds: str = "enter", happened: str = "raised") -> list[StyledLine]:
    """Return the innermost frame, and the number of the others.

    Args:
        traceback: the traceback.
        unfolds: the key that unfolds the others.
        happened: the word before the location of the frame.
    """
    frames = traceback.frames
    if not frames:
        return unfold(traceback)
    last = frames[-1]
    lines: list[StyledLine] = [[(f"  {happened} at ", "quiet"), (cut(last.location, multiline=False), "accent")]]
    lines += [[("      " + cut(code, multiline=False), "strong" if _is_code(code) else "warning")] for code in last.code]
    others = len(frames) - 1
    if others or traceback.omitted:
        more = f", and {traceback.omitted:,} characters omitted here" if traceback.omitted else ""
        lines.append([(f"  ▸ {others} more frame{'s' * (others != 1)}{more} · {unfolds} unfolds", "quiet")])
    return lines


def unfold(traceback: Traceback) -> list[StyledLine]:
    """Return all lines, with the frame that raised highlighted."""
    frames = traceback.frames
    raised = frames[-1] if frames else None
    lines: list[StyledLine] = []
    if traceback.omitted:
        lines.append([(f"  … {traceback.omitted:,} earlier characters omitted here", "warning")])
    for part in traceback.parts:
        if isinstance(part, str):
            lines.append([("  " + cut(part, multiline=False), "quiet")])
            continue
        lines.append([("    " + cut(part.location, multiline=False), "accent" if part is raised else "quiet")])
        code = "strong" if part is raised else ""
        lines += [[("      " + cut(each, multiline=False), code if _is_code(each) else "warning")] for each in part.code]
    return lines


def _is_code(line: str) -> bool:
    """Return whether the line is code, not the `^~` markers below it."""
    return bool(line.strip("^~ "))
