"""Limits of queues and kinds apply to all processes together and keep the order of jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest
from tests.core.helpers import Bench, FakeClock, new, open_queue

from jobdeck import InvalidOption, Job, Limits, Registry, State, Worker, job


@pytest.fixture
def other(bench: Bench) -> Iterator[Bench]:
    """Return a second store, which acts like another process."""
    store = bench.open_again()
    yield Bench(store, bench.clock, bench.path)
    store.close()


def ids(jobs: list[Job]) -> list[int]:
    return [job.id for job in jobs]


def test_the_limit_of_a_queue_applies_to_all_processes_together(bench: Bench, other: Bench) -> None:
    bench.store.queues.set_limits("default", Limits(running=3))
    jobs = bench.enqueue(*[new() for _ in range(6)])
    first, second = bench.claim(2), other.claim(5, worker="w2")
    assert ids(first) + ids(second) == ids(jobs)[:3]
    assert bench.claim(5) == []
    bench.complete(first[0])
    bench.fail(second[0], retry_in=5)
    assert ids(other.claim(5, worker="w2")) == ids(jobs)[3:5]
    bench.check_counters()


def test_the_limit_of_a_kind_applies_to_all_queues_together(bench: Bench, other: Bench) -> None:
    jobs = bench.enqueue(*[new("demo.slow", queue) for queue in ("a", "b", "a", "b")], new("demo.other"))
    limits = {"demo.slow": 2}
    claimed = bench.claim(4, limits=limits)
    assert ids(claimed) == [jobs[0].id, jobs[1].id, jobs[4].id]
    assert other.claim(4, worker="w2", limits=limits) == []
    bench.complete(claimed[1])
    assert ids(other.claim(4, worker="w2", limits=limits)) == [jobs[2].id]


def test_jobs_held_back_by_a_limit_do_not_block_later_jobs(bench: Bench) -> None:
    bench.store.queues.set_limits("a", Limits(running=1))
    bench.store.queues.set_limits("b", Limits(running=1))
    crowd = bench.enqueue(*[new(queue="a", priority=9) for _ in range(20)], *[new(queue="b", priority=8) for _ in range(20)])
    last = bench.enqueue(*[new(queue="c") for _ in range(5)])
    assert ids(bench.claim(4)) == [crowd[0].id, crowd[20].id, last[0].id, last[1].id]
    bench.check_counters()


def test_the_order_is_kept_among_jobs_that_are_not_held_back(bench: Bench) -> None:
    bench.store.queues.set_limits("a", Limits(running=2))
    jobs = bench.enqueue(*[new(queue="ab"[n % 2], priority=-n) for n in range(8)])
    assert ids(bench.claim(8)) == [jobs[n].id for n in (0, 1, 2, 3, 5, 7)]


def test_the_rate_limit_applies_to_any_period_and_all_processes_together(bench: Bench, other: Bench, clock: FakeClock) -> None:
    bench.store.queues.set_limits("default", Limits(rate=3, period=10.0))
    bench.enqueue(*[new() for _ in range(40)])
    started: list[float] = []
    for step in range(200):  # at irregular times, alternating, and more often than the limit allows
        clock.advance((0.37, 0.11, 1.3)[step % 3])
        taken = (bench, other)[step % 2].claim(1 + step % 3, worker=f"w{step % 2}")
        started += [clock.monotonic()] * len(taken)
        for each in taken:
            bench.complete(each)
    assert all(after - before >= 10.0 for before, after in zip(started, started[3:], strict=False))
    # Nor fewer: the third job after one starts with the next claim after the period.
    assert all(after - before <= 10.0 + 3 for before, after in zip(started, started[3:], strict=False))
    assert len(started) > 30


def test_a_claim_returns_when_to_retry(bench: Bench, clock: FakeClock) -> None:
    bench.store.queues.set_limits("default", Limits(rate=2, period=60.0))
    bench.enqueue(*[new() for _ in range(4)])
    assert bench.claim(1).retry_after == inf
    clock.advance(20)
    full = bench.claim(3)
    assert len(full) == 1
    assert full.retry_after == pytest.approx(40)
    clock.advance(39)
    early = bench.claim(3)
    assert (list(early), early.retry_after) == ([], pytest.approx(1))
    clock.advance(1)
    assert len(bench.claim(3)) == 1


def test_a_limit_that_holds_nothing_back_requests_no_retry(bench: Bench) -> None:
    bench.store.queues.set_limits("default", Limits(running=1, rate=1, period=60.0))
    bench.enqueue(new(), new(queue="free"))
    assert len(bench.claim(2)) == 2
    assert bench.claim(2).retry_after == inf


def test_if_running_jobs_hold_others_back_the_retry_is_soon(bench: Bench) -> None:
    bench.store.queues.set_limits("default", Limits(running=1))
    bench.enqueue(new(), new())
    bench.claim()
    assert 0 < bench.claim().retry_after <= 0.25


def test_a_paused_queue_requests_no_retry(bench: Bench) -> None:
    bench.store.queues.set_limits("default", Limits(running=1))
    bench.store.queues.pause("default")
    bench.enqueue()
    assert bench.claim().retry_after == inf


def test_jobs_of_a_queue_with_a_rate_limit_are_not_prefetched(bench: Bench) -> None:
    bench.store.queues.set_limits("default", Limits(rate=5, period=60.0))
    bench.enqueue(*[new() for _ in range(5)])
    assert len(bench.claim(2, ahead=10)) == 2


def test_limits_survive_a_pause_and_changes_apply_at_once(bench: Bench) -> None:
    bench.store.queues.set_limits("default", Limits(running=1, rate=5, period=2.0))
    bench.store.queues.pause("default")
    bench.store.queues.resume("default")
    (info,) = bench.store.queries.queues()
    assert (info.limits, info.paused) == (Limits(running=1, rate=5, period=2.0), False)
    bench.enqueue(new(), new(), new())
    assert len(bench.claim(3)) == 1
    bench.store.queues.pause("default")
    bench.store.queues.set_limits("default", Limits(running=2))
    assert bench.claim(3) == []
    bench.store.queues.resume("default")
    assert len(bench.claim(3)) == 1
    bench.store.queues.set_limits("default", Limits())
    assert len(bench.claim(3)) == 1


def test_a_crashed_job_frees_its_place_in_the_limit(bench: Bench) -> None:
    bench.store.queues.set_limits("default", Limits(running=1))
    bench.enqueue(new(), new())
    (job,) = bench.claim()
    bench.crash(job)
    assert len(bench.claim(2)) == 1


@pytest.mark.parametrize("bad", [{"running": 0}, {"rate": 0}, {"period": 1.0}, {"rate": 1, "period": 0.0}, {"rate": 1.5}])
def test_limits_out_of_range_are_refused(tmp_path: Path, bad: dict[str, object]) -> None:
    with open_queue(tmp_path / "jobs.db") as queue, pytest.raises(InvalidOption):
        queue.limits.set("default", **bad)  # type: ignore[arg-type]


def test_two_workers_respect_a_limit_together(tmp_path: Path) -> None:
    known, guard, now = Registry(), threading.Lock(), [0]
    most: list[int] = []

    @job(name="one", concurrency=1, queue="one", registry=known)
    def one() -> None:
        with guard:
            now[0] += 1
            most.append(now[0])
        threading.Event().wait(0.002)
        with guard:
            now[0] -= 1

    with open_queue(tmp_path / "jobs.db", known) as queue, open_queue(tmp_path / "jobs.db", known) as second:
        jobs: list[Job] = [queue.enqueue("one") for _ in range(20)]
        with Worker(queue, threads=3), Worker(second, threads=3):
            assert {queue.wait(each.id, timeout=20, every=0.01).state for each in jobs} == {State.COMPLETED}
    assert max(most) == 1


def test_a_queue_shows_its_limits(tmp_path: Path) -> None:
    with open_queue(tmp_path / "jobs.db") as queue:
        queue.limits.set("mail", running=2, rate=10)
        (info,) = queue.queues()
        assert (info.name, info.limits) == ("mail", Limits(running=2, rate=10, period=1.0))
        queue.limits.set("mail")
        assert list(queue.queues()) == []
