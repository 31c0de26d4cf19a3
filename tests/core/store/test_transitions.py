"""Every pair of state and operation is tested on the store against the table of transitions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.core.helpers import PARENT, Bench, new

from jobdeck import Job, JobEdit, Operation, State, WrongState, allows
from jobdeck.model.retention import RetentionRule
from jobdeck.model.states import TRANSITIONS, sources

Doing = Callable[[Bench, Job], bool]
"""Tries the operation; returns whether the store reports that it was done."""


def stage(bench: Bench, job: Job) -> bool:
    if job.state is State.WAITING:  # the completion of the job that it waits for stages it
        (parent,) = bench.claim(kinds=(PARENT,))
        bench.complete(parent)
        return bench.get(job) != job
    bench.clock.advance(7200)
    return bench.store.transitions.stage() == 1


def expire(bench: Bench, job: Job) -> bool:
    bench.clock.advance(14_400)
    return bench.store.transitions.expire() == 1


def claim(bench: Bench, job: Job) -> bool:
    return [claimed.id for claimed in bench.claim(10, worker="w2")] == [job.id]


def heartbeat(bench: Bench, job: Job) -> bool:
    return not bench.store.transitions.heartbeat([(job.id, job.lease or 1)], 30).lost


def rescue(bench: Bench, job: Job) -> bool:
    bench.clock.advance(31)
    return bench.store.transitions.rescue() == [job.id]


def prune(bench: Bench, job: Job) -> bool:
    bench.clock.advance(31)
    return sum(bench.store.maintenance.prune_jobs(RetentionRule(state, older_than=30)) for state in State) == 1


DOING: dict[Operation, Doing] = {
    Operation.STAGE: stage,
    Operation.CLAIM: claim,
    Operation.HEARTBEAT: heartbeat,
    Operation.COMPLETE: lambda bench, job: not bench.complete(as_claimed(job)),
    Operation.FAIL: lambda bench, job: not bench.fail(as_claimed(job), retry_in=5),
    Operation.SNOOZE: lambda bench, job: not bench.snooze(as_claimed(job)),
    Operation.RELEASE: lambda bench, job: not bench.release(as_claimed(job)),
    Operation.RESCUE: rescue,
    Operation.EXPIRE: expire,
    Operation.CANCEL: lambda bench, job: bool(bench.store.jobs.cancel([job.id]).done),
    Operation.RETRY: lambda bench, job: bool(bench.store.jobs.retry([job.id]).done),
    Operation.REPRIORITIZE: lambda bench, job: bool(bench.store.jobs.reprioritize([job.id], 5).done),
    Operation.EDIT: lambda bench, job: bool(bench.store.jobs.edit(job.id, later(bench)).done),
    Operation.DELETE: lambda bench, job: bool(bench.store.jobs.delete([job.id]).done),
    Operation.PRUNE: prune,
}


def later(bench: Bench) -> JobEdit:
    """Return new arguments and a new due time."""
    return JobEdit(args_json='{"n": 1}', scheduled_at=bench.clock.now() + 600)


def as_claimed(job: Job) -> Job:
    """Return the job as its worker has it; with a made-up lease if no worker has it."""
    from dataclasses import replace

    return job if job.lease is not None else replace(job, lease=1, worker="w1")


def test_every_operation_on_a_job_is_tested() -> None:
    assert set(DOING) == set(Operation) - {Operation.ENQUEUE, Operation.UNDO}  # these have their own tests below


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("operation", DOING)
def test_the_store_allows_exactly_the_transitions_of_the_table(bench: Bench, operation: Operation, state: State) -> None:
    before = bench.in_state(state, expires_at=bench.clock.now() + 10_800)
    done = DOING[operation](bench, before)
    after = bench.store.reader.get(before.id)
    bench.check_counters()
    if allows(operation, state):
        assert done
        assert (after.state if after else None) in TRANSITIONS[operation][state]
    else:
        assert not done
        assert after == before


@pytest.mark.parametrize(
    "operation", [Operation.CANCEL, Operation.RETRY, Operation.REPRIORITIZE, Operation.EDIT, Operation.DELETE]
)
def test_a_refusal_gives_the_reason_in_one_sentence(bench: Bench, operation: Operation) -> None:
    for state in set(State) - sources(operation):
        job = bench.in_state(state)
        acts = {
            Operation.CANCEL: bench.store.jobs.cancel,
            Operation.RETRY: bench.store.jobs.retry,
            Operation.DELETE: bench.store.jobs.delete,
            Operation.REPRIORITIZE: lambda ids: bench.store.jobs.reprioritize(ids, 5),
            Operation.EDIT: lambda ids: bench.store.jobs.edit(ids[0], later(bench)),
        }
        refusal = acts[operation]([job.id]).refused[job.id]
        assert isinstance(refusal, WrongState)
        assert (refusal.job_id, refusal.operation, refusal.state) == (job.id, operation, state)
        assert str(refusal).startswith(f"Job {job.id} is {state}: ")


def test_jobs_are_enqueued_into_exactly_the_states_of_the_table(bench: Bench) -> None:
    (first,) = bench.enqueue()
    entered = {job.state for job in bench.enqueue(new(), new(scheduled_at=bench.clock.now() + 9), new(after=(first.id,)))}
    assert entered == TRANSITIONS[Operation.ENQUEUE][None]


@pytest.mark.parametrize("state", State)
def test_an_undo_leads_to_exactly_the_states_of_the_table(bench: Bench, state: State) -> None:
    acts = (Operation.CANCEL, Operation.RETRY, Operation.REPRIORITIZE, Operation.EDIT, Operation.DELETE)
    undone: dict[State | None, set[State]] = {}
    for operation in acts:
        if not allows(operation, state):
            continue
        before = bench.in_state(state)
        if state is State.WAITING:
            parent = bench.in_state(State.PENDING)
            bench.change("INSERT INTO jobdeck_waits (parent, child) VALUES (?, ?)", parent.id, before.id)
        assert DOING[operation](bench, before)
        acted = bench.store.reader.get(before.id)
        undoing = bench.store.journal.undo()
        after = bench.store.reader.get(before.id)
        bench.check_counters()
        if state is State.RUNNING:  # a stop request cannot be undone
            assert (undoing.done, after) == ((), acted)
            continue
        assert (undoing.done, after) == ((before.id,), before)
        undone.setdefault(acted.state if acted else None, set()).add(state)
    for between, moves in TRANSITIONS[Operation.UNDO].items():
        assert (state in moves) == (state in undone.get(between, set()))
    assert set(undone) <= set(TRANSITIONS[Operation.UNDO])


def test_only_a_retry_and_an_undo_leave_a_final_state_and_both_are_journaled() -> None:
    leaving = {
        operation
        for operation, moves in TRANSITIONS.items()
        for state in (State.COMPLETED, State.FAILED, State.CANCELLED)
        if moves.get(state, frozenset()) - {None, state}
    }
    assert leaving == {Operation.RETRY, Operation.UNDO}
