"""Live pictures of experiments, drawn as lines: every size, every share, every column."""

from __future__ import annotations

import pytest
from rich.style import Style
from tests.tui.lab.made_runs import PLAYED, made_view

from jobdeck_tui.lab.catalog import module_of
from jobdeck_tui.lab.live import picture_before
from jobdeck_tui.lab.picture import DONE, TWICE, WAITING
from jobdeck_tui.widgets.base.strips import width_of
from jobdeck_tui.widgets.lab.big_digits import big_digits
from jobdeck_tui.widgets.lab.live_picture import compose_picture, shrink


def plain(_: str) -> Style:
    return Style()


@pytest.mark.parametrize("name", PLAYED)
def test_every_picture_fits_every_size(name: str) -> None:
    view = made_view(name, "mid")
    assert view is not None
    for picture in (view.picture, picture_before(module_of(name))):
        for width, height in ((80, 13), (60, 6), (38, 3), (120, 25), (200, 45)):
            lines = compose_picture(picture, width, height, plain)
            assert len(lines) <= height
            assert all(width_of(line) <= width for line in lines)
            text = "\n".join("".join(piece for piece, _ in line) for line in lines)
            assert picture.lanes[0].name[:6] in text


def test_cells_that_stand_for_several_jobs_keep_the_share_of_each_kind() -> None:
    states = (DONE * 9 + TWICE) * 80 + WAITING * 200
    shown = shrink(states, 100)
    assert {letter: shown.count(letter) for letter in (DONE, TWICE, WAITING)} == {DONE: 72, TWICE: 8, WAITING: 20}
    assert shown.endswith(WAITING * 20)
    assert shrink("", 10) == ""
    assert shrink(TWICE * 3, 10) == TWICE * 3


def test_large_digits_are_three_lines_of_one_width() -> None:
    for number in ("0", "1234567890", "3.5", "1,000"):
        lines = big_digits(number)
        assert len(lines) == 3
        assert len({len(line) for line in lines}) == 1
