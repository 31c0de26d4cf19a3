"""The statistics of each queue, read in one transaction."""

from __future__ import annotations

from tests.core.helpers import Bench, new

from jobdeck import QueueStats, State, WorkerInfo


def look(bench: Bench) -> dict[str, QueueStats]:
    return {each.info.name: each for each in bench.store.diagnostics.queue_stats(seconds=300, slices=30, lease=30)}


def report(bench: Bench, name: str, threads: int, queues: tuple[str, ...] = (), kinds: tuple[str, ...] = ()) -> None:
    bench.store.workers.report(
        WorkerInfo(
            id=name, host="h", pid=1, threads=threads, queues=queues, started_at=bench.clock.now(), heartbeat_at=0.0,
            draining=False, running=0, alive=True, kinds=kinds,
        )
    )  # fmt: skip


def test_an_empty_store_has_no_queue_stats(bench: Bench) -> None:
    assert look(bench) == {}


def test_waits_kinds_and_running_jobs_are_counted_per_queue(bench: Bench) -> None:
    bench.enqueue(new(queue="mail", kind="send"))
    bench.clock.advance(40)
    bench.enqueue(new(queue="mail", kind="news"), new(queue="img", kind="resize"))
    bench.claim(1, kinds=("resize",))
    bench.clock.advance(2)
    found = look(bench)
    assert found["mail"].oldest_wait == 42
    assert found["mail"].kinds == {"send": {State.PENDING: 1}, "news": {State.PENDING: 1}}
    assert (found["img"].oldest_wait, found["img"].running, found["img"].total.started) == (None, 1, 1)
    assert found["mail"].total.started == 0


def test_metrics_are_grouped_by_queue_and_slice(bench: Bench) -> None:
    for queue in ("mail", "img", "img"):
        bench.enqueue(new(queue=queue))
    for job in bench.claim(3):
        bench.clock.advance(30)
        bench.complete(job)
    found = look(bench)
    assert [sum(slot.completed for slot in found[name].slices) for name in ("mail", "img")] == [1, 2]
    assert sum(slot.completed > 0 for slot in found["img"].slices) == 2
    assert found["img"].total.completed == 2
    assert len(found["img"].slices) == 30


def test_the_depth_history_consists_of_the_samples_and_the_current_depth(bench: Bench) -> None:
    begun = bench.clock.now() // 60 * 60
    bench.enqueue(new(queue="mail"), new(queue="mail"))
    assert bench.store.metrics.sample_depths()
    bench.clock.advance(60)
    bench.enqueue(new(queue="img"))
    assert bench.store.metrics.sample_depths()
    bench.clock.advance(5)
    bench.enqueue(new(queue="img"))
    found = look(bench)
    assert found["mail"].depth_history == ((begun, 2), (begun + 60, 2), (bench.clock.now(), 2))
    assert found["img"].depth_history == ((begun, 0), (begun + 60, 1), (bench.clock.now(), 2))


def test_a_queue_is_served_by_the_workers_that_claim_its_jobs(bench: Bench) -> None:
    bench.enqueue(new(queue="mail", kind="send"), new(queue="img", kind="resize"))
    report(bench, "all", 4)
    report(bench, "mails only", 2, queues=("mail",))
    report(bench, "pictures", 3, kinds=("resize",))
    found = look(bench)
    assert [each.id for each in found["mail"].served_by] == ["all", "mails only"]
    assert found["img"].threads == 7
    bench.clock.advance(31)
    assert look(bench)["mail"].served_by == ()


def test_a_limited_queue_without_jobs_is_included(bench: Bench) -> None:
    bench.store.queues.pause("later")
    (found,) = look(bench).values()
    assert (found.info.name, found.info.paused, found.depth_history) == ("later", True, ((bench.clock.now(), 0),))
