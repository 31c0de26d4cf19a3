"""The cockpit's themes: a calm, near-black background with color only for meaning, and variants of it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.filter import LineFilter
from textual.theme import Theme

from .terminal.line_filters import CARET, SelectionFilter, TerminalColorsFilter
from .terminal.screen_size import GROUNDS

DARK = Theme(
    name="jobdeck-dark",
    dark=True,
    primary="#7aa2f7",
    secondary="#8b93a7",
    accent="#7dcfff",
    success="#7fb685",
    warning="#e0af68",
    error="#f7768e",
    foreground=GROUNDS["dark"].text,
    background=GROUNDS["dark"].color,
    surface=GROUNDS["dark"].color,
    panel="#171a22",
    boost="#1d212c",
    variables={
        "line": "#2b303d",
        "line-focus": "#5a6a94",
        "quiet": GROUNDS["dark"].quiet,
        "cursor": "#222a3f",
        "field": "#1f2431",
        "mark": "#e0af68",
        "later": "#bb9af7",
        "input-selection-background": "#3b4a75",
    },
)

LIGHT = Theme(
    name="jobdeck-light",
    dark=False,
    primary="#2f5fc4",
    secondary="#5c6270",
    accent="#087799",
    success="#2e7d3a",
    warning="#a35a00",
    error="#c02942",
    foreground=GROUNDS["light"].text,
    background=GROUNDS["light"].color,
    surface=GROUNDS["light"].color,
    panel="#f1efe9",
    boost="#e8e5dd",
    variables={
        "line": "#d5d1c7",
        "line-focus": "#7d93c9",
        "quiet": GROUNDS["light"].quiet,
        "cursor": "#dde6fa",
        "field": "#e4e0d6",
        "mark": "#a35a00",
        "later": "#7548b8",
        "input-selection-background": "#b9cbf5",
    },
)

CONTRAST = Theme(
    name="jobdeck-contrast",
    dark=True,
    primary="#ffe34d",
    secondary="#e0e0e0",
    accent="#66e0ff",
    success="#5dff8f",
    warning="#ffc547",
    error="#ff8a8a",
    foreground=GROUNDS["contrast"].text,
    background=GROUNDS["contrast"].color,
    surface=GROUNDS["contrast"].color,
    panel="#000000",
    boost="#1c1c1c",
    variables={
        "line": "#a8a8a8",
        "line-focus": "#ffe34d",
        "quiet": GROUNDS["contrast"].quiet,
        "cursor": "#ffe34d",
        "field": "#333333",
        "mark": "#ffc547",
        "later": "#e0b3ff",
        "input-selection-background": "#ffe34d",
        "input-cursor-background": "#c800c8",
        "input-cursor-foreground": "#ffffff",
        "block-cursor-foreground": "#000000",
        "block-cursor-background": "#ffe34d",
    },
)

#: The terminal's own sixteen colors on its own background. Blue and bright black mean reverse and dim (line_filters.py).
ANSI = Theme(
    name="jobdeck-ansi",
    dark=True,
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    accent="ansi_cyan",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "line": "ansi_bright_black",
        "line-focus": "ansi_cyan",
        "quiet": "ansi_bright_black",
        "cursor": "ansi_blue",
        "field": "ansi_bright_black",
        "mark": "ansi_yellow",
        "later": "ansi_magenta",
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border": "ansi_bright_black",
        "border-blurred": "ansi_bright_black",
        "block-cursor-foreground": "ansi_default",
        "block-cursor-background": "ansi_blue",
        "input-cursor-background": "ansi_magenta",
        "input-cursor-foreground": "ansi_bright_white",
        "input-cursor-text-style": "none",
        "input-selection-background": "ansi_blue",
        "input-selection-foreground": "ansi_default",
        "screen-selection-background": "ansi_blue",
        "screen-selection-foreground": "ansi_default",
    },
)

#: Shades that stand for attributes if colors are off: dim, plain and bold; underlined and reverse (line_filters.py).
MONO = Theme(
    name="jobdeck-mono",
    dark=True,
    primary="#ffffff",
    secondary="#c8c8c8",
    accent="#c8c8c8",
    success="#c8c8c8",
    warning="#ffffff",
    error="#ffffff",
    foreground="#c8c8c8",
    background="#000000",
    surface="#000000",
    panel="#000000",
    boost="#0a0a0a",
    variables={
        "line": "#707070",
        "line-focus": "#ffffff",
        "quiet": "#707070",
        "cursor": "#d0d0d0",
        "field": "#303030",
        "mark": "#ffffff",
        "later": "#c8c8c8",
        "input-selection-background": "#d0d0d0",
        "input-cursor-background": CARET,
        "input-cursor-foreground": "#ffffff",
        "block-cursor-foreground": "#000000",
        "block-cursor-background": "#d0d0d0",
    },
)


@dataclass(frozen=True, slots=True)
class Scheme:
    """A theme that the user can choose."""

    name: str
    """Its name in options and preferences."""
    description: str
    """Its description."""
    theme: Theme
    filters: tuple[LineFilter, ...] = ()
    """Filters applied to each line after drawing."""


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("dark", "A calm, near-black background", DARK),
        Scheme("light", "Dark text on a light background", LIGHT),
        Scheme(
            "contrast",
            "High contrast: black, white and a few strong colors",
            CONTRAST,
            (SelectionFilter("#ffe34d", "#000000"),),
        ),
        Scheme("ansi", "The sixteen colors and the background of your terminal", ANSI, (TerminalColorsFilter(),)),
    )
}

#: Variables that other themes lack. `get_theme_variable_defaults` passes them to the stylesheet.
FALLBACKS = {
    "line": "#3a3f4b",
    "line-focus": "#7a88b8",
    "quiet": "#80869a",
    "cursor": "#2a3350",
    "field": "#262b38",
    "mark": "#e0af68",
    "later": "#bb9af7",
}
