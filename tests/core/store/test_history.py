"""The history: runs by time, and events that are derived from stored data."""

from __future__ import annotations

import pytest
from tests.core.helpers import NOON, Bench, new, open_queue

from jobdeck import Event, EventType, InvalidOption, Outcome, Queue, Run, Runs, State
from jobdeck.model.attempt_result import Completed
from jobdeck.model.jobs import Job


def ran(bench: Bench, took: float = 1.0, **options: object) -> Job:
    """Run a job for some seconds from now, and complete it."""
    job = bench.running(**options)
    bench.clock.advance(took)
    bench.store.completer.complete([Completed(job, bench.clock.now() - took, bench.clock.now())])
    return bench.get(job)


def runs(bench: Bench, since: float, until: float, **more: int) -> Runs:
    """Return the runs in a range of seconds after noon."""
    return bench.store.history.runs(NOON + since, NOON + until, **more)


def ids(found: Runs) -> list[int]:
    return [run.job_id for run in found.runs]


def events(bench: Bench, after: float | None = None, limit: int = 1000, only: tuple[EventType, ...] = ()) -> list[Event]:
    return bench.store.history.events(after=after, limit=limit, only=only)


def told(found: list[Event]) -> list[str]:
    return [f"{event.type} {event.job_id}" for event in found]


def test_a_run_includes_its_job_and_outcome(bench: Bench) -> None:
    job = ran(bench, 2.0, kind="mail.send", queue="mail", max_attempts=4)
    (run,) = runs(bench, 0, 10).runs
    assert (run.job_id, run.kind, run.queue, run.number, run.max_attempts) == (job.id, "mail.send", "mail", 1, 4)
    assert (run.worker, run.started_at, run.finished_at, run.outcome) == ("w1", NOON, NOON + 2, Outcome.COMPLETED)
    assert (run.superseded, run.failed, run.error, run.lease_until) == (False, False, None, None)


def test_runs_that_overlap_the_range_are_listed_newest_end_first(bench: Bench) -> None:
    for _ in range(5):
        ran(bench, 10.0)
    # They end 10, 20, 30, 40 and 50 seconds after noon.
    assert ids(runs(bench, 25, 35)) == [4, 3]
    assert ids(runs(bench, 0, 60)) == [5, 4, 3, 2, 1]
    assert ids(runs(bench, 51, 60)) == []


def test_a_run_that_ends_after_the_range_is_listed(bench: Bench) -> None:
    ran(bench, 100.0)
    assert ids(runs(bench, 20, 30)) == [1]


def test_running_jobs_are_listed_first_with_their_lease(bench: Bench) -> None:
    ran(bench, 1.0)
    job = bench.running()
    bench.clock.advance(5)
    first, second = runs(bench, 0, 10).runs
    assert (first.job_id, first.finished_at, first.outcome) == (job.id, None, None)
    assert first.lease_until == pytest.approx(NOON + 1 + 30)
    assert second.job_id == 1
    assert ids(runs(bench, 0, 0.5)) == [1]  # it had not started


def test_every_attempt_is_a_run_that_shows_whether_it_was_superseded(bench: Bench) -> None:
    bench.enqueue(new(max_attempts=2))
    for _ in range(2):
        (job,) = bench.claim()
        bench.clock.advance(3)
        bench.fail(job, retry_in=1, message="no such host")
        bench.clock.advance(1)
        bench.store.transitions.stage()
    last, first = runs(bench, 0, 60).runs
    assert (first.number, first.superseded, first.failed, first.error) == (1, True, True, "ValueError: no such host")
    assert (last.number, last.superseded, last.failed) == (2, False, True)
    assert first.key != last.key


def test_a_failed_run_of_a_retrying_job_is_listed(bench: Bench) -> None:
    bench.in_state(State.RETRYING)
    (run,) = runs(bench, -1, 10).runs
    assert (run.outcome, run.superseded) == (Outcome.FAILED, True)


def test_released_runs_are_listed_although_their_job_is_queued_again(bench: Bench) -> None:
    released, snoozed = bench.running(), bench.running()
    bench.clock.advance(2)
    bench.release(released)
    bench.snooze(snoozed)
    found = {run.job_id: run.outcome for run in runs(bench, 0, 10).runs}
    assert found == {released.id: Outcome.RELEASED, snoozed.id: Outcome.SNOOZED}


def test_crashes_are_listed(bench: Bench) -> None:
    job = bench.running()
    bench.crash(job)
    (run,) = runs(bench, 0, 60).runs
    assert (run.outcome, run.failed, run.superseded) == (Outcome.CRASHED, True, True)


def test_too_many_runs_become_a_sample_spread_over_the_range(bench: Bench) -> None:
    for _ in range(60):
        ran(bench, 1.0)
    whole = runs(bench, 0, 60.5)
    assert (len(whole.runs), whole.ended, whole.is_complete) == (60, 60, True)
    sample = runs(bench, 0, 60, limit=30, slices=10)
    assert not sample.is_complete
    assert sample.ended == 59  # the last one ends with the range
    ends = [(run.finished_at or 0) - NOON for run in sample.runs]
    assert ends == [59, 53, 47, 41, 35, 29, 23, 17, 11, 5]  # the newest of each slice of six seconds


def test_long_errors_are_truncated_to_one_line(bench: Bench) -> None:
    bench.fail(bench.running(), message="first\nsecond " + "x" * 10_000)
    (run,) = runs(bench, -1, 10).runs
    assert run.error is not None
    assert run.error.startswith("ValueError: first second xxx")
    assert len(run.error) <= 400


def test_events_show_the_life_of_a_job(bench: Bench) -> None:
    bench.enqueue(new(kind="mail.send", queue="mail", max_attempts=3))
    for last in (False, True):
        bench.clock.advance(1)
        (job,) = bench.claim(worker="w7")
        bench.clock.advance(2)
        if last:
            bench.complete(job)
        else:
            bench.fail(job, retry_in=1, message="gone")
            bench.clock.advance(1)
            bench.store.transitions.stage()
    found = events(bench)
    assert told(found) == ["enqueued 1", "started 1", "retrying 1", "started 1", "completed 1"]
    assert [event.at - NOON for event in found] == [0, 3, 3, 7, 7]  # these attempts take no time
    failed = found[2]
    assert (failed.kind, failed.queue, failed.worker, failed.number) == ("mail.send", "mail", "w7", 1)
    assert failed.text == "ValueError: gone"
    assert len({event.key for event in found}) == 5


def test_an_event_keeps_its_key_when_its_run_ends(bench: Bench) -> None:
    job = bench.running()
    before = {event.key for event in events(bench) if event.type is EventType.STARTED}
    bench.clock.advance(1)
    bench.complete(job)
    assert {event.key for event in events(bench) if event.type is EventType.STARTED} == before


def test_each_outcome_has_its_own_event_type(bench: Bench) -> None:
    jobs = [bench.running() for _ in range(5)]
    bench.clock.advance(1)
    bench.complete(jobs[0])
    bench.fail(jobs[1])
    bench.stop(jobs[2])
    bench.snooze(jobs[3])
    bench.release(jobs[4])
    ends = {event.job_id: event.type for event in events(bench, after=NOON)}
    assert [ends[job.id] for job in jobs] == ["completed", "failed", "cancelled", "snoozed", "released"]


def test_jobs_that_ended_in_the_queue_have_events(bench: Bench) -> None:
    (cancelled, expired) = bench.enqueue(new(), new(expires_at=NOON + 5))
    bench.clock.advance(1)
    bench.store.jobs.cancel([cancelled.id])
    bench.clock.advance(9)
    bench.store.transitions.expire()
    found = events(bench, only=(EventType.CANCELLED, EventType.EXPIRED))
    assert told(found) == [f"cancelled {cancelled.id}", f"expired {expired.id}"]
    assert found[1].text == "It was not started before it expired"


def test_crashes_and_late_results_have_events(bench: Bench) -> None:
    job = bench.running()
    bench.crash(job)
    bench.clock.advance(4)
    assert bench.complete(job) == [job.id]
    found = events(bench, after=NOON)
    assert told(found) == [f"crashed {job.id}", f"late {job.id}"]
    assert found[1].at == NOON + 35
    assert told(events(bench, after=NOON + 33)) == [f"late {job.id}"]


def test_operations_and_undos_have_events(bench: Bench) -> None:
    from jobdeck.model.journal import Actor

    bench.enqueue(new())
    bench.clock.advance(1)
    bench.store.jobs.cancel([1], by=Actor("ann"))
    bench.clock.advance(1)
    bench.store.queues.pause("mail", by=Actor("bob"))
    bench.clock.advance(1)
    bench.store.journal.undo(1, by="eve")
    found = events(bench, only=(EventType.OPERATION, EventType.UNDONE))
    assert [(event.actor, event.text, event.job_id) for event in found] == [
        ("ann", "cancelled job 1", 1),
        ("bob", "paused queue mail", None),
        ("eve", "cancelled job 1", 1),
    ]
    assert [event.type for event in found] == [EventType.OPERATION, EventType.OPERATION, EventType.UNDONE]


def test_the_newest_events_are_listed_up_to_the_limit(bench: Bench) -> None:
    for _ in range(20):
        ran(bench, 1.0)
    everything = events(bench)
    assert len(everything) == 60
    for limit in (1, 2, 7, 59):
        assert events(bench, limit=limit) == everything[-limit:]
    assert told(events(bench, limit=3, only=(EventType.COMPLETED,))) == ["completed 18", "completed 19", "completed 20"]
    assert events(bench, after=everything[-5].at) == [event for event in everything if event.at > everything[-5].at]


def test_the_times_of_a_sample_can_be_whole_numbers(bench: Bench) -> None:
    for _ in range(6):
        ran(bench, 1.0)
    found = bench.store.history.runs(int(NOON), int(NOON) + 7, limit=3, slices=3)
    assert (found.is_complete, found.ended) == (False, 6)
    assert found.runs


def test_an_empty_queue_has_no_history(bench: Bench) -> None:
    assert events(bench) == []
    assert runs(bench, 0, 10).runs == ()


@pytest.mark.sqlite
def test_queries_of_the_history_use_an_index_on_the_end(bench: Bench) -> None:
    from jobdeck.store.queries.runs import ended_ids_query
    from jobdeck.store.sqlite.dialect import SQLITE

    for state, index in (
        (State.COMPLETED, "COVERING INDEX jobdeck_final (state=? AND finished_at>?"),
        (None, "INDEX jobdeck_failures (finished_at>?"),
    ):
        query = ended_ids_query(SQLITE, state, "1.0", "2.0").replace(":each", "10").replace(":state", "'completed'")
        (plan,) = [row[3] for row in bench.rows(f"EXPLAIN QUERY PLAN {query}")]
        assert plan.startswith("SEARCH")
        assert f"USING {index}" in plan


def test_the_queue_refuses_invalid_ranges_and_limits(bench: Bench, tmp_path: object) -> None:
    with open_queue(bench.path.with_name("other.db")) as queue:
        assert isinstance(queue, Queue)
        assert queue.history.runs(0.0).runs == ()
        assert queue.history.events() == []
        with pytest.raises(InvalidOption, match="since"):
            queue.history.runs(5.0, 5.0)
        with pytest.raises(InvalidOption, match="limit"):
            queue.history.runs(1.0, 2.0, limit=0)
        with pytest.raises(InvalidOption, match="slices"):
            queue.history.runs(1.0, 2.0, slices=0)
        with pytest.raises(InvalidOption, match="limit"):
            queue.history.events(limit=10**6)


def test_a_run_is_identified_by_job_and_lease() -> None:
    run = Run(job_id=1, lease=2, kind="k", queue="q", number=1, max_attempts=1, worker="w", started_at=0.0)
    assert run.key == (1, 2)
