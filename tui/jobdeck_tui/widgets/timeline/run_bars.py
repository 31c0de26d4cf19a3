"""Draws runs as bars: to an eighth of a cell at their ends, or as a height if many share a cell. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf

from rich.cells import cell_len

from jobdeck import Outcome, Run, record

from ...feed.lane_packing import Bar
from ...text.format import duration
from ...text.sanitize import safe
from .bar_groups import BarGroup, find_groups, group_label

_LEFT = " ▏▎▍▌▋▊▉█"
_HEIGHTS = " ▁▂▃▄▅▆▇█"
_SEAM = 0.25
"""The gap between adjacent bars as a fraction of a cell, so that they do not look like one."""
_LABEL_FROM = 6
"""The minimum width of a bar with a text, in cells."""
_EDGE = 0.06
"""The distance from the edge of a cell, as a fraction of it, that counts as on the edge."""

RUNNING, COMPLETED, FAILED, AGAIN, CRASHED, CANCELLED, BACK = (
    "running",
    "completed",
    "failed",
    "again",
    "crashed",
    "cancelled",
    "back",
)
GLYPHS = {RUNNING: "▸", COMPLETED: "✓", FAILED: "✗", AGAIN: "↻", CRASHED: "†", CANCELLED: "⊘", BACK: "◷"}
"""The look of each outcome: every look has a glyph, a word and a color."""
CURSOR = "❯"
"""The mark at the start of the selected run: it shows without colors, too."""
WORDS = {AGAIN: "retried", BACK: "back"}
_WORST = (FAILED, CRASHED, AGAIN, CANCELLED, RUNNING, COMPLETED, BACK)
_ALWAYS_MARKED = frozenset({FAILED, CRASHED, AGAIN, CANCELLED})
"""The looks that get a glyph however short the run is."""
_OF_OUTCOME = {
    None: RUNNING,
    Outcome.COMPLETED: COMPLETED,
    Outcome.CRASHED: CRASHED,
    Outcome.CANCELLED: CANCELLED,
    Outcome.SNOOZED: BACK,
    Outcome.RELEASED: BACK,
}


def style_of(run: Run) -> str:
    """Return the look of a run."""
    return _OF_OUTCOME.get(run.outcome) or (AGAIN if run.superseded else FAILED)


@record
class BarCell:
    """One cell: its character, and the looks of its text and background."""

    text: str = " "
    look: str = ""
    """A look, `chosen`, or a meaning such as `quiet`."""
    ground: str = ""
    """The look of the background; a text without a look is then dark."""


@record
class Window:
    """The visible period: the time at its left edge, and the seconds per cell."""

    begin: float
    cell: float
    width: int
    now: float

    @property
    def end(self) -> float:
        """The time at the right edge."""
        return self.begin + self.cell * self.width

    def place(self, at: float) -> float:
        """Return the position of a time in cells from the left; may be outside."""
        return (min(at, self.now) - self.begin) / self.cell if at == inf else (at - self.begin) / self.cell


@dataclass(slots=True)
class _Part:
    """The part of one cell that a bar covers."""

    low: float
    high: float
    look: str


Row = list[BarCell | None]


def draw_lane(bars: Sequence[Bar], window: Window, chosen: tuple[int, int] | None = None, lines: int = 1) -> list[Row]:
    """Return the cells of a lane, line by line; `None` if it is idle. `lines` is the height of the bars."""
    width = window.width
    rows: list[Row] = [[None] * width for _ in range(lines)]
    parts: defaultdict[int, list[_Part]] = defaultdict(list)
    marks: list[tuple[int, str, str]] = []
    cursor: int | None = None
    placed = _visible_bars(bars, window)
    groups = find_groups([(start, end) for start, end, _ in placed])
    grouped = {at for group in groups for at in group.members}
    for after, (start, end, bar) in enumerate(placed, 1):
        query = style_of(bar.run)
        drawn = "chosen" if bar.run.key == chosen else query
        if after < len(placed) and placed[after][0] - end < _SEAM / 2 and end - start > 1:
            end -= _SEAM
        first, last = ceil(start - _EDGE), floor(end + _EDGE)
        if drawn == "chosen":
            cursor = max(0, first if first < last else floor(start))
        if first > last:  # inside one cell
            _add_part(parts, last, start - last, end - last, drawn, width)
        else:
            if first - start > _EDGE:
                _add_part(parts, first - 1, start - first + 1, 1.0, drawn, width)
            if end - last > _EDGE or (first == last and end - start <= 2 * _EDGE):
                _add_part(parts, last, max(0.0, start - last), max(end - last, 0.125), drawn, width)
        inside = (max(0, first), min(width, last))
        if inside[1] > inside[0]:
            full = BarCell("█", drawn)
            for row in rows:
                row[inside[0] : inside[1]] = [full] * (inside[1] - inside[0])
            for line, row in enumerate(rows):
                _write_label(row, inside, bar.run, query, drawn, line)
        if query in _ALWAYS_MARKED and after - 1 not in grouped and inside[1] - inside[0] < 3 and end <= width:
            marks.append((min(width - 1, max(0, ceil(end) - 1)), query, drawn))
    crowded = {cell for group in groups for cell in range(*group.cells)}
    for place, found in parts.items():
        for line, row in enumerate(rows):
            row[place] = _combine(found, row[place], lines - 1 - line, lines, crowded=place in crowded)
    for group in groups:
        _write_group(rows[0], group, [style_of(placed[at][2].run) for at in group.members], width)
    for place, query, drawn in marks:
        _draw_mark(rows[0], place, query, drawn, shared=len(parts.get(place, ())) > 1)
    if cursor is not None and cursor < width:
        current = rows[0][cursor]
        whole = current is not None and "chosen" in (current.ground, current.look if current.text == "█" else "")
        rows[0][cursor] = BarCell(CURSOR, "", "chosen") if whole else BarCell(CURSOR, "chosen")
    return rows


def _visible_bars(bars: Iterable[Bar], window: Window) -> list[tuple[float, float, Bar]]:
    """Return the visible bars with their start and end in cells; even the shortest bar gets a visible width."""
    found = []
    for bar in bars:
        start, end = window.place(bar.start), window.place(bar.end)
        end = max(end, start + 0.125)
        if end > 0 and start < window.width:
            found.append((start, end, bar))
    return found


def _add_part(parts: defaultdict[int, list[_Part]], place: int, low: float, high: float, query: str, width: int) -> None:
    if 0 <= place < width:
        parts[place].append(_Part(max(0.0, low), min(1.0, high), query))


def _write_group(cells: Row, group: BarGroup, looks: Sequence[str], width: int) -> None:
    """Write the numbers of a group of runs into it; if there is no room for them, mark its end with the worst of them."""
    start, end = max(0, group.cells[0]), min(width, group.cells[1])
    counts = Counter(looks)
    marked = [(look, GLYPHS[look]) for look in _WORST if look in _ALWAYS_MARKED]
    text = group_label(counts, marked, end - start - 2)
    if text:
        ground = counts.most_common(1)[0][0]
        for at, sign in enumerate(f" {text} ", start):
            cells[at] = BarCell(sign, "", ground)
    elif worst := next((look for look, _ in marked if counts[look]), ""):
        _draw_mark(cells, end - 1, worst, worst, shared=True)


def _combine(parts: Sequence[_Part], under: BarCell | None, below: int, lines: int, *, crowded: bool = False) -> BarCell | None:
    """Return the cell for the parts of the bars in it; `below` is the number of lines of the lane under it.

    A `crowded` cell is one of a group: it shows how much of its time is covered, not where.
    """
    if under is not None:
        return under
    if len(parts) == 1 and not crowded:
        return BarCell(_partial_block(parts[0].low, parts[0].high), parts[0].look)
    first, last = parts[0], parts[-1]
    if len(parts) == 2 and not crowded and first.low <= _EDGE and last.high >= 1 - _EDGE:
        text = _LEFT[max(1, min(7, round(8 * first.high)))]
        return BarCell(text, first.look, "" if first.look == last.look else last.look)
    shares: defaultdict[str, float] = defaultdict(float)
    for part in parts:
        shares[part.look] += part.high - part.low
    most = "chosen" if "chosen" in shares else max(shares, key=lambda query: shares[query])
    height = max(1, min(8 * lines, ceil(8 * lines * sum(shares.values())))) - 8 * below
    return BarCell(_HEIGHTS[min(8, height)], most) if height > 0 else None


def _partial_block(low: float, high: float) -> str:
    """Return a character that fills about this part of a cell."""
    if low <= _EDGE:
        return _LEFT[max(1, min(8, round(8 * high)))]
    if high >= 1 - _EDGE:
        return "█" if low < 0.25 else "▐" if low < 0.75 else "▕"
    middle = (low + high) / 2
    if high - low >= 0.4:
        return "▌" if middle < 0.5 else "▐"
    return "▏" if middle < 0.33 else "┃" if middle < 0.67 else "▕"


def _write_label(cells: Row, inside: tuple[int, int], run: Run, query: str, drawn: str, line: int) -> None:
    """Write the label of a run into its bar, and its outcome at the end, if they fit."""
    start, end = inside
    room = end - start
    if room >= 3 and line == 0:
        ink = query if drawn == "chosen" else ""
        cells[end - 1] = BarCell(GLYPHS[query], ink, drawn)
    if room < _LABEL_FROM:
        return
    text = _shorten(_line_text(run, line), room - (3 if line == 0 else 2))
    place = start + 1
    for sign in text:
        size = cell_len(sign)
        if size:
            cells[place] = BarCell(sign, "", drawn)
        if size == 2:
            cells[place + 1] = BarCell("", "", drawn)
        place += size


def _line_text(run: Run, line: int) -> str:
    """Return the text of a line of a bar."""
    if line == 0:
        return safe(run.kind)
    if line == 1:
        took = "" if run.finished_at is None else f" {duration(max(0.0, run.finished_at - run.started_at))}"
        return f"#{run.job_id}{took}"
    return safe(run.error or run.queue)


def _shorten(text: str, room: int) -> str:
    while cell_len(text) > room:
        text = text[:-2] + "…" if len(text) > 1 else ""
    return text


def _draw_mark(cells: Row, place: int, query: str, drawn: str, *, shared: bool) -> None:
    """Draw the glyph of a short run at its end; the worst outcome wins if several share a cell."""
    current = cells[place]
    marked = current is not None and current.look in _WORST and current.text in GLYPHS.values()
    if current is not None and marked and _WORST.index(current.look) <= _WORST.index(query):
        return
    if current is not None and current.text == "█" and not shared:
        cells[place] = BarCell(GLYPHS[query], query if drawn == "chosen" else "", drawn)
    else:
        cells[place] = BarCell(GLYPHS[query], drawn)
