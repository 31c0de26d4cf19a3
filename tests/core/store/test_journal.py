"""Operations can be undone as long as nothing has changed since."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.core.helpers import EVERY_STORE, STORES, Bench, FakeClock, new, wait_until

from jobdeck import (
    InvalidJournalEntry,
    Job,
    JobEdit,
    JobNotFound,
    Limits,
    NothingToUndo,
    OperationResult,
    State,
    UndoConflict,
    UniqueKeyTaken,
    WrongState,
)
from jobdeck.model.attempt_result import Failed
from jobdeck.model.errors import JournalEntryNotFound
from jobdeck.model.jobs import IfParentFails, Reason
from jobdeck.model.journal import Actor
from jobdeck.model.retention import RetentionRule
from jobdeck.model.states import FINAL, QUEUED
from jobdeck.store.operations import journal_writer as bounds
from jobdeck.store.operations.journal_writer import add_part

ANN, BEN = Actor("ann"), Actor("ben")
TABLES = ("jobs", "attempts", "logs", "counts", "queues", "waits", "after")


def everything(bench: Bench) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows except those of the journal and counters that are zero."""
    rows = {table: bench.rows(f"SELECT * FROM jobdeck_{table} ORDER BY 1, 2, 3") for table in TABLES[:4]}
    rows |= {table: bench.rows(f"SELECT * FROM jobdeck_{table} ORDER BY 1, 2") for table in ("waits", "after")}
    rows["counts"] = [row for row in rows["counts"] if row[-1]]
    rows["queues"] = bench.rows("SELECT name, paused_at FROM jobdeck_queues WHERE paused_at IS NOT NULL ORDER BY 1")
    return rows


def refusal(bench: Bench, **how: Any) -> str:
    """Undo the newest operation, which must be refused and change nothing; return the reason."""
    before = everything(bench)
    undoing = bench.store.journal.undo(**how)
    assert undoing.done == ()
    assert everything(bench) == before
    (reason,) = undoing.refused.values()
    return str(reason)


def waiting(bench: Bench, *parents: Job, policy: IfParentFails = IfParentFails.CANCEL) -> Job:
    """Enqueue a job that waits for these."""
    return bench.enqueue(new(after=tuple(parent.id for parent in parents), if_parent_fails=policy))[0]


def keyed(bench: Bench, key: str, keeps: int = 0) -> Job:
    """Enqueue a job with a unique key that it holds in these final states."""
    (job,) = bench.enqueue()
    bench.change("UPDATE jobdeck_jobs SET unique_key = ?, unique_final = ? WHERE id = ?", key, keeps, job.id)
    return bench.get(job)


# -- what is restored -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(QUEUED - {State.WAITING}))
def test_undoing_a_cancel_restores_the_place_and_due_time(bench: Bench, state: State) -> None:
    before = bench.in_state(state)
    bench.store.jobs.cancel([before.id])
    bench.clock.advance(60)
    undoing = bench.store.journal.undo()
    assert undoing.done == (before.id,)
    assert bench.get(before) == before
    bench.check_counters()


def test_a_job_that_became_due_while_cancelled_runs_soon_after_the_undo(bench: Bench) -> None:
    job = bench.in_state(State.SCHEDULED)
    bench.store.jobs.cancel([job.id])
    bench.clock.advance(7200)
    bench.store.journal.undo()
    bench.store.transitions.stage()
    assert [claimed.id for claimed in bench.claim()] == [job.id]


@pytest.mark.parametrize("state", [*sorted(FINAL), State.SCHEDULED, State.RETRYING])
def test_undoing_a_retry_restores_the_earlier_result(bench: Bench, state: State) -> None:
    before = bench.in_state(state)
    bench.change("UPDATE jobdeck_jobs SET expires_at = ?, progress = 0.5 WHERE id = ?", bench.clock.now() - 1, before.id)
    if state is State.COMPLETED:
        bench.change("UPDATE jobdeck_jobs SET result = '[1, 2]' WHERE id = ?", before.id)
    if state is State.FAILED:
        bench.change("UPDATE jobdeck_jobs SET reason = 'expired', max_attempts = 1 WHERE id = ?", before.id)
    before = bench.get(before)
    bench.clock.advance(60)
    bench.store.jobs.retry([before.id])
    again = bench.get(before)
    assert (again.state, again.reason, again.expires_at, again.result_json) == (State.PENDING, None, None, None)
    bench.store.journal.undo()
    assert bench.get(before) == before
    bench.check_counters()


@pytest.mark.parametrize("relative", [True, False])
def test_undoing_a_reprioritize_restores_each_jobs_priority(bench: Bench, relative: bool) -> None:
    jobs = bench.enqueue(new(priority=1), new(priority=7))
    ids = [job.id for job in jobs]
    bench.store.jobs.reprioritize(ids, 3, relative=relative)
    assert [bench.get(job).priority for job in jobs] == ([4, 10] if relative else [3, 3])
    bench.store.journal.undo()
    assert [bench.get(job).priority for job in jobs] == [1, 7]


def test_undoing_a_delete_restores_the_whole_job_with_its_id(bench: Bench) -> None:
    job = bench.running(args_json='{"to": "ann\\u0000"}', tags=("a", "b"), timeout=9.5)
    bench.store.logs.append([(job.id, 1, 0.25, "info", "hello"), (job.id, 1, 0.5, "out", "\x1b[31m")], 1000)
    bench.fail(job, retry_in=5)
    bench.clock.advance(5)
    bench.store.transitions.stage()
    bench.complete(bench.claim()[0], '{"ok": true}')
    before = everything(bench)
    bench.store.jobs.delete([job.id])
    assert bench.store.reader.get(job.id) is None
    bench.enqueue()
    bench.store.journal.undo()
    bench.store.jobs.delete([job.id + 1])
    assert everything(bench) == before


def test_undoing_a_delete_restores_the_newest_part_of_a_very_long_log(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck.store.operations.deletion.LOG_BYTES", 10_000)
    job = bench.running()
    bench.store.logs.append([(job.id, 1, float(n), "out", f"{n:05}" + "x" * 995) for n in range(50)], 1 << 20)
    bench.complete(job)
    bench.store.jobs.delete([job.id])
    bench.store.journal.undo()
    lines = bench.store.reader.logs(job.id)
    assert 5 <= len(lines) <= 10
    assert [int(line.text[:5]) for line in lines] == [*range(50 - len(lines), 50)]


@pytest.mark.parametrize("paused", [True, False])
def test_undoing_a_pause_or_resume_restores_the_queue(bench: Bench, paused: bool) -> None:
    bench.store.queues.pause("mail")
    since = bench.store.queries.queues()[0].paused_at
    if not paused:
        bench.clock.advance(9)
        bench.store.queues.resume("mail")
    undoing = bench.store.journal.undo()
    assert undoing.done == ("mail",)
    assert [(queue.name, queue.paused_at) for queue in bench.store.queries.queues() if queue.paused] == (
        [] if paused else [("mail", since)]
    )


def test_pausing_all_is_one_operation_and_its_undo_keeps_queues_that_were_paused_before(bench: Bench) -> None:
    bench.enqueue(new(queue="a"), new(queue="b"))
    bench.store.queues.set_limits("limited", Limits(running=1))
    bench.store.queues.pause("b")
    before = everything(bench)
    bench.clock.advance(5)
    assert bench.store.queues.pause_all(by=ANN) == ["a", "limited"]
    assert [queue.paused for queue in bench.store.queries.queues()] == [True, True, True]
    assert bench.claim(9) == []
    act, *_ = bench.store.journal.entries(5)
    assert (act.actor, act.summary, act.n) == ("ann", "paused 2 queues", 2)
    paused = everything(bench)
    undoing = bench.store.journal.undo()
    assert (undoing.done, undoing.refused) == (("a", "limited"), {})
    assert everything(bench) == before
    bench.clock.advance(5)
    assert bench.store.journal.redo().done == ("a", "limited")
    assert everything(bench) == paused


def test_resuming_all_is_one_operation_and_its_undo_restores_the_pause_times(bench: Bench) -> None:
    bench.enqueue(new(queue="on"))
    for name in ("b", "a"):
        bench.store.queues.pause(name)
        bench.clock.advance(5)
    before = everything(bench)
    assert bench.store.queues.resume_all() == ["a", "b"]
    assert not any(queue.paused for queue in bench.store.queries.queues())
    assert bench.store.journal.entries(1)[0].summary == "resumed 2 queues"
    assert bench.store.journal.undo().done == ("a", "b")
    assert everything(bench) == before


def test_pausing_or_resuming_all_again_is_not_journaled(bench: Bench) -> None:
    assert (bench.store.queues.pause_all(), bench.store.queues.resume_all()) == ([], [])
    bench.enqueue(new())
    bench.store.queues.pause("default")
    assert bench.store.queues.pause_all() == []
    assert [act.summary for act in bench.store.journal.entries(9)] == ["paused queue default"]


def test_undoing_a_pause_of_all_resumes_only_queues_that_have_not_changed_since(bench: Bench) -> None:
    bench.enqueue(new(queue="a"), new(queue="b"))
    bench.store.queues.pause_all()
    bench.clock.advance(1)
    bench.store.queues.resume("a")
    undoing = bench.store.journal.undo(1)
    assert undoing.done == ("b",)
    assert {name: str(why) for name, why in undoing.refused.items()} == {"a": "Queue a was resumed since."}


def test_an_undo_notifies_the_workers(bench: Bench) -> None:
    (job,) = bench.enqueue()
    bench.store.jobs.cancel([job.id])
    rung = threading.Event()
    with bench.store.notifier.listen(rung.set):
        bench.store.journal.undo()
        assert rung.wait(5)


# -- changes since ---------------------------------------------------------------------------------------------------------


def cancel(bench: Bench, job: Job) -> OperationResult:
    return bench.store.jobs.cancel([job.id])


def retry(bench: Bench, job: Job) -> OperationResult:
    return bench.store.jobs.retry([job.id])


def delete(bench: Bench, job: Job) -> OperationResult:
    return bench.store.jobs.delete([job.id])


def raised(bench: Bench, job: Job) -> OperationResult:
    return bench.store.jobs.reprioritize([job.id], 5)


def raised_more(bench: Bench, job: Job) -> OperationResult:
    return bench.store.jobs.reprioritize([job.id], 6)


def start(bench: Bench, job: Job) -> None:
    assert bench.claim()


def finish(bench: Bench, job: Job) -> None:
    bench.complete(bench.claim()[0])


def start_and_release(bench: Bench, job: Job) -> None:
    bench.release(bench.claim()[0])


Step = Callable[[Bench, Job], Any]


@pytest.mark.parametrize(
    ("state", "act", "since", "reason"),
    [
        (State.PENDING, cancel, (retry,), "was retried since"),
        (State.PENDING, cancel, (retry, start), "was retried and started since"),
        (State.PENDING, cancel, (retry, finish), "was retried and started since"),
        (State.PENDING, cancel, (retry, cancel), "was cancelled again since"),
        (State.FAILED, retry, (start,), "was started since"),
        (State.FAILED, retry, (finish,), "was started since"),
        (State.FAILED, retry, (start_and_release,), "was started since"),
        (State.FAILED, retry, (cancel,), "was cancelled since"),
        (State.COMPLETED, retry, (cancel, retry), "was changed since"),
        (State.PENDING, raised, (raised_more,), "was reprioritized again since"),
        (State.PENDING, raised, (start,), "was started since"),
        (State.PENDING, raised, (cancel,), "is cancelled now"),
    ],
)
def test_a_job_that_has_changed_since_is_not_undone_and_the_reason_is_given(
    bench: Bench, state: State, act: Step, since: tuple[Step, ...], reason: str
) -> None:
    job = bench.in_state(state)
    bench.clock.advance(1)
    done = act(bench, job).entry_id
    for step in since:
        bench.clock.advance(1)
        step(bench, job)
    assert refusal(bench, entry_id=done) == f"Job {job.id} {reason}."


@pytest.mark.parametrize("act", [cancel, retry, raised])
def test_a_job_that_was_deleted_since_does_not_exist(bench: Bench, act: Step) -> None:
    job = bench.in_state(State.SCHEDULED)
    done = act(bench, job).entry_id
    bench.store.jobs.delete([job.id])
    assert refusal(bench, entry_id=done) == f"Job {job.id} does not exist."


def test_a_stop_request_to_a_running_job_cannot_be_undone(bench: Bench) -> None:
    job = bench.running()
    changes = cancel(bench, job)
    assert changes.undoable == 0
    reason = f"Job {job.id} was running, and its code was asked to stop."
    assert refusal(bench) == reason
    bench.stop(job)
    assert refusal(bench, entry_id=changes.entry_id) == reason


def test_a_queue_that_was_paused_or_resumed_since_is_not_undone(bench: Bench) -> None:
    bench.store.queues.pause("mail")
    bench.clock.advance(1)
    bench.store.queues.resume("mail")
    assert refusal(bench, entry_id=1) == "Queue mail was resumed since."
    bench.clock.advance(1)
    bench.store.queues.pause("mail")
    assert refusal(bench, entry_id=1) == "Queue mail was resumed and paused again since."
    assert refusal(bench, entry_id=2) == "Queue mail was paused again since."


def test_jobs_of_one_operation_are_undone_individually(bench: Bench) -> None:
    jobs = bench.enqueue(new(), new(), new())
    ids = [job.id for job in jobs]
    act = bench.store.jobs.cancel(ids).entry_id
    bench.clock.advance(1)
    bench.store.jobs.retry(ids[1:2])
    undoing = bench.store.journal.undo(act)
    assert undoing.done == (ids[0], ids[2])
    assert {job_id: str(problem) for job_id, problem in undoing.refused.items()} == {ids[1]: f"Job {ids[1]} was retried since."}
    assert (undoing.entry.n, undoing.entry.undone) == (3, 2)
    # What was refused can be undone later, when nothing prevents it any more.
    assert isinstance(bench.store.journal.undo(act).refused[ids[1]], UndoConflict)
    bench.check_counters()


# -- unique keys ----------------------------------------------------------------------------------------------------------


def test_a_job_whose_unique_key_is_held_stays_cancelled_until_it_is_free(bench: Bench) -> None:
    job = keyed(bench, "nightly")
    act = bench.store.jobs.cancel([job.id]).entry_id
    other = keyed(bench, "nightly")
    assert refusal(bench) == (
        f"Job {job.id} cannot be queued again: job {other.id} now holds its unique key 'nightly';"
        " cancel that job, or wait until it has finished."
    )
    bench.store.jobs.delete([other.id])
    assert bench.store.journal.undo(act).done == (job.id,)
    assert bench.get(job) == job


def test_a_deleted_job_whose_unique_key_is_held_stays_deleted(bench: Bench) -> None:
    job = keyed(bench, "nightly")
    act = bench.store.jobs.delete([job.id]).entry_id
    other = keyed(bench, "nightly")
    assert "now holds its unique key" in refusal(bench)
    bench.store.jobs.cancel([other.id])
    assert bench.store.journal.undo(act).done == (job.id,)


@pytest.mark.parametrize(("keeps", "comes_back"), [(0, True), (4, False)])
def test_a_deleted_final_job_needs_its_key_only_if_it_holds_it(bench: Bench, keeps: int, comes_back: bool) -> None:
    job = keyed(bench, "nightly", keeps)
    bench.store.jobs.cancel([job.id])
    bench.store.jobs.delete([job.id])
    keyed(bench, "nightly")
    assert bool(bench.store.journal.undo().done) == comes_back


def test_a_retry_is_refused_while_another_job_holds_the_unique_key(bench: Bench) -> None:
    job = keyed(bench, "nightly")
    bench.store.jobs.cancel([job.id])
    other = keyed(bench, "nightly")
    (free,) = bench.enqueue()
    bench.store.jobs.cancel([free.id])
    changes = bench.store.jobs.retry([job.id, free.id])
    assert changes.done == (free.id,)
    problem = changes.refused[job.id]
    assert isinstance(problem, UniqueKeyTaken)
    assert (problem.job_id, problem.key, problem.holder) == (job.id, "nightly", other.id)
    bench.check_counters()


# -- jobs that wait for others --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [cancel, delete])
def test_a_restored_waiting_job_waits_for_its_unfinished_parents(bench: Bench, act: Step) -> None:
    done, live = bench.running(), bench.in_state(State.SCHEDULED)
    job = waiting(bench, done, live)
    act(bench, job)
    assert bench.rows("SELECT * FROM jobdeck_waits") == []
    bench.complete(done)
    assert bench.store.journal.undo().done == (job.id,)
    assert bench.get(job) == job
    assert bench.rows("SELECT parent, child FROM jobdeck_waits") == [(live.id, job.id)]
    assert bench.rows("SELECT parent FROM jobdeck_after WHERE child = ? ORDER BY 1", job.id) == [(done.id,), (live.id,)]
    bench.check_counters()


@pytest.mark.parametrize("gone", [True, False])
def test_a_restored_waiting_job_whose_parents_have_completed_is_ready(bench: Bench, gone: bool) -> None:
    parent = bench.running()
    job = waiting(bench, parent)
    act = cancel(bench, job).entry_id
    bench.complete(parent)
    if gone:
        bench.store.jobs.delete([parent.id])
    bench.store.journal.undo(act)
    assert [claimed.id for claimed in bench.claim()] == [job.id]
    bench.check_counters()


@pytest.mark.parametrize(
    ("policy", "after"),
    [
        (IfParentFails.CANCEL, State.CANCELLED),
        (IfParentFails.RUN, State.PENDING),
        (IfParentFails.WAIT, State.WAITING),
    ],
)
def test_a_parent_that_failed_meanwhile_triggers_the_policy(bench: Bench, policy: IfParentFails, after: State) -> None:
    parent = bench.running()
    job = waiting(bench, parent, policy=policy)
    cancel(bench, job)
    bench.fail(parent)
    undoing = bench.store.journal.undo()
    assert bench.get(job).state is after
    if after is State.CANCELLED:
        assert str(undoing.refused[job.id]) == f"Job {job.id} waited for job {parent.id}, which is failed now."


@pytest.mark.parametrize("act", [cancel, delete])
def test_dependent_jobs_are_cancelled_and_restored_with_their_parent(bench: Bench, act: Step) -> None:
    parent = bench.in_state(State.SCHEDULED)
    child = waiting(bench, parent, bench.in_state(State.SCHEDULED))
    grandchild = waiting(bench, child)
    before = everything(bench)
    for _ in range(2):
        changes = act(bench, parent) if not bench.store.journal.entries(1) else bench.store.journal.redo()
        assert [(bench.get(each).state, bench.get(each).reason) for each in (child, grandchild)] == [
            (State.CANCELLED, Reason.PARENT)
        ] * 2
        bench.clock.advance(1)
        assert bench.store.journal.undo().done == (parent.id, child.id, grandchild.id)
        assert everything(bench) == before
    assert changes.done == (parent.id, child.id, grandchild.id)
    (told,) = bench.store.journal.entries(1)
    past = "cancelled" if act is cancel else "deleted"
    assert (told.n, told.undone, told.summary) == (3, 3, f"{past} job {parent.id}, and 2 that waited")


def test_the_children_of_an_operation_are_counted_separately(bench: Bench) -> None:
    parent = bench.in_state(State.SCHEDULED)
    waiting(bench, parent)
    changes = cancel(bench, parent)
    assert (changes.done, changes.undoable, changes.children) == ((parent.id,), 1, 1)


def test_redo_cancels_the_jobs_that_wait_at_that_time(bench: Bench) -> None:
    parent = bench.in_state(State.SCHEDULED)
    old = waiting(bench, parent)
    act = cancel(bench, parent).entry_id
    bench.store.journal.undo()
    delete(bench, old)
    new_one = waiting(bench, parent)
    assert bench.store.journal.redo(act).done == (parent.id, new_one.id)
    assert bench.store.journal.undo(act).done == (parent.id, new_one.id)
    assert bench.get(new_one).state is State.WAITING
    told = next(each for each in bench.store.journal.entries(9) if each.id == act)
    assert (told.n, told.undone) == (2, 2)
    bench.check_counters()


def test_an_operation_in_several_journal_parts_is_undone_with_its_children(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobdeck.store.operations.journal_writer.PART_JOBS", 3)
    parents = [bench.in_state(State.SCHEDULED) for _ in range(7)]
    for parent in parents:
        waiting(bench, parent)
    before = everything(bench)
    bench.store.jobs.delete([parent.id for parent in parents])
    for _ in range(2):
        assert len(bench.store.journal.undo().done) == 14
        assert everything(bench) == before
        assert len(bench.store.journal.redo().done) == 14
        assert bench.counts() == {State.CANCELLED: 7}


def test_a_child_stays_cancelled_while_its_parent_cannot_be_restored(bench: Bench) -> None:
    parent = keyed(bench, "nightly")
    child = waiting(bench, parent)
    act = delete(bench, parent).entry_id
    other = keyed(bench, "nightly")
    undoing = bench.store.journal.undo()
    assert undoing.done == ()
    assert str(undoing.refused[child.id]) == f"Job {child.id} waited for job {parent.id}, which is gone."
    bench.store.jobs.cancel([other.id])
    assert bench.store.journal.undo(act).done == (parent.id, child.id)
    assert bench.get(child) == child


def test_a_child_that_runs_anyway_is_not_changed(bench: Bench) -> None:
    parent = bench.in_state(State.SCHEDULED)
    child = waiting(bench, parent, policy=IfParentFails.RUN)
    cancel(bench, parent)
    assert bench.store.journal.undo().done == (parent.id,)
    assert bench.get(child).state is State.PENDING


def test_a_retry_is_not_undone_if_another_job_waits_for_it(bench: Bench) -> None:
    job = bench.in_state(State.FAILED)
    patient = waiting(bench, job, policy=IfParentFails.WAIT)
    act = retry(bench, job).entry_id
    bench.store.journal.undo()
    bench.store.journal.redo()
    assert bench.get(patient).state is State.WAITING
    child = waiting(bench, job)
    assert refusal(bench, entry_id=act) == f"Job {job.id} is waited for by job {child.id} since."
    assert [claimed.id for claimed in bench.claim()] == [job.id]


def test_a_chain_that_was_cancelled_together_is_restored_together(bench: Bench) -> None:
    first = bench.in_state(State.SCHEDULED)
    second = waiting(bench, first)
    third = waiting(bench, second)
    before = everything(bench)
    bench.store.jobs.cancel([third.id, first.id, second.id])
    assert sorted(bench.store.journal.undo().done) == [first.id, second.id, third.id]
    assert everything(bench) == before


@pytest.mark.parametrize("steps", [1, 4], ids=["at once", "in steps"])
@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("act", ["cancel", "delete"])
def test_waiting_jobs_are_restored_with_their_parents_from_any_journal_part(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, act: str, newest_first: bool, steps: int
) -> None:
    monkeypatch.setattr("jobdeck.store.operations.journal_writer.PART_JOBS", 3)
    parents = [bench.in_state(State.SCHEDULED) for _ in range(7)]
    children = [waiting(bench, parent) for parent in parents]
    for child in children:
        waiting(bench, child)
    before = everything(bench)
    ids = [row[0] for row in bench.rows(f"SELECT id FROM jobdeck_jobs ORDER BY id {'DESC' if newest_first else ''}")]
    begun = None
    for step in range(steps):
        length = -(-len(ids) // steps)
        begun = getattr(bench.store.jobs, act)(ids[step * length : (step + 1) * length], by=Actor("ann", begun)).entry_id
    for _ in range(2):
        undoing = bench.store.journal.undo(begun)
        assert undoing.refused == {}
        assert everything(bench) == before
        bench.store.journal.redo(begun)
        assert set(bench.counts()) <= {State.CANCELLED}


def test_a_deleted_job_is_not_restored_as_ready_while_its_parent_is_deleted(bench: Bench) -> None:
    parent = keyed(bench, "nightly")
    child = waiting(bench, parent)
    act = bench.store.jobs.delete([child.id, parent.id]).entry_id
    other = keyed(bench, "nightly")
    undoing = bench.store.journal.undo(act)
    assert undoing.done == ()
    assert str(undoing.refused[child.id]) == f"Job {child.id} waited for job {parent.id}, which was deleted."
    bench.store.jobs.cancel([other.id])
    assert sorted(bench.store.journal.undo(act).done) == [parent.id, child.id]
    assert (bench.get(parent), bench.get(child)) == (parent, child)


@pytest.mark.parametrize("act", [cancel, delete])
def test_a_waiting_job_is_not_restored_while_its_parent_is_deleted_by_another_operation(bench: Bench, act: Step) -> None:
    parent = bench.in_state(State.SCHEDULED)
    child = waiting(bench, parent)
    first = act(bench, child).entry_id
    deletion = delete(bench, parent).entry_id
    assert refusal(bench, entry_id=first) == f"Job {child.id} waited for job {parent.id}, which was deleted."
    bench.store.journal.undo(deletion)
    assert bench.store.journal.undo(first).done == (child.id,)
    assert bench.get(child) == child


# -- which entry-----------------------------------------------------------------------------------------------------------


def test_undos_go_back_in_time_and_redos_forward(bench: Bench) -> None:
    (job,) = bench.enqueue()
    for priority in (1, 2, 3):
        bench.store.jobs.reprioritize([job.id], priority)
    seen = []
    for _ in range(3):
        bench.store.journal.undo()
        seen.append(bench.get(job).priority)
    with pytest.raises(NothingToUndo):
        bench.store.journal.undo()
    for _ in range(3):
        bench.store.journal.redo()
        seen.append(bench.get(job).priority)
    with pytest.raises(NothingToUndo):
        bench.store.journal.redo()
    assert seen == [2, 1, 0, 1, 2, 3]
    bench.store.journal.undo()
    assert bench.get(job).priority == 2


def test_a_clock_that_was_set_back_does_not_change_the_order(bench: Bench) -> None:
    (job,) = bench.enqueue()
    for priority in (1, 2):
        bench.store.jobs.reprioritize([job.id], priority)
    bench.store.journal.undo()
    bench.clock.jump(-3600)
    bench.store.journal.undo()
    bench.store.journal.redo()
    assert bench.get(job).priority == 1


def test_a_new_operation_clears_its_actors_redos(bench: Bench) -> None:
    one, two = bench.enqueue(new(), new())
    bench.store.jobs.cancel([one.id], by=ANN)
    bench.store.journal.undo(by="ann")
    bench.store.jobs.cancel([two.id], by=BEN)
    bench.store.journal.undo(by="ben")
    bench.store.jobs.reprioritize([two.id], 5, by=ANN)
    with pytest.raises(NothingToUndo):
        bench.store.journal.redo(actor="ann")
    assert bench.store.journal.redo(actor="ben").done == (two.id,)
    assert bench.store.journal.redo(1).done == (one.id,)  # but possible by its id


def test_actors_undo_their_own_operations_unless_they_name_another(bench: Bench) -> None:
    one, two = bench.enqueue(new(), new())
    bench.store.jobs.cancel([one.id], by=ANN)
    bench.store.jobs.cancel([two.id], by=BEN)
    undoing = bench.store.journal.undo(by="ann", actor="ann")
    assert (undoing.done, undoing.entry.actor, undoing.entry.undone_by) == ((one.id,), "ann", "ann")
    with pytest.raises(NothingToUndo, match="Nothing to undo for ann;"):
        bench.store.journal.undo(actor="ann")
    assert bench.store.journal.undo(2, by="ann").entry.undone_by == "ann"


def test_an_operation_that_cannot_be_undone_does_not_block_older_ones(bench: Bench) -> None:
    running = bench.running()
    (job,) = bench.enqueue()
    bench.store.jobs.reprioritize([job.id], 4)
    bench.store.jobs.cancel([running.id])
    assert refusal(bench)
    with pytest.raises(NothingToUndo):
        bench.store.journal.redo()
    assert bench.store.journal.undo().refused == {}  # the older one


def test_a_missing_or_already_undone_entry_is_an_error(bench: Bench) -> None:
    (job,) = bench.enqueue()
    act = bench.store.jobs.cancel([job.id]).entry_id
    with pytest.raises(JournalEntryNotFound, match="Journal entry 77 does not exist"):
        bench.store.journal.undo(77)
    with pytest.raises(InvalidJournalEntry, match="has not been undone, so it cannot be redone"):
        bench.store.journal.redo(act)
    bench.store.journal.undo(act)
    with pytest.raises(InvalidJournalEntry, match="has already been undone"):
        bench.store.journal.undo(act)


def test_an_operation_in_steps_is_undone_as_one(bench: Bench) -> None:
    jobs = bench.enqueue(*(new() for _ in range(5)))
    act = None
    for job in jobs:
        bench.clock.advance(1)
        act = bench.store.jobs.cancel([job.id], by=Actor("ann", act)).entry_id
    (told,) = bench.store.journal.entries(10)
    assert (told.id, told.n, told.recorded, told.summary) == (act, 5, 5, "cancelled 5 jobs")
    assert bench.store.journal.undo().done == tuple(job.id for job in jobs)
    assert [bench.get(job) for job in jobs] == jobs


def test_a_step_never_joins_an_entry_that_is_undone_or_of_another_actor(bench: Bench) -> None:
    jobs = bench.enqueue(*(new() for _ in range(4)))
    act = bench.store.jobs.cancel([jobs[0].id], by=ANN).entry_id
    assert bench.store.jobs.cancel([jobs[1].id], by=Actor("ben", act)).entry_id != act
    assert bench.store.jobs.reprioritize([jobs[2].id], 5, by=Actor("ann", act)).entry_id != act
    bench.store.journal.undo(act)
    assert bench.store.jobs.cancel([jobs[3].id], by=Actor("ann", act)).entry_id != act


# -- redo -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "act"),
    [(State.RETRYING, cancel), (State.FAILED, retry), (State.SCHEDULED, raised), (State.COMPLETED, delete)],
)
def test_a_redo_repeats_the_operation_and_can_be_undone(bench: Bench, state: State, act: Step) -> None:
    job = bench.in_state(state)
    before = bench.get(job)
    act(bench, job)
    after = bench.store.reader.get(job.id)
    for _ in range(2):
        bench.store.journal.undo()
        assert bench.get(job) == before
        assert bench.store.journal.redo().done == (job.id,)
        assert bench.store.reader.get(job.id) == after
    bench.check_counters()


@pytest.mark.parametrize(
    ("state", "act", "since", "reason"),
    [
        (State.PENDING, cancel, start, "was started since"),
        (State.PENDING, cancel, finish, "is completed: it has finished, so it cannot be cancelled"),
        (State.SCHEDULED, retry, cancel, "was changed since"),
        (State.PENDING, raised, raised_more, "was reprioritized again since"),
        (State.PENDING, raised, start, "is running: only the priority of a queued job can be changed"),
        (State.PENDING, delete, finish, "was started since"),
    ],
)
def test_a_redo_does_not_overwrite_changes_after_the_undo(
    bench: Bench, state: State, act: Step, since: Step, reason: str
) -> None:
    job = bench.in_state(state)
    done = act(bench, job).entry_id
    bench.store.journal.undo()
    bench.clock.advance(1)
    since(bench, job)
    before = everything(bench)
    redoing = bench.store.journal.redo(done)
    assert (redoing.done, str(redoing.refused[job.id])) == ((), f"Job {job.id} {reason}.")
    assert everything(bench) == before


def test_a_redo_skips_jobs_that_were_not_undone(bench: Bench) -> None:
    one, two = bench.enqueue(new(), new())
    act = bench.store.jobs.cancel([one.id, two.id]).entry_id
    bench.clock.advance(1)
    bench.store.jobs.retry([two.id])
    bench.store.journal.undo(act)
    assert bench.store.journal.redo(act).done == (one.id,)
    assert bench.get(two).state is State.PENDING
    told = next(each for each in bench.store.journal.entries(10) if each.id == act)
    assert (told.n, told.undone, told.undone_at) == (2, 0, None)


def test_a_job_deleted_after_the_undo_cannot_be_redone(bench: Bench) -> None:
    (job,) = bench.enqueue()
    act = cancel(bench, job).entry_id
    bench.store.journal.undo()
    delete(bench, job)
    assert isinstance(bench.store.journal.redo(act).refused[job.id], JobNotFound)


# -- the journal itself ---------------------------------------------------------------------------------------------------


def test_the_journal_records_actor_operation_and_time(bench: Bench) -> None:
    one, two = bench.enqueue(new(), new())
    begun = bench.clock.now()
    bench.store.jobs.cancel([one.id], by=ANN)
    bench.clock.advance(5)
    bench.store.jobs.retry([one.id], by=BEN)
    bench.store.jobs.reprioritize([one.id, two.id], 5, relative=True, by=ANN)
    bench.store.jobs.reprioritize([one.id], -5, by=ANN)
    bench.store.jobs.delete([two.id, one.id], by=ANN)
    bench.store.queues.pause("mail", by=ANN)
    bench.store.queues.resume("mail", by=BEN)
    acts = bench.store.journal.entries(10)
    assert [(act.actor, act.summary) for act in reversed(acts)] == [
        ("ann", f"cancelled job {one.id}"),
        ("ben", f"retried job {one.id}"),
        ("ann", "changed the priority of 2 jobs by +5"),
        ("ann", f"changed the priority of job {one.id} to -5"),
        ("ann", "deleted 2 jobs"),
        ("ann", "paused queue mail"),
        ("ben", "resumed queue mail"),
    ]
    assert (acts[-1].at, acts[-2].at) == (begun, begun + 5)
    assert [act.id for act in bench.store.journal.entries(2)] == [7, 6]


def test_refused_operations_are_not_journaled(bench: Bench) -> None:
    done = bench.in_state(State.COMPLETED)
    assert bench.store.jobs.cancel([done.id, 99]).entry_id is None
    assert not bench.store.queues.resume("mail")
    assert bench.store.journal.entries(10) == []


def cancel_and_fail(bench: Bench, job: Job) -> None:
    with bench.store.transaction():
        bench.store.jobs.cancel([job.id])
        raise KeyError


def test_an_operation_and_its_journal_entry_are_one_transaction(bench: Bench) -> None:
    (job,) = bench.enqueue()
    with pytest.raises(KeyError):
        cancel_and_fail(bench, job)
    assert bench.store.journal.entries(10) == []
    assert bench.get(job).state is State.PENDING


def test_entries_are_pruned_by_number_and_age(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck.store.operations.journal_writer.MAX_ENTRIES", 10)
    (job,) = bench.enqueue()
    for priority in range(1, 31):
        bench.store.jobs.reprioritize([job.id], priority)
    assert bench.store.journal.prune() == 20
    assert [act.id for act in bench.store.journal.entries(99)] == [*range(30, 20, -1)]
    assert bench.rows("SELECT count(*) FROM jobdeck_journal_parts") == [(10,)]
    bench.clock.advance(bounds.MAX_AGE + 1)
    assert bench.store.journal.prune() == 10


def test_the_journal_stays_bounded_without_workers(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck.store.operations.journal_writer.MAX_ENTRIES", 10)
    (job,) = bench.enqueue()
    for priority in range(1, 251):
        bench.store.jobs.reprioritize([job.id], priority)
    assert len(bench.store.journal.entries(1000)) <= 110


def test_large_entries_evict_older_ones_and_the_newest_stays(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck.store.operations.journal_writer.MAX_JOURNAL_BYTES", 3000)
    for _ in range(4):
        jobs = bench.enqueue(*(new() for _ in range(60)))
        bench.store.jobs.cancel([job.id for job in jobs])
        bench.store.jobs.delete([job.id for job in jobs])
    bench.store.journal.prune()
    kept = bench.store.journal.entries(99)
    assert 0 < len(kept) < 8
    assert kept[0].id == 8
    assert bench.rows("SELECT sum(length(before)) FROM jobdeck_journal_parts")[0][0] <= 3000
    assert len(bench.store.journal.undo().done) == 60


def test_jobs_beyond_the_size_limit_of_an_entry_are_changed_but_reported_as_not_undoable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobdeck.store.operations.journal_writer.PART_JOBS", 100)
    monkeypatch.setattr("jobdeck.store.operations.service.MAX_ENTRY_BYTES", 100)
    ids = [job.id for job in bench.enqueue(*(new() for _ in range(350)))]
    changes = bench.store.jobs.cancel(ids)
    assert len(changes.done) == 350
    assert 0 < changes.undoable < 350
    undoing = bench.store.journal.undo()
    assert (len(undoing.done), undoing.not_recorded) == (changes.undoable, 350 - changes.undoable)
    assert bench.counts() == {State.PENDING: changes.undoable, State.CANCELLED: undoing.not_recorded}


@pytest.mark.parametrize("separately", [False, True])
def test_a_restored_job_is_not_released_by_a_parent_whose_deletion_was_not_recorded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, separately: bool
) -> None:
    monkeypatch.setattr("jobdeck.store.operations.journal_writer.PART_JOBS", 1)
    parent = bench.in_state(State.SCHEDULED)
    job = waiting(bench, parent)
    if separately:
        act = delete(bench, job).entry_id
        monkeypatch.setattr("jobdeck.store.operations.service.MAX_ENTRY_BYTES", 0)
        assert delete(bench, parent).undoable == 0
    else:
        monkeypatch.setattr("jobdeck.store.operations.service.MAX_ENTRY_BYTES", 100)
        changes = bench.store.jobs.delete([job.id, parent.id])
        assert (changes.undoable, len(changes.done)) == (1, 2)
        act = changes.entry_id
    undoing = bench.store.journal.undo(act)
    assert undoing.done == ()
    problem = f"Job {job.id} waited for job {parent.id}, which is gone and may not have completed."
    assert str(undoing.refused[job.id]) == problem
    assert bench.claim(5) == []
    bench.check_counters()


@pytest.mark.parametrize(("policy", "runs"), [(IfParentFails.WAIT, False), (IfParentFails.RUN, True)])
def test_a_restored_job_is_not_released_by_a_failed_parent_that_was_pruned(
    bench: Bench, policy: IfParentFails, runs: bool
) -> None:
    parent = bench.running()
    job = waiting(bench, parent, policy=policy)
    delete(bench, job)
    bench.fail(parent)
    bench.clock.advance(10)
    assert bench.store.maintenance.prune_jobs(RetentionRule(State.FAILED, older_than=1)) == 1
    undoing = bench.store.journal.undo()
    assert (undoing.done == (job.id,)) is runs
    assert [claimed.id for claimed in bench.claim(5)] == ([job.id] if runs else [])


def test_an_undo_of_many_jobs_lets_other_processes_write_in_between(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck.store.operations.journal_writer.PART_JOBS", 50)
    ids = [job.id for job in bench.enqueue(*(new() for _ in range(2000)))]
    bench.store.jobs.cancel(ids)
    undoing = threading.Thread(target=bench.store.journal.undo)
    undoing.start()
    wait_until(lambda: bench.counts().get(State.PENDING, 0) > 0)
    bench.enqueue(new(queue="other"))
    undoing.join()
    assert bench.counts() == {State.PENDING: 2001}
    bench.check_counters()


def test_an_interrupted_undo_continues_where_it_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobdeck.store.operations.journal_writer.PART_JOBS", 10)
    ids = [job.id for job in bench.enqueue(*(new() for _ in range(30)))]
    act = bench.store.jobs.cancel(ids).entry_id
    turns = iter([add_part])
    with monkeypatch.context() as patch:
        patch.setattr("jobdeck.store.operations.undo.add_part", lambda *args, **how: next(turns)(*args, **how))
        with pytest.raises(StopIteration):  # before the second part has been written
            bench.store.journal.undo()
    assert bench.counts() == {State.PENDING: 10, State.CANCELLED: 20}
    assert len(bench.store.journal.undo(act).done) == 20
    assert bench.store.journal.entries(1)[0].undone == 30
    assert len(bench.store.journal.redo().done) == 30
    assert bench.counts() == {State.CANCELLED: 30}
    bench.check_counters()


def test_two_concurrent_undos_undo_two_operations(bench: Bench) -> None:
    one, two = bench.enqueue(new(), new())
    bench.store.jobs.cancel([one.id])
    bench.store.jobs.cancel([two.id])
    threads = [threading.Thread(target=bench.store.journal.undo) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.counts() == {State.PENDING: 2}


# -- any operation-----------------------------------------------------------------------------------------------------------

FIRST, LAST = 1, 9
act_steps = st.lists(
    st.tuples(
        st.sampled_from(["cancel", "retry", "reprioritize", "edit", "delete", "pause", "resume", "pause all", "resume all"]),
        st.lists(st.integers(FIRST, LAST + 1), min_size=1, max_size=4),
        st.integers(-3, 3),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(steps=act_steps)
@pytest.mark.parametrize("store", EVERY_STORE)
def test_undoing_any_operations_restores_the_original_state(
    store: str, steps: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = FakeClock()
    path = tmp_path_factory.mktemp("journal") / "jobs.db"
    bench = Bench(STORES[store](path, clock), clock, path)
    assert bench.in_state(State.SCHEDULED).id == FIRST
    # The pending job last: jobs become final through a claim of all pending jobs.
    for state in (*sorted(FINAL), State.RETRYING, State.SCHEDULED, State.PENDING):
        bench.in_state(state)
    assert waiting(bench, waiting(bench, bench.get(FIRST))).id == LAST
    begun = everything(bench)
    for what, ids, n, flag in steps:
        clock.advance(1)
        match what:
            case "cancel":
                bench.store.jobs.cancel(ids)
            case "retry":
                bench.store.jobs.retry(ids)
            case "reprioritize":
                bench.store.jobs.reprioritize(ids, n, relative=flag)
            case "edit":
                change = (
                    JobEdit(queue="slow") if flag else JobEdit(args_json=f'{{"n": {n}}}', scheduled_at=clock.now() + 5000 * n)
                )
                bench.store.jobs.edit(ids[0], change)
            case "delete":
                bench.store.jobs.delete(ids)
            case "pause":
                bench.store.queues.pause("default")
            case "resume":
                bench.store.queues.resume("default")
            case "pause all":
                bench.store.queues.pause_all()
            case "resume all":
                bench.store.queues.resume_all()
    ended = bench.counts()
    acts = len(bench.store.journal.entries(99))
    for _ in range(2):
        for _ in range(acts):
            clock.advance(1)
            assert not bench.store.journal.undo().refused
            bench.check_counters()
        assert everything(bench) == begun
        for _ in range(acts):
            clock.advance(1)
            assert not bench.store.journal.redo().refused
        assert bench.counts() == ended
    bench.store.close()


def test_a_late_result_of_a_deleted_and_restored_job_has_no_effect(bench: Bench) -> None:
    job = bench.running()
    bench.clock.advance(31)
    bench.store.transitions.rescue()
    delete(bench, job)
    bench.store.journal.undo()
    before = bench.get(job)
    now = bench.clock.now()
    assert bench.store.completer.fail([Failed(job, now, now, None, "ValueError", "late")]) == [job.id]
    assert bench.get(job) == before
    assert isinstance(bench.store.jobs.delete([bench.claim()[0].id]).refused[job.id], WrongState)
