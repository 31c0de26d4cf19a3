"""Run a program in a pseudo-terminal, type keys, and keep what is on the screen.

The terminal is pyte, the terminal emulator for Python that Linux distributions package and other projects build on. It has had
no release since 0.8.2 of November 2023; what it emulates has not changed since then either, and only this command needs
it. Compared with parsing the output here, it knows scroll regions, insertions and tabs, so any program can be recorded.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from tests.pictures.frames import Caption, Cell, Frame, Line, Recording

KEYS = {"enter": "\r", "esc": "\x1b", "tab": "\t", "space": " ", "down": "\x1b[B", "up": "\x1b[A", "ctrl+u": "\x15"}
CALM = 0.25
"""Seconds between two frames while no key is pressed. What a program counts up changes faster than anybody reads."""
BUSY = 0.06
"""The same right after a key."""
_BUSY_FOR = 0.4
GLIMPSE = 0.045
"""Frames that are followed by another within this are left out: nobody sees them, and each makes the picture larger."""
PATIENCE = 0.5
"""Seconds that a wait for the program has in the picture. What a wait takes longer is left out, as the picture shows how the
program is used, and not how much else the machine had to do that recorded it."""
_UPDATE, _UPDATED = b"\x1b[?2026h", b"\x1b[?2026l"
"""Around each redraw of a program that knows that the terminal shows it as a whole."""
_ASKS, _ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"

# The sixteen colors of the terminal, by pyte's names; 'brown' is yellow.
_NAMED = {
    "default": "", "black": "#0d0f14", "red": "#f7768e", "green": "#7fb685", "brown": "#e0af68", "blue": "#7aa2f7",
    "magenta": "#bb9af7", "cyan": "#7dcfff", "white": "#c8ccd8", "brightblack": "#6b7285", "brightred": "#f7768e",
    "brightgreen": "#7fb685", "brightbrown": "#e0af68", "brightblue": "#7aa2f7", "brightmagenta": "#bb9af7",
    "brightcyan": "#7dcfff", "brightwhite": "#ffffff",
}  # fmt: skip


def lines_of(screen: Any, ground: str, text: str) -> tuple[Line, ...]:
    """Return what a screen of pyte shows. The cell below a visible cursor is reversed."""
    lines = []
    for y in range(screen.lines):
        row = screen.buffer[y]
        cursor = screen.cursor.x if screen.cursor.y == y and not screen.cursor.hidden else -1
        lines.append(tuple(_cell(row[x], x == cursor, ground, text) for x in range(screen.columns)))
    return tuple(lines)


def _cell(char: Any, cursor: bool, ground: str, text: str) -> Cell:
    color, behind = _color(char.fg), _color(char.bg)
    if char.reverse != cursor:
        color, behind = behind or ground, color or text
    color, behind = "" if color == text else color, "" if behind == ground else behind
    if char.data.isspace() and not char.underscore:  # no one sees the color of a space
        return Cell(" ", "", behind)
    return Cell(char.data, color, behind, char.bold, char.italics, char.underscore, char.strikethrough)


def _color(name: str) -> str:
    return _NAMED.get(name, f"#{name}")


def without_glimpses(recording: Recording) -> Recording:
    """Return the recording without the frames that are gone before they are seen."""
    frames = recording.frames
    still = frames[recording.still]
    kept = [
        frame for frame, after in pairwise(frames)
        if after.at - frame.at >= GLIMPSE or frame in (frames[0], still)
    ]  # fmt: skip
    kept.append(frames[-1])
    return replace(recording, frames=tuple(kept), still=next(n for n, frame in enumerate(kept) if frame is still))


class Recorder:
    """A program in a terminal of a fixed size, and the frames so far."""

    def __init__(
        self, command: Sequence[str], size: tuple[int, int], environ: Mapping[str, str], *, ground: str, text: str
    ) -> None:
        import pyte  # the extra `pictures`; who only encodes does without it

        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._look = (ground, text)
        self._near, far = os.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self._process = subprocess.Popen(
            command, stdin=far, stdout=far, stderr=far, start_new_session=True, env=environ,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(far)
        self._began: float | None = None
        self._held: float | None = None
        self._frames: list[Frame] = []
        self._caption = Caption()
        self._still = -1
        self._inside = False
        self._tail = b""
        self._next = self._busy_until = 0.0

    def start(self) -> None:
        """Begin the recording with what is on the screen now."""
        self._began = time.monotonic()

    def caption(self, text: str, key: str = "") -> None:
        """Say something below the terminal from now on."""
        self._caption = Caption(key, text)

    def press(self, key: str, text: str | None = None) -> None:
        """Press a key by its name, and say below the terminal what for."""
        if text is not None:
            self.caption(text, key)
        os.write(self._near, KEYS.get(key, key).encode())
        self._busy_until = time.monotonic() + _BUSY_FOR
        self._next = 0.0
        self.pause(0.05)

    def type(self, text: str, pace: float = 0.07) -> None:
        """Type a text as a person would."""
        for sign in text:
            os.write(self._near, sign.encode())
            self._busy_until = time.monotonic() + _BUSY_FOR
            self._next = 0.0
            self.pause(pace)

    def pause(self, seconds: float) -> None:
        """Go on recording for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(min(left, 0.02))

    def wait_for(self, what: Callable[[str], bool], timeout: float = 30.0) -> None:
        """Go on recording until the text of the screen is so; after `PATIENCE` the recording waits, too."""
        start = time.monotonic()
        while not what(self.text):
            now = time.monotonic()
            if now > start + timeout:
                raise TimeoutError(f"the screen did not become what the recording waits for:\n{self.text}")
            if self._held is None and now > start + PATIENCE:
                self._held = now
            self.pause(0.02)
        if self._held is not None and self._began is not None:
            self._began += time.monotonic() - self._held
        self._held = None
        self._next = 0.0

    @property
    def text(self) -> str:
        """The text on the screen."""
        return "\n".join(self._screen.display)

    def mark_still(self) -> None:
        """Let the last frame stand for the whole recording where nothing may move."""
        self._still = len(self._frames) - 1

    def finish(self) -> Recording:
        """Return the recording."""
        assert self._began is not None
        return without_glimpses(Recording(tuple(self._frames), round(time.monotonic() - self._began, 2), self._still))

    def close(self) -> None:
        """End the program: as a person who closes the window, and by force if that is not enough."""
        os.close(self._near)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
            try:
                self._process.wait(timeout=10)
                return
            except subprocess.TimeoutExpired:
                self._process.send_signal(number)
        self._process.wait()

    def _read(self, seconds: float) -> None:
        if select.select([self._near], [], [], seconds)[0]:
            got = os.read(self._near, 1 << 20)
            self._stream.feed(got)
            if _ASKS in got:
                os.write(self._near, _ANSWER)
            # A mark may come in two parts, so what was read last is looked at once more.
            seen = self._tail + got
            start, end = seen.rfind(_UPDATE), seen.rfind(_UPDATED)
            if start != end:
                self._inside = start > end
            self._tail = seen[-len(_UPDATE) :]
        now = time.monotonic()
        if self._began is not None and self._held is None and now >= self._next and not self._inside:
            self._next = now + (BUSY if now < self._busy_until else CALM)
            self._take(now - self._began)

    def _take(self, at: float) -> None:
        lines = lines_of(self._screen, *self._look)
        if not self._frames or (lines, self._caption) != (self._frames[-1].lines, self._frames[-1].caption):
            self._frames.append(Frame(round(at, 3) if self._frames else 0.0, lines, self._caption))
