"""Swim lanes: the runs of each worker over time, with keys to move in time and between runs. The screen reads the data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from math import ceil, inf
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp, Resize
from textual.message import Message
from textual.strip import Strip

from jobdeck import Run

from ...feed.lane_packing import Bar, Key, WorkerLanes
from ...feed.queries.timeline import TimelineData
from ...text.format import number, span
from ...text.sanitize import safe
from ..base.panel import JobOpened, Panel
from ..base.strips import Piece, make_strip, width_of
from ..base.styled_text import StyledLine
from .grid import Grid, LanePosition, draw_grid, lay_out
from .run_bars import GLYPHS, WORDS, BarCell, Window
from .time_axis import ticks

SPANS = (10, 30, 60, 120, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400)
"""The zoom levels: how many seconds fit on the screen."""
GUTTER = 5
"""The width of the cursor and the lane number in cells."""
_LOOKS = tuple(f"run--{look}" for look in (*GLYPHS, "chosen"))
_LEGEND_FIRST = ("failed", "again", "crashed", "cancelled")
"""The entries of the legend if not all fit."""


_NOTHING: Sequence[StyledLine] = (
    [("  No worker is alive, and nothing ran in this period.", "strong")],
    [("  Jobs run on threads of a cockpit or of ", "quiet"), ("jobdeck worker", "accent"), (".", "quiet")],
    [],
    [("  h", "accent"), ("   scrolls to earlier runs", "quiet")],
    [("  -", "accent"), ("   zooms out", "quiet")],
)
"""The text shown if there are no lanes."""


class Timeline(Panel, inherit_bindings=False):
    """Lanes of bars below a time axis."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*_LOOKS, "run--arrow"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "lane(1)", "lane down", show=False, tooltip="Go to the run in the lane below"),
        Binding("k,up", "lane(-1)", "lane up", show=False, tooltip="Go to the run in the lane above"),
        Binding("tab", "run(1)", "next run", key_display="tab", tooltip="Go to the next run in the lane"),
        Binding("shift+tab", "run(-1)", "previous run", show=False, tooltip="Go to the previous run in the lane"),
        Binding(
            "n",
            "failure(1)",
            "failure",
            key_display="n N",
            tooltip="Go to the next failure in any lane, starting with the newest",
        ),
        Binding("N", "failure(-1)", "previous failure", show=False, tooltip="Go to the previous failure"),
        Binding("plus,equals_sign", "zoom(-1)", "zoom", key_display="+ -", tooltip="Zoom in, down to 10 seconds"),
        Binding("minus", "zoom(1)", "zoom out", show=False, tooltip="Zoom out, up to 24 hours"),
        Binding("left,h", "scroll_time(-1)", "earlier", key_display="h l", tooltip="Scroll to earlier runs"),
        Binding("right,l", "scroll_time(1)", "later", show=False, tooltip="Scroll to later runs, up to now"),
        Binding("0,home", "follow", "now", key_display="0", tooltip="Go to now and follow it"),
        Binding("f", "freeze", "freeze", tooltip="Freeze the view, or follow now"),
        Binding("g", "edge(-1)", "first lane", show=False),
        Binding("G,end", "edge(1)", "last lane", show=False),
        Binding("enter", "open", "open", tooltip="Open the job of the selected run"),
    ]
    digit = 6
    label = "timeline"

    class Moved(Message):
        """The selected run has changed."""

    class PeriodChanged(Message):
        """The visible period has changed, and its runs must be read."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.seen: TimelineData | None = None
        self.chosen: Run | None = None
        """The run under the cursor, as last read."""
        self._zoom = SPANS.index(60)
        self._window_start: float | None = None
        """The start of the window; `None` while following now."""
        self._lane: tuple[str, int] | None = None
        self._top = 0
        self._places: list[LanePosition] = []
        self._grid: Grid | None = None
        self._here: str | None = None

    # -- the visible period --------------------------------------------------------------------------

    @property
    def seconds(self) -> int:
        """The number of visible seconds before now."""
        return SPANS[self._zoom]

    @property
    def following(self) -> bool:
        """Whether the window follows now."""
        return self._window_start is None

    @property
    def _width(self) -> int:
        return max(8, self.size.width - GUTTER)

    @property
    def _future(self) -> int:
        """The number of cells after now: space for leases."""
        return max(3, self._width // 10)

    @property
    def window(self) -> Window:
        """The visible period. Aligns cells to multiples of their length, so that bars move by whole cells."""
        width = self._width
        cell = self.seconds / (width - self._future)
        now = self.seen.at if self.seen is not None else 0.0
        start = self._window_start
        if start is None:
            start = (ceil(now / cell) - (width - self._future)) * cell
        return Window(start, cell, width, now)

    @property
    def period_to_read(self) -> tuple[float, float | None]:
        """The number of seconds to read and their end; `None` means until now."""
        window = self.window
        length = window.cell * (window.width + 1)
        return (
            (float(self.seconds) + window.cell, None) if self._window_start is None else (length, self._window_start + length)
        )

    @property
    def slices(self) -> int:
        """The number of slices to sample: one per cell."""
        return min(300, self._width)

    def _show_from(self, start: float | None, *, until_now: bool = False) -> None:
        """Show the period from `start`; with `until_now`, follow now if it comes into view."""
        window = self.window
        if start is not None:
            cell = window.cell
            start = round(start / cell) * cell
            if until_now and start + (window.width - self._future) * cell >= window.now:
                start = None
        self._window_start = start
        self._changed()
        self.post_message(self.PeriodChanged())

    def action_scroll_time(self, by: int) -> None:
        """Scroll by an eighth of the window."""
        window = self.window
        if not (self.following and by > 0):
            self._show_from(window.begin + by * max(1, window.width // 8) * window.cell, until_now=by > 0)

    def action_zoom(self, by: int) -> None:
        """Zoom in or out around the selected run, or around the middle."""
        zoom = max(0, min(len(SPANS) - 1, self._zoom + by))
        if zoom == self._zoom:
            return
        window, chosen = self.window, self.chosen
        around = window.begin + window.cell * window.width / 2
        if chosen is not None and (seen := self._visible_part(chosen, window)):
            around = sum(seen) / 2
        share = (around - window.begin) / (window.end - window.begin)
        self._zoom = zoom
        if self.following:
            self._show_from(None)
        else:
            length = self.window.cell * self.window.width
            self._show_from(around - share * length)

    def action_follow(self) -> None:
        """Go to now and follow it."""
        self._show_from(None)

    def action_freeze(self) -> None:
        """Freeze the view, or follow now."""
        if self.following:
            self._window_start = self.window.begin
            self._changed()
            self.post_message(self.PeriodChanged())
        else:
            self._show_from(None)

    # -- content --------------------------------------------------------------------------------------

    def show(self, seen: TimelineData, here: str | None = None) -> None:
        """Show these runs. `here` is the id of the worker of this process."""
        self.seen, self._here = seen, here
        if self.chosen is not None:
            key = self.chosen.key
            newest = next((bar.run for _, _, bar in self._bars() if bar.run.key == key), None)
            if newest is not None and newest != self.chosen:
                self.chosen = newest
                self.post_message(self.Moved())
        self._changed()

    def _changed(self) -> None:
        self._grid = None
        self._update_titles()
        self.refresh()

    def on_resize(self, event: Resize) -> None:
        """Read the period that the new width shows."""
        self._changed()
        self.post_message(self.PeriodChanged())

    @property
    def _workers(self) -> Sequence[WorkerLanes]:
        return self.seen.workers if self.seen is not None else ()

    def _bars(self) -> Iterable[tuple[str, int, Bar]]:
        """Yield every bar with its worker and lane."""
        for each in self._workers:
            for lane, bars in enumerate(each.lanes):
                for bar in bars:
                    yield each.worker, lane, bar

    def _update_titles(self) -> None:
        seen = self.seen
        parts = [(f"last {span(self.seconds)}" if self.following else span(self.seconds), "$quiet")]
        if not self.following:
            window = self.window
            start = time.strftime("%a %d %b %H:%M:%S", time.localtime(window.begin))
            parts.append((f"from {start} · ‖ frozen, 0 follows now", "$warning"))
        if seen is not None:
            busy = sum(each.busy for each in seen.workers)
            slots = sum(len(each.lanes) for each in seen.workers)
            if slots:
                parts.append((f"· {busy} of {slots} busy", "$quiet"))
            if not seen.is_complete:
                more = "more than 100,000" if seen.ended >= 100_000 else number(seen.ended)
                parts.append((f"· a sample of {more} runs", "$warning"))
        below: list[tuple[str, str]] = []
        hidden = len(self._places) - self._room
        if hidden > 0:
            below.append((f"lines to {number(self._top + self._room)} of {number(len(self._places))}", "$quiet"))
        for looks in (GLYPHS, _LEGEND_FIRST):
            legend = " ".join(f" {GLYPHS[query]} {WORDS.get(query, query)}" for query in looks)
            if sum(len(text) for text, _ in below) + len(legend) + 6 <= self.size.width:
                below.append((legend, "$quiet"))
                break
        self.set_titles(parts, below)

    @property
    def _room(self) -> int:
        return max(1, self.size.height - 1)

    def _draw_all(self) -> Grid:
        if self._grid is None:
            window = self.window
            self._places = lay_out(self._workers, self._room)
            self._keep_in_view()
            marks = [place for place, _ in ticks(window.begin, window.cell, window.width)]
            self._grid = draw_grid(self._workers, self._places, window, marks, self._key)
            self._update_titles()
        return self._grid

    @property
    def _key(self) -> Key | None:
        return self.chosen.key if self.chosen is not None else None

    def _keep_in_view(self) -> None:
        at = self._cursor_line()
        if at is not None:
            self._top = max(min(self._top, at - 1), at - self._room + 1)
        self._top = max(0, min(self._top, len(self._places) - self._room))

    def _cursor_line(self) -> int | None:
        for y, place in enumerate(self._places):
            if place.lane is not None and (self._workers[place.worker].worker, place.lane) == self._lane:
                return y
        return None

    # -- drawing -------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width, ground = self.size.width, self.rich_style
        if self.seen is None:
            return make_strip([], width, ground)
        grid = self._draw_all()
        if y == 0:
            return make_strip(self._axis(), width, ground)
        at = self._top + y - 1
        if at >= len(self._places):
            return make_strip(self._empty(y), width, ground)
        place = self._places[at]
        if place.lane is None:
            return make_strip(self._worker_line(self._workers[place.worker], grid[at]), width, ground)
        return make_strip([*self._gutter(place), *self._cells(grid[at])], width, ground)

    def _axis(self) -> Sequence[Piece]:
        window, quiet = self.window, self.style("quiet")
        signs = [" "] * window.width
        for place, text in ticks(window.begin, window.cell, window.width):
            if place + len(text) < window.width:
                signs[place : place + len(text) + 1] = f"╷{text}"
        pieces: list[Piece] = [(" " * GUTTER, quiet)]
        now = int(window.place(window.now))
        if 0 <= now <= window.width - 4:
            before = "".join(signs[: max(0, now - 1)])
            # Omit a label that "now" would cut in two.
            cut = before.rfind("╷")
            if cut >= 0 and len(before) - cut < 10 and not before[cut:].endswith(" "):
                before = before[:cut] + " " * (len(before) - cut)
            pieces += [(before + " " * (now - len(before)), quiet), ("╷", quiet), ("now", self.style("strong"))]
            return pieces
        return [*pieces, ("".join(signs), quiet)]

    def _gutter(self, place: LanePosition) -> Sequence[Piece]:
        if place.lane is None or place.line:
            return [(" " * GUTTER, Style())]
        on = (self._workers[place.worker].worker, place.lane) == self._lane
        style = self.style("strong") if on else self.style("quiet")
        return [("❯" if on else " ", self.style("accent")), (f"{place.lane + 1:>3} ", style)]

    def _worker_line(self, each: WorkerLanes, rule: Sequence[BarCell]) -> Sequence[Piece]:
        name, _, _ = each.worker.rpartition(":")
        info = each.info
        parts: list[Piece] = [("─", self.style("line")), (f" {safe(name or each.worker)} ", self.style("strong"))]
        if each.worker == self._here:
            parts.append(("this cockpit ", self.style("quiet")))
        if info is None:
            parts.append(("stopped ", self.style("quiet")))
        elif not info.alive:
            parts.append(("silent ", self.style("error")))
        elif info.draining:
            parts.append(("draining ", self.style("warning")))
        if info is not None:
            parts.append((f"{each.busy} of {len(each.lanes)} busy ", self.style("quiet")))
        taken = width_of(parts)
        # The rule continues after the text; an arrow may cross it.
        return [*parts, ("─" * max(0, GUTTER - taken), self.style("line")), *self._cells(rule[max(0, taken - GUTTER) :])]

    def _cells(self, cells: Sequence[BarCell]) -> list[Piece]:
        pieces: list[Piece] = []
        text, style_of = "", ("", "")
        for cell in cells:
            mine = (cell.look, cell.ground)
            if mine != style_of and text:
                pieces.append((text, self._style_of(*style_of)))
                text = ""
            style_of = mine
            text += cell.text
        return [*pieces, (text, self._style_of(*style_of))]

    def _style_of(self, query: str, ground: str) -> Style:
        """Return the style of a cell: the color of a bar is the background of its component class, over that of the panel."""
        style = self.get_component_rich_style(f"run--{ground}") if ground else Style()
        if f"run--{query}" in _LOOKS:
            return style + Style(color=self.get_component_rich_style(f"run--{query}").bgcolor)
        if query == "arrow":
            return style + Style(color=self.get_component_rich_style("run--arrow").color, bold=True)
        return style + self.style(query) if query else style

    def _empty(self, y: int) -> Sequence[Piece]:
        if self._places:
            return []
        if not 2 <= y < 2 + len(_NOTHING):
            return []
        return [(text, self.style(meaning)) for text, meaning in _NOTHING[y - 2]]

    # -- moving between runs -------------------------------------------------------------------------

    def _choose(self, worker: str, lane: int, run: Run | None) -> None:
        self._lane, self.chosen = (worker, lane), run
        if run is not None:
            self._bring_into_view(run)
        self._changed()
        self.post_message(self.Moved())

    @staticmethod
    def _visible_part(run: Run, window: Window) -> tuple[float, float] | None:
        """Return the visible part of the run; `None` if it is out of view."""
        end = window.now if run.finished_at is None else run.finished_at
        start, end = max(run.started_at, window.begin), min(end, window.end)
        return (start, end) if start <= end else None

    def _bring_into_view(self, run: Run) -> None:
        """Scroll the run into view."""
        window = self.window
        if self._visible_part(run, window) is None:
            self._show_from(run.started_at - window.cell * window.width / 2)

    def _lanes(self) -> list[tuple[str, int, Sequence[Bar]]]:
        return [(each.worker, at, lane) for each in self._workers for at, lane in enumerate(each.lanes)]

    def _at(self) -> int | None:
        """Return the index of the lane under the cursor."""
        return next((at for at, (worker, lane, _) in enumerate(self._lanes()) if (worker, lane) == self._lane), None)

    def action_lane(self, by: int) -> None:
        """Go to the nearest run in time in the next lane."""
        lanes, at = self._lanes(), self._at()
        if not lanes:
            return
        self._go(max(0, min(len(lanes) - 1, at + by)) if at is not None else 0 if by > 0 else len(lanes) - 1)

    def action_edge(self, by: int) -> None:
        """Go to the first or the last lane."""
        if lanes := self._lanes():
            self._go(0 if by < 0 else len(lanes) - 1)

    def _go(self, at: int) -> None:
        worker, lane, bars = self._lanes()[at]
        window = self.window
        part = None if self.chosen is None else self._visible_part(self.chosen, window)
        middle = min(window.now, window.end) if part is None else sum(part) / 2
        seen = [bar for bar in bars if bar.end > window.begin and bar.start < window.end]
        nearest = min(seen, key=lambda bar: max(bar.start - middle, middle - bar.end, 0.0), default=None)
        self._choose(worker, lane, nearest.run if nearest else None)

    def action_run(self, by: int) -> None:
        """Go to the next or previous run in the lane."""
        at = self._at()
        if at is None:
            self._go_newest()
            return
        worker, lane, bars = self._lanes()[at]
        place = next((place for place, bar in enumerate(bars) if bar.run.key == self._key), None)
        if place is None:
            self._go(at)
        elif 0 <= place + by < len(bars):
            self._choose(worker, lane, bars[place + by].run)

    def _go_newest(self) -> None:
        newest = max(self._bars(), key=lambda each: (each[2].end, each[2].start), default=None)
        if newest is not None:
            self._choose(newest[0], newest[1], newest[2].run)

    def action_failure(self, by: int) -> None:
        """Go to the next or previous failure in time."""
        failed = [each for each in self._bars() if each[2].run.failed]
        failed.sort(key=lambda each: (each[2].end, each[2].run.key))
        if not failed:
            self.app.notify("No run failed in this period; - zooms out, h scrolls to earlier runs", timeout=3, markup=False)
            return
        here = None if self.chosen is None else (self.chosen.finished_at or inf, self.chosen.key)
        places = [(each[2].end, each[2].run.key) for each in failed]
        if here is None:
            self._choose(failed[-1][0], failed[-1][1], failed[-1][2].run)
            return
        beyond = [at for at, place in enumerate(places) if (place > here if by > 0 else place < here)]
        if not beyond:
            which = "later" if by > 0 else "earlier"
            self.app.notify(f"No {which} failure in this period", timeout=3, markup=False)
            return
        worker, lane, bar = failed[beyond[0] if by > 0 else beyond[-1]]
        self._choose(worker, lane, bar.run)

    def action_open(self) -> None:
        """Open the job of the selected run."""
        if self.chosen is not None:
            self.post_message(JobOpened(self.chosen.job_id))

    # -- the mouse -----------------------------------------------------------------------------------

    def on_click(self, event: Click) -> None:
        """Select the run under the mouse; a second click opens its job."""
        x, y = event.x - self.gutter.left - GUTTER, event.y - self.gutter.top - 1
        at = self._top + y
        if y < 0 or at >= len(self._places) or (lane := self._places[at].lane) is None:
            return
        each = self._workers[self._places[at].worker]
        window = self.window
        moment = window.begin + (x + 0.5) * window.cell
        bars = each.lanes[lane]
        nearest = min(bars, key=lambda bar: max(bar.start - moment, moment - bar.end, 0.0), default=None)
        if nearest is not None and max(nearest.start - moment, moment - nearest.end) > 1.5 * window.cell:
            nearest = None
        self._choose(each.worker, lane, nearest.run if nearest else None)
        if event.chain > 1:
            self.action_open()

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Scroll the lanes; zoom with ctrl, scroll in time with shift."""
        self._wheel(event, -1)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Scroll the other way."""
        self._wheel(event, 1)

    def _wheel(self, event: MouseScrollUp | MouseScrollDown, by: int) -> None:
        event.stop()
        if event.ctrl:
            self.action_zoom(by)
        elif event.shift or len(self._places) <= self._room:
            self.action_scroll_time(by)
        else:
            self._lane = None  # scrolling may move the cursor out of view
            self._top += 3 * by
            self._changed()
