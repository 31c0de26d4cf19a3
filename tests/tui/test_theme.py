"""Tests of the themes' colors in terminals with all colors, with 256 and with sixteen."""

from __future__ import annotations

import pytest
from rich.segment import Segment
from rich.style import Style
from tests.tui.legibility import illegible
from textual.color import Color
from textual.theme import Theme

from jobdeck_tui.guide_app import GuideApp
from jobdeck_tui.terminal.color_depth import ColorDepth, contrast, nearest, palette
from jobdeck_tui.theme import SCHEMES, Look

OWN = [name for name, scheme in SCHEMES.items() if not scheme.theme.ansi]
"""The themes that do not depend on the terminal's palette."""
depths = pytest.mark.parametrize("depth", ColorDepth, ids=lambda depth: depth.value)


def colors_of(theme: Theme) -> tuple[dict[str, str], dict[str, str]]:
    """Return the colors of text and the grounds below it."""
    plain = (theme.foreground, theme.primary, theme.accent, theme.success, theme.warning, theme.error)
    texts = dict(zip(("text", "primary", "accent", "success", "warning", "error"), plain, strict=True))
    texts |= {name: theme.variables[name] for name in ("quiet", "mark", "later")}
    grounds = {"background": theme.background, "panel": theme.panel, "boost": theme.boost}
    grounds |= {name: theme.variables[name] for name in ("cursor", "field")}
    return texts, grounds  # type: ignore[return-value]


def as_sent(look: Look, text: str, ground: str) -> Style:
    """Return a text of the theme as the terminal is sent it."""
    segments = [Segment("text", Style.from_color(Color.parse(text).rich_color, Color.parse(ground).rich_color))]
    for each in look.filters:
        segments = each.apply(segments, Color.parse("black"))
    return segments[0].style or Style()


@depths
@pytest.mark.parametrize("name", OWN)
def test_every_text_color_is_legible_on_every_ground(name: str, depth: ColorDepth) -> None:
    look = SCHEMES[name].look_in(depth)
    texts, grounds = colors_of(look.theme)
    problems = {}
    for text, color in texts.items():
        for ground, behind in grounds.items():
            sent = as_sent(look, color, behind)
            quiet = sent if text == "quiet" else Style()
            problems |= {f"{text} on {ground}: {each}": "" for each in illegible([("text", sent)], quiet, depth)}
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(("name", "text", "quiet"), [("dark", 4.5, 3.9), ("light", 4.5, 3.9), ("contrast", 7.0, 7.0)])
def test_in_all_colors_a_theme_has_its_own_contrast_on_the_background(name: str, text: float, quiet: float) -> None:
    texts, grounds = colors_of(SCHEMES[name].look_in(ColorDepth.TRUE).theme)
    background = Color.parse(grounds["background"]).rgb
    for each in ("text", "accent", "success", "warning", "error", "later", "quiet"):
        assert contrast(Color.parse(texts[each]).rgb, background) >= (quiet if each == "quiet" else text), each


@depths
@pytest.mark.parametrize("name", SCHEMES)
def test_the_selection_and_fields_stand_out_from_the_background(name: str, depth: ColorDepth) -> None:
    look = SCHEMES[name].look_in(depth)
    texts, grounds = colors_of(look.theme)

    def sent(ground: str) -> tuple[object, object, object]:
        style = as_sent(look, texts["text"], grounds[ground])
        return style.bgcolor, style.reverse, style.underline

    assert len({sent("background"), sent("cursor")}) == 2
    assert len({sent("background"), sent("field")}) == 2


@pytest.mark.parametrize("name", ["dark", "light"])
def test_in_256_colors_a_border_keeps_its_hue(name: str) -> None:
    theme = SCHEMES[name].theme
    red, green, blue = palette()[nearest(Color.parse(theme.variables["line"]).rgb)]
    assert red == green == blue
    red, green, blue = palette()[nearest(Color.parse(theme.variables["line-focus"]).rgb)]
    assert blue > green  # not teal


@pytest.mark.parametrize("depth", [ColorDepth.SIXTEEN, ColorDepth.PALETTE], ids=lambda depth: depth.value)
def test_the_ansi_theme_is_the_same_in_every_terminal(depth: ColorDepth) -> None:
    assert SCHEMES["ansi"].look_in(depth) is SCHEMES["ansi"].look_in(ColorDepth.TRUE)


def test_the_ansi_theme_draws_text_only_on_the_ground_of_the_terminal_or_in_reverse() -> None:
    look = SCHEMES["ansi"].full
    texts, grounds = colors_of(look.theme)
    for ground in (*grounds.values(), *texts.values()):  # a bar has the color of a text
        for color in (*texts.values(), "ansi_default"):
            style = as_sent(look, color, ground)
            assert style.bgcolor is None or style.bgcolor.is_default, (color, ground)
            # Bright black and black may be the ground of a dark terminal, white that of a light one, blue hard to read.
            assert style.color is None or style.color.is_default or style.color.number in {1, 2, 3, 5, 6}, (color, ground)


def test_contrast_is_measured_as_wcag_does() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(
    ("term", "theme"),
    [
        ("xterm", "jobdeck-dark-16"),
        ("screen", "jobdeck-dark-16"),
        ("linux", "jobdeck-dark-16"),
        ("screen-256color", "jobdeck-dark"),
    ],
)
def test_the_theme_fits_the_colors_of_the_terminal(term: str, theme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    app = GuideApp()
    assert app.theme == "jobdeck-dark"  # a picture has all colors
    app.use_terminal_colors()
    assert app.theme == theme
    app.apply_theme("contrast")
    assert app.theme == theme.replace("dark", "contrast")


def test_a_terminal_that_names_all_colors_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLORTERM", "truecolor")
    app = GuideApp()
    app.use_terminal_colors()
    assert (app.theme, app.color_depth) == ("jobdeck-dark", ColorDepth.TRUE)
