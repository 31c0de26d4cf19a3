"""The colours of the deck: a calm, near-black ground, and colour only for meaning."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="jobdeck-dark",
    dark=True,
    primary="#7aa2f7",
    secondary="#8b93a7",
    accent="#7dcfff",
    success="#7fb685",
    warning="#e0af68",
    error="#f7768e",
    foreground="#c8ccd8",
    background="#0d0f14",
    surface="#0d0f14",
    panel="#171a22",
    boost="#1d212c",
    variables={
        "line": "#2b303d",
        "line-focus": "#5a6a94",
        "quiet": "#6b7285",
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
    accent="#0a7ea4",
    success="#2e7d3a",
    warning="#a35a00",
    error="#c02942",
    foreground="#2a2e38",
    background="#fbfaf7",
    surface="#fbfaf7",
    panel="#f1efe9",
    boost="#e8e5dd",
    variables={
        "line": "#d5d1c7",
        "line-focus": "#7d93c9",
        "quiet": "#7b7f8a",
        "cursor": "#dde6fa",
        "field": "#e4e0d6",
        "mark": "#a35a00",
        "later": "#7548b8",
        "input-selection-background": "#b9cbf5",
    },
)

#: What a theme that is not ours lacks. `get_theme_variable_defaults` offers these to the stylesheet.
FALLBACKS = {
    "line": "#3a3f4b",
    "line-focus": "#7a88b8",
    "quiet": "#80869a",
    "cursor": "#2a3350",
    "field": "#262b38",
    "mark": "#e0af68",
    "later": "#bb9af7",
}
