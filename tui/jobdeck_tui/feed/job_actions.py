"""Actions on jobs: which action, on which jobs, its preview and its result as text. The feed applies them, never a screen."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from jobdeck import Irreversible, Job, Operation, OperationResult, Queue, State, Term, UndoResult, allows, record

from ..text.sanitize import safe
from .pages import condition_of

STEP = 500
"""Jobs changed in one transaction, so that workers can write in between."""
_READ = 5000
"""Records read at once if a preview checks each job."""


@record
class JobAction:
    """An action on jobs."""

    operation: Operation
    priority: int = 0
    relative: bool = True
    """`True` if the priority is added to the current one."""

    @property
    def verb(self) -> str:
        """The verb on a button: `Retry`."""
        return _WORDS[self.operation][0]

    @property
    def progress_text(self) -> str:
        """The verb while the action runs: `retrying`."""
        return _WORDS[self.operation][1]

    @property
    def future_text(self) -> str:
        """What will happen to the jobs: `will run again`."""
        if self.operation is Operation.REPRIORITIZE:
            return f"will have their priority {self._change_text}"
        return _WORDS[self.operation][2]

    @property
    def _change_text(self) -> str:
        return f"changed by {self.priority:+d}" if self.relative else f"set to {self.priority}"

    def apply(self, queue: Queue, ids: Sequence[int], entry_id: int | None = None) -> OperationResult:
        """Apply the action to these jobs, as part of the journal entry `entry_id` if it is given."""
        return queue.change_many(self.operation, ids, priority=self.priority, relative=self.relative, entry_id=entry_id)

    def done_text(self, what: str, stopping: int = 0, *, all_stopping: bool = False) -> str:
        """Return what was done to `what`, such as `Job 7` or `12 jobs`."""
        match self.operation:
            case Operation.CANCEL if all_stopping:
                return f"{what} asked to stop"
            case Operation.CANCEL:
                return f"{what} cancelled" + (f", {stopping:,} of them asked to stop" if stopping else "")
            case Operation.RETRY:
                return f"{what} will run again"
            case Operation.DELETE:
                return f"{what} deleted"
            case _:
                return f"{what}: priority {self._change_text}"


CANCEL, RETRY, DELETE = (JobAction(each) for each in (Operation.CANCEL, Operation.RETRY, Operation.DELETE))

_WORDS = {
    Operation.CANCEL: ("Cancel", "cancelling", "will be cancelled"),
    Operation.RETRY: ("Retry", "retrying", "will run again"),
    Operation.DELETE: ("Delete", "deleting", "will be deleted"),
    Operation.REPRIORITIZE: ("Change", "changing the priority of", ""),
}
_FINISHED = "are already finished"
_REFUSALS: Mapping[Operation, Mapping[State, str]] = {
    Operation.CANCEL: {State.COMPLETED: _FINISHED, State.FAILED: _FINISHED, State.CANCELLED: _FINISHED},
    Operation.RETRY: {
        State.RUNNING: "are running; cancel them first",
        State.PENDING: "are ready to run",
        State.WAITING: "wait for other jobs",
        State.COMPLETED: "are completed; to rerun them, filter by state:completed",
    },
    Operation.DELETE: {State.RUNNING: "are running; cancel them first"},
    Operation.REPRIORITIZE: {
        State.RUNNING: "are already running",
        State.COMPLETED: _FINISHED,
        State.FAILED: _FINISHED,
        State.CANCELLED: _FINISHED,
    },
}


def disabled_reason(operation: Operation, state: State) -> str:
    """Return why the operation skips jobs in that state; follows the words `5 running jobs`."""
    return _REFUSALS[operation].get(state, f"are {state.value}")


@record
class Selection:
    """The jobs of an action: some by their ids, or all that match a filter when the preview is computed."""

    ids: tuple[int, ...] = ()
    everything: bool = False
    filter: str = ""
    tab: str = "all"
    without: frozenset[int] = frozenset()
    """The jobs that were unmarked, if `everything` is set."""

    @property
    def description(self) -> str:
        """The jobs as text, for the title of a dialog."""
        if not self.everything:
            return f"job {self.ids[0]}" if len(self.ids) == 1 else "the marked jobs"
        parts = [*[self.filter] * bool(self.filter), *[f"state:{self.tab}"] * (self.tab != "all")]
        return f"all jobs that match {' '.join(parts)}" if parts else "all jobs"


@record
class ActionPreview:
    """What an action would do."""

    action: JobAction
    ids: array[int] = field(default_factory=lambda: array("q"))
    """The jobs it would change."""
    affected: Mapping[State, int] = field(default_factory=dict)
    """The number of these in each state."""
    refused: Mapping[State, int] = field(default_factory=dict)
    """The number of jobs in each state that it would leave unchanged."""
    missing: int = 0
    """The number of jobs that no longer exist."""
    irreversible: int = 0
    """The number of jobs in `ids` for which it could not be undone, such as running ones that are asked to stop."""


def preview_action(queue: Queue, action: JobAction, selection: Selection) -> ActionPreview:
    """Compute what the action would do to the selection. Raises `InvalidFilter`."""
    if not selection.everything:
        return _preview_ids(queue, action, selection.ids)
    condition = condition_of(selection.filter, selection.tab)
    has_state = any(term.field == "state" for term in condition.terms)
    if selection.without:
        condition = condition.and_(Term("id", ":", tuple(sorted(selection.without)), negated=True))
    states = [state for state in State if allows(action.operation, state)]
    if action.operation is Operation.RETRY and not has_state:
        states.remove(State.COMPLETED)  # completed jobs run again only if the filter asks for them
    ids = queue.ids(condition.and_(Term("state", ":", tuple(map(str, states)))), descending=False)
    counts = queue.count_states(condition)
    able = {state: n for state, n in counts.items() if state in states}
    refused = {state: n for state, n in counts.items() if state not in states}
    return ActionPreview(action, ids, able, refused, irreversible=_running(action, able))


def _preview_ids(queue: Queue, action: JobAction, wanted: Sequence[int]) -> ActionPreview:
    ids = array("q")
    able: Counter[State] = Counter()
    refused: Counter[State] = Counter()
    for job in _records(queue, wanted):
        if allows(action.operation, job.state):
            ids.append(job.id)
            able[job.state] += 1
        else:
            refused[job.state] += 1
    missing = len(wanted) - len(ids) - sum(refused.values())
    return ActionPreview(action, ids, able, refused, missing, _running(action, able))


def _running(action: JobAction, affected: Mapping[State, int]) -> int:
    """Return the number of running jobs that the action would ask to stop."""
    return affected.get(State.RUNNING, 0) if action.operation is Operation.CANCEL else 0


def apply_reversibly(queue: Queue, action: JobAction, ids: Sequence[int]) -> OperationResult | ActionPreview | str:
    """Apply the action if all of it can be undone; otherwise change nothing.

    A queued job that a worker claims at this moment counts as a running one: the action itself says what can be undone.

    Returns:
        The result; or the preview, to be confirmed by the user; or why there is nothing to confirm.
    """
    try:
        return queue.change_many(action.operation, ids, priority=action.priority, relative=action.relative, reversible=True)
    except Irreversible as error:
        lost = error.count
        affected = [job for job in queue.get_many(ids) if allows(action.operation, job.state)]
    if action.operation is Operation.CANCEL and affected and all(job.cancelling for job in affected):
        what = f"Job {affected[0].id} has" if len(affected) == 1 else f"These {len(affected):,} jobs have"
        return f"{what} already been asked to stop"
    preview = _preview_ids(queue, action, ids)
    return replace(preview, irreversible=min(lost, len(preview.ids)))


def _records(queue: Queue, ids: Sequence[int]) -> Iterable[Job]:
    for start in range(0, len(ids), _READ):
        yield from queue.get_many(ids[start : start + _READ])


@dataclass(slots=True)
class ActionResult:
    """The result so far of an action in one or many steps."""

    action: JobAction
    done: int = 0
    first: int = 0
    """The id of the first job that was changed."""
    refused: int = 0
    example: str = ""
    """Why one job was refused."""
    undoable: int = 0
    children: int = 0
    stopping: int = 0
    entry: int | None = None

    def add(self, queue: Queue, changes: OperationResult) -> None:
        """Add the result of one step."""
        if changes.done and not self.done:
            self.first = changes.done[0]
        self.done += len(changes.done)
        self.refused += len(changes.refused)
        if changes.refused and not self.example:
            self.example = str(next(iter(changes.refused.values())))
        self.undoable += changes.undoable
        self.children += changes.children
        self.entry = changes.entry_id or self.entry
        if self.action.operation is Operation.CANCEL and changes.undoable < len(changes.done):
            self.stopping += sum(job.cancelling for job in queue.get_many(changes.done))

    def to_text(self, queue: Queue) -> tuple[str, bool]:
        """Return the result as text, and whether some of it failed; an empty text if there was nothing to do."""
        if not self.done:
            more = f" (and {self.refused - 1:,} more)" if self.refused > 1 else ""
            return f"{self.example}{more}" if self.refused else "", True
        what = f"Job {self.first}" if self.done == 1 else f"{self.done:,} jobs"
        text = self.action.done_text(what, self.stopping, all_stopping=self.stopping == self.done)
        if self.action.operation is Operation.REPRIORITIZE and self.done == 1:
            text = f"{what}: priority {queue.get(self.first).priority}"
        if self.children:
            text += f", and {self.children:,} that waited"
        if self.undoable == self.done:
            text += " · z to undo"
        elif self.undoable:
            text += f" · z to undo {self.undoable:,} of them"
        if self.refused:
            text += f"; {self.refused:,} refused, for example: {self.example}"
        return text, bool(self.refused)


def undo_text(undone: UndoResult, what: str) -> tuple[str, bool]:
    """Return the result of an undo or a redo as text, and whether some of it was refused. `what` is `Undone` or `Redone`."""
    refusals = list(undone.refused.values())
    rest = len(refusals) + undone.not_recorded
    text = f"{what}: {safe(undone.entry.summary)}"
    if not undone.done:
        text = f"Not {what.lower()}: {safe(undone.entry.summary)}"
    elif rest:
        text += f", for {len(undone.done):,} of {len(undone.done) + rest:,}"
    if refusals:
        text += f". {refusals[0]}" + (f" (and {len(refusals) - 1:,} more)" if len(refusals) > 1 else "")
    return text, bool(rest) or not undone.done
