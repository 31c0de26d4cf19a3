"""The workers screen: every worker process, the jobs that its threads run, their leases, and stuck jobs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar, cast

from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.widget import Widget

from jobdeck import Job

from ..app_base import changes_queue
from ..feed.job_actions import CANCEL
from ..feed.messages import DashboardSnapshot
from ..feed.queries.workers import WorkersQuery
from ..text.format import field_filter
from ..text.sanitize import safe
from ..text.worker_slots import Process, WorkerSlots
from ..widgets.base.styled_text import StyledLine, without_key
from ..widgets.base.text_view import TextView
from ..widgets.details.worker_details import job_facts, process_facts, rows, title
from ..widgets.table.keyed_table import KeyedTable, TableColumn
from .view_screen import ViewScreen

_SLIPPED = 1.5
"""Seconds after the selected slot got another job during which `x` must be pressed twice."""
_WITH_FACTS = 20
"""The minimum height to show the details of the selected row."""
_FRAME = 3
"""Height of header, screen tabs and key hints."""
_TABLE = 4
"""Height of the table without its rows."""
_WIDE = 100
"""The minimum width for long bars."""
_LONG = 140
"""The minimum width for texts in full sentences."""
_EMPTY: tuple[StyledLine, ...] = (
    [("  No workers are running.", "strong")],
    [("  You can enqueue jobs; they wait for the first worker.", "quiet")],
    [],
    [("  >", "accent"), ("   starts a thread in this cockpit", "quiet")],
    [("  jobdeck worker --threads 4", "accent"), ("     starts a headless worker", "quiet")],
    [("  jobdeck worker --processes 4", "accent"), ("   uses more than one core", "quiet")],
)


class WorkersScreen(ViewScreen):
    """The table of processes and their slots, and the details of the selected row."""

    HELP_TITLE = "Workers"
    SCREEN_NAME = "workers"
    AUTO_FOCUS = "#workers-table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "cancel", "stop job", tooltip="Stop the selected running job; asks first"),
        Binding("w", "why", "why", tooltip="Explain the state of the selected job"),
        Binding(
            "less_than_sign", "resize(-1)", "threads", key_display="< >", tooltip="Remove a worker thread from this cockpit"
        ),
        Binding("greater_than_sign", "resize(1)", "more threads", show=False, tooltip="Add a worker thread to this cockpit"),
    ]

    ON_SELECTED = ("open", "cancel", "why")

    def __init__(self) -> None:
        super().__init__()
        self._slots = WorkerSlots()
        self._processes: dict[str, Process] = {}
        self._lease: float | None = None
        self._selected_job: int | None = None
        self._slipped_at = 0.0
        self._facts_height = 0

    def body(self) -> Iterable[Widget]:
        empty = _EMPTY if self.cockpit.feed.can_run_jobs else without_key(_EMPTY, ">")
        yield KeyedTable("workers", _heads(80), digit="4", empty=empty, id="workers-table")
        yield TextView("process", "", id="worker-facts")

    def on_resize(self, event: Resize) -> None:
        """Adapt the columns and the details to the size."""
        super().on_resize(event)
        self.set_class(event.size.height < _WITH_FACTS, "-low")
        self._table.heads = _heads(event.size.width)
        self._draw()

    def current_query(self) -> WorkersQuery:
        return WorkersQuery()

    def show(self, seen: object) -> None:
        self._lease = cast("float", seen)
        self._draw()

    def show_snapshot(self, snapshot: DashboardSnapshot) -> None:
        self._processes = {each.id: each for each in self._slots.assign(snapshot.overview, snapshot.local_worker.worker)}
        self._draw()

    def disabled_reason(self, action: str) -> str | None:
        if action in ("cancel", "why") and self._job_id is None:
            return "Select a running job"
        return super().disabled_reason(action)

    # -- what is shown ----------------------------------------------------------------------------

    @property
    def _table(self) -> KeyedTable:
        return self.query_one("#workers-table", KeyedTable)

    @property
    def _selected(self) -> tuple[Process | None, Job | None]:
        """The process of the row under the cursor, and the job if the row is a slot."""
        key = cast("tuple[str, ...] | None", self._table.key)
        process = self._processes.get(key[0]) if key else None
        if process is None or key is None or len(key) < 2:
            return process, None
        place = int(key[1])
        return process, process.slots[place] if 0 <= place < len(process.slots) else None

    @property
    def _job_id(self) -> int | None:
        """The id of the job under the cursor, even if the process no longer holds it."""
        job = self._selected[1]
        key = cast("tuple[str, ...] | None", self._table.key)
        if job is None and key is not None and len(key) > 1 and int(key[1]) < 0:
            return -int(key[1])
        return None if job is None else job.id

    def _draw(self) -> None:
        if self.snapshot is None or self._lease is None:
            return
        table, at, pool = self._table, self.snapshot.overview.at, self.snapshot.local_worker
        processes = [*self._processes.values()]
        before = self._selected_job
        width = self.size.width
        table_rows = list(rows(processes, pool, at, self._lease, wide=width >= _WIDE, long=width >= _LONG))
        self._divide_height(len(table_rows))
        table.show(table_rows)
        self._selected_job = self._job_id
        if before not in (None, self._selected_job):
            self._slipped_at = time.monotonic()
        table.set_titles(title(processes) if processes else [], self._thread_hint(pool.threads) if processes else [])
        self._draw_details()

    def _thread_hint(self, threads: int) -> list[tuple[str, str]]:
        return [(_thread_hint(threads), "$quiet")] if self.cockpit.feed.can_run_jobs else []

    def _divide_height(self, rows: int) -> None:
        """Give the details the height that the table does not need, within limits."""
        available = self.size.height - _FRAME
        height = max(8, min(available - rows - _TABLE, available * 2 // 5))
        if height != self._facts_height:  # every assignment triggers a layout
            self._facts_height = height
            self.query_one("#worker-facts").styles.height = height

    def _draw_details(self) -> None:
        process, job = self._selected
        view = self.query_one("#worker-facts", TextView)
        view.display = process is not None and not self.has_class("-low")
        if process is None or self.snapshot is None or self._lease is None:
            return
        at, pool = self.snapshot.overview.at, self.snapshot.local_worker
        place = safe(process.id.rpartition(":")[0] or process.id)
        view.label = "process" if job is None else "job"
        if job is None:
            view.set_title(place)
            view.show(process_facts(process, pool, at, self._lease))
        else:
            view.set_title(f"{job.id} of {place}")
            view.show(job_facts(process, job, at, self._lease))

    def on_keyed_table_moved(self) -> None:
        """Show the details of the newly selected row."""
        self._selected_job = self._job_id
        self._draw_details()
        self.update_hints()
        self.query_one("#worker-facts", TextView).scroll_home(animate=False)

    # -- keys ---------------------------------------------------------------------------------------

    def on_keyed_table_opened(self) -> None:
        """Open the job of a slot; for a process, show the jobs that it has run."""
        process, _ = self._selected
        if (job_id := self._job_id) is not None:
            self.cockpit.open_job(job_id)
        elif process is not None:
            self.cockpit.show_jobs(field_filter("worker", process.id))

    @changes_queue
    def action_cancel(self) -> None:
        """Ask the selected running job to stop, unless it has only just replaced another one under the cursor."""
        job = self._selected[1]
        if job is None:
            self.cockpit.notify_user("Select a running job first: press j or ↓, or click on it", failed=True)
        elif time.monotonic() - self._slipped_at < _SLIPPED:
            self._slipped_at = 0.0
            self.cockpit.notify_user(f"The selected job has just ended; press x again to stop job {job.id}", failed=True)
        else:
            self.cockpit.change_jobs(CANCEL, [job.id])

    def action_why(self) -> None:
        """Explain the state of the selected job."""
        if (job_id := self._job_id) is None:
            self.cockpit.notify_user("Select a running job first: press j or ↓, or click on it", failed=True)
        else:
            self.cockpit.explain_job(job_id)

    @changes_queue
    def action_resize(self, by: int) -> None:
        """Change the number of worker threads in this process."""
        self.cockpit.feed.resize(by)


def _heads(width: int) -> tuple[TableColumn, ...]:
    """Return the columns for a screen of this width."""
    wide = width >= _WIDE
    # Fixed width: the running jobs change with every query, and moving columns would make the screen restless.
    first = 26 if not wide else 30 if width < _LONG else 34 if width < 170 else 44
    return (
        TableColumn("worker", "PROCESS / RUNNING JOB" if wide else "PROCESS / JOB", least=first, most=first),
        TableColumn("busy", "BUSY / TRY" if wide else "BUSY/TRY", drop=2),
        TableColumn("for", "FOR", least=6, right=True),
        TableColumn("heard", "HEARD", right=True, drop=3),
        TableColumn("lease", "LEASE", least=13 if wide else 9),
        TableColumn("detail", "DETAIL", least=10 if wide else 18, most=400, drop=1, grow=True),
    )


def _thread_hint(threads: int) -> str:
    return (
        f"< > this cockpit: {threads} thread{'' if threads == 1 else 's'}" if threads else "> starts a thread in this cockpit"
    )
