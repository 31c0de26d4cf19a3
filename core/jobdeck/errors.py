"""Everything that can go wrong, by name. Each error is one clear sentence and carries its data.

The signals at the end are raised *by* a handler to say how its attempt shall end.
"""

from __future__ import annotations

from collections.abc import Iterable

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
    (Operation.DELETE, State.RUNNING): "cancel it and let it stop before deleting it",
}


class LeaseLost(JobdeckError):
    """The worker no longer holds the job: its lease ended and the job went on without it.

    Nothing was changed. The result is recorded once, as a late result of the attempt.
    """

    def __init__(self, job_id: int) -> None:
        super().__init__(f"The lease on job {job_id} was lost, so its late result changes nothing.")
        self.job_id = job_id


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


class RowRefused(StoreError):
    """The database does not take a value or a change of state. Nothing was changed."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"The database {where} refused a value: {problem}.")
        self.where = where
        self.problem = problem


class Signal(Exception):
    """The base of what a handler raises to say how its attempt shall end. Not an error."""


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
