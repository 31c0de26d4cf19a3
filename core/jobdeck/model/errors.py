"""The errors of jobdeck. Each has a one-sentence message and carries its data.

The signals at the end of this module end an attempt in a particular way. A handler raises them, or its context does
and the handler lets them propagate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .states import Operation, State
from .suggestions import closest_name

_ENDED_TWICE = r"(?<=[^.\s][.?!…])[.](?=\s|$)"


class JobdeckError(Exception):
    """The base of all errors of jobdeck. Its message is one readable sentence."""

    def __str__(self) -> str:
        # The text of another error that it quotes may end with a full stop of its own.
        return re.sub(_ENDED_TWICE, "", super().__str__())


class JobNotFound(JobdeckError):
    """No job has this id. It may have been deleted or pruned; `jobdeck list` lists the jobs."""

    def __init__(self, job_id: int) -> None:
        super().__init__(f"Job {job_id} does not exist.")
        self.job_id = job_id


class WrongState(JobdeckError):
    """The job is in a state that does not allow the operation; see `states.TRANSITIONS`."""

    def __init__(self, job_id: int, operation: Operation, state: State) -> None:
        super().__init__(f"Job {job_id} is {state}: {_WHY_NOT.get((operation, state), f'it cannot {operation} now')}.")
        self.job_id = job_id
        self.operation = operation
        self.state = state


_WHY_NOT = {
    (Operation.CANCEL, State.COMPLETED): "it has finished, so it cannot be cancelled",
    (Operation.CANCEL, State.FAILED): "it has finished, so it cannot be cancelled",
    (Operation.CANCEL, State.CANCELLED): "it has already been cancelled",
    (Operation.RETRY, State.PENDING): "it is already ready to run",
    (Operation.RETRY, State.RUNNING): "it is already running",
    (Operation.RETRY, State.WAITING): "it waits for other jobs, and becomes ready when they have completed",
    (Operation.REPRIORITIZE, State.RUNNING): "only the priority of a queued job can be changed",
    (Operation.REPRIORITIZE, State.COMPLETED): "only the priority of a queued job can be changed",
    (Operation.REPRIORITIZE, State.FAILED): "retry it, then change its priority",
    (Operation.REPRIORITIZE, State.CANCELLED): "retry it, then change its priority",
    (Operation.EDIT, State.RUNNING): "only a queued job can be edited",
    (Operation.EDIT, State.COMPLETED): "only a queued job can be edited; enqueue a new one instead",
    (Operation.EDIT, State.FAILED): "only a queued job can be edited; enqueue a new one instead",
    (Operation.EDIT, State.CANCELLED): "only a queued job can be edited; enqueue a new one instead",
    (Operation.DELETE, State.RUNNING): "cancel it and wait until it has stopped, then delete it",
}


class NotRunning(JobdeckError):
    """The job is not running, so it has no stack. `jobdeck why` shows what it waits for."""

    def __init__(self, job_id: int, state: State) -> None:
        super().__init__(f"Job {job_id} is {state}: only running jobs have a stack.")
        self.job_id = job_id
        self.state = state


class UndoConflict(JobdeckError):
    """An operation on this job, queue or schedule cannot be undone or redone, because it has changed since.

    It was left unchanged. `subject` is the id of the job, or the name of the queue or schedule.
    """

    def __init__(self, subject: int | str, problem: str, *, what: str = "Queue") -> None:
        name = f"Job {subject}" if isinstance(subject, int) else f"{what} {subject}"
        super().__init__(f"{name} {problem}.")
        self.subject = subject
        self.problem = problem


class Irreversible(JobdeckError):
    """The operation was to change jobs only if an undo could restore all of them, and it could not restore `count`."""

    def __init__(self, count: int) -> None:
        jobs = "1 job" if count == 1 else f"{count:,} jobs"
        super().__init__(f"An undo could not restore {jobs}, so nothing was changed.")
        self.count = count


class UniqueKeyTaken(JobdeckError):
    """The job cannot be queued again, because another job now holds its unique key."""

    def __init__(self, job_id: int, key: str, holder: int) -> None:
        super().__init__(
            f"Job {job_id} cannot be queued again: job {holder} now holds its unique key {key!r};"
            " cancel that job, or wait until it has finished."
        )
        self.job_id = job_id
        self.key = key
        self.holder = holder


class NothingToUndo(JobdeckError):
    """The journal has no operation left to undo or redo. `jobdeck journal` lists its entries; undo one by its id."""

    def __init__(self, actor: str | None, *, redo: bool = False) -> None:
        actor = "" if actor is None else f" for {actor}"
        super().__init__(f"Nothing to {'redo' if redo else 'undo'}{actor}; `jobdeck journal` lists the recorded operations.")
        self.actor = actor
        self.redo = redo


class JournalEntryNotFound(JobdeckError):
    """The journal has no entry with this id. It keeps the newest entries only; `jobdeck journal` lists them."""

    def __init__(self, entry_id: int) -> None:
        super().__init__(f"Journal entry {entry_id} does not exist; `jobdeck journal` lists the entries.")
        self.entry_id = entry_id


class InvalidJournalEntry(JobdeckError):
    """The journal entry has already been undone, or has not been undone and cannot be redone. Nothing was changed."""

    def __init__(self, entry_id: int, *, redo: bool = False) -> None:
        problem = "has not been undone, so it cannot be redone" if redo else "has already been undone"
        super().__init__(f"Journal entry {entry_id} {problem}.")
        self.entry_id = entry_id
        self.redo = redo


class UndoDataDamaged(JobdeckError):
    """The undo data of an operation was changed in the database, so the operation can be neither undone nor redone."""

    def __init__(self, entry_id: int) -> None:
        super().__init__(f"The undo data of journal entry {entry_id} is damaged, so it cannot be undone or redone.")
        self.entry_id = entry_id


class LeaseLost(JobdeckError):
    """The worker no longer holds the job: its lease expired and the job was rescued.

    The job was not changed. The result is recorded once, as a late result of the attempt.
    """

    def __init__(self, job_id: int) -> None:
        super().__init__(f"The lease on job {job_id} was lost, so its late result has no effect.")
        self.job_id = job_id


class UniqueKeyConflict(JobdeckError):
    """Another job holds the unique key. Wait for it, cancel it, or enqueue with another `on_conflict` or key."""

    def __init__(self, key: str, job_id: int, state: State) -> None:
        super().__init__(f"Job {job_id} ({state}) already holds the unique key {key!r}; wait for it, or use another key.")
        self.key = key
        self.job_id = job_id
        self.state = state


class BatchNotFound(JobdeckError):
    """No batch has this id. It may have been pruned together with its jobs."""

    def __init__(self, batch: int) -> None:
        super().__init__(f"Batch {batch} does not exist; it may have been pruned.")
        self.batch = batch


class UnknownKind(JobdeckError):
    """The kind is not registered. Set JOBDECK_APP to the module that defines it."""

    def __init__(self, kind: str, known: Iterable[str], *, on_server: bool = False) -> None:
        self.kind = kind
        self.known = tuple(sorted(known))
        similar = closest_name(kind, self.known)
        known_names = ", ".join(self.known) or "none"
        does = "start the server with JOBDECK_APP or --app set to" if on_server else "set JOBDECK_APP or --app to"
        if similar is None:
            text = f"Unknown kind {kind!r} (known: {known_names}); {does} the module that defines it."
        else:
            text = f"Unknown kind {kind!r}; did you mean {similar}? If not, {does} its module."
        super().__init__(text)


class ArgumentProblem(NamedTuple):
    """The problem with one argument, or with a value inside it."""

    path: tuple[str, ...]
    """The name of the argument, then the keys and indexes inside it; empty for the arguments as a whole."""
    problem: str
    """The rest of a sentence that begins with the argument: `is missing`."""


class InvalidArguments(JobdeckError):
    """An argument does not fit the handler's signature. `field` names the first that does not, `problems` has all of them."""

    def __init__(self, kind: str, field: str, problem: str, problems: tuple[ArgumentProblem, ...] = ()) -> None:
        super().__init__(f"{kind}: argument {field!r} {problem}.")
        self.kind = kind
        self.field = field
        self.problem = problem
        self.problems = problems or (ArgumentProblem(() if field == "*" else (field,), problem),)


class ArgumentsMismatch(InvalidArguments):
    """The stored arguments do not fit the handler of this worker, which is of another version than what enqueued the job.

    The job is retried, because another worker may accept it.
    """

    def __init__(self, kind: str, field: str, problem: str) -> None:
        super().__init__(kind, field, f"{problem}; the program that enqueued the job has another signature than this worker")
        self.problem = problem


class ArgumentsTooLarge(JobdeckError):
    """The arguments as JSON exceed JOBDECK_MAX_ARGS_BYTES. Store the data elsewhere and pass a reference."""

    def __init__(self, kind: str, size: int, limit: int) -> None:
        super().__init__(
            f"{kind}: the arguments take {size:,} bytes, more than JOBDECK_MAX_ARGS_BYTES allows ({limit:,});"
            " store the data elsewhere and pass a reference."
        )
        self.kind = kind
        self.size = size
        self.limit = limit


class InvalidOption(JobdeckError):
    """An option, such as a job's priority or queue name, is invalid. `option` names it."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"The {option} {problem}.")
        self.option = option
        self.problem = problem


class InvalidCron(InvalidOption):
    """The cron expression is invalid. `field` names the invalid field, if it is a single one.

    `queue.schedules.preview(cron)` and `jobdeck schedule preview CRON` explain an expression.
    """

    def __init__(self, cron: str, field: str | None, problem: str) -> None:
        shortened = cron if len(cron) <= 100 else cron[:99] + "…"
        super().__init__("cron expression", f"{shortened!r} {problem}")
        self.cron = cron
        self.field = field


class ScheduleNotFound(JobdeckError):
    """No schedule has this name; `jobdeck schedule list` lists the schedules."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Schedule {name!r} does not exist; `jobdeck schedule list` lists the schedules.")
        self.name = name


class ScheduleExists(JobdeckError):
    """A schedule with this name already exists. Edit it, or replace it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Schedule {name!r} already exists; edit it, or replace it (`--replace`).")
        self.name = name


class InvalidFilter(JobdeckError):
    """The filter is invalid. `column` (from 0) is the position of the error."""

    def __init__(self, text: str, column: int, problem: str) -> None:
        super().__init__(f"Invalid filter at column {column + 1}: {problem}.")
        self.text = text
        self.column = column
        self.problem = problem


class InvalidSetting(JobdeckError):
    """A setting has an invalid value. `name` is its environment variable."""

    def __init__(self, name: str, value: str, problem: str) -> None:
        super().__init__(f"Invalid setting {name}={value!r}: {problem}.")
        self.name = name
        self.value = value


class InvalidHandler(JobdeckError):
    """A function decorated with `@job` cannot be a handler."""


class KindTaken(InvalidHandler):
    """Another function is registered under this name. `first` and `second` are the places of the two definitions.

    A function that is loaded again, by a reload or as the main program, is not another one.
    """

    def __init__(self, kind: str, first: str, second: str) -> None:
        super().__init__(
            f"The kind {kind!r} is taken by {first}, so {second} cannot have the same name;"
            " give one of them another with @job(name=…)."
        )
        self.kind = kind
        self.first = first
        self.second = second


class AppImportError(JobdeckError):
    """A module in JOBDECK_APP could not be imported."""

    def __init__(self, app: str, problem: str) -> None:
        super().__init__(f"The app {app!r} could not be imported: {problem}.")
        self.app = app


class KindNotInChild(UnknownKind):
    """A child process does not know the kind of a job.

    Child processes import the modules in JOBDECK_APP and those of your handlers. They cannot import a handler that was
    registered in the main program (`__main__`). Move it into a module.
    """

    def __init__(self, *kinds: str) -> None:
        named = ", ".join(repr(kind) for kind in kinds)
        JobdeckError.__init__(
            self,
            f"Child processes do not know {'kind' if len(kinds) == 1 else 'kinds'} {named}:"
            " move the handler from the main program into a module that they can import, and set JOBDECK_APP to it.",
        )
        self.kind = kinds[0]
        self.known = ()


class ChildNotStarted(JobdeckError):
    """A child process for handlers could not start. The message contains the reason."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"A child process could not start: {problem.rstrip('.')}.")
        self.problem = problem


class ThreadsReplaced(JobdeckError):
    """A library has replaced the threads of this process by green ones, so it cannot run a worker.

    It can enqueue jobs. Run the worker as `jobdeck worker`, with an app that does not call `monkey.patch_all()`.
    """

    def __init__(self, library: str) -> None:
        super().__init__(
            f"{library} has replaced the threads of this process (monkey patching), so no worker can run in it;"
            " run `jobdeck worker` with an app that does not patch."
        )
        self.library = library


class InvalidPayload(JobdeckError):
    """The stored arguments of a job are not a JSON object, so the job cannot run. Delete it."""

    def __init__(self, job_id: int) -> None:
        super().__init__(f"The stored arguments of job {job_id} are not a JSON object, so it cannot run; delete it.")
        self.job_id = job_id


class StoreError(JobdeckError):
    """The database could not perform the operation."""


class StoreBusy(StoreError):
    """Another process locked the database for longer than the busy timeout. Try again."""

    def __init__(self, where: str, waited: float) -> None:
        super().__init__(f"The database {where} stayed locked for {waited:g} s; try again.")
        self.where = where
        self.waited = waited


class StoreRefused(StoreError):
    """This file or server cannot be used in its current state. Nothing in it was changed."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where} {problem}.")
        self.where = where
        self.problem = problem


class StoreFailed(StoreError):
    """The database failed during an operation (disk full, input/output error). The transaction was rolled back."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"The database {where} failed: {problem}.")
        self.where = where
        self.problem = problem


class StoreMissing(StoreFailed):
    """The database no longer exists: its file was deleted, moved away or emptied, or its tables were dropped.

    Nothing is written until it exists again. Restore it, or put another one in its place, and work resumes on that;
    `Queue.recreate` creates a new, empty one.
    """

    def __init__(self, where: str, problem: str = "was deleted or moved away") -> None:
        super().__init__(where, problem)
        self.args = (f"The database {where} {problem}.",)


class StoreUnreachable(StoreMissing):
    """The database server is unreachable. Nothing is written until it is reachable again; then work resumes by itself."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, f"cannot be reached: {problem}")


class StoreReplaced(StoreFailed):
    """The open database was replaced by another one. This operation had no effect; later ones use the new database.

    Raised once per thread. Jobs that were read before are of the old database: read them again before you act on them. If only
    the log of a file was replaced or emptied, `loss` says so, and the newest changes are missing from the new database.
    """

    def __init__(self, where: str, loss: str | None = None) -> None:
        super().__init__(where, "was replaced")
        effect = "this operation had no effect, and later ones use"
        if loss is None:
            self.args = (f"The database {where} was replaced; {effect} the new database.",)
        else:
            self.args = (f"The database {where} may have lost its newest changes: its {loss}; {effect} what remains.",)
        self.loss = loss


class RowRefused(StoreError):
    """The database rejected a value or a change of state. Nothing was changed."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"The database {where} rejected a value: {problem}.")
        self.where = where
        self.problem = problem


class RowDamaged(StoreError):
    """A stored row cannot be read: a bit has flipped, or another program has written it, and it could not be repaired.

    `jobdeck doctor` names the damaged rows, and `jobdeck doctor --repair` repairs them.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"A stored row is damaged ({what}); `jobdeck doctor` names the damaged rows.")
        self.what = what


class BackupFailed(JobdeckError):
    """No backup was written, and any file at its path is unchanged. Choose another path, or free disk space."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"No backup was written to {path}: {problem}.")
        self.path = path
        self.problem = problem


class TokenFileRefused(JobdeckError):
    """The file with the tokens of the HTTP API cannot be used. Nothing in it was changed."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"The token file {path} {problem}.")
        self.path = path
        self.problem = problem


class TokenExists(JobdeckError):
    """A token of the HTTP API with this name already exists. Remove it first, or choose another name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Token {name!r} already exists; remove it first, or choose another name.")
        self.name = name


class TokenNotFound(JobdeckError):
    """No token of the HTTP API has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Token {name!r} does not exist; `jobdeck token list` lists the tokens.")
        self.name = name


class WorkerNotFound(JobdeckError):
    """No worker with this id is registered."""

    def __init__(self, worker: str) -> None:
        super().__init__(f"Worker {worker!r} does not exist; `jobdeck workers` lists the workers.")
        self.worker = worker


class WorkerUnreachable(JobdeckError):
    """The worker did not reply, so the request had no effect, or its effect is unknown."""

    def __init__(self, worker: str, problem: str) -> None:
        super().__init__(f"Worker {worker!r} {problem}.")
        self.worker = worker
        self.problem = problem


class PlainError(Exception):
    """The base of errors of jobdeck's own handlers: their traceback would only show jobdeck's code, and is omitted."""

    label: str | None = None
    """What is stored as the type of the error, instead of the name of the class."""


class Crashed(PlainError):
    """The thread, event loop or process that ran the code of an attempt died."""


class AttemptSignal(Exception):
    """The base of the exceptions raised inside a handler to end its attempt in a particular way. Not an error."""


class Snooze(AttemptSignal):
    """Raised by a handler to run the job again in `seconds`, without using up an attempt."""

    def __init__(self, seconds: float) -> None:
        # Also refuses nan and infinity, which give no due time.
        if not 0 <= seconds < 1e10:
            raise ValueError(f"a snooze takes 0 seconds to 300 years, not {seconds!r} seconds")
        super().__init__(f"snoozed for {seconds:g} s")
        self.seconds = seconds


class GiveUp(AttemptSignal):
    """Raised by a handler to fail the job immediately with `reason`, without a retry."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Stopped(AttemptSignal):
    """Raised by `context().check()` if the job was cancelled. Let it propagate."""

    def __init__(self) -> None:
        super().__init__("stopped on request")


class TimedOut(AttemptSignal):
    """Raised by `context().check()` if the attempt has exceeded its timeout. Let it propagate.

    A retry policy may name it: `retry_on=(TimedOut, …)`, `give_up_on=(TimedOut,)`.
    """

    def __init__(self) -> None:
        super().__init__("the attempt exceeded its timeout")


class Interrupted(AttemptSignal):
    """Raised by `context().check()` if the worker shuts down before the job has finished. Let it propagate."""

    def __init__(self) -> None:
        super().__init__("the worker is shutting down")
