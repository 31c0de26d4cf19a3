"""The life cycle of a job: its states, the operations on it, and the transitions that each operation allows.

Two operations lead out of a final state, and both are recorded in the journal: a retry, which runs the job again, and an
undo, which restores the job as if an operation had not been performed. A redo performs the operation itself again.

`TRANSITIONS` is the specification. The stores repeat it in their `WHERE` clauses and CHECK constraints, and a test checks
every pair of state and operation against it.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """The state of a job. The last three are final."""

    SCHEDULED = "scheduled"
    """Due later."""
    WAITING = "waiting"
    """Waits for other jobs."""
    PENDING = "pending"
    """Ready to be claimed."""
    RUNNING = "running"
    """Claimed by a worker, which holds the lease."""
    RETRYING = "retrying"
    """Failed, and due again later."""
    COMPLETED = "completed"
    """Finished successfully."""
    FAILED = "failed"
    """Out of attempts, or not to be retried."""
    CANCELLED = "cancelled"
    """Cancelled by a person or a program before it completed."""

    @property
    def is_final(self) -> bool:
        """Whether the job changes only if a person retries it or undoes an operation on it."""
        return self in FINAL

    @property
    def is_queued(self) -> bool:
        """Whether the job waits to be claimed, now or later."""
        return self in QUEUED


FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
QUEUED = frozenset({State.SCHEDULED, State.WAITING, State.PENDING, State.RETRYING})


class Operation(StrEnum):
    """An operation on a job."""

    ENQUEUE = "enqueue"
    STAGE = "stage"
    CLAIM = "claim"
    HEARTBEAT = "heartbeat"
    COMPLETE = "complete"
    FAIL = "fail"
    SNOOZE = "snooze"
    RELEASE = "release"
    RESCUE = "rescue"
    EXPIRE = "expire"
    CANCEL = "cancel"
    RETRY = "retry"
    REPRIORITIZE = "reprioritize"
    EDIT = "edit"
    DELETE = "delete"
    UNDO = "undo"
    """Undo a cancel, retry, reprioritize, edit or delete."""
    PRUNE = "prune"


Targets = frozenset[State | None]


def _to(*states: State | None) -> Targets:
    return frozenset(states)


_S = State

#: Operation → state before → possible states after. `None` means that the job does not exist: before an
#: enqueue, and after a delete or prune. A pair that is not listed is not allowed.
TRANSITIONS: Mapping[Operation, Mapping[State | None, Targets]] = MappingProxyType(
    {
        Operation.ENQUEUE: {None: _to(_S.SCHEDULED, _S.WAITING, _S.PENDING)},
        Operation.STAGE: {
            _S.SCHEDULED: _to(_S.PENDING),
            _S.RETRYING: _to(_S.PENDING),
            # When the last job that it waited for has finished; it may still be due later.
            _S.WAITING: _to(_S.PENDING, _S.SCHEDULED),
        },
        Operation.CLAIM: {_S.PENDING: _to(_S.RUNNING)},
        Operation.HEARTBEAT: {_S.RUNNING: _to(_S.RUNNING)},
        Operation.COMPLETE: {_S.RUNNING: _to(_S.COMPLETED)},
        # A job that was asked to stop is not run again, however its attempt ended.
        Operation.FAIL: {_S.RUNNING: _to(_S.RETRYING, _S.FAILED, _S.CANCELLED)},
        Operation.SNOOZE: {_S.RUNNING: _to(_S.SCHEDULED, _S.CANCELLED)},
        Operation.RELEASE: {_S.RUNNING: _to(_S.PENDING, _S.CANCELLED)},
        # A rescued job that had been asked to stop has stopped: its worker is dead.
        Operation.RESCUE: {_S.RUNNING: _to(_S.PENDING, _S.FAILED, _S.CANCELLED)},
        Operation.EXPIRE: {state: _to(_S.FAILED) for state in sorted(QUEUED)},
        # A running job is only asked to stop (it stays `running`, shown as cancelling); it becomes
        # `cancelled` when its worker reports that the code has stopped.
        Operation.CANCEL: {
            _S.SCHEDULED: _to(_S.CANCELLED),
            _S.WAITING: _to(_S.CANCELLED),
            _S.PENDING: _to(_S.CANCELLED),
            _S.RETRYING: _to(_S.CANCELLED),
            _S.RUNNING: _to(_S.RUNNING, _S.CANCELLED),
        },
        # By a person: run it again, or run it now instead of later.
        Operation.RETRY: {
            _S.SCHEDULED: _to(_S.PENDING),
            _S.RETRYING: _to(_S.PENDING),
            _S.COMPLETED: _to(_S.PENDING),
            _S.FAILED: _to(_S.PENDING),
            _S.CANCELLED: _to(_S.PENDING),
        },
        Operation.REPRIORITIZE: {state: _to(state) for state in sorted(QUEUED)},
        # By a person: new arguments, queue, time and so on. A new time can make a ready job due later, or a scheduled job
        # ready; a waiting job keeps waiting, and a retrying one is staged when it is due.
        Operation.EDIT: {
            _S.SCHEDULED: _to(_S.SCHEDULED, _S.PENDING),
            _S.WAITING: _to(_S.WAITING),
            _S.PENDING: _to(_S.PENDING, _S.SCHEDULED),
            _S.RETRYING: _to(_S.RETRYING),
        },
        Operation.DELETE: {state: _to(None) for state in sorted(QUEUED | FINAL)},
        # Back to the state before the operation, if the job has not changed since: a cancelled job to its place in the
        # queue, a retried one to its earlier result or due time, a deleted one to its last state, an edited one to its
        # due time. Undoing a change of priority changes no state. A waiting job whose parents have completed meanwhile
        # becomes pending.
        Operation.UNDO: {
            None: _to(*sorted(QUEUED | FINAL)),
            _S.CANCELLED: _to(*sorted(QUEUED)),
            _S.PENDING: _to(_S.PENDING, _S.SCHEDULED, _S.RETRYING, *sorted(FINAL)),
            _S.SCHEDULED: _to(_S.SCHEDULED, _S.PENDING),
            _S.WAITING: _to(_S.WAITING),
            _S.RETRYING: _to(_S.RETRYING),
        },
        Operation.PRUNE: {state: _to(None) for state in sorted(FINAL)},
    }
)


def sources(operation: Operation) -> frozenset[State]:
    """Return the states in which `operation` is allowed."""
    return frozenset(state for state in TRANSITIONS[operation] if state is not None)


def allows(operation: Operation, state: State) -> bool:
    """Return whether `operation` is allowed on a job in `state`."""
    return state in TRANSITIONS[operation]
