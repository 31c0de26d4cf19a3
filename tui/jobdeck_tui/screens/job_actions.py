"""The actions of the job screen."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from jobdeck import Attempt, Job, Operation, WrongState, allows, handler_kind

from ..app_base import changes_queue
from ..feed.job_actions import CANCEL, DELETE
from ..feed.messages import Detail
from ..forms.job_editing import LARGEST, EditDocument, arguments_of, options_of
from ..widgets.chrome.key_hints import KeyHints
from .base import CockpitScreen
from .copy_job import CopyScreen, Part, parts_of
from .edit_job import EditScreen

_OPERATIONS = {
    "edit": Operation.EDIT,
    "edit_options": Operation.EDIT,
    "retry": Operation.RETRY,
    "cancel": Operation.CANCEL,
    "priority": Operation.REPRIORITIZE,
    "delete": Operation.DELETE,
}
_ON_LAST_STATE = ("duplicate", "copy_part", "copy_command")
"""Actions that also work on a deleted job, by its last known state."""


class JobActions(CockpitScreen):
    """The job screen's actions."""

    KEYMAP_SCOPE = "job"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "edit", tooltip="Edit the arguments while the job is queued; validated as you type"),
        Binding("E", "edit_options", "edit options", show=False, tooltip="Edit the queue, time, attempts and tags"),
        Binding("r", "retry", "retry", tooltip="Retry a finished job; run a scheduled or retrying one now"),
        Binding("x", "cancel", "cancel", tooltip="Cancel the job; asks before it stops a running one"),
        Binding("plus,equals_sign", "priority(1)", "priority", key_display="+ -"),
        Binding("minus", "priority(-1)", "lower the priority", show=False),
        Binding("d", "duplicate", "duplicate", tooltip="Open the form for a new job, filled in from this one"),
        Binding("delete,D", "delete", "delete", show=False, tooltip="Delete the job with its log and history; z undoes it"),
        Binding("p", "pause", "pause its queue", show=False, tooltip="Pause or resume the job's queue"),
        Binding("w", "why", "why", tooltip="Explain why the job is not running"),
        Binding("c", "copy_part", "copy", tooltip="Copy the arguments, result, error, traceback, stack, log or trace id"),
        Binding("z", "undo", "undo", tooltip="Undo your last action"),
        Binding("Z", "redo", "redo", show=False, tooltip="Redo the last undone action"),
        Binding("y", "copy_id", "copy the id", show=False),
        Binding("Y", "copy_command", "copy the command", show=False, tooltip="Copy the command that enqueues the job"),
    ]

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self.job_id = job_id
        self.detail: Detail | None = None
        """The latest state received."""
        self.last: Detail | None = None
        """The latest state in which the job existed."""
        self._reasons: tuple[str | None, ...] = ()

    @property
    def job(self) -> Job | None:
        """The job in its last known state."""
        return None if self.last is None else self.last.job

    @property
    def attempt(self) -> Attempt | None:
        """The selected attempt, if any."""
        return None

    def disabled_reason(self, action: str) -> str | None:
        name = action.partition("(")[0]
        deleted = self.detail is not None and self.detail.job is None
        if name in (*_OPERATIONS, "why", "pause") and deleted:
            return f"Job {self.job_id} no longer exists: it was deleted or pruned"
        job = self.job
        if job is None:
            return f"Job {self.job_id} does not exist" if deleted and name in _ON_LAST_STATE else None
        operation = _OPERATIONS.get(name)
        if operation is None or allows(operation, job.state):
            return None
        return str(WrongState(job.id, operation, job.state))

    def update_hints(self) -> None:
        """Dim the hints of unavailable actions."""
        reasons = tuple(self.disabled_reason(name) for name in (*_OPERATIONS, *_ON_LAST_STATE, "pause", "why", "search"))
        if reasons != self._reasons:
            self._reasons = reasons
            self.query_one(KeyHints).refresh()

    @changes_queue
    def action_edit(self) -> None:
        """Edit the arguments."""
        job = self.job
        if job is None:
            return
        if handler_kind(job.kind) not in {kind.name for kind in self.cockpit.kinds}:
            self.cockpit.notify_user(
                f"Kind {job.kind} is not registered here, so its arguments cannot be edited; name its module with --app",
                failed=True,
            )
        elif len(job.args_json) > LARGEST:
            self.cockpit.notify_user(
                f"The arguments are too long for the editor; use jobdeck edit {job.id} --args", failed=True
            )
        else:
            self._edit(job, arguments_of(job))

    @changes_queue
    def action_edit_options(self) -> None:
        """Edit the queue, time, attempts and tags."""
        if self.job is not None:
            self._edit(self.job, options_of(self.job))

    def _edit(self, job: Job, drafting: EditDocument) -> None:
        if not job.state.is_queued:
            self.cockpit.notify_user(
                f"Job {job.id} is {job.state}: only queued jobs can be edited; d duplicates it", failed=True
            )
            return
        self.app.push_screen(EditScreen(job.id, drafting))

    @changes_queue
    def action_retry(self) -> None:
        """Retry the job."""
        self.cockpit.feed.retry([self.job_id])

    @changes_queue
    def action_cancel(self) -> None:
        """Cancel the job."""
        self.cockpit.change_jobs(CANCEL, [self.job_id])

    @changes_queue
    def action_priority(self, by: int) -> None:
        """Change the priority."""
        self.cockpit.feed.reprioritize([self.job_id], by)

    @changes_queue
    def action_duplicate(self) -> None:
        """Open the form for a new job, filled in from this one."""
        if self.job is not None:
            self.cockpit.new_job(self.job)

    @changes_queue
    def action_delete(self) -> None:
        """Delete the job; undo restores it."""
        self.cockpit.change_jobs(DELETE, [self.job_id])

    @changes_queue
    def action_undo(self) -> None:
        """Undo the last action, on this job or any other."""
        self.cockpit.feed.undo()

    @changes_queue
    def action_redo(self) -> None:
        """Redo the last undone action."""
        self.cockpit.feed.redo()

    @changes_queue
    def action_pause(self) -> None:
        """Pause or resume the job's queue."""
        if self.job is not None:
            self.cockpit.feed.toggle(self.job.queue)

    def action_why(self) -> None:
        """Explain why the job is not running."""
        self.cockpit.explain_job(self.job_id)

    def action_copy_id(self) -> None:
        """Copy the job's id."""
        self.cockpit.copy(str(self.job_id), f"id {self.job_id}")

    def action_copy_command(self) -> None:
        """Copy the command that enqueues the job."""
        if self.job is not None:
            self.cockpit.copy_command(self.job)

    def action_copy_part(self) -> None:
        """Pick a part of the job and copy it."""
        if self.last is None:
            return

        def copy(part: Part | None) -> None:
            if part is not None and part.text is not None:
                self.cockpit.copy(part.text, f"the {part.name}")

        self.app.push_screen(CopyScreen(parts_of(self.last, self.attempt)), copy)
