"""Measures the contrast of the text on the screen, in the colors that the terminal is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rich.color import Color, ColorSystem
from rich.style import Style
from textual.screen import ModalScreen

from jobdeck_tui.app_base import ThemedApp
from jobdeck_tui.frame_capture import screen_strips
from jobdeck_tui.terminal.color_depth import ColorDepth, Rgb, contrast, palette
from jobdeck_tui.terminal.line_filters import PaletteFilter

_TEXT = re.compile(r"\w")
#: The sixteen colors of xterm, and those of the Linux console, which are the VGA's.
SIXTEEN = {
    "xterm": bytes.fromhex(
        "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5 7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff"
    ),
    "linux": bytes.fromhex(
        "000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa 555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff"
    ),
}
_SYSTEMS = {
    ColorDepth.SIXTEEN: ColorSystem.STANDARD,
    ColorDepth.PALETTE: ColorSystem.EIGHT_BIT,
    ColorDepth.TRUE: ColorSystem.TRUECOLOR,
}
DIM = 0.6
"""The part of its brightness that dim text keeps; terminals take a half to two thirds."""


def _rgb(color: Color | None, sixteen: bytes, default: Rgb) -> Rgb:
    if color is None or color.is_default:
        return default
    if color.triplet is not None:
        return color.triplet.red, color.triplet.green, color.triplet.blue
    assert color.number is not None
    return _of_sixteen(sixteen, color.number) if color.number < 16 else palette()[color.number]


def _of_sixteen(sixteen: bytes, number: int) -> Rgb:
    red, green, blue = sixteen[3 * number : 3 * number + 3]
    return red, green, blue


def text_and_ground(style: Style, depth: ColorDepth, terminal: str = "xterm") -> tuple[Rgb, Rgb]:
    """Return the colors of a text as the terminal shows them, light gray on black being its own."""
    sixteen = SIXTEEN[terminal]
    sent = [None if each is None else each.downgrade(_SYSTEMS[depth]) for each in (style.color, style.bgcolor)]
    text, ground = _rgb(sent[0], sixteen, _of_sixteen(sixteen, 7)), _rgb(sent[1], sixteen, (0, 0, 0))
    if style.reverse:
        text, ground = ground, text
    if style.dim:
        red, green, blue = (round(behind + (over - behind) * DIM) for over, behind in zip(text, ground, strict=True))
        text = red, green, blue
    return text, ground


def visible_text(app: ThemedApp) -> Iterator[tuple[str, Style]]:
    """Yield the pieces of text on the screen; of a dialog only, if one is open: what is behind it is faded."""
    region = app.screen.region
    if isinstance(app.screen, ModalScreen):
        region = app.screen.children[0].region
    for y, line in enumerate(screen_strips(app)):
        if not region.y <= y < region.bottom:
            continue
        for text, style, _ in line.crop(region.x, region.right):
            if style is not None and _TEXT.search(text):
                yield text, style


def illegible(shown: Iterable[tuple[str, Style]], quiet: Style, depth: ColorDepth) -> dict[str, str]:
    """Return colors of text that are too like their ground, as a terminal with these colors shows them, with examples.

    Text needs a contrast of 4.5:1, quiet and dim text 3:1, in the palette of every terminal.

    Args:
        shown: the pieces of text, as the app draws them in a theme that fits the terminal.
        quiet: how the theme wants quiet text.
        depth: the colors of the terminal.
    """
    found: dict[str, str] = {}
    fitting = PaletteFilter() if depth is ColorDepth.PALETTE else None
    for text, style in shown:
        needed = 3.0 if style.dim or quiet.color in (style.color, style.bgcolor) else 4.5
        sent = style if fitting is None else fitting.restyle(style)
        for terminal in SIXTEEN if depth is ColorDepth.SIXTEEN else ("xterm",):
            color, ground = text_and_ground(sent, depth, terminal)
            if (ratio := contrast(color, ground)) < needed:
                found[f"{depth.value} #{bytes(color).hex()} on #{bytes(ground).hex()}, {ratio:.2f}"] = text.strip()[:30]
    return found
