"""Runs drawn as bars: cells of a lane, to an eighth of a cell where a bar ends, as heights where many share a cell. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf

from rich.cells import cell_len

from jobdeck import Outcome, Run

from ...feed.lane_packing import Bar
from ...text.format import duration
from ...text.sanitize import safe

_LEFT = " ▏▎▍▌▋▊▉█"
_HEIGHTS = " ▁▂▃▄▅▆▇█"
_SEAM = 0.25
"""Of a cell: what a bar ends earlier where the next one follows at once, so that they are seen as two."""
_LABEL_FROM = 6
"""Cells that a bar has to have for a text in it."""
_EDGE = 0.06
"""Of a cell: nearer than this to its edge is at its edge."""

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
"""How a run ended, as it is drawn: every look has a glyph, a word and a colour."""
CURSOR = "❯"
"""Where the chosen run begins: it is told from the others where there are no colours, too."""
WORDS = {AGAIN: "retried", BACK: "back"}
_WORST = (FAILED, CRASHED, AGAIN, CANCELLED, RUNNING, COMPLETED, BACK)
_TELLING = frozenset({FAILED, CRASHED, AGAIN, CANCELLED})
"""What is marked with its glyph however short it was."""
_OF_OUTCOME = {
    None: RUNNING,
    Outcome.COMPLETED: COMPLETED,
    Outcome.CRASHED: CRASHED,
    Outcome.CANCELLED: CANCELLED,
    Outcome.SNOOZED: BACK,
    Outcome.RELEASED: BACK,
}


def look_of(run: Run) -> str:
    """How a run is drawn."""
    return _OF_OUTCOME.get(run.outcome) or (AGAIN if run.again else FAILED)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what stands in it, in the colour of which look, on the ground of which."""

    text: str = " "
    look: str = ""
    """A look, `chosen`, or a meaning such as `quiet`."""
    ground: str = ""
    """A look whose colour is behind the text; the text is then dark where it has no look of its own."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is drawn: where its first cell begins, and how many seconds a cell is."""

    begin: float
    cell: float
    width: int
    now: float

    @property
    def end(self) -> float:
        """Where its last cell ends."""
        return self.begin + self.cell * self.width

    def place(self, at: float) -> float:
        """Where a time lies, in cells from the left; may lie outside."""
        return (min(at, self.now) - self.begin) / self.cell if at == inf else (at - self.begin) / self.cell


@dataclass(slots=True)
class _Part:
    """A bar's part of one cell."""

    low: float
    high: float
    look: str


Row = list[Cell | None]


def draw_lane(bars: Sequence[Bar], window: Window, chosen: tuple[int, int] | None = None, lines: int = 1) -> list[Row]:
    """The cells of a lane, line by line; `None` where it is idle. `lines`: how high its bars are."""
    width = window.width
    rows: list[Row] = [[None] * width for _ in range(lines)]
    parts: defaultdict[int, list[_Part]] = defaultdict(list)
    marks: list[tuple[int, str, str]] = []
    cursor: int | None = None
    placed = _placed(bars, window)
    for after, (begin, end, bar) in enumerate(placed, 1):
        look = look_of(bar.run)
        drawn = "chosen" if bar.run.key == chosen else look
        if after < len(placed) and placed[after][0] - end < _SEAM / 2 and end - begin > 1:
            end -= _SEAM
        first, last = ceil(begin - _EDGE), floor(end + _EDGE)
        if drawn == "chosen":
            cursor = max(0, first if first < last else floor(begin))
        if first > last:  # inside one cell
            _part(parts, last, begin - last, end - last, drawn, width)
        else:
            if first - begin > _EDGE:
                _part(parts, first - 1, begin - first + 1, 1.0, drawn, width)
            if end - last > _EDGE or (first == last and end - begin <= 2 * _EDGE):
                _part(parts, last, max(0.0, begin - last), max(end - last, 0.125), drawn, width)
        inside = (max(0, first), min(width, last))
        if inside[1] > inside[0]:
            full = Cell("█", drawn)
            for row in rows:
                row[inside[0] : inside[1]] = [full] * (inside[1] - inside[0])
            for line, row in enumerate(rows):
                _label(row, inside, bar.run, look, drawn, line)
        if look in _TELLING and inside[1] - inside[0] < 3 and end <= width:
            marks.append((min(width - 1, max(0, ceil(end) - 1)), look, drawn))
    for place, found in parts.items():
        for line, row in enumerate(rows):
            row[place] = _shared(found, row[place], lines - 1 - line, lines)
    for place, look, drawn in marks:
        _mark(rows[0], place, look, drawn, shared=len(parts.get(place, ())) > 1)
    if cursor is not None and cursor < width:
        there = rows[0][cursor]
        whole = there is not None and "chosen" in (there.ground, there.look if there.text == "█" else "")
        rows[0][cursor] = Cell(CURSOR, "", "chosen") if whole else Cell(CURSOR, "chosen")
    return rows


def _placed(bars: Iterable[Bar], window: Window) -> list[tuple[float, float, Bar]]:
    """The bars of the window, from and to which cell they reach; each is seen, however short."""
    found = []
    for bar in bars:
        begin, end = window.place(bar.begin), window.place(bar.end)
        end = max(end, begin + 0.125)
        if end > 0 and begin < window.width:
            found.append((begin, end, bar))
    return found


def _part(parts: defaultdict[int, list[_Part]], place: int, low: float, high: float, look: str, width: int) -> None:
    if 0 <= place < width:
        parts[place].append(_Part(max(0.0, low), min(1.0, high), look))


def _shared(parts: Sequence[_Part], under: Cell | None, below: int, lines: int) -> Cell | None:
    """One cell from the parts of the bars in it; so many lines of the same lane are `below` it."""
    if under is not None:
        return under
    if len(parts) == 1:
        return Cell(_piece(parts[0].low, parts[0].high), parts[0].look)
    first, last = parts[0], parts[-1]
    if len(parts) == 2 and first.low <= _EDGE and last.high >= 1 - _EDGE:
        text = _LEFT[max(1, min(7, round(8 * first.high)))]
        return Cell(text, first.look, "" if first.look == last.look else last.look)
    shares: defaultdict[str, float] = defaultdict(float)
    for part in parts:
        shares[part.look] += part.high - part.low
    most = "chosen" if "chosen" in shares else max(shares, key=lambda look: shares[look])
    height = max(1, min(8 * lines, ceil(8 * lines * sum(shares.values())))) - 8 * below
    return Cell(_HEIGHTS[min(8, height)], most) if height > 0 else None


def _piece(low: float, high: float) -> str:
    """A character that fills about this part of a cell."""
    if low <= _EDGE:
        return _LEFT[max(1, min(8, round(8 * high)))]
    if high >= 1 - _EDGE:
        return "█" if low < 0.25 else "▐" if low < 0.75 else "▕"
    middle = (low + high) / 2
    if high - low >= 0.4:
        return "▌" if middle < 0.5 else "▐"
    return "▏" if middle < 0.33 else "┃" if middle < 0.67 else "▕"


def _label(cells: Row, inside: tuple[int, int], run: Run, look: str, drawn: str, line: int) -> None:
    """Write into a bar what it is, and how it ended at its end, where there is room."""
    begin, end = inside
    room = end - begin
    if room >= 3 and line == 0:
        ink = look if drawn == "chosen" else ""
        cells[end - 1] = Cell(GLYPHS[look], ink, drawn)
    if room < _LABEL_FROM:
        return
    text = _cut(_text(run, line), room - (3 if line == 0 else 2))
    place = begin + 1
    for sign in text:
        size = cell_len(sign)
        if size:
            cells[place] = Cell(sign, "", drawn)
        if size == 2:
            cells[place + 1] = Cell("", "", drawn)
        place += size


def _text(run: Run, line: int) -> str:
    """What stands in each line of a bar."""
    if line == 0:
        return safe(run.kind)
    if line == 1:
        took = "" if run.finished_at is None else f" {duration(max(0.0, run.finished_at - run.started_at))}"
        return f"#{run.job_id}{took}"
    return safe(run.error or run.queue)


def _cut(text: str, room: int) -> str:
    while cell_len(text) > room:
        text = text[:-2] + "…" if len(text) > 1 else ""
    return text


def _mark(cells: Row, place: int, look: str, drawn: str, *, shared: bool) -> None:
    """Put the glyph of a short run where it ended; of several in one cell the worst is seen."""
    there = cells[place]
    marked = there is not None and there.look in _WORST and there.text in GLYPHS.values()
    if there is not None and marked and _WORST.index(there.look) <= _WORST.index(look):
        return
    if there is not None and there.text == "█" and not shared:
        cells[place] = Cell(GLYPHS[look], look if drawn == "chosen" else "", drawn)
    else:
        cells[place] = Cell(GLYPHS[look], drawn)
