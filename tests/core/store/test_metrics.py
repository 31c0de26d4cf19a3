"""Throughput and latency, kept in few rows."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import Overview
from jobdeck.jobs import Completion


def run(bench: Bench, *, waited: float, took: float, fails: bool = False) -> None:
    """A job that waits and runs for so long."""
    bench.enqueue()
    bench.clock.advance(waited)
    (job,) = bench.claim()
    begun = bench.clock.now()
    bench.clock.advance(took)
    if fails:
        bench.fail(job)
    else:
        bench.store.complete_jobs([Completion(job, begun, bench.clock.now())])


def look(bench: Bench, seconds: float = 600, slots: int = 60) -> Overview:
    return bench.store.overview(seconds=seconds, slots=slots, lease=30)


def test_completed_and_failed_attempts_are_counted_in_their_slice(bench: Bench) -> None:
    run(bench, waited=0, took=1)
    run(bench, waited=0, took=1)
    run(bench, waited=0, took=1, fails=True)
    seen = look(bench)
    assert sum(slot.completed for slot in seen.slots) == 2
    assert sum(slot.failed for slot in seen.slots) == 1
    assert sum(slot.throughput * slot.seconds for slot in seen.slots) == pytest.approx(2)


def test_a_crash_counts_as_a_failure(bench: Bench) -> None:
    bench.running()
    bench.clock.advance(31)
    bench.store.rescue_jobs()
    assert sum(slot.failed for slot in look(bench).slots) == 1


def test_run_and_wait_times_come_back_within_a_tenth(bench: Bench) -> None:
    for _ in range(3):
        run(bench, waited=4.0, took=0.5)
    seen = look(bench)
    assert seen.run.count == 3
    assert seen.run.p50 == pytest.approx(0.5, rel=0.1)
    assert seen.wait.p99 == pytest.approx(4.0, rel=0.1)


def test_slices_follow_one_another_and_the_last_one_holds_now(bench: Bench) -> None:
    seen = look(bench)
    starts = [slot.at for slot in seen.slots]
    assert starts == [starts[0] + n * 10 for n in range(60)]
    assert starts[-1] <= seen.at < starts[-1] + 10


def test_what_happened_before_the_first_slice_is_left_out(bench: Bench) -> None:
    run(bench, waited=0, took=1)
    bench.clock.advance(700)
    seen = look(bench)
    assert (sum(slot.completed for slot in seen.slots), seen.run.count) == (0, 0)
    assert sum(slot.completed for slot in look(bench, seconds=3600).slots) == 1


def test_folding_old_metrics_loses_no_count(bench: Bench) -> None:
    for _ in range(20):
        run(bench, waited=1, took=2)
        bench.clock.advance(300)
    before = bench.rows("SELECT measure, bucket, sum(n) FROM jobdeck_metrics GROUP BY 1, 2 ORDER BY 1, 2")
    rows = bench.rows("SELECT count(*) FROM jobdeck_metrics")
    bench.clock.advance(3 * 86400)
    bench.store.care.prune_metrics()
    assert bench.rows("SELECT measure, bucket, sum(n) FROM jobdeck_metrics GROUP BY 1, 2 ORDER BY 1, 2") == before
    assert bench.rows("SELECT count(*) FROM jobdeck_metrics") < rows
    bench.store.care.prune_metrics()
    assert bench.rows("SELECT measure, bucket, sum(n) FROM jobdeck_metrics GROUP BY 1, 2 ORDER BY 1, 2") == before


def test_a_long_look_back_reads_the_folded_metrics(bench: Bench) -> None:
    run(bench, waited=0, took=1)
    bench.clock.advance(2 * 3600)
    bench.store.care.prune_metrics()
    assert sum(slot.completed for slot in look(bench, seconds=4 * 3600, slots=24).slots) == 1


def test_metrics_of_last_season_are_dropped(bench: Bench) -> None:
    run(bench, waited=0, took=1)
    bench.clock.advance(92 * 86400)
    bench.store.care.prune_metrics()
    assert bench.rows("SELECT * FROM jobdeck_metrics") == []


def test_pruning_metrics_keeps_the_depth_counters_right(bench: Bench) -> None:
    bench.enqueue(new(), new(queue="gone"))
    bench.complete(bench.claim(1, queues=("gone",))[0])
    bench.store.care.prune_metrics()
    bench.check_counters()


def test_a_year_of_work_takes_no_more_rows_than_a_season(bench: Bench) -> None:
    rows = []
    for quarter_day in range(4 * 365):
        run(bench, waited=quarter_day % 7, took=quarter_day % 11, fails=quarter_day % 5 == 0)
        bench.clock.advance(6 * 3600)
        bench.store.care.prune_metrics()
        ((n,),) = bench.rows("SELECT count(*) FROM jobdeck_metrics") if quarter_day % 40 == 0 else [(0,)]
        rows.append(n)
    assert max(rows[100 * 4 :]) <= max(rows[: 95 * 4]) + 10
    # An outcome, a run time and a wait for each six hours of ninety days, and the two fine days.
    assert max(rows) <= 3 * (4 * 90 + 8)
