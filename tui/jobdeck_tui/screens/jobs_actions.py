"""The main screen's actions on jobs: on the selected one, the marked ones, or all that match the filter."""

from __future__ import annotations

from collections.abc import Sequence

from jobdeck import Job, Operation, WrongState, allows

from ..app_base import changes_queue
from ..feed.bulk_actions import busy_text
from ..feed.job_actions import CANCEL, DELETE, RETRY, ActionPreview, JobAction
from ..feed.messages import ActionProgress
from ..text.priority import format_priority, priority_problem, read_priority
from ..widgets.chrome.progress_line import ProgressLine
from ..widgets.dashboard.queues import QueuesPanel
from ..widgets.forms.line_editor import LineEditor
from .confirm_bulk import BulkConfirmScreen
from .jobs_list import JobsList

ASK_FROM = 20
"""Changing more jobs than this needs confirmation."""
CHOOSE = "Select a job first: press j or ↓, or click on it"
_CHOOSE_QUEUE = "Select a job to pause its queue, or press 3 and select a queue"
_OPERATIONS = {
    "retry": Operation.RETRY,
    "cancel": Operation.CANCEL,
    "priority": Operation.REPRIORITIZE,
    "set_priority": Operation.REPRIORITIZE,
    "delete": Operation.DELETE,
}
_ON_SELECTED = {"pause": _CHOOSE_QUEUE, "duplicate": CHOOSE, "why": CHOOSE, "copy_id": CHOOSE, "copy_command": CHOOSE}


class JobsActions(JobsList):
    """The main screen's actions."""

    def disabled_reason(self, action: str) -> str | None:
        name = action.partition("(")[0]
        if self.snapshot is None:
            return None
        table = self.table
        if name in _OPERATIONS:
            if table.marks:
                return None
            if table.chosen is None:
                return CHOOSE
            job, operation = table.job, _OPERATIONS[name]
            return None if job is None or allows(operation, job.state) else str(WrongState(job.id, operation, job.state))
        return _ON_SELECTED[name] if name in _ON_SELECTED and table.job is None else None

    def disabled_reasons(self) -> tuple[str | None, ...]:
        """Return the reason why each action is unavailable, or `None`; a change redraws the hints."""
        return tuple(self.disabled_reason(name) for name in (*_OPERATIONS, *_ON_SELECTED))

    # -- on one job or many -----------------------------------------------------------------------

    def _run_or_confirm(self, action: JobAction) -> None:
        """Run an action on the selection; ask first if it has many jobs. The queue itself rejects unsuitable states."""
        selection = self.table.selection
        if not selection.everything and not selection.ids:
            self.cockpit.notify_user(CHOOSE, failed=True)
            return
        limit = 1 if action.operation is Operation.DELETE else ASK_FROM
        if not selection.everything and len(selection.ids) <= limit:
            self.cockpit.change_jobs(action, selection.ids, lambda: self._after(action))
            return
        if running := self.cockpit.feed.running_action:
            self.cockpit.notify_user(busy_text(running), failed=True)
            return

        def run_if(preview: ActionPreview | None) -> None:
            if preview is not None:
                self._apply(action, preview.ids)

        dialog = BulkConfirmScreen(action, selection)
        self.app.push_screen(dialog, run_if)
        self.cockpit.feed.preview(action, selection, dialog.show)

    def _apply(self, action: JobAction, ids: Sequence[int]) -> None:
        self.cockpit.feed.run_action(action, ids)
        self._after(action)

    def _after(self, action: JobAction) -> None:
        if action.operation is not Operation.REPRIORITIZE:  # often pressed repeatedly
            self.table.action_clear_marks()

    @changes_queue
    def action_retry(self) -> None:
        """Retry the marked jobs, or the selected one."""
        self._run_or_confirm(RETRY)

    @changes_queue
    def action_cancel(self) -> None:
        """Cancel the marked jobs, or the selected one; ask before running ones are stopped."""
        self._run_or_confirm(CANCEL)

    @changes_queue
    def action_delete(self) -> None:
        """Delete the selected job, or the marked ones after confirmation."""
        self._run_or_confirm(DELETE)

    @changes_queue
    def action_priority(self, by: int) -> None:
        """Change the priority of the marked jobs, or of the selected one, and keep the marks."""
        self._run_or_confirm(JobAction(Operation.REPRIORITIZE, by))

    @changes_queue
    def action_set_priority(self) -> None:
        """Set the priority of the marked jobs, or of the selected one, to a typed number."""
        table = self.table
        if not table.marks and table.chosen is None:
            self.cockpit.notify_user(CHOOSE, failed=True)
            return

        def apply(text: str) -> None:
            priority, relative = read_priority(text)
            self._run_or_confirm(JobAction(Operation.REPRIORITIZE, priority, relative))

        current = format_priority(table.job.priority) if table.job is not None and not table.marks else ""
        self.query_one("#line-editor", LineEditor).edit("priority 10, +5, -5, =-5", current, priority_problem, apply)

    def show_progress(self, progress: ActionProgress) -> None:
        """Show the progress of a bulk action."""
        self.query_one(ProgressLine).show(progress)

    def stop_acting(self) -> bool:
        """Stop the running bulk action; return `False` if none is running."""
        if not self.cockpit.feed.stop_action():
            return False
        self.cockpit.notify_user("Stopping after this step; z undoes the changes so far")
        return True

    # -- on queues, threads and the journal -------------------------------------------------------

    @changes_queue
    def action_pause(self) -> None:
        """Pause or resume the queue of the selected job."""
        job = self.table.job
        if job is None:
            self.cockpit.notify_user(_CHOOSE_QUEUE, failed=True)
        else:
            self.cockpit.feed.toggle(job.queue)

    def on_queues_panel_pause_requested(self, event: QueuesPanel.PauseRequested) -> None:
        """Pause or resume the queue selected in the queues panel."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.toggle(event.name)

    @changes_queue
    def action_undo(self) -> None:
        """Undo the last action."""
        self.cockpit.feed.undo()

    @changes_queue
    def action_redo(self) -> None:
        """Redo the last undone action."""
        self.cockpit.feed.redo()

    @changes_queue
    def action_resize(self, by: int) -> None:
        """Change the number of worker threads in this process."""
        self.cockpit.feed.resize(by)

    # -- on one job -------------------------------------------------------------------------------

    @changes_queue
    def action_new(self) -> None:
        """Open the form for a new job."""
        self.cockpit.new_job()

    @changes_queue
    def action_duplicate(self) -> None:
        """Open the form for a new job, filled in from the selected one."""
        if (job := self._selected()) is not None:
            self.cockpit.new_job(job)

    def action_why(self) -> None:
        """Explain why the selected job is not running."""
        if (job := self._selected()) is not None:
            self.cockpit.explain_job(job.id)

    def action_copy_id(self) -> None:
        """Copy the id of the selected job."""
        if (job := self._selected()) is not None:
            self.cockpit.copy(str(job.id), f"id {job.id}")

    def action_copy_command(self) -> None:
        """Copy the command that enqueues the selected job."""
        if (job := self._selected()) is not None:
            self.cockpit.copy_command(job)

    def _selected(self) -> Job | None:
        job = self.table.job
        if job is None:
            self.cockpit.notify_user(CHOOSE, failed=True)
        return job
