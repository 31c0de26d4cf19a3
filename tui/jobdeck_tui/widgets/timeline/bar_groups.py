"""Groups of runs that are narrower than a cell: drawn as one bar with their number, not as a glyph for each. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import ceil, floor

from jobdeck import record

from ...text.format import number

_FEWEST = 4
"""The minimum number of runs of a group."""
_NARROW = 2.0
"""The width in cells below which a bar may belong to a group: some are a little wider than those around them."""
_EDGE = 0.06
"""The part of a cell that a bar may cover without counting as in it."""
_CROWDED = 1.5
"""The mean number of runs per cell from which they are a group."""


@record
class BarGroup:
    """Consecutive bars of a lane that are drawn as one."""

    first: int
    """The index of its first bar."""
    bars: int
    """The number of its bars."""
    cells: tuple[int, int]
    """The first cell that it covers, and the one after its last."""

    @property
    def members(self) -> range:
        """The indices of its bars."""
        return range(self.first, self.first + self.bars)


def find_groups(places: Sequence[tuple[float, float]]) -> list[BarGroup]:
    """Return the groups of a lane: narrow bars, less than a cell apart, and several of them in a cell.

    Args:
        places: the start and the end of each bar in cells, in order.
    """
    found: list[BarGroup] = []
    first: int | None = None
    for at, (start, end) in enumerate(places):
        narrow = end - start < _NARROW
        if first is not None and (not narrow or start - places[at - 1][1] >= 1.0):
            found += _group(places, first, at)
            first = None
        if narrow and first is None:
            first = at
    return found if first is None else [*found, *_group(places, first, len(places))]


def _group(places: Sequence[tuple[float, float]], first: int, after: int) -> list[BarGroup]:
    cells = floor(places[first][0]), max(floor(places[first][0]) + 1, ceil(places[after - 1][1] - _EDGE))
    bars, wide = after - first, cells[1] - cells[0]
    crowded = bars >= max(_FEWEST, _CROWDED * wide) and wide > 1  # a single cell shows the worst of its runs
    return [BarGroup(first, bars, cells)] * crowded


def group_label(looks: Counter[str], glyphs: Sequence[tuple[str, str]], room: int) -> str:
    """Return the number of runs, and of those to be marked, as far as it fits: `128 runs ✗3 ↻5`; empty if nothing does.

    Args:
        looks: the number of runs of each look.
        glyphs: the looks to mark and their glyphs, the worst first.
        room: the number of cells.
    """
    marks = [f"{glyph}{number(looks[look])}" for look, glyph in glyphs if looks[look]]
    total = looks.total()
    texts: Iterable[str] = (
        " ".join((f"{number(total)} runs", *marks)),
        " ".join((number(total), *marks)),
        " ".join(marks),
        *(marks[:1]),
    )
    return next((text for text in texts if text and len(text) <= room), "")
