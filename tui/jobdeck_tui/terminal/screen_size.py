"""The least size of the screen and its background, without importing Textual."""

from __future__ import annotations

from dataclasses import dataclass

MIN_SIZE = (60, 15)
"""The columns and lines that the cockpit needs."""


@dataclass(frozen=True, slots=True)
class Background:
    """The colors of the background, of text and of quiet text, as #rrggbb."""

    color: str
    text: str
    quiet: str


GROUNDS = {
    "dark": Background("#0d0f14", "#c8ccd8", "#6b7285"),
    "light": Background("#fbfaf7", "#2a2e38", "#6c707b"),
    "contrast": Background("#000000", "#ffffff", "#c4c4c4"),
}
"""Theme → its colors. A theme that is not listed uses the terminal's own background."""
