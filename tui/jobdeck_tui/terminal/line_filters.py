"""Line filters: replace the characters and colors that the terminal cannot or must not show, just before a line is drawn.

They work at the drawing layer, so every screen, dialog and frame is covered, whatever widget draws it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.cells import cell_len
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from ..text.ascii import narrow
from ..text.format import RAISED
from ..text.sanitize import safe
from .color_depth import nearest, nearest_legible

CARET = "#808080"
"""The shade that stands for the text cursor in the theme `MONO`."""
_CARET = RichColor.parse(CARET)
_MOST_STYLES = 4096
"""The number of styles of which a filter remembers the replacement."""
_DIGITS = frozenset(map(chr, RAISED.values()))
_SELECTED, _FIELD = 0.5, 0.12
"""The lightness of a ground above which it marks the selection or a field."""
_QUIET, _STRONG = 0.55, 0.97
"""The lightness of text below which it is quiet, and above which it is strong."""


class ControlCharFilter(LineFilter):
    """Replace every character that the terminal would interpret; applied to each line of the screen.

    Screens show such characters by their codes already (see `text.sanitize.safe`). An input field shows its value as it is,
    and so may a widget that is added later: this filter takes the characters out of the picture, not out of the value.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the same line in the same cells."""
        if all(text.isprintable() for text, _, _ in segments):
            return segments
        return [segment if segment.control else Segment(_strip(segment.text), segment.style) for segment in segments]


def _strip(text: str) -> str:
    return text if text.isprintable() else "".join(sign if safe(sign) == sign else "·" * cell_len(sign) for sign in text)


class AsciiFilter(LineFilter):
    """Draw in ASCII, with each column in its place; a title's digit, no longer raised, is separated from the name."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            each if each.control or each.text.isascii() else Segment(narrow(each.text), each.style, each.control)
            for each in _separate_digits(segments)
        ]


def _separate_digits(segments: list[Segment]) -> list[Segment]:
    """Put a blank between the raised digit and the name in a frame's title; the rule after them gives up one cell."""
    changed = segments
    for at, (text, style, control) in enumerate(segments[:-1]):
        if text[-1:] not in _DIGITS or not segments[at + 1].text[:1].isalnum():
            continue
        for behind in range(at + 2, len(segments)):
            if "──" in segments[behind].text:
                changed = segments[:]
                changed[at] = Segment(text + " ", style, control)
                changed[behind] = Segment(segments[behind].text.replace("─", "", 1), *segments[behind][1:])
                break
    return changed


class StyleFilter(LineFilter):
    """Replace the style of each segment."""

    def restyle(self, style: Style) -> Style:
        """Return the style to draw instead."""
        raise NotImplementedError

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [each if each.style is None else Segment(each.text, self.restyle(each.style), each.control) for each in segments]


class MonochromeFilter(StyleFilter):
    """Draw without color: reverse video for the selection, an underline for fields, dim for quiet text.

    Reads the theme `MONO`, whose colors are shades that stand for these attributes.
    """

    def restyle(self, style: Style) -> Style:
        return _to_attributes(style)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        filtered = super().apply(segments, background)
        for at, (_, style, _) in enumerate(segments):
            if style is not None and style.bgcolor == _CARET:  # always the opposite of its field
                field = filtered[at + 1] if at + 1 < len(filtered) else filtered[at - 1]
                reverse = field.style is None or not field.style.reverse
                filtered[at] = Segment(filtered[at].text, _without_color(style) + Style(reverse=reverse), filtered[at].control)
        return filtered


class TerminalColorsFilter(StyleFilter):
    """Draw in the terminal's own colors: reverse video for the selection, dim for quiet text.

    These two attributes are distinct on any background; which of the sixteen colors are cannot be known.
    """

    def restyle(self, style: Style) -> Style:
        return _to_own_colors(style)


class SelectionFilter(StyleFilter):
    """Draw the selection in one text color on one ground, regardless of its original color, so that it stays legible."""

    def __init__(self, ground: str, color: str) -> None:
        """Create the filter.

        Args:
            ground: the ground of the selection, as `#rrggbb`.
            color: the color of the text on it.
        """
        super().__init__()
        self._ground = RichColor.parse(ground).triplet
        self._style = Style(color=color)

    def restyle(self, style: Style) -> Style:
        ground = style.bgcolor
        return style + self._style if ground is not None and ground.triplet == self._ground else style


class SixteenColorsFilter(StyleFilter):
    """Draw a theme of the sixteen colors on a ground of its own, with one text color on each ground that needs it."""

    def __init__(
        self, ground: int, text: int, *, on: Mapping[int, int], instead: Mapping[tuple[int, int], int] | None = None
    ) -> None:
        """Create the filter; colors are numbers from 0 to 15.

        Args:
            ground: the ground instead of the terminal's own.
            text: the text color instead of the terminal's own.
            on: ground → the color of all text on it: the selection, and grounds that other colors are hard to read on.
            instead: ground and text color → a color that is easier to read on that ground.
        """
        super().__init__()
        self._plain = ground, text
        self._on, self._instead = dict(on), dict(instead or {})
        self._cache: dict[Style, Style] = {}

    def restyle(self, style: Style) -> Style:
        found = self._cache.get(style)
        if found is None:
            if len(self._cache) > _MOST_STYLES:
                self._cache.clear()
            found = self._cache[style] = self._restyle(style)
        return found

    def _restyle(self, style: Style) -> Style:
        plain_ground, plain_text = self._plain
        ground, color = style.bgcolor, style.color
        if style.reverse:
            ground, color = color, ground
        behind, over = _own_number(ground, plain_ground), _own_number(color, plain_text)
        over = self._on.get(behind, self._instead.get((behind, over), over))
        return style + Style(color=RichColor.from_ansi(over), bgcolor=RichColor.from_ansi(behind), dim=False, reverse=False)


class PaletteFilter(StyleFilter):
    """Draw in the nearest of the 256 colors that all terminals share, and keep text legible."""

    def restyle(self, style: Style) -> Style:
        return _to_palette(style)


@lru_cache(4096)
def _to_attributes(style: Style) -> Style:
    color, ground = style.color, style.bgcolor
    if style.reverse:
        color, ground = ground, color
    reverse = _lightness(ground) > _SELECTED
    plain = _without_color(style) + Style(reverse=reverse)
    if reverse:
        return plain + Style(dim=False)
    if color is not None and _lightness(color) < _QUIET:
        plain += Style(dim=True)
    elif _lightness(color) > _STRONG:
        plain += Style(bold=True)
    return plain + Style(underline=True) if _lightness(ground) > _FIELD else plain


@lru_cache(4096)
def _to_own_colors(style: Style) -> Style:
    color, ground = style.color, style.bgcolor
    if ground is not None and ground.number == 4:  # blue: the selection
        return _without_color(style) + Style(reverse=not style.reverse, dim=False)
    if ground is not None and ground.number == 8:  # bright black: a field
        style, ground = _without_color(style) + Style(color=color, underline=True), None
    if color is not None and color.number == 8:  # bright black: quiet text
        return _without_color(style) + Style(dim=True)
    if color is not None and color.number == 4 and (ground is None or ground.is_default):  # hard to read on black
        return _without_color(style) + Style(bold=True)
    if (color is not None and color.triplet) or (ground is not None and ground.triplet):
        return _without_color(style)  # from a part of Textual that does not use the theme
    if ground is not None and not ground.is_default:  # a bar: text in the color of the ground around it, whichever that is
        return _without_color(style) + Style(color=ground, reverse=True)
    return style


@lru_cache(4096)
def _to_palette(style: Style) -> Style:
    color, ground = style.color, style.bgcolor
    behind = None if ground is None else ground.triplet
    if behind is not None:
        style += Style(bgcolor=RichColor.from_ansi(nearest(tuple(behind))))
    if color is not None and color.triplet is not None:
        text = tuple(color.triplet)
        style += Style(color=RichColor.from_ansi(nearest(text) if behind is None else nearest_legible(text, tuple(behind))))
    return style


def _own_number(color: RichColor | None, default: int) -> int:
    """Return the number of one of the sixteen colors; the default for others, of parts of Textual without this theme."""
    return color.number if color is not None and color.number is not None and color.number < 16 else default


def _lightness(color: RichColor | None) -> float:
    """Return the lightness of a color, from 0 to 1."""
    if color is None or color.is_default:
        return 0.0
    red, green, blue = color.get_truecolor()
    return (red * 299 + green * 587 + blue * 114) / 255_000


def _without_color(style: Style) -> Style:
    bare = style.without_color
    return bare + Style.from_meta(style.meta) if style.meta else bare
