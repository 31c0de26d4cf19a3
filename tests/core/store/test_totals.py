"""The totals since a queue exists, from which monitors compute rates: they only grow, and no pruning takes from them."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import Outcome, State
from jobdeck.model.attempt_result import Completed, Failed
from jobdeck.model.journal import Actor
from jobdeck.model.totals import KindTotals, Totals

ANN = Actor("ann", None)


def totals(bench: Bench, limit: int = 1000) -> Totals:
    return bench.store.metrics.totals(limit)


def only(bench: Bench) -> KindTotals:
    (found,) = totals(bench).kinds
    return found


def finished(bench: Bench) -> dict[str, int]:
    return {str(state): n for state, n in only(bench).finished.items() if n}


def test_every_job_that_becomes_final_is_counted_by_its_state(bench: Bench) -> None:
    for _ in range(5):  # more than three are completed in one statement
        bench.enqueue()
    jobs = bench.claim(5)
    bench.store.completer.complete([Completed(job, bench.clock.now(), bench.clock.now()) for job in jobs])
    bench.complete(bench.running())
    bench.fail(bench.running())
    bench.stop(bench.running())
    assert finished(bench) == {"completed": 6, "failed": 1, "cancelled": 1}
    assert bench.store.jobs.cancel([bench.enqueue()[0].id], by=ANN).done
    bench.enqueue(new(expires_at=bench.clock.now() + 5))
    bench.clock.advance(6)
    assert bench.store.transitions.expire() == 1
    parent = bench.running()
    bench.enqueue(new(after=(parent.id,)))
    bench.fail(parent)
    assert finished(bench) == {"completed": 6, "failed": 3, "cancelled": 3}


def test_attempts_after_which_a_job_runs_again_do_not_finish_it(bench: Bench) -> None:
    bench.fail(bench.running(), retry_in=60)
    bench.snooze(bench.running())
    bench.release(bench.running())
    bench.crash(*bench.claim(1))
    assert finished(bench) == {}
    assert (totals(bench).retries, totals(bench).crashes) == (2, 1)


def test_a_job_that_is_retried_and_finishes_again_counts_again_and_one_that_an_undo_restores_does_not(bench: Bench) -> None:
    job = bench.running()
    bench.fail(job)
    bench.store.jobs.retry([job.id], by=ANN)
    assert bench.store.journal.undo().done
    bench.store.jobs.delete([job.id], by=ANN)
    assert bench.store.journal.undo().done
    assert bench.get(job).state is State.FAILED
    assert finished(bench) == {"failed": 1}
    bench.store.jobs.retry([job.id], by=ANN)
    bench.complete(bench.claim(1)[0])
    assert finished(bench) == {"failed": 1, "completed": 1}


def test_crashes_of_child_processes_and_of_workers_count_and_timeouts_do_not(bench: Bench) -> None:
    now = bench.clock.now()
    died = Failed(bench.running(), now, now, now + 60, "Crashed", "SIGSEGV", outcome=Outcome.CRASHED)
    late = Failed(bench.running(), now, now, now + 60, "TimedOut", "5 s", outcome=Outcome.TIMED_OUT)
    bench.store.completer.fail([died, late])
    assert totals(bench).crashes == 1
    bench.crash(bench.running())
    assert totals(bench).crashes == 2


def test_a_late_result_is_counted_once(bench: Bench) -> None:
    job, other = bench.running(), bench.running()
    bench.crash(job, other)
    assert bench.complete(job) == [job.id]
    assert bench.complete(job) == [job.id]
    now = bench.clock.now()
    bench.store.completer.complete([Completed(each, now, now) for each in [job, other, *bench.claim(4)]])
    assert totals(bench).late_results == 2


def test_run_and_wait_times_are_counted_by_octave_with_their_exact_sum(bench: Bench) -> None:
    for waited, took in ((4.0, 0.5), (4.0, 0.25), (0.0, 3.0)):
        bench.enqueue()
        bench.clock.advance(waited)
        (job,) = bench.claim()
        started = bench.clock.now()
        bench.clock.advance(took)
        bench.store.completer.complete([Completed(job, started, bench.clock.now())])
    found = only(bench)
    assert found.run.sum == pytest.approx(3.75)
    assert found.wait.sum == pytest.approx(8.0)
    assert found.run.octaves == {17: 1, 18: 1, 21: 1}  # 2^17 µs = 0.13 s
    assert found.wait.octaves == {0: 1, 21: 2}


def test_pruning_takes_nothing_from_the_totals_of_a_queue_that_has_jobs(bench: Bench) -> None:
    bench.complete(bench.running(queue="kept"))
    bench.complete(bench.running(queue="gone"))
    before = totals(bench)
    bench.store.maintenance.prune_metrics()
    bench.store.metrics.prune_totals()
    assert totals(bench) == before
    bench.enqueue(new(queue="kept"))
    for job_id, queue in bench.rows("SELECT id, queue FROM jobdeck_jobs ORDER BY id"):
        if queue == "gone":
            bench.store.jobs.delete([job_id], by=ANN)
    bench.store.metrics.prune_totals()
    assert [each.queue for each in totals(bench).kinds] == ["gone", "kept"]  # its metrics still show it
    bench.clock.advance(92 * 86400)
    bench.store.maintenance.prune_metrics()
    bench.store.metrics.prune_totals()
    assert [each.queue for each in totals(bench).kinds] == ["kept"]
    assert totals(bench).kinds[0].finished[State.COMPLETED] == 1


def test_too_many_kinds_leave_out_those_with_the_fewest_jobs_and_say_how_many(bench: Bench) -> None:
    for queue, n in (("a", 1), ("b", 3), ("c", 2), ("d", 1)):
        for _ in range(n):
            bench.fail(bench.running(queue=queue))
    bench.fail(bench.running(queue="d"), retry_in=60)
    found = totals(bench, limit=2)
    assert [(each.queue, each.finished[State.FAILED], each.run.count) for each in found.kinds] == [("b", 3, 3), ("c", 2, 2)]
    assert found.kinds_left_out == 2
    assert found.retries == 1
