"""Everything that can go wrong, by name. Each error is one clear sentence and carries its data.

The signals at the end say how an attempt shall end: raised by a handler, or by its context for it to pass on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .states import Operation, State


class JobdeckError(Exception):
    """The base of every error of jobdeck. Its text is one sentence for a person."""


class JobNotFound(JobdeckError):
    """No job has this id. It may have been deleted or pruned; `jobdeck list` shows what there is."""

    def __init__(self, job_id: int) -> None:
        super().__init__(f"There is no job {job_id}.")
        self.job_id = job_id


class WrongState(JobdeckError):
    """The job is in a state in which the operation is not allowed; see `states.TRANSITIONS`."""

    def __init__(self, job_id: int, operation: Operation, state: State) -> None:
        super().__init__(f"Job {job_id} is {state}: {_WHY_NOT.get((operation, state), f'it cannot {operation} now')}.")
        self.job_id = job_id
        self.operation = operation
        self.state = state


_WHY_NOT = {
    (Operation.CANCEL, State.COMPLETED): "there is nothing left to cancel",
    (Operation.CANCEL, State.FAILED): "there is nothing left to cancel",
    (Operation.CANCEL, State.CANCELLED): "it was cancelled before",
    (Operation.RETRY, State.PENDING): "it is ready to run already",
    (Operation.RETRY, State.RUNNING): "it runs already",
    (Operation.RETRY, State.WAITING): "it waits for other jobs to finish",
    (Operation.REPRIORITISE, State.RUNNING): "only a job that still waits has a priority to change",
    (Operation.REPRIORITISE, State.COMPLETED): "only a job that still waits has a priority to change",
    (Operation.REPRIORITISE, State.FAILED): "retry it before changing its priority",
    (Operation.REPRIORITISE, State.CANCELLED): "retry it before changing its priority",
    (Operation.EDIT, State.RUNNING): "only a job that still waits can be edited",
    (Operation.EDIT, State.COMPLETED): "only a job that still waits can be edited; enqueue another one like it",
    (Operation.EDIT, State.FAILED): "only a job that still waits can be edited; enqueue another one like it",
    (Operation.EDIT, State.CANCELLED): "only a job that still waits can be edited; enqueue another one like it",
    (Operation.DELETE, State.RUNNING): "cancel it and let it stop before deleting it",
}


class NotRunning(JobdeckError):
    """The job does not run now, and so its code is nowhere. `jobdeck why` says what it waits for."""

    def __init__(self, job_id: int, state: State) -> None:
        super().__init__(f"Job {job_id} is {state}: only code that runs has a stack.")
        self.job_id = job_id
        self.state = state


class MovedOn(JobdeckError):
    """An act on this job, queue or schedule cannot be undone, or done again: since then something else has happened to it.

    Nothing of it was changed. `subject` is the job's id, or the name of the queue or schedule.
    """

    def __init__(self, subject: int | str, problem: str, *, what: str = "Queue") -> None:
        name = f"Job {subject}" if isinstance(subject, int) else f"{what} {subject}"
        super().__init__(f"{name} {problem}.")
        self.subject = subject
        self.problem = problem


class KeyTaken(JobdeckError):
    """The job cannot be queued again: another one has its unique key now. Wait until that is done, or cancel it."""

    def __init__(self, job_id: int, key: str, holder: int) -> None:
        super().__init__(f"Job {job_id} cannot be queued again: job {holder} has its unique key {key!r} now.")
        self.job_id = job_id
        self.key = key
        self.holder = holder


class NothingToUndo(JobdeckError):
    """There is no act left to undo, or none to redo. Name one by its id; `jobdeck journal` lists them."""

    def __init__(self, who: str | None, *, redo: bool = False) -> None:
        whose = "" if who is None else f" of {who}"
        super().__init__(f"There is nothing{whose} to {'redo' if redo else 'undo'}; `jobdeck journal` shows what was done.")
        self.who = who
        self.redo = redo


class ActNotFound(JobdeckError):
    """The journal has no act with this id. It keeps the newest only; `jobdeck journal` lists them."""

    def __init__(self, act_id: int) -> None:
        super().__init__(f"There is no act {act_id} in the journal.")
        self.act_id = act_id


class WrongAct(JobdeckError):
    """The act is undone already, or is not undone and so cannot be done again. Nothing was changed."""

    def __init__(self, act_id: int, *, redo: bool = False) -> None:
        super().__init__(f"Act {act_id} {'is not undone, so there is nothing to redo' if redo else 'was undone before'}.")
        self.act_id = act_id
        self.redo = redo


class LeaseLost(JobdeckError):
    """The worker no longer holds the job: its lease ended and the job went on without it.

    Nothing was changed. The result is recorded once, as a late result of the attempt.
    """

    def __init__(self, job_id: int) -> None:
        super().__init__(f"The lease on job {job_id} was lost, so its late result changes nothing.")
        self.job_id = job_id


class NotUnique(JobdeckError):
    """Another job holds the unique key. Wait for it, cancel it, or enqueue with another `on_conflict`."""

    def __init__(self, key: str, job_id: int, state: State) -> None:
        super().__init__(f"The unique key {key!r} is held by job {job_id}, which is {state}.")
        self.key = key
        self.job_id = job_id
        self.state = state


class BatchNotFound(JobdeckError):
    """No batch has this id. It may have been pruned with its jobs."""

    def __init__(self, batch: int) -> None:
        super().__init__(f"There is no batch {batch}.")
        self.batch = batch


class UnknownKind(JobdeckError):
    """The kind is not in the registry. Name the module that defines it in JOBDECK_APP."""

    def __init__(self, kind: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.known = tuple(sorted(known))
        super().__init__(
            f"There is no kind {kind!r}; known kinds are {', '.join(self.known) or 'none'}"
            " (JOBDECK_APP or --app names the module that defines yours)."
        )


class InvalidArguments(JobdeckError):
    """An argument does not fit the handler's signature. `field` names it."""

    def __init__(self, kind: str, field: str, problem: str) -> None:
        super().__init__(f"{kind}: argument {field!r} {problem}.")
        self.kind = kind
        self.field = field
        self.problem = problem


class ArgumentsTooLarge(JobdeckError):
    """The arguments as JSON are larger than JOBDECK_MAX_ARGS_BYTES. Store the data elsewhere, pass its name."""

    def __init__(self, kind: str, size: int, limit: int) -> None:
        super().__init__(f"{kind}: the arguments take {size:,} bytes, and the limit is {limit:,} (JOBDECK_MAX_ARGS_BYTES).")
        self.kind = kind
        self.size = size
        self.limit = limit


class InvalidOption(JobdeckError):
    """An option of a job, such as its priority or queue name, is out of range. `option` names it."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"The {option} {problem}.")
        self.option = option
        self.problem = problem


class InvalidCron(InvalidOption):
    """The cron expression cannot be used. `field` names the part that is wrong, if it is one part.

    `queue.schedules.preview(cron)` and `jobdeck schedule preview CRON` show what an expression means.
    """

    def __init__(self, cron: str, field: str | None, problem: str) -> None:
        shown = cron if len(cron) <= 100 else cron[:99] + "…"
        super().__init__("cron expression", f"{shown!r} {problem}")
        self.cron = cron
        self.field = field


class ScheduleNotFound(JobdeckError):
    """No schedule has this name; `jobdeck schedule list` shows what there is."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no schedule {name!r}.")
        self.name = name


class ScheduleExists(JobdeckError):
    """There is a schedule of this name already. Edit it, or say that it shall be replaced."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a schedule {name!r} already; edit it, or add it with replace.")
        self.name = name


class InvalidFilter(JobdeckError):
    """The filter cannot be read. `column` (from 0) points at the place."""

    def __init__(self, text: str, column: int, problem: str) -> None:
        super().__init__(f"The filter has an error at column {column + 1}: {problem}.")
        self.text = text
        self.column = column
        self.problem = problem


class InvalidSetting(JobdeckError):
    """A setting has a value that cannot be used. `name` is its environment variable."""

    def __init__(self, name: str, value: str, problem: str) -> None:
        super().__init__(f"{name}={value!r} cannot be used: {problem}.")
        self.name = name
        self.value = value


class InvalidHandler(JobdeckError):
    """A function given to `@job` cannot be a handler."""


class AppNotLoaded(JobdeckError):
    """A module named in JOBDECK_APP could not be imported."""

    def __init__(self, app: str, problem: str) -> None:
        super().__init__(f"The app {app!r} could not be loaded: {problem}.")
        self.app = app


class KindNotInChild(UnknownKind):
    """A child process does not know the kind that it shall run.

    Children import what JOBDECK_APP names and the modules of your handlers; a handler that was registered in the
    program itself (`__main__`) cannot be found there. Move it into a module.
    """

    def __init__(self, *kinds: str) -> None:
        named = ", ".join(repr(kind) for kind in kinds)
        JobdeckError.__init__(
            self,
            f"Child processes do not know {'kind' if len(kinds) == 1 else 'kinds'} {named}:"
            " a handler has to be in a module that they can import, not in the program itself (JOBDECK_APP names it).",
        )
        self.kind = kinds[0]
        self.known = ()


class ChildNotStarted(JobdeckError):
    """A child process that shall run handlers could not begin. Its text says why; see that, and start again."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"A child process could not start: {problem.rstrip('.')}.")
        self.problem = problem


class PayloadUnreadable(JobdeckError):
    """The stored arguments of a job are not a JSON object, so it cannot run. Delete the job."""

    def __init__(self, job_id: int) -> None:
        super().__init__(f"The stored arguments of job {job_id} are not a JSON object.")
        self.job_id = job_id


class StoreError(JobdeckError):
    """The database could not do what was asked."""


class StoreBusy(StoreError):
    """The database stayed locked by another process for longer than the busy timeout. Try again."""

    def __init__(self, where: str, waited: float) -> None:
        super().__init__(f"The database {where} stayed locked for {waited:g} s; try again.")
        self.where = where
        self.waited = waited


class StoreRefused(StoreError):
    """This file or server cannot be used as it is. Nothing in it was changed."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where} {problem}.")
        self.where = where
        self.problem = problem


class StoreFailed(StoreError):
    """The database failed in mid-operation (disk full, input/output error). The transaction was rolled back."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"The database {where} failed: {problem}.")
        self.where = where
        self.problem = problem


class StoreLost(StoreFailed):
    """The database is not there any more: its file was deleted, moved away, or emptied, or its tables were dropped.

    Nothing is written until there is one again. Put it back, or put another in its place, and work goes on with that;
    `Queue.renew` makes a new and empty one.
    """

    def __init__(self, where: str, problem: str = "was deleted or moved away") -> None:
        super().__init__(where, problem)
        self.args = (f"The database {where} {problem}.",)


class StoreAway(StoreLost):
    """The database's server cannot be reached. Nothing is written until it can; then work goes on by itself."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, f"cannot be reached: {problem}")


class StoreReplaced(StoreFailed):
    """Another database was put in place of the one that was open. This call did nothing; the next goes to the new one.

    Each thread is told so once. What it knows of jobs is of the old database: look again before you act.
    """

    def __init__(self, where: str) -> None:
        super().__init__(where, "was replaced")
        self.args = (f"There is another database at {where} now; what is done from now on is done there.",)


class RowRefused(StoreError):
    """The database does not take a value or a change of state. Nothing was changed."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"The database {where} refused a value: {problem}.")
        self.where = where
        self.problem = problem


class BackupFailed(JobdeckError):
    """No backup was written; what stood at its path is as before. Choose another path, or make room."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"No backup was written to {path}: {problem}.")
        self.path = path
        self.problem = problem


class Signal(Exception):
    """The base of what is raised inside a handler to say how its attempt shall end. Not an error."""


class Snooze(Signal):
    """Raised by a handler: not now, run me again in `seconds`. The attempt is given back."""

    def __init__(self, seconds: float) -> None:
        # Not a number, or endless: no time could be told from it.
        if not 0 <= seconds < 1e10:
            raise ValueError(f"a job can snooze from 0 seconds to 300 years, not {seconds!r}")
        super().__init__(f"snoozed for {seconds:g} s")
        self.seconds = seconds


class GiveUp(Signal):
    """Raised by a handler: this will never work, do not retry. The job fails at once with `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Stopped(Signal):
    """Raised by `context().check()` when the job was asked to stop. Let it pass through."""

    def __init__(self) -> None:
        super().__init__("stopped on request")


class TimedOut(Signal):
    """Raised by `context().check()` when the attempt has used up its time. Let it pass through.

    A policy may name it: `retry_on=(TimedOut, …)`, `give_up_on=(TimedOut,)`.
    """

    def __init__(self) -> None:
        super().__init__("the attempt took longer than its timeout")


class Interrupted(Signal):
    """Raised by `context().check()` when the worker shuts down before the job is done. Let it pass through."""

    def __init__(self) -> None:
        super().__init__("the worker shuts down")
