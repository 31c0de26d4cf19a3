"""Throughput and latency, stored in few rows."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import Grouping, Overview
from jobdeck.model.attempt_result import Completed


def run(bench: Bench, *, waited: float, took: float, fails: bool = False) -> None:
    """Run a job with these wait and run times."""
    bench.enqueue()
    bench.clock.advance(waited)
    (job,) = bench.claim()
    begun = bench.clock.now()
    bench.clock.advance(took)
    if fails:
        bench.fail(job)
    else:
        bench.store.completer.complete([Completed(job, begun, bench.clock.now())])


def look(bench: Bench, seconds: float = 600, slots: int = 60) -> Overview:
    return bench.store.queries.overview(seconds=seconds, slices=slots, lease=30)


def test_completed_and_failed_attempts_are_counted_in_their_slice(bench: Bench) -> None:
    run(bench, waited=0, took=1)
    run(bench, waited=0, took=1)
    run(bench, waited=0, took=1, fails=True)
    seen = look(bench)
    assert sum(slot.completed for slot in seen.slices) == 2
    assert sum(slot.failed for slot in seen.slices) == 1
    assert sum(slot.throughput * slot.seconds for slot in seen.slices) == pytest.approx(2)


def test_a_crash_counts_as_a_failure(bench: Bench) -> None:
    bench.running()
    bench.clock.advance(31)
    bench.store.transitions.rescue()
    assert sum(slot.failed for slot in look(bench).slices) == 1


def test_run_and_wait_times_are_accurate_within_ten_percent(bench: Bench) -> None:
    for _ in range(3):
        run(bench, waited=4.0, took=0.5)
    seen = look(bench)
    assert seen.run.count == 3
    assert seen.run.p50 == pytest.approx(0.5, rel=0.1)
    assert seen.wait.p99 == pytest.approx(4.0, rel=0.1)


def test_slices_are_contiguous_and_the_last_one_contains_now(bench: Bench) -> None:
    seen = look(bench)
    starts = [slot.at for slot in seen.slices]
    assert starts == [starts[0] + n * 10 for n in range(60)]
    assert starts[-1] <= seen.at < starts[-1] + 10


def test_attempts_before_the_first_slice_are_excluded(bench: Bench) -> None:
    run(bench, waited=0, took=1)
    bench.clock.advance(700)
    seen = look(bench)
    assert (sum(slot.completed for slot in seen.slices), seen.run.count) == (0, 0)
    assert sum(slot.completed for slot in look(bench, seconds=3600).slices) == 1


def test_rolling_up_old_metrics_loses_no_count(bench: Bench) -> None:
    for _ in range(20):
        run(bench, waited=1, took=2)
        bench.clock.advance(300)
    before = bench.rows("SELECT measure, bucket, sum(n) FROM jobdeck_metrics GROUP BY 1, 2 ORDER BY 1, 2")
    rows = bench.rows("SELECT count(*) FROM jobdeck_metrics")
    bench.clock.advance(3 * 86400)
    bench.store.maintenance.prune_metrics()
    assert bench.rows("SELECT measure, bucket, sum(n) FROM jobdeck_metrics GROUP BY 1, 2 ORDER BY 1, 2") == before
    assert bench.rows("SELECT count(*) FROM jobdeck_metrics") < rows
    bench.store.maintenance.prune_metrics()
    assert bench.rows("SELECT measure, bucket, sum(n) FROM jobdeck_metrics GROUP BY 1, 2 ORDER BY 1, 2") == before


def test_a_long_range_includes_rolled_up_metrics(bench: Bench) -> None:
    run(bench, waited=0, took=1)
    bench.clock.advance(2 * 3600)
    bench.store.maintenance.prune_metrics()
    assert sum(slot.completed for slot in look(bench, seconds=4 * 3600, slots=24).slices) == 1


def test_metrics_older_than_a_season_are_deleted(bench: Bench) -> None:
    run(bench, waited=0, took=1)
    bench.clock.advance(92 * 86400)
    bench.store.maintenance.prune_metrics()
    assert bench.rows("SELECT * FROM jobdeck_metrics") == []


def test_pruning_metrics_keeps_the_depth_counters_right(bench: Bench) -> None:
    bench.enqueue(new(), new(queue="gone"))
    bench.complete(bench.claim(1, queues=("gone",))[0])
    bench.store.maintenance.prune_metrics()
    bench.check_counters()


def test_every_result_is_counted_by_its_outcome(bench: Bench) -> None:
    bench.complete(bench.running())
    bench.fail(bench.running(), retry_in=1)
    bench.fail(bench.running())
    bench.snooze(bench.running())
    bench.stop(bench.running())
    bench.release(bench.running(queue="given back"))
    bench.running(max_attempts=1)
    bench.claim()  # the released job
    bench.clock.advance(31)
    assert len(bench.store.transitions.rescue()) == 2
    total = bench.store.metrics.metrics(seconds=600, slices=60).total
    assert (total.completed, total.failed, total.retried, total.crashed) == (1, 4, 2, 2)
    assert (total.cancelled, total.snoozed, total.released, total.started) == (1, 1, 1, 8)
    assert total.failure_rate == pytest.approx(4 / 5)


def test_a_running_job_counts_as_started(bench: Bench) -> None:
    bench.enqueue()
    bench.clock.advance(7)
    bench.claim()
    bench.clock.advance(60)
    found = bench.store.metrics.metrics(seconds=600, slices=60)
    assert (found.total.started, found.total.completed) == (1, 0)
    assert found.total.wait.p50 == pytest.approx(7, rel=0.1)
    assert [slot.started for slot in found.slices[-7:-5]] == [1, 0]


def test_metrics_can_be_filtered_and_grouped_by_queue_and_kind(bench: Bench) -> None:
    for kind, queue, waited in (("a", "x", 1), ("b", "x", 4), ("b", "y", 16)):
        bench.enqueue(new(kind, queue))
        bench.clock.advance(waited)
        (job,) = bench.claim()
        bench.clock.advance(waited)
        bench.store.completer.complete([Completed(job, bench.clock.now() - waited, bench.clock.now())])
    measures = bench.store.metrics
    assert measures.metrics(seconds=60, slices=6, queue="x").total.completed == 2
    assert measures.metrics(seconds=60, slices=6, kind="b").total.run.p99 == pytest.approx(16, rel=0.1)
    assert measures.metrics(seconds=60, slices=6, kind="b", queue="x").total.wait.p99 == pytest.approx(4, rel=0.1)
    by_kind = measures.metrics(seconds=60, slices=6, by=Grouping.KIND).groups
    assert {name: slot.completed for name, slot in by_kind.items()} == {"a": 1, "b": 2}
    assert measures.metrics(seconds=60, slices=6, by=Grouping.QUEUE).groups["y"].wait.p50 == pytest.approx(16, rel=0.1)


@pytest.mark.parametrize("seconds", [600, 3600, 86400, 7 * 86400, 30 * 86400])
@pytest.mark.parametrize("slots", [7, 48, 60, 150])
def test_every_range_includes_rolled_up_metrics(bench: Bench, seconds: int, slots: int) -> None:
    steps = 20
    for _ in range(steps):
        run(bench, waited=1, took=2)
        bench.store.maintenance.prune_metrics()
        bench.clock.advance(seconds / steps - 3)
    found = bench.store.metrics.metrics(seconds=seconds, slices=slots)
    widths = {slot.seconds for slot in found.slices}
    assert len(widths) == 1
    assert len(found.slices) <= slots
    assert seconds <= len(found.slices) * widths.pop()
    assert sum(slot.completed for slot in found.slices) == found.total.completed == found.total.run.count
    # The first slice is shortened by the part that the last one still lacks.
    assert found.total.completed >= steps - 1 - steps * found.slices[0].seconds / seconds


def test_percentiles_survive_a_restart(bench: Bench) -> None:
    for took in (0.1, 0.2, 5.0):
        run(bench, waited=0, took=took)
    before = bench.store.metrics.metrics(seconds=3600, slices=60).total.run
    bench.store.close()
    bench.store = bench.open_again()
    assert bench.store.metrics.metrics(seconds=3600, slices=60).total.run == before
    assert before.p99 == pytest.approx(5.0, rel=0.1)
    bench.store.close()


def test_depth_is_sampled_once_a_minute_by_whichever_process(bench: Bench) -> None:
    bench.enqueue(new(queue="x"), new(queue="x"), new(queue="y"), new(queue="later", scheduled_at=bench.clock.now() + 999))
    bench.clock.advance(40)
    other = bench.open_again()
    assert bench.store.metrics.sample_depths()
    assert not other.metrics.sample_depths()
    assert not bench.store.metrics.sample_depths()
    other.close()
    bench.claim(3, queues=("x",))
    bench.clock.advance(60)
    assert bench.store.metrics.sample_depths()

    def told(queue: str | None) -> list[tuple[int | None, float | None]]:
        slots = bench.store.metrics.metrics(seconds=180, slices=3, queue=queue).slices
        return [(slot.depth, slot.oldest_wait) for slot in slots]

    assert told(None)[-2:] == [(3, 40.0), (1, 100.0)]
    assert told("x")[-2:] == [(2, 40.0), (0, 0.0)]
    assert told("y")[-2:] == [(1, 40.0), (1, 100.0)]
    assert told(None)[0] == (None, None)
    assert bench.store.metrics.metrics(seconds=180, slices=3).total.depth == 3


def test_the_oldest_wait_is_that_of_the_job_that_was_due_first(bench: Bench) -> None:
    first, second, _ = bench.enqueue(new(priority=-5), new(priority=3), new("other", "x"))
    bench.clock.advance(10)
    bench.store.jobs.cancel([first.id, second.id])
    bench.store.jobs.retry([first.id])  # due later than the other, although its id is the lowest
    bench.clock.advance(5)
    measures = bench.store.metrics
    assert measures.metrics(seconds=60, slices=6).oldest_wait == pytest.approx(15)
    assert measures.metrics(seconds=60, slices=6, queue="default").oldest_wait == pytest.approx(5)
    assert measures.metrics(seconds=60, slices=6, kind="demo.work").pending == 1
    assert measures.metrics(seconds=60, slices=6, queue="none").oldest_wait is None


def test_the_hourly_maximum_of_old_samples_is_kept(bench: Bench) -> None:
    bench.clock.advance(3600 - bench.clock.now() % 3600)
    for deep in (1, 5, 2):
        bench.enqueue(*[new() for _ in range(deep)])
        bench.store.metrics.sample_depths()
        for job in bench.claim(9):
            bench.complete(job)
        bench.clock.advance(60)
    bench.clock.advance(30 * 3600)
    bench.store.metrics.prune_depths()
    bench.store.metrics.prune_depths()
    assert bench.rows("SELECT slot % 3600, queue, pending FROM jobdeck_depths ORDER BY queue") == [
        (0, "", 5),
        (0, "default", 5),
    ]
    bench.clock.advance(91 * 86400)
    bench.store.metrics.prune_depths()
    assert bench.rows("SELECT * FROM jobdeck_depths") == []


def test_metrics_of_a_year_take_no_more_rows_than_of_a_season(bench: Bench) -> None:
    rows = []
    for quarter_day in range(4 * 365):
        run(bench, waited=quarter_day % 7, took=quarter_day % 11, fails=quarter_day % 5 == 0)
        bench.clock.advance(6 * 3600)
        bench.store.maintenance.prune_metrics()
        ((n,),) = bench.rows("SELECT count(*) FROM jobdeck_metrics") if quarter_day % 40 == 0 else [(0,)]
        rows.append(n)
    assert max(rows[100 * 4 :]) <= max(rows[: 95 * 4]) + 10
    # An outcome, a run time and a wait for each six hours of ninety days, and the two days at full resolution.
    assert max(rows) <= 3 * (4 * 90 + 8)


def test_each_group_lists_its_completed_attempts_in_each_slice(bench: Bench) -> None:
    def work(kind: str, n: int) -> None:
        bench.enqueue(*[new(kind) for _ in range(n)])
        for job in bench.claim(9, kinds=(kind,)):
            bench.complete(job)

    bench.clock.advance(10 - bench.clock.now() % 10)
    work("a", 3)
    bench.clock.advance(10)
    work("a", 1)
    bench.fail(bench.running(kind="b"))
    seen = bench.store.metrics.metrics(seconds=40, slices=4, by=Grouping.KIND)
    assert seen.completed == {"a": (0, 0, 3, 1), "b": (0, 0, 0, 0)}
    assert {name: sum(counts) for name, counts in seen.completed.items()} == {
        name: slot.completed for name, slot in seen.groups.items()
    }
    assert bench.store.metrics.metrics(seconds=40, slices=4, kind="a", by=Grouping.QUEUE).completed == {"default": (0, 0, 3, 1)}
    assert bench.store.metrics.metrics(seconds=40, slices=4).completed == {}
