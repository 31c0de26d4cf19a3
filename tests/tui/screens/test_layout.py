"""Tests of the layout on small terminals and with little data: nothing clips, and unavailable hints are dimmed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play
from tests.tui.screen_pilot import open_screen
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from jobdeck_tui.screen_registry import BAR
from jobdeck_tui.text.format import RAISED
from jobdeck_tui.widgets.base.choice_bar import NumberedTabs
from jobdeck_tui.widgets.base.strips import width_of
from jobdeck_tui.widgets.charts.dashboard_charts import EIGHTHS, IN_ROWS, sparkline
from jobdeck_tui.widgets.chrome.header import fit_path
from jobdeck_tui.widgets.chrome.key_hints import KeyHints
from jobdeck_tui.widgets.table.keyed_table import KeyedTable, Row, TableColumn


@pytest.mark.parametrize("room", [name for _, name in BAR if name != "jobs"])
def test_every_screen_can_be_clicked_in_the_narrowest_terminal(still: FrozenQueue, room: str) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, room, rows=False) if room not in ("events", "timeline") else pilot.app.action_open_screen(room)  # type: ignore[attr-defined]
        await wait_for(
            pilot, lambda: getattr(pilot.app.screen, "SCREEN_NAME", "") == room and pilot.app.screen.query(NumberedTabs)
        )
        bar = pilot.app.screen.query_one(NumberedTabs)
        pieces = bar.draw(0, 60)
        shown = "".join(text for text, _ in pieces)
        assert width_of(pieces) <= 60
        assert all(digit.translate(RAISED) in shown for digit, _ in BAR)
        assert room in shown
        assert shown.count("…") == 0

    play(still.app(), scene, (60, 15))


@pytest.mark.parametrize(
    ("room", "shown"),
    [(30, "~/app/data/jobs.db"), (18, "~/app/data/jobs.db"), (17, "…/jobs.db"), (9, "…/jobs.db"), (8, ""), (-3, "")],
)
def test_a_path_is_cut_to_its_name_before_it_is_omitted(room: int, shown: str) -> None:
    assert fit_path("~/app/data/jobs.db", room) == shown


def test_a_name_too_long_for_the_header_shows_its_end() -> None:
    assert fit_path("/a/quite-a-long-name-of-a-database.db", 14) == "…a-database.db"


def test_a_sparkline_in_a_row_stays_below_the_row_above() -> None:
    assert sparkline([1, 4], 2) == "▂█"
    for values in ([0, 1, 5, 9], [0.1] * 5, [1 / 3] * 3, [1.2000000000000002] * 7):
        assert max(EIGHTHS.index(cell) for cell in sparkline(values, len(values), IN_ROWS)) == 7


@pytest.mark.parametrize(("width", "shown"), [(90, "NAME BROAD NARROW"), (40, "NAME NARROW"), (15, "NAME")])
def test_a_narrow_column_returns_if_a_wide_one_was_dropped(width: int, shown: str) -> None:
    heads = (
        TableColumn("name", "NAME", grow=True, least=8),
        TableColumn("broad", "BROAD", drop=1),
        TableColumn("narrow", "NARROW", drop=2),
    )

    class Alone(App[None]):
        def compose(self) -> ComposeResult:
            yield KeyedTable("things", heads)

    async def run() -> str:
        async with Alone().run_test(size=(width, 10)) as pilot:
            table = pilot.app.query_one(KeyedTable)
            table.styles.border = None
            table.show([Row("a", ([("a", "")], [("x" * 40, "")], [("y", "")]))])
            await pilot.pause()
            return " ".join(table.render_line(0).text.split())

    assert asyncio.run(run()) == shown


@pytest.mark.parametrize("room", ["errors", "queues", "workers", "schedules"])
def test_keys_without_a_selected_row_are_dimmed_until_there_is_one(still: FrozenQueue, room: str) -> None:
    def bright(pilot: Pilot[Any]) -> set[str]:
        hints = pilot.app.screen.query_one(KeyHints)
        pieces = hints.draw(0, 200)
        accent = hints.style("accent")
        return {told.strip() for (_, style), (told, _) in zip(pieces[1::2], pieces[2::2], strict=True) if style == accent}

    acts = {
        "errors": {"retry group", "jobs", "traceback"},
        "queues": {"limits", "pause/resume"},
        "workers": {"stop job", "why"},
        "schedules": {"edit", "pause/resume", "run now", "jobs", "delete"},
    }[room]

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, room, rows=False)
        await wait_for(pilot, lambda: not bright(pilot) & acts)
        assert {"back", "help"} <= bright(pilot)
        still.busy()
        still.queue.schedules.add("nightly", "0 3 * * *", "img.resize", {"path": "a.jpg"})
        await wait_for(pilot, lambda: pilot.app.screen.query_one("KeyedTable").rows)  # type: ignore[attr-defined]
        if room == "workers":
            await pilot.press("j")
        await wait_for(pilot, lambda: acts <= bright(pilot))

    play(still.app(), scene, (200, 60))


# -- snapshots --------------------------------------------------------------------------------------

Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


@sizes
@pytest.mark.parametrize("typed", ["", "theme"], ids=["all", "typed"])
def test_the_palette(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int], typed: str) -> None:
    still.busy()

    async def open_it(pilot: Pilot[Any]) -> None:
        await press_keys("j", "colon")(pilot)
        await pilot.press(*typed)
        await wait_for(pilot, lambda: pilot.app.screen.query_one("CommandList").option_count > 0)  # type: ignore[attr-defined]
        for each in pilot.app.screen.query("Input"):
            each.cursor_blink = False  # type: ignore[attr-defined]
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=open_it)


def test_the_help_on_a_large_terminal(snap_compare: Compare, still: FrozenQueue) -> None:
    still.busy()
    assert snap_compare(still.app(), terminal_size=(200, 60), run_before=press_keys("question_mark"))
