"""Pasted text is text: nothing in it acts as a key.

Textual's parser looks for escape sequences also between the marks of a bracketed paste. Colored output, pasted, would press
keys: `ESC [ 3 1 m` is no key, so its letters are passed on one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from textual._xterm_parser import XTermParser
from textual.events import Key, Paste
from textual.message import Message

from .key_positions import strip_position

START, END = "\x1b[200~", "\x1b[201~"
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colors, cursor movements, modes
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # titles, links, and other strings for the terminal
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain_text(pasted: str) -> str:
    """Return pasted text without escape sequences and control characters; lines end with a line feed."""
    return _CONTROL.sub("", _SEQUENCE.sub("", pasted.replace("\r\n", "\n").replace("\r", "\n")))


def parse_pastes_of_pages() -> None:
    """Let Textual's driver of a page in a browser parse pastes so, too."""
    from textual.drivers import web_driver

    setattr(web_driver, "XTermParser", PasteParser)  # noqa: B010  # Textual takes no parser as an argument


class PasteParser(XTermParser):
    """Textual's parser, which does not see what is pasted."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._recent = ""
        """The last characters that arrived: a mark may come in two pieces."""
        self._pasted: list[str] | None = None
        """The pieces that have been pasted so far; `None` outside of a paste."""

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[Key]:
        return super()._sequence_to_key_events(strip_position(sequence), alt)

    def feed(self, data: str) -> Iterable[Message]:
        """Parse input, and yield the messages it stands for."""
        if not data:  # the end of the input
            yield from super().feed(data)
        while data:
            known, recent = len(self._recent), self._recent + data
            before, mark, data = recent.partition(START if self._pasted is None else END)
            new = (before + mark)[known:]
            self._recent = "" if mark else recent[1 - len(START) :]
            if self._pasted is None:
                yield from super().feed(new)
                self._pasted = [] if mark else None
            else:
                self._pasted.append(new)
                if mark:
                    text, self._pasted = "".join(self._pasted).removesuffix(END), None
                    # Textual's parser has seen the first mark only, and reports an empty paste at the last one.
                    yield from (message for message in super().feed(END) if not isinstance(message, Paste))
                    yield Paste(plain_text(text))
