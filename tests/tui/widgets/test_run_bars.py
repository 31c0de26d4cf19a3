"""Runs drawn as bars, the time axis, and arrows between attempts."""

from __future__ import annotations

import time
from itertools import pairwise
from math import inf
from typing import Any

import pytest

from jobdeck import Outcome, Run
from jobdeck_tui.feed.lane_packing import Bar, WorkerLanes
from jobdeck_tui.widgets.timeline.grid import LanePosition, draw_grid, lay_out
from jobdeck_tui.widgets.timeline.run_bars import GLYPHS, BarCell, Window, style_of
from jobdeck_tui.widgets.timeline.run_bars import draw_lane as draw_rows
from jobdeck_tui.widgets.timeline.time_axis import ticks

WINDOW = Window(begin=0.0, cell=1.0, width=20, now=15.0)


def bar(begin: float, end: float = inf, job_id: int = 1, kind: str = "k", **more: Any) -> Bar:
    outcome = None if end == inf else more.pop("outcome", Outcome.COMPLETED)
    made = Run(
        job_id=job_id, lease=more.pop("lease", job_id), kind=kind, queue="q", number=1, max_attempts=3, worker="w",
        started_at=begin, finished_at=None if end == inf else end, outcome=outcome, **more,
    )  # fmt: skip
    return Bar(made, begin, end)


def draw_lane(
    bars: list[Bar], window: Window, chosen: tuple[int, int] | None = None, line: int = 0, lines: int = 0
) -> list[BarCell | None]:
    """Return one line of a lane that is `lines` high, or as high as `line` needs."""
    return draw_rows(bars, window, chosen, lines or line + 1)[line]


def text(cells: list[BarCell | None] | list[BarCell]) -> str:
    return "".join("." if cell is None else cell.text for cell in cells)


def looks(cells: list[BarCell | None]) -> list[str]:
    return [cell.look or cell.ground for cell in cells if cell is not None]


def test_an_idle_lane_is_empty() -> None:
    assert draw_lane([], WINDOW) == [None] * 20


def test_a_bar_ends_at_an_eighth_of_a_cell_and_starts_at_a_half() -> None:
    assert text(draw_lane([bar(2, 4.5)], WINDOW)) == "..██▌..............."
    assert text(draw_lane([bar(2, 4.125)], WINDOW)) == "..██▏..............."
    assert text(draw_lane([bar(1.5, 4)], WINDOW)) == ".▐██................"
    assert text(draw_lane([bar(1.9, 4)], WINDOW)) == ".▕██................"


def test_the_shortest_run_is_visible() -> None:
    assert text(draw_lane([bar(3.0, 3.0)], WINDOW)) == "...▏................"
    assert text(draw_lane([bar(3.5, 3.5)], WINDOW)) == "...┃................"
    assert text(draw_lane([bar(3.85, 3.86)], WINDOW)) == "...▕................"


def test_a_long_bar_shows_its_kind_and_outcome() -> None:
    assert text(draw_lane([bar(1, 9, kind="img.resize")], WINDOW)) == ".█img.…█✓..........."
    assert text(draw_lane([bar(1, 9)], WINDOW, line=1)) == ".█#1 8.…█..........."
    assert text(draw_lane([bar(1, 12, job_id=42)], WINDOW, line=1)) == ".█#42 11.0s█........"
    assert text(draw_lane([bar(1, 9)], WINDOW, line=2)) == ".█q██████..........."


def test_double_width_characters_take_two_cells() -> None:
    cells = draw_lane([bar(0, 10, kind="日本語日本語")], WINDOW)
    assert [cell.text if cell else "." for cell in cells[:6]] == ["█", "日", "", "本", "", "語"]


def test_hostile_text_is_drawn_as_codes() -> None:
    assert "\x1b" not in text(draw_lane([bar(0, 18, kind="a\x1b[31mb")], WINDOW))


def test_a_running_bar_extends_to_now() -> None:
    cells = draw_lane([bar(5)], WINDOW)
    assert text(cells) == ".....█k███████▸....."
    assert set(looks(cells)) == {"running"}


def test_adjacent_bars_are_drawn_apart() -> None:
    assert text(draw_lane([bar(2, 4, 1), bar(4, 6, 2)], WINDOW)) == "..█▊██.............."


def test_a_cell_in_which_one_bar_ends_and_another_starts_shows_both() -> None:
    cells = draw_lane([bar(2, 4.5, 1), bar(4.5, 7, 2, outcome=Outcome.FAILED)], WINDOW)
    shared = cells[4]
    assert shared is not None
    assert (shared.text, shared.look, shared.ground) == ("▎", "completed", "failed")


def test_many_tiny_runs_in_a_cell_become_a_height() -> None:
    few = [bar(3 + n / 10, 3 + n / 10 + 0.01, n + 1) for n in range(4)]
    many = [bar(3 + n / 10, 3 + n / 10 + 0.09, n + 1) for n in range(10)]
    heights = " ▁▂▃▄▅▆▇█"
    low, high = text(draw_lane(few, WINDOW))[3], text(draw_lane(many, WINDOW))[3]
    assert 0 < heights.index(low) < heights.index(high) == 8


def test_a_height_uses_all_lines_of_a_lane() -> None:
    half = [bar(3 + n / 4, 3 + n / 4 + 0.126, n + 1) for n in range(4)]
    assert [text(draw_lane(half, WINDOW, line=line, lines=2))[3] for line in (0, 1)] == ["▁", "█"]
    few = [bar(3 + n / 10, 3 + n / 10, n + 1) for n in range(2)]
    assert text(draw_lane(few, WINDOW, line=0, lines=2))[3] == "."


@pytest.mark.parametrize(
    ("outcome", "again", "look"),
    [
        (Outcome.COMPLETED, False, "completed"),
        (Outcome.FAILED, False, "failed"),
        (Outcome.TIMED_OUT, False, "failed"),
        (Outcome.FAILED, True, "again"),
        (Outcome.TIMED_OUT, True, "again"),
        (Outcome.CRASHED, True, "crashed"),
        (Outcome.CANCELLED, False, "cancelled"),
        (Outcome.SNOOZED, True, "back"),
        (Outcome.RELEASED, True, "back"),
    ],
)
def test_each_outcome_has_a_look_with_a_glyph(outcome: Outcome, again: bool, look: str) -> None:
    made = bar(1, 9, outcome=outcome, superseded=again)
    assert style_of(made.run) == look
    assert GLYPHS[look] in text(draw_lane([made], WINDOW))


def test_a_failure_is_marked_however_short() -> None:
    cells = draw_lane(
        [bar(3 + n / 10, 3.01 + n / 10, n + 1) for n in range(5)] + [bar(3.6, 3.61, 9, outcome=Outcome.FAILED)], WINDOW
    )
    assert cells[3] == BarCell("✗", "failed")


def test_the_worst_of_several_marks_in_a_cell_is_visible() -> None:
    failed = bar(3.1, 3.2, 1, outcome=Outcome.FAILED)
    retried = bar(3.5, 3.6, 2, outcome=Outcome.FAILED, superseded=True)
    assert draw_lane([failed, retried], WINDOW)[3] == BarCell("✗", "failed")
    assert draw_lane([bar(3.1, 3.2, 1, outcome=Outcome.CANCELLED), retried], WINDOW)[3] == BarCell("↻", "again")


@pytest.mark.parametrize(
    ("begin", "end", "shown"),
    [
        (2, 12, "..❯img.res█✓........"),
        (2, 4.5, "..❯█▌..............."),
        (3.2, 3.3, "...❯................"),
        (-3, 2, "❯█.................."),
    ],
)
def test_the_cursor_is_at_the_start_of_the_selected_run_however_short(begin: float, end: float, shown: str) -> None:
    lane = [bar(begin, end, 1, kind="img.res")]
    assert text(draw_lane(lane, WINDOW, chosen=(1, 1))) == shown
    assert "❯" not in text(draw_lane(lane, WINDOW)) + text(draw_lane(lane, WINDOW, chosen=(1, 1), line=1))


def test_the_selected_run_has_the_cursor_among_many_in_a_cell() -> None:
    many = [bar(3 + n / 10, 3.05 + n / 10, n + 1, outcome=Outcome.FAILED) for n in range(10)]
    assert draw_lane(many, WINDOW, chosen=(5, 5))[3] == BarCell("❯", "chosen")


def test_a_selected_run_out_of_view_has_no_cursor() -> None:
    lane = [bar(-9, -5, 1), bar(30, 40, 2), bar(4, 6, 3)]
    assert "❯" not in text(draw_lane(lane, WINDOW, chosen=(1, 1))) + text(draw_lane(lane, WINDOW, chosen=(2, 2)))


def test_the_selected_run_is_highlighted() -> None:
    cells = draw_lane([bar(2, 8, 1), bar(10, 12, 2)], WINDOW, chosen=(1, 1))
    assert {cell.look or cell.ground for cell in cells[2:8] if cell} == {"chosen", "completed"}  # the glyph keeps its color
    assert {cell.look for cell in cells[10:12] if cell} == {"completed"}


def test_runs_outside_the_window_are_not_drawn() -> None:
    assert draw_lane([bar(-9, -1, 1), bar(30, 40, 2)], WINDOW) == [None] * 20
    assert text(draw_lane([bar(-5, 30, 1)], Window(0.0, 1.0, 20, 99.0), line=9)) == "█q" + "█" * 18


# -- the grid ---------------------------------------------------------------------------------------


def worker(*lanes: list[Bar]) -> WorkerLanes:
    return WorkerLanes("w", None, tuple(map(tuple, lanes)))


def lines(*lanes: list[Bar], chosen: tuple[int, int] | None = None, window: Window = WINDOW) -> list[str]:
    workers = [worker(*lanes)]
    return [text(row) for row in draw_grid(workers, lay_out(workers, 0), window, [], chosen)][1:]


def test_lanes_are_higher_if_they_fit() -> None:
    workers = [worker([], []), worker([])]
    assert len(lay_out(workers, 5)) == 5
    assert len(lay_out(workers, 8)) == 8
    assert len(lay_out(workers, 100)) == 2 + 3 * 4
    assert lay_out(workers, 5) == [LanePosition(0), LanePosition(0, 0), LanePosition(0, 1), LanePosition(1), LanePosition(1, 0)]


def test_now_and_the_end_of_a_lease_are_marked() -> None:
    assert lines([]) == ["               │    "]
    assert lines([bar(13, lease_until=18.0)]) == ["             ██│╌╌┤ "]
    assert lines([bar(13, lease_until=99.0)]) == ["             ██│╌╌╌╌"]


def test_an_expired_lease_is_a_warning() -> None:
    (row,) = draw_grid([worker([bar(13, lease_until=14.0)])], [LanePosition(0, 0)], WINDOW, [], None)
    assert row[16] == BarCell("!", "error")


def test_attempts_of_the_selected_job_are_joined_within_a_lane() -> None:
    lane = [bar(1, 3, 7, lease=1, outcome=Outcome.FAILED, superseded=True), bar(8, 10, 7, lease=2)]
    assert lines(lane)[0].startswith(" █↻     ██")
    assert lines(lane, chosen=(7, 1))[0].startswith(" ❯↻────▸██")


def test_attempts_are_joined_across_lanes() -> None:
    up = [bar(1, 3, 7, lease=1, outcome=Outcome.FAILED, superseded=True)]
    down = [bar(8, 10, 7, lease=2)]
    assert [row[:11] for row in lines(up, [], down, chosen=(7, 1))] == [" ❯↻────╮   ", "       │   ", "       ▸██ "]
    assert [row[:11] for row in lines(down, [], up, chosen=(7, 1))] == ["       ▸██ ", "       │   ", " ❯↻────╯   "]


def test_an_arrow_over_a_bar_keeps_its_color() -> None:
    up = [bar(1, 3, 7, lease=1, outcome=Outcome.FAILED, superseded=True)]
    between, down = [bar(0, 12, 3)], [bar(8, 10, 7, lease=2)]
    workers = [worker(up, between, down)]
    grid = draw_grid(workers, lay_out(workers, 0), WINDOW, [], (7, 1))
    assert grid[2][7] == BarCell("│", "arrow", "completed")


def test_arrows_from_and_to_outside_do_not_fail() -> None:
    lane = [bar(-9, -5, 7, lease=1), bar(4, 6, 7, lease=2), bar(30, 40, 7, lease=3)]
    assert lines(lane, chosen=(7, 2), window=Window(0.0, 1.0, 20, 99.0))[0] == "───▸❯█" + "─" * 14
    assert lines([lane[0]], [lane[1]], [lane[2]], chosen=(7, 2), window=Window(0.0, 1.0, 20, 99.0))


# -- the axis ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "first", "second"),
    [(10, "15:06:40", "15:06:42"), (60, "15:06:40", "15:06:50"), (3600, "15:10", "15:20"), (86400, "18:00", "00:00")],
)
def test_ticks_are_at_round_times(seconds: int, first: str, second: str) -> None:
    found = ticks(1_750_000_000.0, seconds / 100, 100)
    assert [label for _, label in found][:2] == [first, second]
    places = [place for place, _ in found]
    assert all(after - before >= 12 for before, after in pairwise(places))


def test_ticks_are_at_round_local_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-05:30")
    time.tzset()
    found = ticks(1_750_000_000.0, 864.0, 100)
    assert all(label.endswith(":00") for _, label in found)
