"""Queued jobs can be edited, running and final ones cannot, and an edit can be undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.core.helpers import Bench, new, registry

from jobdeck import (
    QUEUED,
    ArgumentsTooLarge,
    InvalidArguments,
    InvalidOption,
    Job,
    JobEdit,
    JobNotFound,
    Queue,
    Registry,
    Settings,
    State,
    UnknownKind,
    WrongState,
)
from jobdeck.model.journal import Actor

STATES = sorted(QUEUED)
CHANGES: dict[str, tuple[JobEdit, str, Any]] = {
    "arguments": (JobEdit(args_json='{"n":2}'), "args_json", '{"n":2}'),
    "queue": (JobEdit(queue="slow"), "queue", "slow"),
    "priority": (JobEdit(priority=9), "priority", 9),
    "attempts": (JobEdit(max_attempts=7), "max_attempts", 7),
    "tags": (JobEdit(tags=("a", "b")), "tags", ("a", "b")),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what", CHANGES)
def test_an_edit_changes_only_its_fields_of_a_queued_job_and_can_be_undone(bench: Bench, state: State, what: str) -> None:
    from dataclasses import replace

    before = bench.in_state(state)
    change, field, value = CHANGES[what]
    assert bench.store.jobs.edit(before.id, change).done == (before.id,)
    assert bench.get(before) == replace(before, **{field: value})
    bench.check_counters()
    assert bench.store.journal.undo().done == (before.id,)
    assert bench.get(before) == before
    bench.check_counters()
    assert bench.store.journal.redo().done == (before.id,)
    assert bench.get(before) == replace(before, **{field: value})
    bench.check_counters()


@pytest.mark.parametrize("state", sorted(set(State) - QUEUED))
@pytest.mark.parametrize("what", CHANGES)
def test_a_running_or_final_job_is_not_edited_and_the_reason_is_given(bench: Bench, state: State, what: str) -> None:
    before = bench.in_state(state)
    changes = bench.store.jobs.edit(before.id, CHANGES[what][0])
    assert changes.done == ()
    assert str(changes.refused[before.id]).startswith(f"Job {before.id} is {state}: only a queued job can be edited")
    assert bench.get(before) == before
    assert bench.store.journal.entries(9) == []


@pytest.mark.parametrize(
    ("state", "later", "then"),
    [
        (State.PENDING, 60.0, State.SCHEDULED),
        (State.PENDING, -60.0, State.PENDING),
        (State.SCHEDULED, 60.0, State.SCHEDULED),
        (State.SCHEDULED, 0.0, State.PENDING),
        (State.WAITING, 60.0, State.WAITING),
        (State.RETRYING, 60.0, State.RETRYING),
    ],
)
def test_a_new_due_time_changes_the_state_accordingly(bench: Bench, state: State, later: float, then: State) -> None:
    before = bench.in_state(state)
    due = bench.clock.now() + later
    bench.store.jobs.edit(before.id, JobEdit(scheduled_at=due))
    assert (bench.get(before).state, bench.get(before).scheduled_at) == (then, due)
    bench.check_counters()
    bench.store.journal.undo()
    assert bench.get(before) == before
    bench.check_counters()


def test_a_job_edited_to_be_due_now_is_claimed(bench: Bench) -> None:
    job = bench.in_state(State.SCHEDULED)
    bench.store.jobs.edit(job.id, JobEdit(scheduled_at=bench.clock.now()))
    assert [claimed.id for claimed in bench.claim()] == [job.id]


def test_an_edited_job_is_claimed_from_its_new_queue_with_its_new_arguments(bench: Bench) -> None:
    (job,) = bench.enqueue()
    bench.store.jobs.edit(job.id, JobEdit(queue="slow", args_json='{"n":2}'))
    assert bench.claim(queues=("default",)) == []
    (claimed,) = bench.claim(queues=("slow",))
    assert (claimed.id, claimed.args) == (job.id, {"n": 2})


def test_the_journal_records_the_edited_fields_and_the_actor(bench: Bench) -> None:
    (job,) = bench.enqueue()
    bench.store.jobs.edit(job.id, JobEdit(args_json="{}", scheduled_at=bench.clock.now(), tags=()), by=Actor("ann"))
    (act,) = bench.store.journal.entries(9)
    assert (act.actor, act.operation, act.summary) == ("ann", "edit", f"edited the arguments, time and tags of job {job.id}")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (JobEdit(max_attempts=1), "The max_attempts must be more than the 1 attempt that job {id} has started."),
        (JobEdit(scheduled_at=2e9), "The time must be before job {id} expires."),
    ],
)
def test_an_edit_that_contradicts_the_job_is_refused(bench: Bench, change: JobEdit, reason: str) -> None:
    before = bench.in_state(State.RETRYING, expires_at=bench.clock.now() + 7200)
    problem = bench.store.jobs.edit(before.id, change).refused[before.id]
    assert isinstance(problem, InvalidOption)
    assert str(problem) == reason.format(id=before.id)
    assert bench.get(before) == before


def start(bench: Bench, job: Job) -> None:
    assert bench.claim()


def fail(bench: Bench, job: Job) -> None:
    bench.fail(bench.claim()[0], retry_in=60)


def cancel(bench: Bench, job: Job) -> None:
    bench.store.jobs.cancel([job.id])


def edit(bench: Bench, job: Job) -> None:
    bench.store.jobs.edit(job.id, JobEdit(args_json='{"n":3}'))


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        (start, "was started since"),
        (fail, "was started since"),
        (cancel, "is cancelled now"),
        (edit, "was changed again since"),
    ],
)
def test_an_edit_is_not_undone_if_the_job_has_changed_since(bench: Bench, since: Any, reason: str) -> None:
    (job,) = bench.enqueue()
    act = bench.store.jobs.edit(job.id, JobEdit(args_json='{"n":2}')).entry_id
    since(bench, job)
    before = bench.get(job)
    undoing = bench.store.journal.undo(act)
    assert undoing.done == ()
    assert str(undoing.refused[job.id]) == f"Job {job.id} {reason}."
    assert bench.get(job) == before


def test_a_deleted_job_cannot_be_edited_nor_its_edit_undone(bench: Bench) -> None:
    assert isinstance(bench.store.jobs.edit(77, JobEdit(priority=1)).refused[77], JobNotFound)
    (job,) = bench.enqueue()
    act = bench.store.jobs.edit(job.id, JobEdit(queue="slow")).entry_id
    bench.store.jobs.delete([job.id])
    assert isinstance(bench.store.journal.undo(act).refused[job.id], JobNotFound)


def test_a_later_change_of_priority_does_not_prevent_an_undo_of_the_arguments(bench: Bench) -> None:
    (job,) = bench.enqueue()
    act = bench.store.jobs.edit(job.id, JobEdit(args_json='{"n":2}')).entry_id
    bench.store.jobs.reprioritize([job.id], 5)
    assert bench.store.journal.undo(act).done == (job.id,)
    assert (bench.get(job).args, bench.get(job).priority) == ({}, 5)


# -- the journal of one job -----------------------------------------------------------------------------------------------


def test_the_journal_lists_the_operations_on_one_job_oldest_first(bench: Bench) -> None:
    job, other = bench.enqueue(new(), new())
    bench.store.jobs.reprioritize([job.id], 5, by=Actor("ann"))
    bench.store.jobs.cancel([other.id], by=Actor("ben"))
    bench.store.jobs.cancel([job.id, other.id], by=Actor("cyd"))
    bench.store.queues.pause(str(job.id))
    acts = bench.store.journal.of_job(job.id, job.created_at, 1 << 20)
    assert [(act.actor, act.operation) for act in acts] == [("ann", "reprioritize"), ("cyd", "cancel")]


def test_the_journal_of_a_job_is_read_up_to_a_limit(bench: Bench) -> None:
    (job,) = bench.enqueue()
    bench.store.jobs.reprioritize([job.id], 5)
    bench.store.jobs.reprioritize([job.id], 6)
    assert len(bench.store.journal.of_job(job.id, 0.0, 1 << 20)) == 2
    counts = [len(bench.store.journal.of_job(job.id, 0.0, limit)) for limit in range(1, 100)]
    assert sorted(set(counts)) == [0, 1, 2]
    assert counts == sorted(counts)
    assert bench.store.journal.of_job(job.id, bench.clock.now() + 1, 1 << 20) == []


# -- the queue ------------------------------------------------------------------------------------------------------------


def greet(name: str, times: int = 1) -> None:
    """Say hello."""


@pytest.fixture
def queue(tmp_path: Path) -> Any:
    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF", max_args_bytes=200)
    with Queue(settings=settings, registry=registry(greet=greet), actor="ann") as opened:
        yield opened


def test_the_queue_validates_arguments_as_for_an_enqueue(queue: Queue) -> None:
    job = queue.enqueue("greet", {"name": "ann"})
    edited = queue.edit(job.id, {"name": "ben"}, queue="slow", priority=3, max_attempts=2, tags=["x"])
    assert (edited.args, edited.queue, edited.priority) == ({"name": "ben"}, "slow", 3)
    assert (edited.max_attempts, edited.tags, edited.state) == (2, ("x",), State.PENDING)
    with pytest.raises(InvalidArguments) as wrong:
        queue.edit(job.id, {"name": "ben", "times": "often"})
    assert wrong.value.field == "times"
    with pytest.raises(InvalidArguments):
        queue.edit(job.id, {})
    with pytest.raises(ArgumentsTooLarge):
        queue.edit(job.id, {"name": "x" * 300})
    assert queue.get(job.id) == edited
    assert [act.summary for act in queue.journal.of_job(job.id)] == [
        f"edited the arguments, queue, priority, attempts and tags of job {job.id}"
    ]
    queue.journal.undo()
    assert queue.get(job.id) == job


@pytest.mark.parametrize(
    "change",
    [{"queue": ""}, {"priority": 10**7}, {"max_attempts": 0}, {"tags": ["\x1b"]}, {"delay": -1}, {"at": 1.0, "delay": 1.0}, {}],
)
def test_the_queue_refuses_unknown_options(queue: Queue, change: Any) -> None:
    job = queue.enqueue("greet", {"name": "ann"})
    with pytest.raises(InvalidOption):
        queue.edit(job.id, **change)
    with pytest.raises(TypeError, match="unknown edit options: kind;"):
        queue.edit(job.id, kind="other")  # type: ignore[call-arg]
    assert queue.get(job.id) == job


def test_a_job_of_an_unknown_kind_can_be_edited_except_for_its_arguments(queue: Queue) -> None:
    job = queue.enqueue("greet", {"name": "ann"})
    with Queue(settings=queue.settings, registry=Registry()) as other:
        with pytest.raises(UnknownKind):
            other.edit(job.id, {"name": "ben"})
        assert other.edit(job.id, delay=60).state is State.SCHEDULED
        assert other.edit(job.id, delay=0).state is State.PENDING


def test_a_check_of_an_edit_changes_nothing_and_raises_the_same_errors(queue: Queue) -> None:
    job = queue.enqueue("greet", {"name": "ann"})
    assert queue.check_edit(job.id, {"name": "ben"}) == JobEdit(args_json='{"name":"ben"}')
    with pytest.raises(JobNotFound):
        queue.check_edit(77, {"name": "ben"})
    queue.cancel(job.id)
    with pytest.raises(WrongState):
        queue.check_edit(job.id, {"name": "ben"})
    assert queue.get(job.id).args["name"] == "ann"
