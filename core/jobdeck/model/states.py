"""The life of a job: its states, the operations on it, and which operation leads where.

Two operations lead out of a final state, and both are recorded acts of a person: a retry, which runs the job again, and an
undo, which takes such an act back as if it had not been done. To redo an act is to do it again, by its own operation.

This table is the one truth. The stores repeat it in their `WHERE` clauses and CHECKs, and a test
tries every pair of state and operation against it.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a job is in its life. The last three are final."""

    SCHEDULED = "scheduled"
    """Due later."""
    WAITING = "waiting"
    """Waits for other jobs."""
    PENDING = "pending"
    """Ready to be claimed."""
    RUNNING = "running"
    """Claimed by a worker that holds its lease."""
    RETRYING = "retrying"
    """Failed, and due again later."""
    COMPLETED = "completed"
    """Done."""
    FAILED = "failed"
    """Out of attempts, or told not to retry."""
    CANCELLED = "cancelled"
    """Stopped by a person or a program before it was done."""

    @property
    def is_final(self) -> bool:
        """Whether only a person can move the job again, by a retry or by undoing an act."""
        return self in FINAL

    @property
    def is_queued(self) -> bool:
        """Whether the job still waits to be claimed, now or later."""
        return self in QUEUED


FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
QUEUED = frozenset({State.SCHEDULED, State.WAITING, State.PENDING, State.RETRYING})


class Operation(StrEnum):
    """What can be done to a job."""

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
    REPRIORITISE = "reprioritise"
    EDIT = "edit"
    DELETE = "delete"
    UNDO = "undo"
    """Of a cancel, retry, reprioritise, edit or delete."""
    PRUNE = "prune"


Targets = frozenset[State | None]


def _to(*states: State | None) -> Targets:
    return frozenset(states)


_S = State

#: Operation → state before → states it may lead to. `None` stands for "no such job": before the
#: enqueue, and after a delete or prune. A pair that is not listed is refused.
TRANSITIONS: Mapping[Operation, Mapping[State | None, Targets]] = MappingProxyType(
    {
        Operation.ENQUEUE: {None: _to(_S.SCHEDULED, _S.WAITING, _S.PENDING)},
        Operation.STAGE: {
            _S.SCHEDULED: _to(_S.PENDING),
            _S.RETRYING: _to(_S.PENDING),
            # With the end of the last job that it waited for; it may be due later still.
            _S.WAITING: _to(_S.PENDING, _S.SCHEDULED),
        },
        Operation.CLAIM: {_S.PENDING: _to(_S.RUNNING)},
        Operation.HEARTBEAT: {_S.RUNNING: _to(_S.RUNNING)},
        Operation.COMPLETE: {_S.RUNNING: _to(_S.COMPLETED)},
        # A job that somebody asked to stop is not run again, however its attempt ended.
        Operation.FAIL: {_S.RUNNING: _to(_S.RETRYING, _S.FAILED, _S.CANCELLED)},
        Operation.SNOOZE: {_S.RUNNING: _to(_S.SCHEDULED, _S.CANCELLED)},
        Operation.RELEASE: {_S.RUNNING: _to(_S.PENDING, _S.CANCELLED)},
        # A rescued job that somebody had asked to stop has stopped: its worker is dead.
        Operation.RESCUE: {_S.RUNNING: _to(_S.PENDING, _S.FAILED, _S.CANCELLED)},
        Operation.EXPIRE: {state: _to(_S.FAILED) for state in sorted(QUEUED)},
        # A running job is only asked to stop (it stays `running`, shown as cancelling); it becomes
        # `cancelled` when its worker says that the code has stopped.
        Operation.CANCEL: {
            _S.SCHEDULED: _to(_S.CANCELLED),
            _S.WAITING: _to(_S.CANCELLED),
            _S.PENDING: _to(_S.CANCELLED),
            _S.RETRYING: _to(_S.CANCELLED),
            _S.RUNNING: _to(_S.RUNNING, _S.CANCELLED),
        },
        # By a person: run it again, or run it now although it is due later.
        Operation.RETRY: {
            _S.SCHEDULED: _to(_S.PENDING),
            _S.RETRYING: _to(_S.PENDING),
            _S.COMPLETED: _to(_S.PENDING),
            _S.FAILED: _to(_S.PENDING),
            _S.CANCELLED: _to(_S.PENDING),
        },
        Operation.REPRIORITISE: {state: _to(state) for state in sorted(QUEUED)},
        # By a person: other arguments, queue, time, … . Another time makes a ready job due later, or one that is due
        # later ready; a waiting one waits on, and a retrying one is staged when it is due.
        Operation.EDIT: {
            _S.SCHEDULED: _to(_S.SCHEDULED, _S.PENDING),
            _S.WAITING: _to(_S.WAITING),
            _S.PENDING: _to(_S.PENDING, _S.SCHEDULED),
            _S.RETRYING: _to(_S.RETRYING),
        },
        Operation.DELETE: {state: _to(None) for state in sorted(QUEUED | FINAL)},
        # Back to where the act took the job from, if it has not moved on since: a cancelled job to its place in the
        # queue, a retried one to its earlier end or due time, a deleted one to whatever it was, an edited one to when
        # it was due. An undone change of priority moves nothing. A waiting job whose parents have completed meanwhile
        # comes back as pending.
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
    """The states from which `operation` is allowed."""
    return frozenset(state for state in TRANSITIONS[operation] if state is not None)


def allows(operation: Operation, state: State) -> bool:
    """Whether `operation` may be done to a job in `state`."""
    return state in TRANSITIONS[operation]
