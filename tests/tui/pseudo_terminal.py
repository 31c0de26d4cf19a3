"""A pseudo-terminal with a screen buffer; emulates what Textual's output needs."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable
from typing import Any

from tests.core.helpers import wait_until
from tests.tui.terminal.test_driver import Terminal

_TOKEN = re.compile(
    rb"\x1b\[(?P<csi>[0-?]*)[ -/]*(?P<final>[@-~])"
    rb"|\x1b\](?P<osc>.*?)(?:\x07|\x1b\\)"
    rb"|\x1b[PX^_].*?\x1b\\"
    rb"|\x1b[ -/]*[0-~]"
    rb"|(?P<control>[\x00-\x1f\x7f])"
    rb"|(?P<text>[^\x00-\x1f\x7f]+)",
    re.DOTALL,
)
KEYS = {"enter": "\r", "escape": "\x1b", "tab": "\t", "space": " ", "down": "\x1b[B", "up": "\x1b[A", "ctrl+n": "\x0e"}


def stray(written: bytes) -> list[bytes]:
    """Return control sequences in the output that Textual never writes, i.e. hostile text that came through.

    Textual writes only: cursor, modes and colors (CSI), start and end of synchronized output, queries.
    """
    found = []
    for token in _TOKEN.finditer(written):
        control, csi = token["control"], token["csi"]
        obeyed = token["osc"] is not None or (control is not None and control not in b"\n\r")
        if obeyed or (csi is not None and token["final"] not in b"mHhlpuJKcnqtS"):
            found.append(token[0])
        elif token["text"] is not None:
            text = token["text"].decode("utf-8", "replace")
            found += [sign.encode("utf-8", "replace") for sign in text if _obeyed(sign)]
    return found


def _whole(written: bytes) -> bytes:
    """Return the output up to its last complete sequence and character."""
    last = written.rfind(b"\x1b")
    if last >= 0 and (token := _TOKEN.match(written, last)) and token["csi"] is None and token["osc"] is None:
        return written[:last]
    try:
        written.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return written[: error.start]
    return written


def _obeyed(sign: str) -> bool:
    return 0x80 <= ord(sign) < 0xA0 or sign in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class Screen(Terminal):
    """A terminal with the screen that a user would see."""

    def __init__(self, *command: str, size: tuple[int, int] = (120, 40), **environ: str) -> None:
        self.size = size
        self._drawn = 0
        self._cells: list[list[str]] = [[" "] * size[0] for _ in range(size[1])]
        self._x = self._y = 0
        super().__init__(*command, size=size, **environ)

    def type(self, *keys: str, pause: float = 0.05) -> None:
        """Press keys by name, one after the other."""
        for key in keys:
            self.press(KEYS.get(key, key))
            # A key right after escape would be read as one key with it.
            time.sleep(max(pause, 0.6) if key == "escape" else pause)

    @property
    def lines(self) -> list[str]:
        """Return the current lines of the screen."""
        self._draw(_whole(self.written[self._drawn :]))
        return ["".join(line).rstrip() for line in self._cells]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def see(self, what: str | Callable[[str], Any], timeout: float = 30.0) -> None:
        """Wait until the screen shows the text."""
        condition = what if callable(what) else (lambda text: what in text)
        try:
            wait_until(lambda: condition(self.text), timeout)
        except AssertionError:
            raise AssertionError(f"not on the screen: {what}\n{self.text}") from None

    def _draw(self, written: bytes) -> None:
        self._drawn += len(written)
        for token in _TOKEN.finditer(written):
            if token["text"] is not None:
                self._write(token["text"].decode("utf-8", "replace"))
            elif token["control"] == b"\n":
                self._y = min(self._y + 1, self.size[1] - 1)
            elif token["control"] == b"\r":
                self._x = 0
            elif token["csi"] is not None:
                self._obey(token["csi"].decode(), token["final"].decode())

    def _obey(self, numbers: str, final: str) -> None:
        if final == "H":
            y, x = [int(each or 1) for each in (numbers or "1;1").split(";")][:2]
            self._x, self._y = min(x, self.size[0]) - 1, min(y, self.size[1]) - 1
        elif final == "J":
            self._cells = [[" "] * self.size[0] for _ in range(self.size[1])]
        elif final == "K":
            self._cells[self._y][self._x :] = [" "] * (self.size[0] - self._x)

    def _write(self, text: str) -> None:
        for sign in text:
            wide = unicodedata.east_asian_width(sign) in "WF"
            if unicodedata.combining(sign) or sign in "\u200d\ufe0f":
                continue
            if self._x >= self.size[0]:
                self._x, self._y = 0, min(self._y + 1, self.size[1] - 1)
            self._cells[self._y][self._x] = sign
            if wide and self._x + 1 < self.size[0]:
                self._cells[self._y][self._x + 1] = ""
            self._x += 1 + wide
