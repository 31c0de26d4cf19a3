"""What can be done to the one job of a screen: the acts of its keys."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from jobdeck import Attempt, Job, Operation, WrongState, allows

from ..feed.messages import Detail
from ..forms.job_editing import LARGEST, Drafting, arguments_of, options_of
from ..widgets.chrome.key_hints import Hints
from .base import READONLY, DeckScreen
from .copy_job import CopyScreen, Part, parts_of
from .edit_job import EditScreen

_OPERATIONS = {
    "edit": Operation.EDIT,
    "edit_options": Operation.EDIT,
    "retry": Operation.RETRY,
    "cancel": Operation.CANCEL,
    "priority": Operation.REPRIORITISE,
    "delete": Operation.DELETE,
}
_CHANGING = (*_OPERATIONS, "duplicate", "pause", "undo", "redo")
_OF_WHAT_WAS_SEEN = ("duplicate", "copy_part", "copy_command")
"""What can be done to a job that is gone, too."""


class JobActs(DeckScreen):
    """A screen of one job."""

    KEYMAP_SCOPE = "job"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "edit", tooltip="Edit its arguments while it waits, checked as you type"),
        Binding("E", "edit_options", "edit the rest", show=False, tooltip="Edit its queue, time, attempts and tags"),
        Binding("r", "retry", "retry", tooltip="Run it again, or now"),
        Binding("x", "cancel", "cancel", tooltip="Cancel it; ask it to stop if it runs"),
        Binding("plus,equals_sign", "priority(1)", "priority", key_display="+ -"),
        Binding("minus", "priority(-1)", "lower the priority", show=False),
        Binding("d", "duplicate", "duplicate", tooltip="Open the form of a new job, filled from this one"),
        Binding("delete,D", "delete", "delete", show=False, tooltip="Remove it with log and history; z brings it back"),
        Binding("p", "pause", "pause its queue", show=False, tooltip="Pause or resume the job's queue"),
        Binding("w", "why", "why", tooltip="Why is it not running? Every condition, checked now"),
        Binding("c", "copy_part", "copy", tooltip="Copy its arguments, result, error, traceback, stack or log"),
        Binding("z", "undo", "undo", tooltip="Take back what you did last: an act on jobs, or a pause"),
        Binding("Z", "redo", "redo", show=False, tooltip="Do again what you have undone last"),
        Binding("y", "copy_id", "copy the id", show=False),
        Binding("Y", "copy_command", "copy the command", show=False, tooltip="Copy the command line that enqueues it again"),
    ]

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self.job_id = job_id
        self.detail: Detail | None = None
        """The newest look at it."""
        self.last: Detail | None = None
        """The newest look at which it was there."""
        self._dimmed: tuple[str | None, ...] = ()

    @property
    def job(self) -> Job | None:
        """The job as it was seen last."""
        return None if self.last is None else self.last.job

    @property
    def attempt(self) -> Attempt | None:
        """The attempt that is looked at, if one is."""
        return None

    def why_not(self, action: str) -> str | None:
        name = action.partition("(")[0]
        if name in _CHANGING and self.cockpit.readonly:
            return READONLY
        gone = self.detail is not None and self.detail.job is None
        if name in (*_OPERATIONS, "why", "pause") and gone:
            return f"Job {self.job_id} is gone: it was deleted or pruned"
        job = self.job
        if job is None:
            return f"Nothing was seen of job {self.job_id}" if gone and name in _OF_WHAT_WAS_SEEN else None
        operation = _OPERATIONS.get(name)
        if operation is None or allows(operation, job.state):
            return None
        return str(WrongState(job.id, operation, job.state))

    def hint(self) -> None:
        """Dim the hints of keys that do nothing now."""
        dimmed = tuple(self.why_not(name) for name in (*_CHANGING, *_OF_WHAT_WAS_SEEN, "why", "search"))
        if dimmed != self._dimmed:
            self._dimmed = dimmed
            self.query_one(Hints).refresh()

    def action_edit(self) -> None:
        """Edit the arguments."""
        job = self.job
        if job is None:
            return
        if job.kind not in {kind.name for kind in self.cockpit.kinds}:
            self.cockpit.tell(
                f"{job.kind} is not known here, so its arguments cannot be checked; --app or JOBDECK_APP names its module",
                failed=True,
            )
        elif len(job.args_json) > LARGEST:
            self.cockpit.tell(f"The arguments are too long to be edited here; use jobdeck edit {job.id} --args", failed=True)
        else:
            self._edit(job, arguments_of(job))

    def action_edit_options(self) -> None:
        """Edit what is not an argument."""
        if self.job is not None:
            self._edit(self.job, options_of(self.job))

    def _edit(self, job: Job, drafting: Drafting) -> None:
        if self.cockpit.refuse_readonly():
            return
        if not job.state.is_queued:
            what = "runs" if job.state.value == "running" else f"is {job.state}"
            self.cockpit.tell(
                f"Job {job.id} {what}: only a job that still waits can be edited; d makes a new one like it", failed=True
            )
            return
        self.app.push_screen(EditScreen(job.id, drafting))

    def action_retry(self) -> None:
        """Retry it."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.retry([self.job_id])

    def action_cancel(self) -> None:
        """Cancel it."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.cancel([self.job_id])

    def action_priority(self, by: int) -> None:
        """Change its priority."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.reprioritise([self.job_id], by)

    def action_duplicate(self) -> None:
        """Enqueue one like it."""
        if not self.cockpit.refuse_readonly() and self.job is not None:
            self.cockpit.new_job(self.job)

    def action_delete(self) -> None:
        """Delete it; it can be brought back."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.delete([self.job_id])

    def action_undo(self) -> None:
        """Take back the newest act, of this job or any."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.undo()

    def action_redo(self) -> None:
        """Do again what was undone last."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.redo()

    def action_pause(self) -> None:
        """Pause or resume its queue."""
        if not self.cockpit.refuse_readonly() and self.job is not None:
            self.cockpit.feed.toggle(self.job.queue)

    def action_why(self) -> None:
        """Say why it does not run."""
        self.cockpit.explain_job(self.job_id)

    def action_copy_id(self) -> None:
        """Copy its id."""
        self.cockpit.copy(str(self.job_id), f"id {self.job_id}")

    def action_copy_command(self) -> None:
        """Copy the command line that enqueues it again."""
        if self.job is not None:
            self.cockpit.copy_command(self.job)

    def action_copy_part(self) -> None:
        """Ask which part, and copy it."""
        if self.last is None:
            return

        def chosen(part: Part | None) -> None:
            if part is not None and part.text is not None:
                self.cockpit.copy(part.text, f"the {part.name}")

        self.app.push_screen(CopyScreen(parts_of(self.last, self.attempt)), chosen)
