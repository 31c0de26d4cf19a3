"""What happens to every line before it reaches the terminal: characters and colours that it cannot show are replaced.

It is done here, at the drawing layer, and so for every screen, dialog and frame alike, whoever draws it.
"""

from __future__ import annotations

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

_DIGITS = frozenset(map(chr, RAISED.values()))


class Ascii(LineFilter):
    """Every character in ASCII, each column in its place; but a title's digit, which is raised no more, is set apart."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            each if each.control or each.text.isascii() else Segment(narrow(each.text), each.style, each.control)
            for each in _set_apart(segments)
        ]


def _set_apart(segments: list[Segment]) -> list[Segment]:
    """A blank between the raised digit and the name in a frame's title; the rule behind them gives its cell."""
    made = segments
    for at, (text, style, control) in enumerate(segments[:-1]):
        if text[-1:] not in _DIGITS or not segments[at + 1].text[:1].isalnum():
            continue
        for behind in range(at + 2, len(segments)):
            if "──" in segments[behind].text:
                made = segments[:]
                made[at] = Segment(text + " ", style, control)
                made[behind] = Segment(segments[behind].text.replace("─", "", 1), *segments[behind][1:])
                break
    return made


class Restyle(LineFilter):
    """Another style for each style."""

    def restyle(self, style: Style) -> Style:
        """What to draw instead."""
        raise NotImplementedError

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [each if each.style is None else Segment(each.text, self.restyle(each.style), each.control) for each in segments]


class Uncoloured(Restyle):
    """No colour at all: what stands out by its ground is shown in reverse, a field underlined, what is quiet dim.

    It reads the theme `MONO`, whose colours are shades that stand for these attributes.
    """

    def restyle(self, style: Style) -> Style:
        return _uncoloured(style)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        made = super().apply(segments, background)
        for at, (_, style, _) in enumerate(segments):
            if style is not None and style.bgcolor == _CARET:  # always the opposite of the field that it stands in
                field = made[at + 1] if at + 1 < len(made) else made[at - 1]
                reverse = field.style is None or not field.style.reverse
                made[at] = Segment(made[at].text, _without_colour(style) + Style(reverse=reverse), made[at].control)
        return made


class OwnColours(Restyle):
    """The terminal's own colours: what is chosen in reverse video, and what is quiet dim.

    These two can be told apart on any ground that a person may have chosen; which of the sixteen colours can, nobody knows.
    """

    def restyle(self, style: Style) -> Style:
        return _own(style)


class Chosen(Restyle):
    """What is chosen has one colour on one ground, whatever its colour was: nothing is more legible."""

    def __init__(self, ground: str, colour: str) -> None:
        """Make the filter.

        Args:
            ground: the ground of what is chosen, as `#rrggbb`.
            colour: what stands on it.
        """
        super().__init__()
        self._ground = RichColor.parse(ground).triplet
        self._style = Style(color=colour)

    def restyle(self, style: Style) -> Style:
        ground = style.bgcolor
        return style + self._style if ground is not None and ground.triplet == self._ground else style


CARET = "#808080"
"""The shade that stands for the place where is typed."""
_CARET = RichColor.parse(CARET)
_CHOSEN, _FIELD = 0.5, 0.12
_QUIET, _STRONG = 0.55, 0.97


@lru_cache(4096)
def _uncoloured(style: Style) -> Style:
    colour, ground = style.color, style.bgcolor
    if style.reverse:
        colour, ground = ground, colour
    reverse = _light(ground) > _CHOSEN
    made = _without_colour(style) + Style(reverse=reverse)
    if reverse:
        return made + Style(dim=False)
    if colour is not None and _light(colour) < _QUIET:
        made += Style(dim=True)
    elif _light(colour) > _STRONG:
        made += Style(bold=True)
    return made + Style(underline=True) if _light(ground) > _FIELD else made


@lru_cache(4096)
def _own(style: Style) -> Style:
    colour, ground = style.color, style.bgcolor
    if ground is not None and ground.number == 4:  # blue: what is chosen
        return _without_colour(style) + Style(reverse=not style.reverse, dim=False)
    if ground is not None and ground.number == 8:  # bright black: a field
        style = _without_colour(style) + Style(color=colour, underline=True)
    if colour is not None and colour.number == 8:  # bright black: quiet
        return _without_colour(style) + Style(dim=True)
    if (colour is not None and colour.triplet) or (ground is not None and ground.triplet):
        return _without_colour(style)  # of a part of Textual that knows no such theme
    return style


def _light(colour: RichColor | None) -> float:
    """How light a colour is, from 0 to 1."""
    if colour is None or colour.is_default:
        return 0.0
    red, green, blue = colour.get_truecolor()
    return (red * 299 + green * 587 + blue * 114) / 255_000


def _without_colour(style: Style) -> Style:
    bare = style.without_color
    return bare + Style.from_meta(style.meta) if style.meta else bare


class Strainer(LineFilter):
    """Applied to every line of the screen."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line in the same cells."""
        if all(text.isprintable() for text, _, _ in segments):
            return segments
        return [segment if segment.control else Segment(_strained(segment.text), segment.style) for segment in segments]


def _strained(text: str) -> str:
    return text if text.isprintable() else "".join(sign if safe(sign) == sign else "·" * cell_len(sign) for sign in text)
