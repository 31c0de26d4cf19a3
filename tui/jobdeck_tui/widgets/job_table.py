"""The table of jobs: a window on any number of them, drawn line by line.

It holds the ids of all jobs that match and the records of those near the screen. The cursor follows a job's
id, never a row: new jobs arrive above it without moving what the person is looking at. Until a job is chosen
the table is *live*: it shows the newest jobs as they come, and no key can hit the wrong one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from jobdeck import Job, State

from ..format import GLYPHS
from ..messages import Page, View
from .columns import Column, Now, choose_columns, detail
from .lines import Piece, fit, line
from .panel import STATE_CLASSES, TEXT_CLASSES
from .welcome import Line, nothing_matches, placed, welcome

HEAD = 1
"""Lines of the column heads."""


class JobTable(ScrollView, can_focus=True, inherit_bindings=False):
    """All jobs that match, a line each."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*STATE_CLASSES.values(), *TEXT_CLASSES, "ground--cursor", "ground--marked"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "down", show=False, system=True),
        Binding("k,up", "move(-1)", "up", show=False, system=True),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False, system=True),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False, system=True),
        Binding("g,home", "edge(-1)", "first", show=False, system=True),
        Binding("G,end", "edge(1)", "last", show=False, system=True),
        Binding("enter", "open", "open"),
        Binding("space", "mark", "mark"),
        Binding("ctrl+at,ctrl+space", "mark_range", "mark range", show=False),
        Binding("A", "mark_all", "mark all that match", show=False),
        Binding("ctrl+backslash", "clear_marks", "clear the marks", show=False),
    ]

    class Opened(Message):
        """Open this job."""

        def __init__(self, job_id: int) -> None:
            super().__init__()
            self.job_id = job_id

    class Moved(Message):
        """Other rows are on the screen, or another is chosen."""

    class SortAsked(Message):
        """A column head was clicked."""

        def __init__(self, sort: str) -> None:
            super().__init__()
            self.sort = sort

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.page = Page(View())
        self.marks: set[int] = set()
        self.chosen: int | None = None
        """The id under the cursor; `None` while the table is live."""
        self._ids: array[int] = array("q")
        self._jobs: Mapping[int, Job] = {}
        self._row = 0
        self._arrived = 0
        self._newest_seen = 0
        self._range_from: int | None = None
        self._expected: int | None = None
        self.where = ""
        """The database, as people know it, for the welcome on an empty queue."""
        self.by_default = False
        """Whether commands find that database without being told."""
        self.readonly = False
        self._known = False
        self._doubted: Job | None = None
        self._in_doubt = False
        self.gone = False
        """Whether the chosen job has left the list."""
        self._now = Now(0.0)
        self._columns: list[tuple[Column, int]] = []
        self._strips: dict[tuple[int, bool, bool], tuple[Job, int, Strip]] = {}

    # -- what is shown ----------------------------------------------------------------------------

    def show(self, page: Page, at: float) -> None:
        """Show this page. Keeps the chosen job where it is on the screen."""
        same_list = page.view.order == self.page.view.order
        if page.view.scope != self.page.view.scope:
            self.marks = set()  # what is marked must be what one can see
        self.page, self._known = page, True
        self._now = Now(at)
        ids = page.ids
        if ids is not self._ids:
            newest = max(ids[0], ids[-1]) if ids else 0
            self._ids = ids
            if not same_list:
                self._restart()
            elif self.chosen is not None:
                self._follow()
                self._arrived += self._newer_than(self._newest_seen)
            self._newest_seen = max(newest, self._newest_seen)
            if self._expected is not None and self._find(self._expected) is not None:
                self.chosen, self._expected = self._expected, None
                self._follow()
            if self.live:
                self._arrived = 0
            self._resize_content()
        self._jobs = page.jobs
        if self._in_doubt:
            self._clear_up()
        self._lay_out()
        self._drop_gone_marks()
        self.refresh()

    @property
    def live(self) -> bool:
        """Whether the newest jobs are shown as they come."""
        return self.chosen is None

    @property
    def arrived(self) -> int:
        """How many jobs came since one was chosen."""
        return self._arrived

    @property
    def total(self) -> int:
        """How many jobs match."""
        return len(self._ids)

    @property
    def row(self) -> int:
        """The row of the cursor, from 0."""
        return self._row

    @property
    def rows(self) -> int:
        """How many jobs fit on the screen."""
        return max(1, self.size.height - HEAD)

    @property
    def top(self) -> int:
        """The first row on the screen."""
        return round(self.scroll_offset.y)

    @property
    def job(self) -> Job | None:
        """The job under the cursor, if its record is here."""
        return self._jobs.get(self.chosen) if self.chosen is not None else None

    @property
    def targets(self) -> list[int]:
        """The ids that an act concerns: the marked jobs, or the chosen one."""
        if self.marks:
            return sorted(self.marks)
        return [self.chosen] if self.chosen is not None else []

    def expect(self, job_id: int) -> None:
        """Put the cursor on a job that was just made, as soon as it is in the list; leaves a chosen job alone."""
        if self.live:
            self._expected = job_id

    def doubt(self) -> None:
        """The next page may be of another database, in which the same ids are other jobs: marks are gone."""
        self._doubted, self._in_doubt = self.job, True
        self.action_clear_marks()

    def _clear_up(self) -> None:
        """The chosen job stays chosen if it is the same job there: a key that was meant for it must hit no other."""
        job, before = self.job, self._doubted
        self._doubted, self._in_doubt = None, False
        self._strips.clear()
        self._arrived = 0
        if not (job and before and (job.kind, job.created_at) == (before.kind, before.created_at)):
            self.release()

    def release(self) -> bool:
        """Back to live; `False` if it was."""
        if self.live:
            return False
        self.chosen, self.gone = None, False
        self._row = self._arrived = 0
        self._scroll(0)
        self._moved()
        return True

    def _restart(self) -> None:
        """Another list: the chosen job stays chosen if it is in it."""
        self._strips.clear()
        self._arrived = self._newest_seen = 0
        row = self._find(self.chosen) if self.chosen is not None else None
        self.gone = False
        if row is None:
            self.chosen = None
            self._row = 0
            self._scroll(0)
        else:
            self._row = row
            self._resize_content()
            self._scroll_to_row()

    def _follow(self) -> None:
        """The list has changed under the cursor: find its job again, and keep it at its line of the screen."""
        row = self._find(self.chosen)
        self.gone = row is None
        if row is None:
            # It left the list (done, deleted). It stays chosen until the person moves: a key that was meant for it
            # must not hit the job that took its place.
            self._row = max(0, min(self._row, len(self._ids) - 1))
            return
        moved, self._row = row - self._row, row
        self._resize_content()
        if moved:
            self._scroll(max(0, self.top + moved))
            self._scroll_to_row()

    def _newer_than(self, newest: int) -> int:
        """How many jobs at the new end of the list have a larger id; 0 where it is not sorted by id."""
        if self.page.view.sort != "id":
            return 0
        newest_first = iter(self._ids) if self.page.view.descending else reversed(self._ids)
        return sum(1 for _ in takewhile(lambda job_id: job_id > newest, newest_first))

    def _find(self, job_id: int | None) -> int | None:
        """The row of a job."""
        if job_id is None:
            return None
        near = max(0, self._row - 500)
        try:
            return self._ids.index(job_id, near)
        except ValueError:
            pass
        try:
            return self._ids.index(job_id, 0, near + 1)
        except ValueError:
            return None

    def _drop_gone_marks(self) -> None:
        if self.marks and len(self.marks) <= 5000 and not self.page.view.filter and self.page.view.tab == "all":
            self.marks &= set(self._ids)

    def _resize_content(self) -> None:
        self.virtual_size = Size(self._width, len(self._ids) + HEAD)

    def on_resize(self, event: Resize) -> None:
        """Choose the columns that fit."""
        self._resize_content()
        self._lay_out()
        self._scroll_to_row()
        self._moved()

    def _lay_out(self) -> None:
        columns = choose_columns(self._width, self._jobs.values())
        if columns != self._columns:
            self._columns = columns
            self._strips.clear()

    # -- drawing ----------------------------------------------------------------------------------

    @property
    def _width(self) -> int:
        """Cells a row takes: all but the scroll bar."""
        return self.scrollable_content_region.width

    def render_line(self, y: int) -> Strip:
        width = self._width
        if y < HEAD:
            return line(self._heads() if self._ids else (), width, self.rich_style)
        row = self.top + y - HEAD
        if row >= len(self._ids):
            return line(self._empty(y), width, self.rich_style)
        job_id = self._ids[row]
        job = self._jobs.get(job_id)
        cursor, marked = job_id == self.chosen, job_id in self.marks
        if job is None:  # its record is on the way
            sign = ("❯" if cursor else " ", self._text("accent"))
            return line([sign, (f" … {job_id}", self._text("quiet"))], width, self._ground(cursor, marked))
        key = (job_id, cursor and self.has_focus, marked)
        tick = self._now.tick(job)
        found = self._strips.get(key)
        if found is not None and found[0] == job and found[1] == tick and not (cursor and not self.has_focus):
            return found[2]
        strip = line(self._row_pieces(job, cursor, marked), width, self._ground(cursor, marked))
        if len(self._strips) > 2000:
            self._strips.clear()
        self._strips[key] = (job, tick, strip)
        return strip

    def _text(self, name: str) -> Style:
        return self.get_component_rich_style(f"text--{name}", partial=True)

    def _ground(self, cursor: bool, marked: bool) -> Style:
        if cursor:
            return self.rich_style + self.get_component_rich_style("ground--cursor")
        return self.rich_style + self.get_component_rich_style("ground--marked") if marked else self.rich_style

    def _heads(self) -> Iterable[Piece]:
        quiet, strong = self._text("quiet"), self._text("strong")
        yield "  ", quiet
        view = self.page.view
        for column, width in self._columns:
            title = column.title
            sorted_by = column.sort == view.sort
            if sorted_by:
                title += " ▼" if view.descending else " ▲"
            yield fit(title, width, right=column.right) + " " * (column.width > 0), strong if sorted_by else quiet

    def _row_pieces(self, job: Job, cursor: bool, marked: bool) -> Iterable[Piece]:
        state = State.RUNNING if job.cancelling else job.state
        coloured = self.get_component_rich_style(STATE_CLASSES[state], partial=True)
        quiet, plain = self._text("quiet"), Style()
        yield "❯" if cursor else " ", self._text("accent")
        yield "▌" if marked else " ", self._text("warning")
        for column, width in self._columns:
            match column.key:
                case "state":
                    word = "cancelling" if job.cancelling else job.state.value
                    yield fit(f"{GLYPHS[state]} {word}", width) + " ", coloured
                case "detail":
                    for text, meaning in detail(job, self._now):
                        yield text, quiet if meaning == "quiet" else (self._text(meaning) if meaning else plain)
                case _:
                    text = fit(column.show(job, self._now), width, right=column.right)
                    yield text + " ", quiet if column.quiet or job.state is State.CANCELLED else plain

    def _empty(self, y: int) -> Iterable[Piece]:
        if self._ids or not self._known:
            return
        lines, left, top = self._told()
        if 0 <= y - HEAD - top < len(lines):
            yield " " * left, Style()
            for text, meaning in lines[y - HEAD - top].told:
                yield text, self._text(meaning)

    def _told(self) -> tuple[Sequence[Line], int, int]:
        """What is said where there is no job, and where it begins."""
        view = self.page.view
        width, height = self._width, self.size.height - HEAD
        if self.page.problem or view.filter or view.tab != "all":
            lines = nothing_matches(view, self.page.problem)
        else:
            lines = welcome(self.where, width - 2, height, default=self.by_default, readonly=self.readonly)
        return lines, *placed(lines, width, height)

    # -- moving -----------------------------------------------------------------------------------

    def _moved(self) -> None:
        self.post_message(self.Moved())
        self.refresh()

    def _go(self, row: int) -> None:
        if not self._ids:
            return
        before, top = self._row, self.top
        self._row = max(0, min(len(self._ids) - 1, row))
        self.chosen, self.gone = self._ids[self._row], False
        if self._row == 0:
            self._arrived = 0
        self._scroll_to_row()
        self.post_message(self.Moved())
        if self.top == top:  # only two lines look different now
            self.refresh(*(Region(0, HEAD + each - top, self._width, 1) for each in (before, self._row)))
        else:
            self.refresh()

    def _scroll_to_row(self) -> None:
        if self.chosen is None:
            return
        top = self.top
        if self._row < top:
            self._scroll(self._row)
        elif self._row >= top + self.rows:
            self._scroll(self._row - self.rows + 1)

    def _scroll(self, top: int) -> None:
        """Put row `top` first, at once: what follows in the same breath reads it again."""
        self.scroll_to(y=top, animate=False, force=True, immediate=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for the rows that came into sight."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        """Move the cursor; the first step chooses the first row on the screen."""
        if self.gone and by > 0:
            by -= 1  # the job that took its place is the next one
        self._go(self.top if self.live else self._row + by)

    def action_page(self, by: int) -> None:
        """Move by a screenful."""
        self._go((self.top if self.live else self._row) + by * self.rows)

    def action_edge(self, by: int) -> None:
        """Go to the first or the last job."""
        self._go(0 if by < 0 else len(self._ids) - 1)

    def action_open(self) -> None:
        """Open the chosen job."""
        if self.chosen is not None:
            self.post_message(self.Opened(self.chosen))
        elif self._ids:
            self.action_move(1)

    # -- marking ----------------------------------------------------------------------------------

    def action_mark(self) -> None:
        """Mark or unmark the chosen job, and go on to the next."""
        if self.chosen is None:
            self.action_move(1)
            return
        self.marks ^= {self.chosen}
        self._range_from = self._row
        self._go(self._row + 1)
        self._moved()

    def action_mark_range(self) -> None:
        """Mark everything from the newest mark to the cursor."""
        if self.chosen is None:
            return
        begin = self._row if self._range_from is None else self._range_from
        low, high = sorted((begin, self._row))
        self.marks |= set(self._ids[low : high + 1])
        self._range_from = self._row
        self._moved()

    def action_mark_all(self) -> None:
        """Mark every job that matches."""
        self.marks = set(self._ids)
        self._moved()

    def action_clear_marks(self) -> None:
        """Unmark everything."""
        self.marks = set()
        self._range_from = None
        self._moved()

    def on_click(self, event: Click) -> None:
        """Choose with the mouse; a second click opens. A click on a head sorts."""
        if event.y < HEAD:
            at = 2
            for column, width in self._columns:
                if at <= event.x < at + width + 1 and column.sort:
                    self.post_message(self.SortAsked(column.sort))
                at += width + 1
            return
        row = self.top + event.y - HEAD
        if row < len(self._ids):
            self._go(row)
            if event.chain > 1:
                self.action_open()
        elif not self._ids and self._known:
            lines, _, top = self._told()
            if 0 <= event.y - HEAD - top < len(lines) and (action := lines[event.y - HEAD - top].action):
                self.app.call_later(self.app.run_action, action, self.screen)

    def on_focus(self) -> None:
        """The cursor is shown in full while the table has the focus."""
        self._strips.clear()

    def on_blur(self) -> None:
        """And without while it has not."""
        self._strips.clear()

    def notify_style_update(self) -> None:
        """The theme has changed."""
        super().notify_style_update()
        self._strips.clear()

    def visible_ids(self) -> Sequence[int]:
        """The ids on the screen."""
        return self._ids[self.top : self.top + self.rows]
