"""The base of every screen and dialog: it is laid out for the size that the terminal has now."""

from __future__ import annotations

from typing import TypeVar

from textual.geometry import Size
from textual.screen import ModalScreen, Screen

T = TypeVar("T")


class TerminalScreen(Screen[T]):
    """A screen that ignores sizes that the terminal no longer has.

    Textual lays a screen out for every size that it receives, and each layout of a new size sends that size to the screen
    again. It merges sizes that follow each other in the screen's queue, but not those with another message between them:
    two such sizes would replace each other for ever, in a loop that never waits, so that neither keys nor signals are heard.
    """

    def _screen_resized(self, size: Size) -> None:
        if size == self.app.size:
            super()._screen_resized(size)


class TerminalDialog(TerminalScreen[T], ModalScreen[T]):
    """A dialog above another screen."""
