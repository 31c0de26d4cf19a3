"""The workers panel: every worker thread of every process, what it runs and for how long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click

from jobdeck import Job, Overview, State, WorkerInfo

from ...feed.messages import LocalWorker
from ...text.format import age as short_age
from ...text.format import busy_text, duration
from ...text.worker_slots import split_claimed
from ..base.panel import JobOpened, Panel
from ..base.strips import Piece, fit, width_of
from ..table.cells import kind_or_command

SLOW = 10.0
"""The run time in seconds after which a job is highlighted."""
_CELL = 30
"""The minimum width of one thread in cells."""


class WorkersPanel(Panel):
    """One cell per thread, the busy ones first; drops idle ones that do not fit."""

    digit = 4
    label = "workers"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down,right,l", "move(1)", "next", show=False, system=True),
        Binding("k,up,left,h", "move(-1)", "previous", show=False, system=True),
        Binding("enter", "open", "open its job", tooltip="Open the job that the selected thread runs"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._at = 0.0
        """The time at which the workers were read; 0 before that."""
        self._slots: list[tuple[WorkerInfo | None, Job | None]] = []
        self._many = False
        self._busy_text = busy_text(0, 0)
        self._cursor = 0
        self.readonly = False
        """`True` if no thread can be started here."""

    def show(self, overview: Overview, pool: LocalWorker) -> None:
        """Show these workers."""
        self._at = overview.at
        by_worker: defaultdict[str | None, list[Job]] = defaultdict(list)
        for job in overview.running:
            by_worker[job.worker].append(job)
        alive = [worker for worker in overview.workers if worker.alive]
        self._many = len(alive) > 1
        slots: list[tuple[WorkerInfo | None, Job | None]] = []
        claimed = 0
        for worker in alive:
            jobs, ahead = split_claimed(by_worker.pop(worker.id, []), worker.threads, overview.at)
            claimed += len(ahead)
            slots += [(worker, job) for job in jobs]
            slots += [(worker, None)] * max(0, worker.threads - len(jobs))
        # Jobs of a missing or silent worker: they are rescued when their lease expires.
        slots += [(None, job) for jobs in by_worker.values() for job in jobs]
        # Busy threads first: they stay visible if not all fit.
        self._slots = [*(slot for slot in slots if slot[1]), *(slot for slot in slots if not slot[1])]
        self._cursor = max(0, min(self._cursor, len(self._slots) - 1))
        self._busy_text = busy_text(sum(job is not None for _, job in slots), sum(worker.threads for worker in alive))
        silent = len(overview.workers) - len(alive)
        title = [(self._busy_text, "$accent")]
        if claimed:
            title.append((f"{claimed} claimed", "$quiet"))
        if self._many:
            title.append((f"in {len(alive)} processes", "$quiet"))
        if any(worker.draining for worker in alive):
            title.append(("draining", "$warning"))
        lost = sum(worker is None for worker, _ in slots)
        if lost and not alive:
            title.append((f"{lost} lost: no live worker to rescue them", "$error"))
        below = [(f"{silent} silent", "$error")] if silent else []
        hidden = len(self._slots) - self._columns() * self.size.height
        if hidden > 0 and self.size.height:
            below.insert(0, (f"{hidden} more" if not silent else f"{hidden} more · ", "$quiet"))
        self.set_titles(title, below)
        self.redraw()

    def _columns(self) -> int:
        return max(1, self.size.width // _CELL)

    @property
    def lines_wanted(self) -> int:
        """The number of lines needed to show every thread."""
        return -(-max(1, len(self._slots)) // self._columns())

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self._cursor = max(0, min(len(self._slots) - 1, self._cursor + by))
        self.refresh()

    def action_open(self) -> None:
        """Open the job of the selected thread."""
        if self._cursor < len(self._slots) and (job := self._slots[self._cursor][1]):
            self.post_message(JobOpened(job.id))

    def on_click(self, event: Click) -> None:
        """Select a thread with the mouse; a second click opens its job."""
        x, y = event.x - self.gutter.left, event.y - self.gutter.top
        columns = self._columns()
        at = (y + self._top) * columns + x // max(1, self.size.width // columns)
        if 0 <= at < len(self._slots):
            self._cursor = at
            self.refresh()
            if event.chain > 1:
                self.action_open()

    @property
    def _top(self) -> int:
        return max(0, self._cursor // self._columns() - self.size.height + 1) if self.has_focus else 0

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet = self.style("quiet")
        if not self._at:
            return []
        if not self._slots:
            hint = [(" no worker runs: ", quiet)]
            more = [("start ", quiet), ("jobdeck worker", self.style("accent"))]
            if not self.readonly:
                hint += [(">", self.style("accent")), (" starts a thread here", quiet)]
                more.insert(0, (", or ", quiet))
            return [*hint, *(more if width_of([*hint, *more]) <= width else [])] if y == 0 else []
        if self.has_class("-one-line"):
            return self._one_line(width)
        columns = self._columns()
        cell = width // columns
        first = (y + self._top) * columns
        pieces: list[Piece] = []
        for at in range(first, min(first + columns, len(self._slots))):
            made = self._cell(at, cell)
            pieces += [*made, (" " * (cell - width_of(made)), Style())]
        return pieces

    def _one_line(self, width: int) -> list[Piece]:
        """Return how busy the workers are, and as many running jobs as fit."""
        pieces: list[Piece] = [(f" {self._busy_text}", self.style("accent"))]
        for at in range(self._cursor if self.has_focus else 0, len(self._slots)):
            if self._slots[at][1] is None:
                break
            made = [(" ", Style()), *self._cell(at, 24)]
            if width_of(pieces) + width_of(made) > width:
                break
            pieces += made
        return pieces

    def _cell(self, at: int, width: int) -> list[Piece]:
        worker, job = self._slots[at]
        quiet = self.style("quiet")
        ground = self.get_component_rich_style("ground--cursor") if self.has_focus and at == self._cursor else Style()
        number = f"{at + 1:>{len(str(len(self._slots)))}}"
        if job is None:
            pieces = [(f" ·{number} idle", quiet)]
        else:
            ran = max(0.0, self._at - (job.started_at or self._at))
            took = duration(ran) if ran < 60 else short_age(ran)
            sign = " !" if worker is None or ran > SLOW else ""
            running = self.state_style(State.RUNNING)
            warn = self.style("error") if worker is None else self.style("warning")
            kind = fit(kind_or_command(job), max(4, width - len(number) - len(took) - 7)).rstrip()
            tail = " lost" if worker is None else ("  stopping" if job.cancelling else "")
            pieces = [(f" ▸{number} ", running), (kind, Style()), (f" {took}", quiet), (tail + sign, warn)]
        return [(text, ground + style) for text, style in pieces]
