"""What the screen is before anything is drawn on it: how large it must be, and its ground. Needs nothing of the toolkit."""

from __future__ import annotations

from dataclasses import dataclass

MIN_SIZE = (60, 15)
"""Columns and lines that the deck needs."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What text stands on, and its two strengths, as #rrggbb."""

    colour: str
    text: str
    quiet: str


GROUNDS = {
    "dark": Ground("#0d0f14", "#c8ccd8", "#6b7285"),
    "light": Ground("#fbfaf7", "#2a2e38", "#6c707b"),
    "contrast": Ground("#000000", "#ffffff", "#c4c4c4"),
}
"""Theme → its ground. A theme without one stands on the terminal's own."""
