"""The scales of charts, and the cells of bars."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from jobdeck_tui.text.format import field_filter, rate_text
from jobdeck_tui.widgets.charts.metric_chart import stack_cell
from jobdeck_tui.widgets.charts.scales import amount, fill_gaps, moment_text, round_top, share, ticks, time_bounds, time_lines

NOON = datetime(2025, 6, 14, 12, 0, tzinfo=UTC).timestamp()
RED, BLUE = Style(color="red"), Style(color="blue")


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (0.3, 0.5), (1, 1), (1.01, 2), (2.5, 5), (7, 10), (188, 200), (1e6, 1e6), (0.002, 0.002)]
)
def test_the_top_of_a_scale_is_round_and_not_below_the_value(value: float, top: float) -> None:
    assert round_top(value) == pytest.approx(top)


@given(st.floats(1e-6, 1e9))
def test_the_top_of_a_scale_is_less_than_three_times_the_value(value: float) -> None:
    assert value <= round_top(value) * (1 + 1e-9) < 2.6 * value


@given(st.floats(0.001, 1e7), st.floats(0.001, 1e7))
def test_a_scale_of_durations_holds_both_ends(one: float, other: float) -> None:
    low, high = time_bounds(min(one, other), max(one, other))
    assert low <= min(one, other)
    assert max(one, other) <= high
    lines = time_lines(low, high)
    assert (lines[0][0], lines[-1][0]) == (low, high)
    assert len(lines) >= 2


@given(st.sampled_from([600.0, 3600.0, 86400.0, 604800.0]), st.integers(20, 200), st.floats(0, 86400))
def test_the_labels_of_a_time_axis_never_touch_and_stay_inside(seconds: float, width: int, offset: float) -> None:
    begin = NOON + offset
    found = ticks(begin, begin + seconds, width, reserved=4)
    for (column, label), (after, _) in pairwise(found):
        assert column + len(label) < after
    assert all(column >= 0 and column + len(label) <= width - 5 for column, label in found)
    if width >= 60:
        assert found


def test_the_labels_are_round_local_times_at_their_columns() -> None:
    assert ticks(NOON, NOON + 3600, 60) == [(8, "12:10"), (18, "12:20"), (28, "12:30"), (38, "12:40"), (48, "12:50")]


def test_a_label_at_midnight_names_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    labels = [label for _, label in ticks(NOON, NOON + 86400, 100)]
    assert "Sun 15" in labels
    assert "09:00" in labels or "10:00" in labels or "12:00" in labels
    assert moment_text(NOON, 600) == "08:00:00"


@pytest.mark.parametrize(("seconds", "text"), [(600, "12:00:00"), (86400, "12:00"), (604800, "Sat 14 12:00")])
def test_a_time_is_as_precise_as_its_axis_needs(seconds: float, text: str) -> None:
    assert moment_text(NOON, seconds) == text


def test_values_of_a_scale_fit_the_gutter() -> None:
    assert [amount(value) for value in (0.5, 2.5, 20, 500, 1500, 2e6)] == ["0.5", "2.5", "20", "500", "1.5k", "2.0M"]
    assert [share(value) for value in (1.0, 0.5, 0.025, 0.001)] == ["100%", "50%", "2.5%", "0.1%"]


def test_a_sample_fills_a_gap_of_limited_length() -> None:
    assert fill_gaps([None, 3, None, None, None, 5], 2) == [None, 3, 3, 3, None, 5]
    assert fill_gaps([1, None], 0) == [1, None]


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0"), (142.4, "142/s"), (9.3, "9.3/s"), (0.08, "4.8/min"), (0.0006, "2.2/h"), (1e-6, "<0.1/h")]
)
def test_a_rate_has_the_most_readable_unit(rate: float, text: str) -> None:
    assert rate_text(rate) == text


def test_a_filter_quotes_any_value() -> None:
    assert field_filter("kind", "mail.send") == "kind:mail.send"
    assert field_filter("place", "") == 'place:""'
    assert field_filter("queue", "a b") == 'queue:"a b"'
    assert field_filter("queue", 'a,"b*') == r'queue:"a,\"b\*"'
    assert field_filter("place", "x" * 2000) == f"place:{'x' * 1000}*"


def cells(*parts: tuple[float, Style], height: int = 2) -> list[tuple[str, Style]]:
    return [stack_cell(parts, 16, height, level * 8) for level in reversed(range(height))]


def test_bars_are_eighths_of_cells_from_below() -> None:
    assert [cell for cell, _ in cells((16, BLUE))] == ["█", "█"]
    assert [cell for cell, _ in cells((9, BLUE))] == ["▁", "█"]
    assert [cell for cell, _ in cells((0.1, BLUE))] == [" ", "▁"]
    assert [cell for cell, _ in cells((0, BLUE))] == [" ", " "]


def test_the_upper_part_is_the_background_of_a_shared_cell() -> None:
    upper, lower = cells((4, BLUE), (8, RED))
    assert upper == ("▄", RED)
    assert lower == ("▄", BLUE + Style(bgcolor="red"))


def test_the_larger_of_two_parts_in_the_topmost_cell_is_visible() -> None:
    assert cells((5, BLUE), (1, RED))[1] == ("▆", BLUE)
    assert cells((1, BLUE), (5, RED))[1] == ("▆", RED)
