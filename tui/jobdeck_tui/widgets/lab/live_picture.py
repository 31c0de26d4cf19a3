"""The live picture of an experiment: its lanes side by side, each with a number that counts in large digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby, pairwise

from rich.style import Style

from jobdeck import State

from ...lab.picture import (
    DONE,
    LOST,
    ORPHANED,
    RUNNING,
    TWICE,
    WAITING,
    Cells,
    Columns,
    LanePicture,
    Mood,
    Picture,
    PictureRow,
    PictureRows,
)
from ...text.sanitize import safe
from ..base.panel import LineWidget
from ..base.strips import Piece, fit, fit_pieces
from ..charts.dashboard_charts import bar_cells
from .big_digits import HEIGHT, big_digits

Line = list[Piece]
_GLYPHS = {WAITING: "·", RUNNING: "▸", DONE: "■", TWICE: "✗", ORPHANED: "▲", LOST: "✗"}
_WORST = (TWICE, LOST, ORPHANED, RUNNING, DONE, WAITING)
"""The letters in the order of their weight, if a cell stands for several jobs."""
_LEAST_BAR = 6
_LEAST_CHART = 4
"""The minimum lines of a chart: two of columns, one of labels, one of the unit."""
_FEW = 12
"""The maximum number of columns that are set apart."""
_GAP = 3
"""Columns between two lanes."""


class LivePicture(LineWidget):
    """Draws a picture, and again the lines that change."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._picture = Picture(())
        self._made: tuple[Picture, int, int, str] | None = None
        self._lines: list[Line] = []

    def show(self, picture: Picture) -> None:
        """Show a picture."""
        self._picture = picture
        self.redraw()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        key = (self._picture, width, self.size.height, self.app.theme)
        if self._made != key:
            self._lines = compose_picture(self._picture, width, self.size.height, self._style_of)
            self._made = key
        return self._lines[y] if y < len(self._lines) else []

    def _style_of(self, meaning: str) -> Style:
        if meaning in (State.RUNNING, State.COMPLETED):
            return self.state_style(State(meaning))
        return self.style(meaning) if meaning else Style()


Styles = Callable[[str], Style]


def compose_picture(picture: Picture, width: int, height: int, styles: Styles) -> list[Line]:
    """Return the lines of a picture.

    Args:
        picture: the picture.
        width: the number of columns.
        height: the number of lines.
        styles: returns the style of a meaning.
    """
    n = len(picture.lanes)
    if not n or width < 10 * n:
        return []
    each = (width - 2 - _GAP * (n - 1)) // n
    lanes = [_lane(lane, each, height, styles) for lane in picture.lanes]
    lines: list[Line] = []
    for y in range(height):
        line: Line = [(" ", Style())]
        for at, lane in enumerate(lanes):
            if at:
                line.append((" │ ", styles("line")))
            line += fit_pieces(lane[y] if y < len(lane) else [], each)
        lines.append(line)
    return lines


def _lane(lane: LanePicture, width: int, height: int, styles: Styles) -> list[Line]:
    mark = "▶ " if lane.is_active else "  "
    lines: list[Line] = [
        [(mark, styles("accent")), (lane.name, styles("strong")), (f"  {lane.what}", styles("quiet"))],
    ]
    mood = styles(lane.mood)
    if height >= 10:
        digits = big_digits(lane.number)
        lines += [[("  ", Style()), (digits[0], mood)], [("  ", Style()), (digits[1], mood)]]
        fits = len(digits[2]) + 4 + len(lane.label) <= width
        lines.append([("  ", Style()), (digits[2], mood), (f"  {lane.label}" if fits else "", styles("strong"))])
        below: Line = [] if fits else [(f"{lane.label}  ", styles("strong"))]
    else:
        lines.append([("  ", Style()), (lane.number, mood + Style(bold=True)), (f" {lane.label}", mood)])
        below = []
    lines.append([("  ", Style()), *below, (safe(lane.caption), styles("quiet"))])
    roomy = height >= 10 + HEIGHT
    if roomy:
        lines.append([])
    parts = [part for part in lane.parts if not isinstance(part, PictureRows) or part.rows]
    room = height - len(lines)
    for at, part in enumerate(parts):
        rest = parts[at + 1 :]
        kept = sum(_least(other) for other in rest)
        lines += _part(part, width, max(0, room - kept - (1 if roomy and rest else 0)), styles)
        if roomy and rest:
            lines.append([])
        room = height - len(lines)
    return lines


def _least(part: Cells | PictureRows | Columns) -> int:
    if isinstance(part, PictureRows):
        return min(4, len(part.rows))
    return _LEAST_CHART if isinstance(part, Columns) else 2


def _part(part: Cells | PictureRows | Columns, width: int, height: int, styles: Styles) -> list[Line]:
    if height <= 0:
        return []
    if isinstance(part, Cells):
        return _cells(part.states, width, height, styles)
    if isinstance(part, PictureRows):
        rows = part.rows if len(part.rows) <= height else part.rows[-height:]
        return [_row(row, width, styles) for row in rows]
    return _columns(part, width, height, styles)


# -- cells ------------------------------------------------------------------------------------------------


@lru_cache(8)
def shrink(states: str, cells: int) -> str:
    """Return at most so many cells for the jobs: each letter keeps its share, about where it was."""
    if len(states) <= cells or cells <= 0:
        return states[: max(0, cells)]
    size = len(states) / cells
    left = dict.fromkeys(_WORST, 0.0)
    found = []
    for at in range(cells):
        part = states[round(at * size) : round((at + 1) * size)]
        chosen = part[0]
        left[chosen] += part.count(chosen)
        if left[chosen] < size:  # else it has the whole cell
            for letter in part:
                if letter != chosen:
                    left[letter] += 1
            chosen = max(_WORST, key=left.__getitem__)
        left[chosen] -= size
        found.append(chosen)
    return "".join(found)


def _cells(states: str, width: int, height: int, styles: Styles) -> list[Line]:
    room = width - 2
    spaced = len(states) * 2 <= room * min(height, 3)
    in_row = room // 2 if spaced else room
    shown = shrink(states, in_row * height)
    meanings = {WAITING: "quiet", RUNNING: "running", DONE: "completed", TWICE: "error", ORPHANED: "warning", LOST: "error"}
    lines: list[Line] = []
    for start in range(0, len(shown), in_row):
        line: Line = [("  ", Style())]
        for letter, run in groupby(shown[start : start + in_row]):  # a piece for each cell would take half the time of a frame
            line.append(((_GLYPHS[letter] + (" " if spaced else "")) * len([*run]), styles(meanings[letter])))
        lines.append(line)
    return lines


# -- rows -------------------------------------------------------------------------------------------------


def _row(row: PictureRow, width: int, styles: Styles) -> Line:
    style = styles(row.mood)
    text, note = safe(row.text), safe(row.note)
    line: Line = [(f"  {row.mark} ", style), (text, Style())]
    room = width - 4 - len(text) - len(note) - 2
    if row.bar is None or room < _LEAST_BAR:
        line.append((" " * max(1, room + 2), Style()))
    else:
        filled = round(min(1.0, max(0.0, row.bar)) * room)
        line += [(" ", Style()), ("█" * filled, style), ("░" * (room - filled), styles("line")), (" ", Style())]
    line.append((note, style))
    return line


# -- columns ----------------------------------------------------------------------------------------------


def _columns(chart: Columns, width: int, height: int, styles: Styles) -> list[Line]:
    room = width - 2
    values, moods, points = _fit_columns(chart, room)
    top = max([chart.top, *values, *(point for point in points if point is not None), 1.0])
    tall = max(1, height - 2)
    lines: list[Line] = [[(f"  {top:g} {chart.unit}", styles("quiet"))]]
    for level in range(tall - 1, -1, -1):
        line: Line = [("  ", Style())]
        drawn = [(cell, mood) for cell, mood in zip(bar_cells(values, tall, top, level), moods, strict=True)]
        for at, point in enumerate(points):
            if point is not None and int(min(tall - 1, point / top * tall)) == level:
                drawn[at] = ("●", Mood.ACCENT)
        for mood, run in groupby(drawn, key=lambda each: each[1]):
            line.append(("".join(cell for cell, _ in run), styles(mood)))
        lines.append(line)
    left, right = chart.labels
    gap = max(1, room - len(left) - len(right))
    lines.append([("  ", Style()), (left + " " * gap + right, styles("quiet"))])
    return [lines[0], *lines[1:]] if height >= _LEAST_CHART else lines[1:][-height:]


def _fit_columns(chart: Columns, room: int) -> tuple[list[float], list[Mood], list[float | None]]:
    """Return the columns for a width: several in one if they are too many, each of several cells if they are few."""
    n = len(chart.values)
    points = [*chart.line, *([None] * (n - len(chart.line)))] if chart.line else []
    if n > room:
        edges = [round(at * n / room) for at in range(room + 1)]
        slices = [slice(start, end) for start, end in pairwise(edges)]
        peaks = [max(range(part.start, part.stop), key=lambda at: chart.values[at]) for part in slices]
        return (
            [chart.values[at] for at in peaks],
            [chart.moods[at] for at in peaks],
            [next((each for each in points[part] if each is not None), None) for part in slices] if points else [],
        )
    at = [x * n // room for x in range(room)]
    is_last = [x + 1 == room or at[x + 1] != at[x] for x in range(room)]
    apart = n * 3 <= room and n <= _FEW  # a histogram: a gap between its columns
    values = [0.0 if apart and last else chart.values[each] for each, last in zip(at, is_last, strict=True)]
    return values, [chart.moods[each] for each in at], [points[each] for each in at] if points else []


def headline(name: str, claim: str, right: str, width: int, styles: Styles) -> Line:
    """Return a line with the name and the claim of an experiment, and words at the right."""
    room = max(0, width - len(right) - 3)
    left = fit_pieces([(f" {name}", styles("accent") + Style(bold=True)), (f"  {claim}", styles("strong"))], room)
    return [*left, (fit(f"  {right} ", width - room, right=True), styles("quiet"))]
