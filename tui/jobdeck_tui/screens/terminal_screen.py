"""The base of every screen and dialog: it is laid out for the size that the terminal has now."""

from __future__ import annotations

from typing import TypeVar

from textual.events import Key
from textual.geometry import Size
from textual.screen import ModalScreen, Screen

from ..terminal.key_positions import latin_key

T = TypeVar("T")


class TerminalScreen(Screen[T]):
    """A screen that ignores sizes that the terminal no longer has.

    Textual lays a screen out for every size that it receives, and each layout of a new size sends that size to the screen
    again. It merges sizes that follow each other in the screen's queue, but not those with another message between them:
    two such sizes would replace each other for ever, in a loop that never waits, so that neither keys nor signals are heard.
    """

    async def on_key(self, event: Key) -> None:
        """Take an unbound letter of another script as the Latin key at its position, or say why it does nothing."""
        character = event.character
        if character is None or character.isascii() or not character.isalpha() or event.key in self.active_bindings:
            return
        event.stop()
        if (key := latin_key(character)) is not None:
            if (active := self.active_bindings.get(key)) is not None and active.enabled:
                await self.app.run_action(active.binding.action, active.node)
            return
        hint = f"{character} is no key here: keys are Latin letters; switch the keyboard layout, or bind it in keys.toml"
        self.app.clear_notifications()
        self.app.notify(hint, severity="warning", markup=False)

    def _screen_resized(self, size: Size) -> None:
        if size == self.app.size:
            super()._screen_resized(size)


class TerminalDialog(ModalScreen[T], TerminalScreen[T]):
    """A dialog above another screen."""

    # The base whose styles apply comes first: Textual follows the first base of a class only.

    def request_close(self) -> None:
        """Close without a result, as ctrl+c does; a dialog with something typed in it asks first."""
        self.dismiss(None)
