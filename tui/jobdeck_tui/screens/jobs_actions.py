"""What the main screen does to jobs: to the chosen one, to the marked ones, or to everything that matches."""

from __future__ import annotations

from collections.abc import Sequence

from jobdeck import Job, Operation, WrongState, allows

from ..feed.bulk_actions import busy
from ..feed.job_actions import CANCEL, DELETE, RETRY, Deed, Weighed
from ..feed.messages import Progressed
from ..text.priority import problem_of, read_priority, typed_priority
from ..widgets.chrome.progress_line import ProgressLine
from ..widgets.dashboard.queues import Queues
from ..widgets.forms.line_editor import LineEditor
from .base import READONLY
from .confirm_bulk import WeighScreen
from .jobs_list import JobsList

ASK_FROM = 20
"""More jobs than this are not changed without a question that tells what will be done."""
CHOOSE = "Choose a job first: j or ↓, or click on it"
_CHOOSE_QUEUE = "Choose a job to pause its queue, or press 3 and choose a queue"
_OPERATIONS = {
    "retry": Operation.RETRY,
    "cancel": Operation.CANCEL,
    "priority": Operation.REPRIORITISE,
    "set_priority": Operation.REPRIORITISE,
    "delete": Operation.DELETE,
}
_CHANGING = (*_OPERATIONS, "pause", "undo", "redo", "resize", "new", "duplicate")
_OF_ONE = {"pause": _CHOOSE_QUEUE, "duplicate": CHOOSE, "why": CHOOSE, "copy_id": CHOOSE, "copy_command": CHOOSE}


class JobsActs(JobsList):
    """The part of the main screen that acts."""

    def why_not(self, action: str) -> str | None:
        name = action.partition("(")[0]
        if name in _CHANGING and self.cockpit.readonly:
            return READONLY
        if self.deck is None:
            return None
        table = self.table
        if name in _OPERATIONS:
            if table.marks:
                return None
            if table.chosen is None:
                return CHOOSE
            job, operation = table.job, _OPERATIONS[name]
            return None if job is None or allows(operation, job.state) else str(WrongState(job.id, operation, job.state))
        return _OF_ONE[name] if name in _OF_ONE and table.job is None else None

    def why_nots(self) -> tuple[str | None, ...]:
        """Why each of the acts can do nothing now; when it changes, other hints are dimmed."""
        return tuple(self.why_not(name) for name in (*_CHANGING, *_OF_ONE))

    # -- on one job or many -----------------------------------------------------------------------

    def _act(self, deed: Deed) -> None:
        """Do it: at once to a few, to many after a question. A state that does not allow it is refused by the queue itself."""
        if self.cockpit.refuse_readonly():
            return
        selection = self.table.selection
        if not selection.everything and not selection.ids:
            self.cockpit.tell(CHOOSE, failed=True)
            return
        few = 1 if deed.operation is Operation.DELETE else ASK_FROM
        if not selection.everything and len(selection.ids) <= few:
            self._do(deed, selection.ids)
            return
        if doing := self.cockpit.feed.acting:
            self.cockpit.tell(busy(doing), failed=True)
            return

        def answered(weighed: Weighed | None) -> None:
            if weighed is not None:
                self._do(deed, weighed.ids)

        question = WeighScreen(deed, selection)
        self.app.push_screen(question, answered)
        self.cockpit.feed.weigh(deed, selection, question.show)

    def _do(self, deed: Deed, ids: Sequence[int]) -> None:
        self.cockpit.feed.act(deed, ids)
        if deed.operation is not Operation.REPRIORITISE:  # that is often pressed again
            self.table.action_clear_marks()

    def action_retry(self) -> None:
        """Retry the marked jobs, or the chosen one."""
        self._act(RETRY)

    def action_cancel(self) -> None:
        """Cancel the marked jobs, or the chosen one."""
        self._act(CANCEL)

    def action_delete(self) -> None:
        """Delete the chosen job, or the marked ones after a question."""
        self._act(DELETE)

    def action_priority(self, by: int) -> None:
        """Change the priority of the marked jobs, or of the chosen one. Marks stay."""
        self._act(Deed(Operation.REPRIORITISE, by))

    def action_set_priority(self) -> None:
        """Set the priority of the marked jobs, or of the chosen one, to a number that is typed."""
        if self.cockpit.refuse_readonly():
            return
        table = self.table
        if not table.marks and table.chosen is None:
            self.cockpit.tell(CHOOSE, failed=True)
            return

        def keep(text: str) -> None:
            priority, relative = read_priority(text)
            self._act(Deed(Operation.REPRIORITISE, priority, relative))

        now = typed_priority(table.job.priority) if table.job is not None and not table.marks else ""
        self.query_one("#line-editor", LineEditor).edit("priority 10, +5, -5, =-5", now, problem_of, keep)

    def show_progress(self, progress: Progressed) -> None:
        """Show how far a long act is."""
        self.query_one(ProgressLine).show(progress)

    def stop_acting(self) -> bool:
        """Stop a long act; `False` if there is none."""
        if not self.cockpit.feed.stop_acting():
            return False
        self.cockpit.tell("It stops after this step; z takes back what was done")
        return True

    # -- on queues, and on what was done ----------------------------------------------------------

    def action_pause(self) -> None:
        """Pause or resume the queue of the chosen job."""
        if self.cockpit.refuse_readonly():
            return
        job = self.table.job
        if job is None:
            self.cockpit.tell(_CHOOSE_QUEUE, failed=True)
        else:
            self.cockpit.feed.toggle(job.queue)

    def on_queues_pause_asked(self, event: Queues.PauseAsked) -> None:
        """Pause or resume the queue that is chosen in its panel."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.toggle(event.name)

    def action_undo(self) -> None:
        """Take back the newest act."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.undo()

    def action_redo(self) -> None:
        """Do again what was undone last."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.redo()

    def action_resize(self, by: int) -> None:
        """Change how many worker threads this process has."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.resize(by)

    # -- with one job -----------------------------------------------------------------------------

    def action_new(self) -> None:
        """Enqueue a job."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.new_job()

    def action_duplicate(self) -> None:
        """Open the form of a new job, filled from the chosen one."""
        if self.cockpit.refuse_readonly():
            return
        if (job := self._chosen()) is not None:
            self.cockpit.new_job(job)

    def action_why(self) -> None:
        """Say why the chosen job does not run."""
        if (job := self._chosen()) is not None:
            self.cockpit.explain_job(job.id)

    def action_copy_id(self) -> None:
        """Copy the id of the chosen job."""
        if (job := self._chosen()) is not None:
            self.cockpit.copy(str(job.id), f"id {job.id}")

    def action_copy_command(self) -> None:
        """Copy the command line that enqueues the chosen job again."""
        if (job := self._chosen()) is not None:
            self.cockpit.copy_command(job)

    def _chosen(self) -> Job | None:
        job = self.table.job
        if job is None:
            self.cockpit.tell(CHOOSE, failed=True)
        return job
