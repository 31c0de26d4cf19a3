"""Tests of runs that are narrower than a cell of the timeline: they are drawn as one bar with numbers."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.tui.widgets.test_run_bars import WINDOW, bar, draw_lane, looks, text

from jobdeck import Outcome
from jobdeck_tui.feed.lane_packing import Bar
from jobdeck_tui.widgets.timeline.bar_groups import find_groups, group_label
from jobdeck_tui.widgets.timeline.run_bars import BarCell


def crowd(start: float, cells: int, *, failing: int = 0, per_cell: int = 10) -> list[Bar]:
    """Return runs that fill cells, of which the first ones of each cell fail."""
    step = 1 / per_cell
    return [
        bar(
            start + at * step,
            start + at * step + step * 0.9,
            int(start) * 1000 + at + 1,
            outcome=Outcome.FAILED if at % per_cell < failing else Outcome.COMPLETED,
        )
        for at in range(cells * per_cell)
    ]


def test_runs_narrower_than_a_cell_become_one_bar_with_their_number() -> None:
    cells = draw_lane(crowd(2, 12, failing=1), WINDOW)
    assert text(cells) == ".. 120 ✗12 ███......"
    assert set(looks(cells)) == {"completed"}


def test_no_failing_run_is_a_mark_of_its_own_among_many() -> None:
    cells = draw_lane(crowd(0, 20, failing=2), WINDOW)
    assert text(cells).count("✗") == 1  # in the numbers


def test_a_group_without_room_for_numbers_is_marked_once_at_its_end() -> None:
    assert text(draw_lane(crowd(3, 2, failing=1), WINDOW)) == "...█✗..............."
    assert text(draw_lane(crowd(3, 2), WINDOW)) == "...██..............."


def test_a_group_of_mostly_failing_runs_has_their_color() -> None:
    assert set(looks(draw_lane(crowd(2, 12, failing=9), WINDOW))) == {"failed"}


def test_a_long_run_among_short_ones_stays_a_bar() -> None:
    cells = draw_lane([*crowd(0, 4), bar(5, 12, 9999, kind="img.resize"), *crowd(13, 4)], WINDOW)
    assert "img" in text(cells)


def test_few_runs_keep_their_marks() -> None:
    lane = [bar(at, at + 0.8, at + 1, outcome=Outcome.FAILED) for at in range(0, 20, 3)]
    assert text(draw_lane(lane, WINDOW)).count("✗") == 7


def test_the_selected_run_has_the_cursor_within_a_group() -> None:
    lane = crowd(2, 14, failing=1)
    at = lane[85].run
    assert BarCell("❯", "chosen") in draw_lane(lane, WINDOW, chosen=at.key)


@pytest.mark.parametrize("places", [[], [(0.0, 9.0)], [(0.0, 0.1), (5.0, 5.1), (9.0, 9.1)], [(3.0, 3.05)] * 20])
def test_sparse_runs_wide_runs_and_those_of_a_single_cell_are_no_group(places: list[tuple[float, float]]) -> None:
    assert find_groups(places) == []


def test_the_numbers_are_shortened_to_the_room() -> None:
    counts, glyphs = Counter(completed=1200, failed=3, again=5), [("failed", "✗"), ("crashed", "†"), ("again", "↻")]
    assert [group_label(counts, glyphs, room) for room in (16, 11, 5, 2, 1)] == [
        "1,208 runs ✗3 ↻5", "1,208 ✗3 ↻5", "✗3 ↻5", "✗3", "",
    ]  # fmt: skip
