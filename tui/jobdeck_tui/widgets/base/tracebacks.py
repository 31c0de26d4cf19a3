"""The traceback of an attempt, read into its frames: the one that raised is told, the others can be folded. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .styled_text import Told, cut

MOST = 100_000
"""Characters of a traceback that are read, the last: the frame that raised is at its end."""

_FRAME = re.compile(r'^([ |]*)File "([^"\n]*)", line (\d+)(?:, in (.*))?$')


@dataclass(frozen=True, slots=True)
class Frame:
    """One call: where it is, and the code that is shown of it."""

    file: str
    line: str
    function: str
    code: tuple[str, ...]

    @property
    def place(self) -> str:
        """`/srv/app/smtp.py:88 in send`."""
        return f"{self.file}:{self.line}" + (f" in {self.function}" if self.function else "")


@dataclass(frozen=True, slots=True)
class Traceback:
    """A traceback: what is in it, in order. Several errors that led to one another are one traceback."""

    parts: tuple[Frame | str, ...]
    """Frames, and the lines between and after them."""
    left_out: int = 0
    """Characters at its beginning that were not read."""

    @property
    def frames(self) -> Sequence[Frame]:
        """The calls, the one that raised last."""
        return [part for part in self.parts if isinstance(part, Frame)]


def read_traceback(text: str) -> Traceback:
    """The traceback in its parts; text that has no frames is lines only."""
    left_out = max(0, len(text) - MOST)
    parts: list[Frame | str] = []
    found: re.Match[str] | None = None
    code: list[str] = []
    for line in [*text[left_out:].rstrip().split("\n"), None]:
        if line is not None and found is not None and line.startswith(found[1] + "  ") and not _FRAME.match(line):
            code.append(line.strip())
            continue
        if found is not None:
            parts.append(Frame(found[2], found[3], found[4] or "", tuple(code)))
            found, code = None, []
        if line is None:
            break
        found = _FRAME.match(line)
        if found is None:
            parts.append(line)
    return Traceback(tuple(parts), left_out)


def folded(traceback: Traceback, *, unfolds: str = "enter", happened: str = "raised") -> list[Told]:
    """The innermost frame, where it `happened`; of the others only how many there are, and the key that `unfolds` them."""
    frames = traceback.frames
    if not frames:
        return unfolded(traceback)
    last = frames[-1]
    lines: list[Told] = [[(f"  {happened} at ", "quiet"), (cut(last.place, multiline=False), "accent")]]
    lines += [[("      " + cut(code, multiline=False), "strong" if _is_code(code) else "warning")] for code in last.code]
    others = len(frames) - 1
    if others or traceback.left_out:
        more = f", and {traceback.left_out:,} characters that are left out here" if traceback.left_out else ""
        lines.append([(f"  ▸ {others} more frame{'s' * (others != 1)}{more} · {unfolds} unfolds", "quiet")])
    return lines


def unfolded(traceback: Traceback) -> list[Told]:
    """All of it, with the frame that raised standing out."""
    frames = traceback.frames
    raised = frames[-1] if frames else None
    lines: list[Told] = []
    if traceback.left_out:
        lines.append([(f"  … {traceback.left_out:,} characters before this are left out here", "warning")])
    for part in traceback.parts:
        if isinstance(part, str):
            lines.append([("  " + cut(part, multiline=False), "quiet")])
            continue
        lines.append([("    " + cut(part.place, multiline=False), "accent" if part is raised else "quiet")])
        code = "strong" if part is raised else ""
        lines += [[("      " + cut(each, multiline=False), code if _is_code(each) else "warning")] for each in part.code]
    return lines


def _is_code(line: str) -> bool:
    """Whether it is code, and not the marks below it that point at a part of it."""
    return bool(line.strip("^~ "))
