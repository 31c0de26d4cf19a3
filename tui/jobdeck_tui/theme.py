"""The cockpit's themes: a calm, near-black background with color only for meaning, and variants of it."""

from __future__ import annotations

from textual.filter import LineFilter
from textual.theme import Theme

from jobdeck import record

from .terminal.color_depth import ColorDepth
from .terminal.line_filters import CARET, PaletteFilter, SelectionFilter, SixteenColorsFilter, TerminalColorsFilter
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
        "cursor": "#21293e",
        "field": "#1f2431",
        "mark": "#e0af68",
        "later": "#bb9af7",
        "input-selection-background": "#3b4a75",
    },
)

LIGHT = Theme(
    name="jobdeck-light",
    dark=False,
    primary="#2f5ec2",
    secondary="#5c6270",
    accent="#076b8a",
    success="#297034",
    warning="#955200",
    error="#bb2840",
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
        "mark": "#955200",
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


def _of_sixteen(name: str, **colors: str) -> Theme:
    """Return a theme of the sixteen colors, on a ground of its own.

    Terminals disagree on these colors: bright black may be light or dark, or the ground; blue may be too dark to read, green
    on white too light. Of each pair of colors that is drawn as text, one is far lighter than the other in all of them.
    """
    colors = {key.replace("_", "-"): f"ansi_{color}" for key, color in colors.items()}
    ground, text, cursor, line = (colors[key] for key in ("background", "foreground", "cursor", "line"))
    return Theme(
        name=name,
        ansi=True,
        dark=ground == "ansi_black",
        background=ground,
        surface=ground,
        panel=ground,
        boost=ground,
        foreground=text,
        primary=colors["accent"],
        secondary=colors["quiet"],
        accent=colors["accent"],
        success=colors["success"],
        warning=colors["warning"],
        error=colors["error"],
        variables={
            "mark": colors["warning"],
            "ansi-background": ground,
            "ansi-foreground": text,
            "border": line,
            "border-blurred": line,
            "block-cursor-foreground": ground,
            "block-cursor-background": cursor,
            "input-cursor-background": "ansi_magenta",
            "input-cursor-foreground": "ansi_bright_white",
            "input-cursor-text-style": "none",
            "input-selection-background": cursor,
            "input-selection-foreground": ground,
            "screen-selection-background": cursor,
            "screen-selection-foreground": ground,
            **{key: colors[key] for key in ("line", "line-focus", "quiet", "cursor", "field", "later")},
        },
    )


DARK_16 = _of_sixteen(
    "jobdeck-dark-16",
    background="black",
    foreground="bright_white",
    quiet="white",
    line="bright_black",
    line_focus="cyan",
    cursor="white",
    field="blue",
    accent="bright_cyan",
    success="bright_green",
    warning="bright_yellow",
    error="bright_red",
    later="bright_magenta",
)

LIGHT_16 = _of_sixteen(
    "jobdeck-light-16",
    background="bright_white",
    foreground="black",
    quiet="bright_black",
    line="white",
    line_focus="blue",
    cursor="black",
    field="white",
    accent="blue",
    success="black",  # green, cyan and yellow are too light
    warning="magenta",
    error="red",
    later="magenta",
)

CONTRAST_16 = _of_sixteen(
    "jobdeck-contrast-16",
    background="black",
    foreground="bright_white",
    quiet="white",
    line="white",
    line_focus="bright_yellow",
    cursor="bright_yellow",
    field="blue",
    accent="bright_cyan",
    success="bright_green",
    warning="bright_yellow",
    error="bright_red",
    later="bright_magenta",
)


@record
class Look:
    """The colors of a theme for one kind of terminal."""

    theme: Theme
    filters: tuple[LineFilter, ...] = ()
    """Filters applied to each line after drawing."""


@record
class Scheme:
    """A theme that the user can choose."""

    name: str
    """Its name in options and preferences."""
    description: str
    """Its description."""
    full: Look
    """How it looks in all colors; 256 colors come close."""
    sixteen: Look
    """How it looks in sixteen colors."""

    @property
    def theme(self) -> Theme:
        """Return its colors in terminals that have them all."""
        return self.full.theme

    def look_in(self, depth: ColorDepth) -> Look:
        """Return how it looks in a terminal with these colors."""
        if depth is ColorDepth.SIXTEEN:
            return self.sixteen
        if depth is ColorDepth.TRUE or self.theme.ansi:
            return self.full
        return Look(self.theme, (*self.full.filters, _IN_PALETTE))


_ON_BLUE = {(4, 9): 11, (4, 13): 15, (4, 8): 7}
"""On blue, bright yellow instead of red, white instead of magenta, and gray as bright as it gets."""
_IN_PALETTE = PaletteFilter()
_OWN_COLORS = Look(ANSI, (TerminalColorsFilter(),))

SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme(
            "dark",
            "A calm, near-black background",
            Look(DARK),
            Look(DARK_16, (SixteenColorsFilter(0, 15, on={7: 0}, instead=_ON_BLUE),)),
        ),
        Scheme(
            "light",
            "Dark text on a light background",
            Look(LIGHT),
            Look(LIGHT_16, (SixteenColorsFilter(15, 0, on={0: 15, 7: 0}),)),
        ),
        Scheme(
            "contrast",
            "High contrast: black, white and a few strong colors",
            Look(CONTRAST, (SelectionFilter("#ffe34d", "#000000"),)),
            Look(CONTRAST_16, (SixteenColorsFilter(0, 15, on={11: 0}, instead=_ON_BLUE),)),
        ),
        Scheme("ansi", "The sixteen colors and the background of your terminal", _OWN_COLORS, _OWN_COLORS),
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
