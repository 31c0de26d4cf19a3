"""The guide as a program of its own: `jobdeck guide TOPIC` on a terminal. It opens no queue."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from textual.app import SystemCommand
from textual.screen import Screen

from .app_base import ThemedApp, detect_ascii, theme_from_environment
from .preferences import Preferences, config_file
from .screens.guide import GuideScreen


class GuideApp(ThemedApp):
    """Shows the guide until it is closed."""

    CSS_PATH = "deck.tcss"
    TITLE = "jobdeck guide"

    def __init__(
        self,
        topic: str | None = None,
        *,
        remembered: Preferences | None = None,
        scheme: str | None = None,
        ascii_only: bool | None = None,
    ) -> None:
        super().__init__(remembered=remembered, scheme=scheme, ascii_only=ascii_only)
        self._topic = topic

    def get_default_screen(self) -> Screen[None]:
        return GuideScreen(self._topic)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        yield from self.theme_commands()


def open_guide(topic: str | None, *, scheme: str | None = None, ascii_only: bool = False) -> int:
    """Show the guide on this terminal until the user closes it; returns the exit code.

    Raises:
        ValueError: the environment asks for a theme that does not exist.
    """
    remembered = Preferences(config_file("cockpit.json"))
    app = GuideApp(
        topic,
        remembered=remembered,
        scheme=scheme or theme_from_environment(os.environ),
        ascii_only=ascii_only or detect_ascii(os.environ, remembered),
    )
    app.use_terminal_colors()
    app.run()
    return app.return_code or 0
