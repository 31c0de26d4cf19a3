"""Tests of the themes, of NO_COLOR and of ASCII, and that the selection is visible in each."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.legibility import illegible, visible_text
from textual.color import Color
from textual.pilot import Pilot
from textual.strip import Strip

from jobdeck_tui.app import Cockpit
from jobdeck_tui.app_base import detect_ascii, theme_from_environment
from jobdeck_tui.frame_capture import screen_strips, screen_text
from jobdeck_tui.preferences import Preferences
from jobdeck_tui.screen_registry import BAR, SCREENS
from jobdeck_tui.terminal.color_depth import ColorDepth, contrast
from jobdeck_tui.terminal.line_filters import AsciiFilter
from jobdeck_tui.text.ascii import narrow, to_ascii
from jobdeck_tui.text.format import ASCII_GLYPHS, GLYPHS
from jobdeck_tui.theme import CONTRAST, SCHEMES
from jobdeck_tui.widgets.table.job_table import JobTable
from jobdeck_tui.widgets.timeline.timeline import Timeline

Compare = Callable[..., bool]
Scene = Callable[[Pilot[Any]], Awaitable[None]]

sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


def play(app: Cockpit, scene: Scene, size: tuple[int, int] = (120, 40)) -> None:
    async def run() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


def toasts(pilot: Pilot[Any]) -> list[str]:
    return [note.message for note in pilot.app._notifications]


def cursor_line(app: Cockpit) -> Strip:
    """Return the line of the selected job."""
    return next(line for line in screen_strips(app) if "❯" in line.text)


# -- ASCII ---------------------------------------------------------------------------------------


@given(st.text())
def test_text_in_ascii_takes_as_many_cells(text: str) -> None:
    made = narrow("".join(each for each in text if unicodedata.category(each) not in ("Cc", "Cs")))
    assert made.isascii()
    assert len(made) == cell_len("".join(each for each in text if unicodedata.category(each) not in ("Cc", "Cs")))


def test_a_state_has_the_same_glyph_as_on_the_command_line() -> None:
    assert {state: narrow(glyph) for state, glyph in GLYPHS.items()} == dict(ASCII_GLYPHS)


def test_frames_bars_braille_and_raised_digits_keep_their_shape() -> None:
    assert narrow("╭─ ³queues ─╮") == "+- 3queues -+"
    assert narrow("│ ▂▅█ │") == "| :+# |"
    assert narrow("⠤⠔⠒⠉⡇") == "-/-'|"
    assert narrow("Crème brûlée 東京") == "Creme brulee ????"


@sizes
def test_a_digit_in_ascii_is_separated_from_the_name_after_it(still: FrozenQueue, size: tuple[int, int]) -> None:
    still.busy()
    app = still.app()
    app.ascii_only = True

    async def scene(pilot: Pilot[Any]) -> None:
        assert "+- 5 jobs -" in screen_text(app)
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: getattr(pilot.app.screen, "last", None) is not None)
        await wait_for_redraw(pilot)
        assert "- 1 life -" in screen_text(app)
        assert size[0] > 80 or " 1 life   2 data   3 attempts " in screen_text(app)
        await pilot.press("escape", "7")
        await wait_for(pilot, lambda: "7 errors" in screen_text(app))
        await wait_for_redraw(pilot)
        shown = screen_text(app)
        assert all(f" {narrow(digit)} {name}" in shown for digit, name in BAR)
        assert all(len(line) <= size[0] for line in shown.split("\n"))
        assert "- 7 errors" in shown

    play(app, scene, size)


def test_a_title_as_wide_as_its_frame_keeps_its_digit() -> None:
    def drawn(*texts: str) -> str:
        return "".join(each.text for each in AsciiFilter().apply([Segment(text) for text in texts], Color(0, 0, 0)))

    assert drawn("╭", "─", " ", "³", "queues", " 4", " ", "─────", "╮") == "+- 3 queues 4 ----+"
    assert drawn("╭", "─", " ", "³", "queues", " ", "─", "╮") == "+- 3queues -+"
    assert drawn("5 m³", " a ", "────") == "5 m3 a ----"


def test_an_ellipsis_marks_the_side_that_was_cut() -> None:
    assert narrow("…app/jobs.db") == "<app/jobs.db"
    assert narrow("SMTPServerDisc… 12s") == "SMTPServerDisc~ 12s"
    assert narrow("Releasing …    ") == "Releasing ...  "
    assert to_ascii("Choose: j or ↓, then ⏎ …") == "Choose: j or down, then enter ..."


#: The keys that open every dialog and every view screen from the main screen.
WAYS: dict[str, tuple[str, ...]] = {
    "jobs": ("j", "j", "space", "j"),
    "filter": ("slash", *"ags:3"),
    "help": ("question_mark",),
    "palette": ("colon",),
    "why": ("j", "w"),
    "new": ("n",),
    "confirm": ("j", "space", "j", "space", "D"),
    "toast": ("x",),
    "job": ("G", "enter"),
    **{room.name: (room.digit, room.digit) for room in SCREENS},
}


@sizes
def test_only_ascii_reaches_the_screen_in_ascii_mode(still: FrozenQueue, size: tuple[int, int]) -> None:
    still.busy()
    app = still.app()
    app.ascii_only = True

    async def scene(pilot: Pilot[Any]) -> None:
        for name, keys in WAYS.items():
            for key in keys:
                await pilot.press(key)
                await pilot.pause(0.03)
            await wait_for_redraw(pilot)
            shown = screen_text(app)
            strange = {each for each in shown if not each.isascii()}
            assert not strange, f"{name}: {strange}"
            assert all(line.cell_length == size[0] for line in screen_strips(app)), name
            while len(app.screen_stack) > 1:
                app.pop_screen()
                await pilot.pause()
            await pilot.press("escape", "escape", "escape")

    play(app, scene, size)


def test_hints_spell_out_enter_in_ascii(still: FrozenQueue) -> None:
    still.busy()
    app = still.app()
    app.ascii_only = True

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j")
        assert " enter open " in screen_text(app).splitlines()[-1]

    play(app, scene)


def test_ascii_is_switched_on_in_the_palette_and_remembered(still: FrozenQueue, tmp_path: Path) -> None:
    app = still.app()
    app.preferences = Preferences(tmp_path / "cockpit.json")

    async def scene(pilot: Pilot[Any]) -> None:
        assert "╭" in screen_text(app)
        await pilot.press("colon", *"use ascii", "enter")
        await wait_for(pilot, lambda: app.ascii_only and screen_text(app).isascii())

    play(app, scene)
    assert detect_ascii({}, Preferences(tmp_path / "cockpit.json"), "utf-8") is True


def test_ascii_follows_the_environment_then_the_encoding_then_the_preferences() -> None:
    chosen = Preferences()
    assert detect_ascii({}, chosen, "utf-8") is False
    assert detect_ascii({}, chosen, "ISO-8859-1") is True
    assert detect_ascii({"JOBDECK_ASCII": "1"}, chosen, "UTF-8") is True
    chosen.put("ascii", True)
    assert detect_ascii({}, chosen, "UTF-8") is True
    assert detect_ascii({"JOBDECK_ASCII": "no"}, chosen, "UTF-8") is False
    with pytest.raises(ValueError, match="JOBDECK_ASCII is 'perhaps'"):
        detect_ascii({"JOBDECK_ASCII": "perhaps"}, chosen, "UTF-8")


# -- themes --------------------------------------------------------------------------------------


def test_ctrl_t_cycles_the_themes_and_the_next_session_restores_the_last_one(still: FrozenQueue, tmp_path: Path) -> None:
    app = still.app()
    app.preferences = Preferences(tmp_path / "cockpit.json")

    async def scene(pilot: Pilot[Any]) -> None:
        worn = []
        for _ in SCHEMES:
            await pilot.press("ctrl+t")
            worn.append(app.theme)
        assert worn == ["jobdeck-light", "jobdeck-contrast", "jobdeck-ansi", "jobdeck-dark"]
        await pilot.press("ctrl+t", "ctrl+t")
        assert any("Theme contrast" in each for each in toasts(pilot))

    play(app, scene)
    again = Cockpit(lambda post: app.feed, where="x", remembered=Preferences(tmp_path / "cockpit.json"))
    assert again.theme == "jobdeck-contrast"


def test_a_theme_is_selected_in_the_palette(still: FrozenQueue) -> None:
    app = still.app()

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("colon", *"theme: contrast", "enter")
        await wait_for(pilot, lambda: app.theme == CONTRAST.name)

    play(app, scene)


def test_the_environment_names_the_theme() -> None:
    assert theme_from_environment({}) is None
    assert theme_from_environment({"JOBDECK_THEME": " Light "}) == "light"
    with pytest.raises(ValueError, match="must be one of dark, light, contrast, ansi"):
        theme_from_environment({"JOBDECK_THEME": "pink"})


def test_a_remembered_theme_that_no_longer_exists_means_the_default(still: FrozenQueue) -> None:
    remembered = Preferences()
    remembered.put("theme", "solarized")
    assert Cockpit(lambda post: still.app().feed, where="x", remembered=remembered).theme == "jobdeck-dark"


@pytest.mark.parametrize("name", SCHEMES)
def test_the_selected_job_is_visible_in_every_theme(still: FrozenQueue, name: str) -> None:
    still.busy()
    app = still.app()

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j", "j")
        app.apply_theme(name)
        await wait_for_redraw(pilot)
        cells = [(each.text, each.style) for each in cursor_line(app) if each.text.strip() and "│" not in each.text]
        table = [style for text, style in cells if style is not None and "▏" not in text]
        ground = app.screen.background_colors[1]
        if name == "ansi":
            assert sum(bool(style.reverse) for style in table) >= 5
            return
        chosen = [style.bgcolor.get_truecolor() for style in table if style.bgcolor and style.bgcolor.triplet]
        best = max(contrast(tuple(each), ground.rgb) for each in chosen)
        assert best >= (3.0 if name == "contrast" else 1.15)

    play(app, scene)


def test_the_ansi_theme_uses_only_the_sixteen_colors_and_the_terminals_background(still: FrozenQueue) -> None:
    still.busy()
    app = still.app()

    async def scene(pilot: Pilot[Any]) -> None:
        app.apply_theme("ansi")
        for keys in (("j", "j"), ("question_mark",), ("escape", "n"), ("escape", "q")):
            await pilot.press(*keys)
            await pilot.pause(0.05)
            for line in screen_strips(app):
                for _, style, _ in line:
                    assert style is None or style.color is None or style.color.triplet is None
                    assert style is None or style.bgcolor is None or style.bgcolor.triplet is None

    play(app, scene)


def filtered(app: Cockpit, segment: Segment) -> Segment:
    segments = [segment]
    for each in app.get_line_filters():
        segments = each.apply(segments, app.screen.background_colors[1])
    return segments[0]


def bars_of(app: Cockpit) -> list[tuple[str, Style]]:
    """Return the colors of text in every kind of bar of the timeline, if it is open; the queue has few of them."""
    found = []
    for timeline in app.screen.query(Timeline):
        for name in timeline.COMPONENT_CLASSES - {"run--arrow"}:
            drawn = filtered(app, Segment(name, timeline.get_component_rich_style(name)))
            found.append((name, drawn.style or Style()))
    return found


@pytest.mark.parametrize("few", [False, True], ids=["all-colors", "sixteen-colors"])
@pytest.mark.parametrize("name", [name for name, scheme in SCHEMES.items() if not scheme.theme.ansi])
def test_all_text_is_legible_in_every_theme_and_number_of_colors(still: FrozenQueue, name: str, few: bool) -> None:
    still.busy()
    app = still.app()
    app.color_depth = ColorDepth.SIXTEEN if few else ColorDepth.TRUE
    app.apply_theme(name)
    problems: dict[str, str] = {}

    async def scene(pilot: Pilot[Any]) -> None:
        quiet = app.jobs_screen.query_one(JobTable).get_component_rich_style("text--quiet", partial=True)
        for way, keys in WAYS.items():
            for key in keys:
                await pilot.press(key)
            await pilot.pause(0.05)
            for depth in (ColorDepth.SIXTEEN,) if few else (ColorDepth.TRUE, ColorDepth.PALETTE):
                shown = [*visible_text(app), *bars_of(app)]
                for colors, text in illegible(shown, quiet, depth).items():
                    problems.setdefault(colors, f"{text!r} on {way}")
            while len(app.screen_stack) > 1:
                app.pop_screen()
                await pilot.pause()
            await pilot.press("escape", "escape", "escape")

    play(app, scene)
    assert not problems, "".join(f"\n{colors}: {where}" for colors, where in problems.items())


# -- NO_COLOR ------------------------------------------------------------------------------------


def test_no_color_sends_no_color_at_all_and_shows_the_cursor_in_reverse(
    still: FrozenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    still.busy()
    app = still.app()

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j")
        await wait_for_redraw(pilot)
        chosen = [each for each in cursor_line(app) if each.style is not None and each.style.reverse]
        assert sum(each.cell_length for each in chosen) > 90
        for keys in ((), ("question_mark",), ("escape", "n"), ("escape", "3"), ("escape", "colon")):
            await pilot.press(*keys)
            await pilot.pause(0.05)
            for line in screen_strips(app):
                for text, style, _ in line:
                    assert style is None or (style.color is None and style.bgcolor is None), text

    play(app, scene)


def test_with_no_color_switching_the_theme_is_refused_with_a_reason(
    still: FrozenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = still.app()

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+t")
        await wait_for(pilot, lambda: any("NO_COLOR is set" in each for each in toasts(pilot)))
        assert not [command for command in app.get_system_commands(app.screen) if command.title.startswith("Theme")]

    play(app, scene)


def test_an_empty_no_color_has_no_effect(still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert not still.app().colorless


# -- pictures ------------------------------------------------------------------------------------

KEYS = ("j", "j", "space", "j")


@sizes
@pytest.mark.parametrize("name", ["light", "contrast", "ansi"])
def test_the_main_screen_in_each_theme(snap_compare: Compare, still: FrozenQueue, name: str, size: tuple[int, int]) -> None:
    still.busy()

    async def dress(pilot: Pilot[Any]) -> None:
        pilot.app.apply_theme(name)  # type: ignore[attr-defined]
        await press_keys(*KEYS)(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=dress)


@sizes
def test_the_main_screen_in_ascii(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    still.busy()
    app = still.app()
    app.ascii_only = True
    assert snap_compare(app, terminal_size=size, run_before=press_keys(*KEYS))


@sizes
def test_the_main_screen_without_color(
    snap_compare: Compare, still: FrozenQueue, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    still.busy()
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys(*KEYS))


def test_the_form_without_color(snap_compare: Compare, still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    still.busy()

    async def fill(pilot: Pilot[Any]) -> None:
        await press_keys("n")(pilot)
        await pilot.press("a", "b")
        for each in pilot.app.screen.query("Input"):
            each.cursor_blink = False  # type: ignore[attr-defined]

    assert snap_compare(still.app(), terminal_size=(80, 24), run_before=fill)
