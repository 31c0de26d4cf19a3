"""The cockpit's requirements of a terminal, and its background, without importing Textual."""

from __future__ import annotations

from collections.abc import Mapping

from jobdeck import record

MIN_SIZE = (60, 15)
"""The columns and lines that the cockpit needs."""
_LINES_ONLY = ("dumb", "unknown")
"""Values of TERM for terminals that print lines and cannot move the cursor."""


def draws_screens(environ: Mapping[str, str]) -> bool:
    """Return whether TERM is the name of a terminal that can show a full screen."""
    return environ.get("TERM") not in _LINES_ONLY


@record
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
