"""Dependencies: a job waits for its parents, and its policy decides what happens if one does not complete."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new, steps_of

from jobdeck import FINAL, IfParentFails, Job, JobNotFound, Reason, State
from jobdeck.model.retention import RetentionRule

CANCEL, RUN, WAIT = IfParentFails.CANCEL, IfParentFails.RUN, IfParentFails.WAIT
UNHAPPY = [State.FAILED, State.CANCELLED]


def after(bench: Bench, *parents: Job, policy: IfParentFails = CANCEL, **options: object) -> Job:
    """Enqueue a job that depends on these."""
    ids = tuple(parent.id for parent in parents)
    return bench.enqueue(new(after=ids, if_parent_fails=policy, **options))[0]  # type: ignore[arg-type]


def begin(bench: Bench, job: Job) -> Job:
    """Claim this job."""
    bench.store.jobs.reprioritize([job.id], 1000)
    (claimed,) = bench.claim()
    assert claimed.id == job.id
    return claimed


def end(bench: Bench, job: Job, how: State) -> None:
    """Finish a pending job."""
    if how is State.CANCELLED:
        bench.store.jobs.cancel([job.id])
    elif how is State.FAILED:
        bench.fail(begin(bench, job))
    else:
        bench.complete(begin(bench, job))


def states(bench: Bench, *jobs: Job) -> list[State]:
    bench.check_counters()
    return [bench.get(job).state for job in jobs]


def waits(bench: Bench) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in bench.rows("SELECT parent, child FROM jobdeck_waits ORDER BY 1, 2")]


def test_a_job_waits_until_all_its_parents_have_completed(bench: Bench) -> None:
    first, second = bench.enqueue(new(), new())
    child = after(bench, first, second)
    assert child == bench.get(child)
    assert child.state is State.WAITING
    end(bench, first, State.COMPLETED)
    assert states(bench, child) == [State.WAITING]
    bench.clock.advance(5)
    end(bench, second, State.COMPLETED)
    assert states(bench, child) == [State.PENDING]
    # It has been due since then, and is claimed like any other job.
    assert bench.get(child).scheduled_at == bench.clock.now()
    assert [job.id for job in bench.claim(5)] == [child.id]
    assert waits(bench) == []


def test_parents_that_complete_together_release_their_children(bench: Bench) -> None:
    parents = bench.enqueue(*[new() for _ in range(8)])
    children = [after(bench, parent) for parent in parents] + [after(bench, *parents)]
    from jobdeck.model.attempt_result import Completed

    now = bench.clock.now()
    assert bench.store.completer.complete([Completed(job, now, now, None) for job in bench.claim(8)]) == []
    assert set(states(bench, *children)) == {State.PENDING}


def test_chains_and_diamonds_run_in_order(bench: Bench) -> None:
    (top,) = bench.enqueue()
    left, right = after(bench, top), after(bench, top)
    bottom = after(bench, left, right)
    last = after(bench, bottom)
    order = []
    while claimed := bench.claim(10):
        for job in claimed:
            order.append(job.id)
            bench.complete(job)
    assert order == [top.id, left.id, right.id, bottom.id, last.id]
    bench.check_counters()


@pytest.mark.parametrize("how", UNHAPPY)
def test_a_child_and_its_descendants_are_cancelled_with_a_parent(bench: Bench, how: State) -> None:
    (top,) = bench.enqueue()
    left, right = after(bench, top), after(bench, top)
    bottom = after(bench, left, right)
    last = after(bench, bottom)
    end(bench, top, how)
    assert states(bench, left, right, bottom, last) == [State.CANCELLED] * 4
    assert {bench.get(job).reason for job in (left, right, bottom, last)} == {Reason.PARENT}
    assert waits(bench) == []


@pytest.mark.parametrize("how", UNHAPPY)
def test_a_child_can_run_anyway(bench: Bench, how: State) -> None:
    first, second = bench.enqueue(new(), new())
    child = after(bench, first, second, policy=RUN)
    end(bench, first, how)
    assert states(bench, child) == [State.WAITING]
    end(bench, second, State.COMPLETED)
    assert states(bench, child) == [State.PENDING]


@pytest.mark.parametrize("how", UNHAPPY)
def test_a_child_can_wait_for_a_retry_of_its_parent(bench: Bench, how: State) -> None:
    (parent,) = bench.enqueue()
    child = after(bench, parent, policy=WAIT)
    end(bench, parent, how)
    assert states(bench, child) == [State.WAITING]
    bench.store.jobs.retry([parent.id])
    end(bench, parent, State.COMPLETED)
    assert states(bench, child) == [State.PENDING]
    assert waits(bench) == []


@pytest.mark.parametrize("policy", IfParentFails)
@pytest.mark.parametrize("state", sorted(FINAL))
def test_the_result_of_a_final_parent_applies_at_once(bench: Bench, state: State, policy: IfParentFails) -> None:
    child = after(bench, bench.in_state(state), policy=policy)
    if state is State.COMPLETED or policy is RUN:
        expected = State.PENDING
    else:
        expected = State.CANCELLED if policy is CANCEL else State.WAITING
    assert child == bench.get(child)
    assert states(bench, child) == [expected]
    assert bool(waits(bench)) == (expected is State.WAITING)


def test_a_new_child_of_a_failed_parent_does_not_affect_its_other_children(bench: Bench) -> None:
    failed = bench.in_state(State.FAILED)
    patient = after(bench, failed, policy=WAIT)
    after(bench, failed, policy=RUN)
    assert states(bench, patient) == [State.WAITING]


def test_a_child_waits_only_for_parents_that_have_not_completed(bench: Bench) -> None:
    done = bench.in_state(State.COMPLETED)
    (parent,) = bench.enqueue()
    child = after(bench, done, parent)
    assert waits(bench) == [(parent.id, child.id)]
    # But all its parents are recorded.
    assert [row[0] for row in bench.rows("SELECT parent FROM jobdeck_after WHERE child = ?", child.id)] == [done.id, parent.id]


def test_a_job_after_a_missing_parent_is_refused(bench: Bench) -> None:
    with pytest.raises(JobNotFound) as refusal:
        bench.enqueue(new(), new(after=(99,)))
    assert refusal.value.job_id == 99
    assert bench.counts() == {}
    assert waits(bench) == []
    bench.check_counters()


def test_a_child_that_is_due_later_becomes_scheduled_after_its_parents(bench: Bench) -> None:
    (parent,) = bench.enqueue()
    due = bench.clock.now() + 60
    child = after(bench, parent, scheduled_at=due)
    assert child.state is State.WAITING
    end(bench, parent, State.COMPLETED)
    assert states(bench, child) == [State.SCHEDULED]
    assert bench.get(child).scheduled_at == due
    assert bench.store.queries.next_due_at() == due


@pytest.mark.parametrize("how", [State.COMPLETED, State.CANCELLED])
def test_a_retried_attempt_does_not_resolve_dependencies(bench: Bench, how: State) -> None:
    (parent,) = bench.enqueue()
    child = after(bench, parent)
    bench.fail(begin(bench, parent), retry_in=5)
    assert states(bench, child) == [State.WAITING]
    bench.clock.advance(5)
    bench.store.transitions.stage()
    end(bench, parent, how)
    assert states(bench, child) == [State.PENDING if how is State.COMPLETED else State.CANCELLED]


def test_a_parent_asked_to_stop_resolves_dependencies_when_it_has_stopped(bench: Bench) -> None:
    parent = bench.running()
    child = after(bench, parent)
    bench.store.jobs.cancel([parent.id])
    assert states(bench, child) == [State.WAITING]
    bench.stop(parent)
    assert states(bench, child) == [State.CANCELLED]


@pytest.mark.parametrize(("attempts", "expected"), [(1, State.CANCELLED), (2, State.WAITING)])
def test_a_crash_resolves_dependencies_only_if_it_is_final(bench: Bench, attempts: int, expected: State) -> None:
    parent = bench.running(max_attempts=attempts)
    child = after(bench, parent)
    bench.crash(parent)
    assert states(bench, child) == [expected]


def test_a_cancelled_child_no_longer_waits(bench: Bench) -> None:
    (parent,) = bench.enqueue()
    child = after(bench, parent)
    grandchild = after(bench, child, policy=RUN)
    bench.store.jobs.cancel([child.id])
    assert states(bench, child, grandchild) == [State.CANCELLED, State.PENDING]
    assert bench.get(child).reason is None
    assert waits(bench) == []
    end(bench, parent, State.COMPLETED)
    assert states(bench, child) == [State.CANCELLED]


def test_a_cancelled_child_that_is_retried_runs_without_its_parent(bench: Bench) -> None:
    (parent,) = bench.enqueue()
    child = after(bench, parent)
    bench.store.jobs.cancel([parent.id])
    bench.store.jobs.retry([child.id])
    assert states(bench, child) == [State.PENDING]


@pytest.mark.parametrize(
    ("policy", "expected"), [(CANCEL, State.CANCELLED), (RUN, State.PENDING), (WAIT, State.CANCELLED)]
)  # fmt: skip
def test_a_deleted_parent_counts_as_not_completed(bench: Bench, policy: IfParentFails, expected: State) -> None:
    (parent,) = bench.enqueue()
    child = after(bench, parent, policy=policy)
    bench.store.jobs.delete([parent.id])
    assert states(bench, child) == [expected]
    assert waits(bench) == []


def test_a_deleted_child_leaves_nothing_behind(bench: Bench) -> None:
    (parent,) = bench.enqueue()
    child = after(bench, parent)
    bench.store.jobs.delete([child.id])
    assert waits(bench) == []
    assert bench.rows("SELECT * FROM jobdeck_after") == []
    end(bench, parent, State.COMPLETED)
    bench.check_counters()


@pytest.mark.parametrize("parent_first", [True, False])
@pytest.mark.parametrize("delete", [True, False])
def test_parent_and_child_can_be_removed_in_one_operation(bench: Bench, delete: bool, parent_first: bool) -> None:
    (parent,) = bench.enqueue()
    child = after(bench, parent)
    grandchild = after(bench, child)
    ids = [parent.id, child.id] if parent_first else [child.id, parent.id]
    changes = bench.store.jobs.delete(ids) if delete else bench.store.jobs.cancel(ids)
    assert set(changes.done) == set(ids)
    assert states(bench, grandchild) == [State.CANCELLED]
    assert waits(bench) == []
    bench.check_counters()


def test_a_parent_that_is_waited_for_is_not_pruned(bench: Bench) -> None:
    parent = bench.in_state(State.FAILED)
    after(bench, parent, policy=WAIT)
    bench.clock.advance(100)
    assert bench.store.maintenance.prune_jobs(RetentionRule(State.FAILED, older_than=1, keep=0)) == 0
    assert bench.get(parent) == parent


def test_an_expired_parent_counts_as_failed(bench: Bench) -> None:
    (parent,) = bench.enqueue(new(expires_at=bench.clock.now() + 10))
    children = [after(bench, parent, policy=policy) for policy in (CANCEL, RUN, WAIT)]
    bench.clock.advance(10)
    assert bench.store.transitions.expire() == 1
    assert states(bench, *children) == [State.CANCELLED, State.PENDING, State.WAITING]


def test_a_child_can_expire_while_it_waits(bench: Bench) -> None:
    (parent,) = bench.enqueue()
    child = after(bench, parent, expires_at=bench.clock.now() + 10)
    grandchild = after(bench, child)
    bench.clock.advance(10)
    assert bench.store.transitions.expire() == 1
    assert states(bench, child, grandchild) == [State.FAILED, State.CANCELLED]
    assert waits(bench) == []
    end(bench, parent, State.COMPLETED)
    assert states(bench, child) == [State.FAILED]


def test_a_long_chain_is_cancelled_at_once(bench: Bench) -> None:
    (top,) = jobs = bench.enqueue()
    for _ in range(100):
        jobs.append(after(bench, jobs[-1]))
    bench.store.jobs.cancel([top.id])
    assert bench.counts() == {State.CANCELLED: 101}
    bench.check_counters()


def test_workers_that_serve_the_child_are_notified_when_it_is_ready(bench: Bench) -> None:
    from threading import Event

    parent = bench.running()
    heard = Event()
    with bench.store.notifier.listen(heard.set):
        after(bench, parent, queue="elsewhere")
        assert heard.wait(5)
        heard.clear()
        bench.complete(parent)
        assert heard.wait(5)


@pytest.mark.sqlite
def test_the_end_of_a_job_reads_no_waiting_jobs_but_its_children(bench: Bench) -> None:
    (other, parent) = bench.enqueue(new(), new("first"))
    bench.enqueue(*(new(after=(other.id,)) for _ in range(1000)), new(after=(parent.id,)))
    (claimed,) = bench.claim(kinds=("first",))
    assert steps_of(lambda: bench.complete(claimed)) < 3_000  # to read them takes some 10,000


@pytest.mark.sqlite
def test_the_count_of_prunable_jobs_reads_no_jobs_that_none_waits_for(bench: Bench) -> None:
    for job in bench.enqueue(*(new() for _ in range(1000))):
        bench.store.jobs.cancel([job.id])
    after(bench, bench.enqueue()[0])
    rule = RetentionRule(State.CANCELLED, keep=10)
    assert steps_of(lambda: bench.store.maintenance.count_prunable(rule)) < 3_000  # to read them takes some 10,000
