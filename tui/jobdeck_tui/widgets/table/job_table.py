"""The job table: a window on any number of jobs, drawn line by line.

Holds the ids of all matching jobs and the records of those near the screen. The cursor follows the id of a job, never a
row: new jobs arrive above it without moving the view. Until the user selects a job, the table is *live*: it shows the
newest jobs as they arrive, and no key can affect the wrong one.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from jobdeck import Job

from ...feed.job_actions import Selection
from ...feed.messages import JobsPage, View
from ..base.line_diff import DiffedLines
from ..base.panel import STATE_CLASSES, TEXT_CLASSES, JobOpened
from ..base.strips import Piece, make_strip
from . import job_rows
from .cells import Now
from .columns import DEFAULT_COLUMNS, JobColumn, choose_columns
from .cursor import Cursor
from .empty_state import EmptyStateLine, center, nothing_matches, welcome
from .keyed_table import CURSOR_KEYS
from .marks import Marks

HEAD = 1
"""The number of lines of the column headers."""
_MAX_PRUNED = 5000
"""The longest list from which marks of missing jobs are dropped; in longer ones, an action reports how many are missing."""


class JobTable(ScrollView, DiffedLines, can_focus=True, inherit_bindings=False):  # pyright: ignore[reportIncompatibleMethodOverride]
    """All matching jobs, one per line."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*STATE_CLASSES.values(), *TEXT_CLASSES, "ground--cursor", "ground--marked"}
    BINDINGS: ClassVar[list[BindingType]] = [
        *CURSOR_KEYS,
        Binding("enter", "open", "open"),
        Binding("space", "mark", "mark"),
        Binding("ctrl+at,ctrl+space", "mark_range", "mark range", show=False),
        Binding("A", "mark_all", "mark all that match", show=False),
        Binding("ctrl+backslash", "clear_marks", "clear the marks", show=False),
    ]

    class Moved(Message):
        """The visible rows or the selected job have changed."""

    class SortRequested(Message):
        """A column header was clicked."""

        def __init__(self, sort: str) -> None:
            super().__init__()
            self.sort = sort

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.page = JobsPage(View())
        self.marks = Marks()
        self.cursor = Cursor()
        self._jobs: Mapping[int, Job] = {}
        self._range_from: int | None = None
        self.where = ""
        """The name of the database in the welcome on an empty queue."""
        self.by_default = False
        """Whether commands use that database without `--db`."""
        self.readonly = False
        self._loaded = False
        self._doubted: Job | None = None
        self._in_doubt = False
        self._now = Now(0.0)
        self._keys: tuple[str, ...] = DEFAULT_COLUMNS
        self._columns: list[tuple[JobColumn, int]] = []
        self._laid_out_for = -1  # the width of the rows
        self._strips: dict[tuple[int, bool, bool], tuple[Job, int, Strip]] = {}

    # -- content -----------------------------------------------------------------------------------

    def show(self, page: JobsPage, at: float) -> None:
        """Show this page. Keeps the selected job at its line of the screen."""
        same_list = page.view.order == self.page.view.order
        if page.view.scope != self.page.view.scope:
            self.marks.clear()  # marks may only apply to jobs of the visible list
        self.page, self._loaded = page, True
        self._now = Now(at, fine="wait" in self._keys)
        if page.ids is not self._ids:
            moved = self.cursor.apply_page(page, same_list=same_list)
            self._resize_content()
            if not same_list:
                self._strips.clear()
                if self.live:
                    self._scroll(0)
                self._scroll_to_row()
            elif moved and not self.gone:  # keep the job at its line of the screen
                self._scroll(max(0, self.top + moved))
                self._scroll_to_row()
        self._jobs = page.jobs
        if self._in_doubt and not page.reading:
            self._resolve_doubt()
        self._lay_out()
        self._drop_missing_marks()
        self.redraw()

    @property
    def _ids(self) -> array[int]:
        return self.cursor.ids

    @property
    def chosen(self) -> int | None:
        """The id under the cursor; `None` while the table is live."""
        return self.cursor.chosen

    @property
    def gone(self) -> bool:
        """Whether the selected job has left the list."""
        return self.cursor.gone

    @property
    def live(self) -> bool:
        """Whether the newest jobs are shown as they arrive."""
        return self.cursor.live

    @property
    def arrived(self) -> int:
        """The number of jobs that arrived since one was selected."""
        return self.cursor.arrived

    @property
    def total(self) -> int:
        """The number of matching jobs."""
        return len(self._ids)

    @property
    def row(self) -> int:
        """The row of the cursor, from 0."""
        return self.cursor.row

    @property
    def rows(self) -> int:
        """The number of rows that fit on the screen."""
        return max(1, self.size.height - HEAD)

    @property
    def top(self) -> int:
        """The first visible row."""
        return round(self.scroll_offset.y)

    @property
    def job(self) -> Job | None:
        """The job under the cursor; `None` until its record is loaded."""
        return self._jobs.get(self.chosen) if self.chosen is not None else None

    @property
    def selection(self) -> Selection:
        """The jobs an action applies to: the marked ones, or the selected one."""
        if self.marks:
            return self.marks.selection(self.page.view.filter, self.page.view.tab)
        return Selection(ids=() if self.chosen is None else (self.chosen,))

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the columns to show, in order, as far as they fit."""
        return self._keys

    def choose(self, keys: tuple[str, ...]) -> None:
        """Show these columns."""
        self._keys = keys
        self._columns = []
        self._lay_out()
        self.refresh()

    @property
    def columns(self) -> tuple[JobColumn, ...]:
        """The visible columns."""
        return tuple(column for column, _ in self._columns)

    def place_of(self, job_id: int) -> int | None:
        """Return the row of a job, from 0; `None` if it is not in the list."""
        return self.cursor.find(job_id)

    def go_to(self, row: int) -> int | None:
        """Move the cursor to a row; return the id of its job."""
        self._go(row)
        return self.chosen

    def expect(self, job_id: int) -> None:
        """Select a new job as soon as it appears in the list, unless another is selected."""
        self.cursor.expect(job_id)

    def expect_other_database(self) -> None:
        """Expect that the next page may come from another database, where ids mean other jobs; clear the marks."""
        self._doubted, self._in_doubt = self.job, True
        self.action_clear_marks()

    def _resolve_doubt(self) -> None:
        """Keep the selected job only if it is the same job in the new page: a key meant for it must not affect another."""
        job, before = self.job, self._doubted
        self._doubted, self._in_doubt = None, False
        self._strips.clear()
        self.cursor.arrived = 0
        if not (job and before and (job.kind, job.created_at) == (before.kind, before.created_at)):
            self.release()

    def release(self) -> bool:
        """Return to the live view; return `False` if the table was live."""
        if self.live:
            return False
        self.cursor.release()
        self._scroll(0)
        self._moved()
        return True

    def _drop_missing_marks(self) -> None:
        marks, view = self.marks, self.page.view
        if marks and not marks.everything and len(self._ids) <= _MAX_PRUNED and not view.filter and view.tab == "all":
            marks.keep(set(self._ids))

    def _resize_content(self) -> None:
        self.virtual_size = Size(self._width, len(self._ids) + HEAD)

    def on_resize(self, event: Resize) -> None:
        """Choose the columns that fit."""
        self._resize_content()
        self._lay_out()
        self._scroll_to_row()
        self._moved()

    def _lay_out(self) -> None:
        width = self._width
        columns = choose_columns(width, self._jobs.values(), self._keys, self._now, self.page.view.sort)
        if (columns, width) != (self._columns, self._laid_out_for):
            self._columns, self._laid_out_for = columns, width
            self._strips.clear()

    # -- drawing ----------------------------------------------------------------------------------

    @property
    def _width(self) -> int:
        """The width of a row in cells, without the scroll bar."""
        return self.scrollable_content_region.width

    def line_at(self, y: int) -> Strip:
        width = self._width
        if width != self._laid_out_for:  # the scroll bar has appeared or disappeared, which is no resize
            self._lay_out()
        if y < HEAD:
            heads = job_rows.heads(self._columns, self.page, self._style) if self._ids else []
            return make_strip(heads, width, self.rich_style)
        row = self.top + y - HEAD
        if row >= len(self._ids):
            return make_strip(self._empty(y), width, self.rich_style)
        job_id = self._ids[row]
        job = self._jobs.get(job_id)
        cursor, marked = job_id == self.chosen, job_id in self.marks
        if job is None:  # its record is not loaded yet
            signs = [("❯" if cursor else " ", "accent"), ("▌" if marked else " ", "warning"), (f"… {job_id}", "quiet")]
            pieces = [(text, self._style(f"text--{meaning}")) for text, meaning in signs]
            return make_strip(pieces, width, self._ground(cursor, marked))
        key = (job_id, cursor and self.has_focus, marked)
        tick = self._now.tick(job)
        found = self._strips.get(key)
        if found is not None and found[0] == job and found[1] == tick and not (cursor and not self.has_focus):
            return found[2]
        drawn = job_rows.row(job, self._columns, self._now, self._style, cursor=cursor, marked=marked)
        strip = make_strip(drawn, width, self._ground(cursor, marked))
        if len(self._strips) > 2000:
            self._strips.clear()
        self._strips[key] = (job, tick, strip)
        return strip

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name, partial=True)

    def _ground(self, cursor: bool, marked: bool) -> Style:
        if cursor:
            return self.rich_style + self.get_component_rich_style("ground--cursor")
        return self.rich_style + self.get_component_rich_style("ground--marked") if marked else self.rich_style

    def _empty(self, y: int) -> list[Piece]:
        """Return a line of the empty state."""
        if self._ids or not self._loaded:
            return []
        if self.page.reading:
            return [("  loading …", self._style("text--quiet"))] if y == HEAD + 1 else []
        lines, column, top = self._empty_lines()
        if not 0 <= y - HEAD - top < len(lines):
            return []
        pieces = [(text, self._style(f"text--{meaning}")) for text, meaning in lines[y - HEAD - top].pieces]
        return [(" " * column, Style()), *pieces]

    def _empty_lines(self) -> tuple[Sequence[EmptyStateLine], int, int]:
        """Return the lines of the empty state, and the column and line at which they start."""
        view = self.page.view
        width, height = self._width, self.size.height - HEAD
        if self.page.problem or view.filter or view.tab != "all":
            lines = nothing_matches(view, self.page.problem)
        else:
            lines = welcome(self.where, width - 2, height, default=self.by_default, readonly=self.readonly)
        return lines, *center(lines, width, height)

    # -- moving -----------------------------------------------------------------------------------

    def _moved(self) -> None:
        self.post_message(self.Moved())
        self.refresh()

    def _go(self, row: int) -> None:
        if not self._ids:
            return
        before, top = self.row, self.top
        self.cursor.go(row)
        self._scroll_to_row()
        self.post_message(self.Moved())
        if self.top == top:  # only two lines have changed
            self.refresh(*(Region(0, HEAD + each - top, self._width, 1) for each in (before, self.row)))
        else:
            self.refresh()

    def _scroll_to_row(self) -> None:
        if self.chosen is None:
            return
        top = self.top
        if self.row < top:
            self._scroll(self.row)
        elif self.row >= top + self.rows:
            self._scroll(self.row - self.rows + 1)

    def _scroll(self, top: int) -> None:
        """Scroll to row `top` immediately: the caller reads the scroll position next."""
        self.scroll_to(y=top, animate=False, force=True, immediate=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Request the rows that scrolled into view."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        """Move the cursor; the first step selects the first visible row."""
        if self.gone and by > 0:
            by -= 1  # the next job is now in its row
        self._go(self.top if self.live else self.row + by)

    def action_page(self, by: int) -> None:
        """Move by a screenful."""
        self._go((self.top if self.live else self.row) + by * self.rows)

    def action_edge(self, by: int) -> None:
        """Go to the first or the last job."""
        self._go(0 if by < 0 else len(self._ids) - 1)

    def action_open(self) -> None:
        """Open the selected job."""
        if self.chosen is not None:
            self.post_message(JobOpened(self.chosen))
        elif self._ids:
            self.action_move(1)

    # -- marking ----------------------------------------------------------------------------------

    def action_mark(self) -> None:
        """Mark or unmark the selected job, and move to the next."""
        if self.chosen is None:
            self.action_move(1)
            return
        self.marks.toggle(self.chosen)
        self._range_from = self.row
        self._go(self.row + 1)
        self._moved()

    def action_mark_range(self) -> None:
        """Mark all jobs from the newest mark to the cursor."""
        if self.chosen is None:
            return
        start = self.row if self._range_from is None else self._range_from
        low, high = sorted((start, self.row))
        self.marks.add(self._ids[low : high + 1])
        self._range_from = self.row
        self._moved()

    def action_mark_all(self) -> None:
        """Mark all matching jobs, including those that match later."""
        self.marks.add_all()
        self._range_from = None
        self._moved()

    def action_clear_marks(self) -> None:
        """Unmark everything."""
        self.marks.clear()
        self._range_from = None
        self._moved()

    def on_click(self, event: Click) -> None:
        """Select a job with the mouse; a second click opens it. A click on a header sorts."""
        if event.y < HEAD:
            at = 2
            for column, width in self._columns:
                if at <= event.x < at + width + 1 and column.sort:
                    self.post_message(self.SortRequested(column.sort))
                at += width + 1
            return
        row = self.top + event.y - HEAD
        if row < len(self._ids):
            self._go(row)
            if event.chain > 1:
                self.action_open()
        elif not self._ids and self._loaded:
            lines, _, top = self._empty_lines()
            if 0 <= event.y - HEAD - top < len(lines) and (action := lines[event.y - HEAD - top].action):
                self.app.call_later(self.app.run_action, action, self.screen)

    def on_focus(self) -> None:
        """Redraw the cursor as focused."""
        self._strips.clear()

    def on_blur(self) -> None:
        """Redraw the cursor as not focused."""
        self._strips.clear()

    def notify_style_update(self) -> None:
        """Drop cached rows: the theme has changed."""
        super().notify_style_update()
        self._strips.clear()

    def visible_ids(self) -> Sequence[int]:
        """Return the visible ids."""
        return self._ids[self.top : self.top + self.rows]
