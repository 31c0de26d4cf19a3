"""The errors screen: failures grouped by cause, a sample of the selected group, and a retry of whole groups."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import ClassVar, cast

from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.widget import Widget

from jobdeck import ErrorGroup

from ..app_base import changes_queue
from ..feed.queries.errors import ErrorsData, ErrorsQuery, GroupKey, Sample, failed_ids, key_of, read_sample
from ..text.format import age, group_filter, number, short_location
from ..text.sanitize import safe
from ..widgets.base.text_view import TextView
from ..widgets.charts.dashboard_charts import IN_ROWS, sparkline
from ..widgets.details.error_details import sample_lines
from ..widgets.details.job_details import StyledLine, format_clock_time
from ..widgets.table.keyed_table import KeyedTable, Row, TableColumn
from .confirm import ConfirmScreen
from .view_screen import ViewScreen

ASK_FROM = 20
"""Retrying more jobs than this needs confirmation."""
_SPARK = 12
_WIDE = 160
"""The minimum width to show names in full."""


def _heads(width: int) -> tuple[TableColumn, ...]:
    """Return the columns for a screen of this width."""
    most = 40 if width >= _WIDE else 24
    return (
        TableColumn("count", "COUNT", right=True, sort=True),
        TableColumn("exception", "EXCEPTION", least=10, most=most + 2),
        TableColumn("place", "WHERE", least=6, most=most, drop=2),
        TableColumn("kind", "KIND", least=4, most=most, drop=1),
        TableColumn("last", "LAST", right=True, sort=True),
        TableColumn("first", "FIRST", right=True, drop=5),
        TableColumn("when", "WHEN", least=_SPARK, drop=4),
        TableColumn("message", "MESSAGE", least=16, most=60, grow=True, drop=3),
    )


_NONE: Sequence[StyledLine] = (
    [("  No failures.", "good")],
    [("  Failures, timeouts and crashes appear here, grouped by cause.", "quiet")],
)


class ErrorsScreen(ViewScreen):
    """The groups of errors, and a sample of the selected group."""

    HELP_TITLE = "Errors"
    SCREEN_NAME = "errors"
    AUTO_FOCUS = "#error-groups"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "retry", "retry group", tooltip="Retry all failed jobs of the group; asks first if there are many"),
        Binding("o", "jobs", "jobs", tooltip="Show the jobs whose latest failure belongs to the group"),
        Binding("s", "sort", "sort", tooltip="Sort by count or by last occurrence"),
        Binding("t", "traceback", "traceback", tooltip="Switch between the whole traceback and the raising frame"),
        Binding("y", "copy", "copy", show=False, tooltip="Copy the error with its traceback"),
        Binding("Y", "copy_command", "copy the command", show=False, tooltip="Copy the command line that retries the group"),
        Binding("enter", "open", "open", show=False, tooltip="Open the job that failed last"),
        Binding("7", "table", "errors", show=False, tooltip="Focus the table of errors"),
    ]
    PARTS = (*ViewScreen.PARTS, KeyedTable, TextView)
    ON_SELECTED = ("open", "retry", "jobs", "sort", "traceback")

    def __init__(self) -> None:
        super().__init__()
        self.seen: ErrorsData | None = None
        """The shown data."""
        self.sample: Sample | None = None
        """The latest failure of the selected group."""
        self._sort = "count"
        self._whole: bool | None = None
        """Whether to show the whole traceback or only the raising frame; `None`: the whole traceback if it fits."""

    def body(self) -> Iterable[Widget]:
        with Container(id="errors-body"):
            yield KeyedTable("errors", _heads(80), digit="7", empty=_NONE, id="error-groups")
            yield TextView("sample", "", id="error-sample")

    def current_query(self) -> ErrorsQuery:
        return ErrorsQuery()

    def on_resize(self, event: Resize) -> None:
        """Adapt the columns and the layout."""
        super().on_resize(event)
        self._table.heads = _heads(event.size.width)
        self._show_groups()
        self.call_after_refresh(self._arrange)

    def _arrange(self) -> None:
        """Fit the table to its rows, up to half of the screen; hide the sample if there are no errors."""
        if not self.is_ready:
            return
        table, sample = self._table, self.query_one(TextView)
        sample.display = self.seen is None or bool(self.seen.groups)
        self.call_after_refresh(self._show_sample)  # whether all of it fits depends on the table's new height
        table.styles.height = "1fr" if not sample.display else max(6, min((self.size.height - 3) // 2, len(table.rows) + 3))

    # -- what is shown ----------------------------------------------------------------------------

    @property
    def _table(self) -> KeyedTable:
        return self.query_one(KeyedTable)

    @property
    def group(self) -> ErrorGroup | None:
        """The selected group."""
        key = self._table.key
        return next((group for group in self.seen.groups if key_of(group) == key), None) if self.seen is not None else None

    def show(self, seen: object) -> None:
        self.seen = cast("ErrorsData", seen)
        self._show_groups()
        self._read_sample()

    def _show_groups(self) -> None:
        if self.seen is None:
            return
        at, groups = self.seen.at, self.seen.groups
        since = min((group.first_seen for group in groups), default=at)
        if self._sort == "last":
            groups = sorted(groups, key=lambda group: -group.last_seen)
        table = self._table
        table.show([_row(group, since, at) for group in groups], sorted_by=self._sort)
        count = sum(group.count for group in groups)
        below = (
            [(f"{number(count)} failure{'s' * (count != 1)} since {format_clock_time(since, at)}", "$quiet")] if groups else []
        )
        table.set_titles([(number(len(groups)), "$quiet")], below)
        self._arrange()

    def _read_sample(self) -> None:
        group = self.group
        if group is None:
            self.sample = None
            self._show_sample()
            return
        selected = group
        self.cockpit.feed.query(lambda queue: read_sample(queue, selected), self._receive_sample)

    def _receive_sample(self, sample: Sample) -> None:
        if self.is_ready and self.group is not None and key_of(sample.group) == key_of(self.group):
            self.sample = sample
            self._show_sample()

    def _show_sample(self) -> None:
        view = self.query_one(TextView)
        if self.sample is None or self.seen is None:
            view.set_title("")
            view.show([])
            return
        group = self.sample.group
        view.set_title(f"{safe(group.error_type)} in {safe(group.kind)}")
        view.show(sample_lines(self.sample, self.seen.at, whole=self._shows_whole, readonly=self.cockpit.readonly))

    @property
    def _shows_whole(self) -> bool:
        if self._whole is not None or self.sample is None or self.seen is None:
            return bool(self._whole)
        height = self.query_one(TextView).scrollable_content_region.height
        return len(sample_lines(self.sample, self.seen.at, whole=True)) <= height

    def on_keyed_table_moved(self) -> None:
        """Show the sample of the newly selected group from its start."""
        self.sample, self._whole = None, None
        view = self.query_one(TextView)
        view.scroll_home(animate=False)
        self._read_sample()

    # -- keys ---------------------------------------------------------------------------------------

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Open the job that failed last."""
        self.action_open()

    def action_open(self) -> None:
        """Open the job that failed last."""
        group = self.group
        if group is not None and group.job_ids:
            self.cockpit.open_job(group.job_ids[0])

    def action_jobs(self) -> None:
        """Show the jobs of the group."""
        if (group := self._selected()) is not None:
            self.cockpit.show_jobs(group_filter(group))

    @changes_queue
    def action_retry(self) -> None:
        """Retry the failed jobs of the group."""
        if (group := self._selected()) is None:
            return
        self.cockpit.feed.query(lambda queue: failed_ids(queue, group), lambda ids: self._retry(group, ids))

    def _retry(self, group: ErrorGroup, ids: Sequence[int]) -> None:
        """Retry jobs; ask first if there are many."""
        if not ids:
            self.cockpit.notify_user(f"No failed job has {safe(group.error_type)} as its latest error", failed=True)
            return

        def retry_if(confirmed: bool | None) -> None:
            if confirmed:
                self.cockpit.feed.retry(ids)

        if len(ids) <= ASK_FROM:
            retry_if(True)
            return
        what = f"{number(len(ids))} jobs"
        location = short_location(group.place)
        place = f"{' at ' if location != group.place else ': '}{safe(location)}" if location else ""
        more = f"All failed jobs of {safe(group.kind)} with {safe(group.error_type)}{place}.\nz undoes it."
        self.app.push_screen(ConfirmScreen(f"Retry {what}?", more, f"Retry {what}"), retry_if)

    def action_sort(self) -> None:
        """Sort by the other column."""
        self._sort = "last" if self._sort == "count" else "count"
        self._show_groups()

    def on_keyed_table_sort_requested(self, event: KeyedTable.SortRequested) -> None:
        """Sort by the clicked column."""
        self._sort = event.key
        self._show_groups()

    def action_traceback(self) -> None:
        """Switch between the whole traceback and the raising frame."""
        self._whole = not self._shows_whole
        self._show_sample()

    def action_copy(self) -> None:
        """Copy the error with its traceback."""
        if (group := self._selected()) is None:
            return
        attempt = self.sample.attempt if self.sample is not None else None
        traceback = attempt.traceback if attempt is not None else None
        self.cockpit.copy(traceback or f"{group.error_type}: {group.message}", "the error")

    def action_copy_command(self) -> None:
        """Copy the command line that retries the group."""
        if (group := self._selected()) is not None:
            command = shlex.join(["jobdeck", "retry", "--where", f"state:failed {group_filter(group)}"])
            self.cockpit.copy(command, "the command that retries the group")

    def action_table(self) -> None:
        """Focus the table."""
        self._table.focus()

    def focus_part(self, part: str) -> None:
        self._table.focus()

    def _selected(self) -> ErrorGroup | None:
        group = self.group
        if group is None:
            self.cockpit.notify_user("No errors to select", failed=True)
        return group


def _row(group: ErrorGroup, since: float, now: float) -> Row:
    key: GroupKey = key_of(group)
    return Row(
        key,
        (
            [(number(group.count), "strong")],
            [(safe(group.error_type), "error")],
            [(safe(short_location(group.place)) or "—", "" if group.place else "quiet")],
            [(safe(group.kind), "")],
            [(age(now - group.last_seen), "")],
            [(age(now - group.first_seen), "quiet")],
            [(sparkline(binned(group.seen_at, since, now, _SPARK), _SPARK, IN_ROWS), "error")],
            [(safe(group.message.partition("\n")[0][:200]), "quiet")],
        ),
    )


def binned(times: Sequence[float], start: float, end: float, count: int) -> list[int]:
    """Return the number of times in each of `count` equal parts of a time range."""
    bins = [0] * count
    for at in times:
        bins[max(0, min(count - 1, int((at - start) / max(1.0, end - start) * count)))] += 1
    return bins
