"""The forecast of when a queue will be empty, made only if it can be known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobdeck import Limits, QueueInfo, QueueStats, State, TimeSlice, Trend, WorkerInfo, forecast
from jobdeck.model.forecast import depth_change, find_serving_workers, start_rate

NOW = 1000.0
UNLIMITED = Limits()


def worker(threads: int = 4, *, queues: tuple[str, ...] = (), kinds: tuple[str, ...] = (), **more: Any) -> WorkerInfo:
    given: dict[str, Any] = {"started_at": 0.0, "draining": False, "running": 0, "alive": True, **more}
    return WorkerInfo(id="w", host="h", pid=1, threads=threads, queues=queues, kinds=kinds, heartbeat_at=NOW, **given)


def backlog(
    ready: int,
    *,
    started: float = 0.0,
    trail: tuple[tuple[float, int], ...] = (),
    running: int = 0,
    limits: Limits = UNLIMITED,
    oldest: float | None = 60.0,
    workers: tuple[WorkerInfo, ...] = (worker(),),
    paused: bool = False,
    kinds: tuple[str, ...] = ("k",),
) -> QueueStats:
    """Return a queue in which `started` jobs per second were started in the last five minutes."""
    counts = {State.PENDING: ready, State.RUNNING: running}
    slots = tuple(TimeSlice(at=NOW - 300 + 10 * n, seconds=10, started=round(started * 10)) for n in range(30))
    return QueueStats(
        at=NOW,
        info=QueueInfo(name="q", counts=counts, paused_at=1.0 if paused else None, limits=limits),
        slices=slots,
        total=TimeSlice(at=NOW - 300, seconds=300),
        oldest_wait=oldest if ready else None,
        kinds={kind: {State.PENDING: ready // len(kinds)} for kind in kinds},
        served_by=workers,
        depth_history=(*trail, (NOW, ready)),
    )


def test_a_draining_queue_is_empty_after_its_depth_divided_by_its_rate() -> None:
    told = forecast(backlog(1200, started=10, trail=((NOW - 120, 2400), (NOW - 60, 1800))))
    assert told.trend is Trend.DRAINING
    assert told.empty_in == pytest.approx(120)
    assert told.growth == pytest.approx(-10)


def test_a_queue_grows_by_the_difference_of_arrivals_and_starts() -> None:
    told = forecast(backlog(1200, started=10, trail=((NOW - 120, 240), (NOW - 60, 720))))
    assert (told.trend, told.empty_in) == (Trend.GROWING, None)
    assert told.growth == pytest.approx(8)


def test_random_fluctuation_is_not_a_trend() -> None:
    """10 jobs per second arrive and start: 1200 in two minutes, plus or minus 70."""
    for before in (960, 1040):
        assert forecast(backlog(1000, started=10, trail=((NOW - 120, before), (NOW - 60, 1000)))).trend is Trend.STEADY
    assert forecast(backlog(1000, started=10, trail=((NOW - 120, 1100), (NOW - 60, 1050)))).trend is Trend.DRAINING


def test_without_arrivals_each_started_job_counts() -> None:
    told = forecast(backlog(6, started=0.1, trail=((NOW - 120, 18), (NOW - 60, 12))))
    assert told.trend is Trend.DRAINING
    assert told.empty_in == pytest.approx(60)


def test_a_burst_drains_and_is_not_growth() -> None:
    burst = ((NOW - 110, 0), (NOW - 100, 10_000), (NOW - 60, 9600), (NOW - 20, 9200))
    told = forecast(backlog(9000, started=10, trail=burst))
    assert told.trend is Trend.DRAINING
    assert told.empty_in == pytest.approx(900)
    just_now = ((NOW - 110, 0), (NOW - 15, 0), (NOW - 5, 9050))
    told = forecast(backlog(9000, started=10, trail=just_now))
    assert (told.trend, told.growth, told.reason) == (Trend.DRAINING, None, "if no more jobs arrive")
    assert told.empty_in == pytest.approx(900, rel=0.1)


def test_arrivals_between_two_samples_far_apart_are_not_a_burst() -> None:
    told = forecast(backlog(250, started=1.2, trail=((NOW - 67, 200), (NOW - 7, 252))))
    assert told.trend is Trend.GROWING


def test_repeated_small_bursts_are_a_rate() -> None:
    waves = tuple((NOW - 120 + 10 * n, 500 + 40 * n) for n in range(12))
    assert forecast(backlog(980, started=2, trail=waves)).trend is Trend.GROWING


def test_with_too_few_samples_only_the_starts_count() -> None:
    assert depth_change([(NOW - 10, 5), (NOW, 4)]) is None
    assert depth_change([(NOW, 4)]) is None
    told = forecast(backlog(600, started=10))
    assert (told.trend, told.reason) == (Trend.DRAINING, "if no more jobs arrive")
    assert told.empty_in == pytest.approx(60, rel=0.1)


def test_minutes_in_which_an_idle_queue_had_no_jobs_do_not_count() -> None:
    burst = backlog(600, oldest=20.0)
    slots = [replace(each, started=100 if each.at >= NOW - 20 else 0) for each in burst.slices]
    told = forecast(replace(burst, slices=tuple(slots)))
    assert (told.trend, told.reason) == (Trend.DRAINING, "if no more jobs arrive")
    assert told.empty_in == pytest.approx(60)


def test_minutes_in_which_jobs_waited_and_none_started_count() -> None:
    stuck = backlog(600, oldest=200.0)
    slots = [replace(each, started=100 if each.at >= NOW - 20 else 0) for each in stuck.slices]
    assert start_rate(replace(stuck, slices=tuple(slots))) == pytest.approx(200 / 120)


def test_more_frequent_samples_take_precedence() -> None:
    coarse = backlog(600, started=10, trail=((NOW - 60, 600),))
    assert forecast(coarse).trend is Trend.STEADY
    assert forecast(coarse, ((NOW - 30, 900), (NOW, 600))).empty_in == pytest.approx(60)


def test_a_queue_that_starts_its_jobs_within_seconds_keeps_up_unless_one_waits_long() -> None:
    assert forecast(backlog(40, started=10, oldest=2.0)).trend is Trend.KEEPS_UP
    assert forecast(backlog(40, started=10, oldest=400.0)).trend is not Trend.KEEPS_UP


def test_an_empty_queue_is_empty_and_a_paused_one_is_paused() -> None:
    assert forecast(backlog(0, started=10)).empty_in == 0
    assert forecast(backlog(0)).trend is Trend.EMPTY
    assert forecast(backlog(50, started=10, paused=True)).trend is Trend.PAUSED
    assert forecast(backlog(50, started=10, paused=True)).empty_in is None


@pytest.mark.parametrize(
    ("queue", "why"),
    [
        (backlog(50, started=10, workers=()), "no worker serves it"),
        (backlog(50, limits=Limits(running=2), running=2), "its limit of 2 at once is reached"),
        (backlog(50, running=4, workers=(worker(4, running=4),)), "all threads are busy"),
        (backlog(50, limits=Limits(rate=1, period=3600)), "its rate limit is reached"),
        (backlog(50, workers=(worker(kinds=("other",)),)), "no worker knows its kinds"),
        (backlog(50), "no job has started"),
    ],
)
def test_a_queue_that_starts_no_jobs_is_stalled_for_a_reason(queue: QueueStats, why: str) -> None:
    told = forecast(queue)
    assert (told.trend, told.reason, told.empty_in) == (Trend.STALLED, why, None)


def test_a_queue_is_not_stalled_if_its_job_has_just_arrived() -> None:
    assert forecast(backlog(1, oldest=0.5)).trend is Trend.KEEPS_UP
    assert forecast(backlog(1, oldest=60.0)).trend is Trend.STALLED


def test_the_rate_counts_from_the_start_of_the_workers() -> None:
    slots = (TimeSlice(at=NOW - 20, seconds=10, started=0), TimeSlice(at=NOW - 10, seconds=10, started=100))
    fresh = backlog(500, workers=(worker(started_at=NOW - 10),))
    fresh = QueueStats(at=NOW, info=fresh.info, slices=slots, total=fresh.total, served_by=fresh.served_by)
    assert start_rate(fresh) == pytest.approx(10)


def test_the_capacity_is_bounded_by_limit_and_threads() -> None:
    assert backlog(1).capacity == 4
    assert backlog(1, limits=Limits(running=2)).capacity == 2
    assert backlog(1, limits=Limits(running=100)).capacity == 4
    assert backlog(1, limits=Limits(running=3), workers=()).capacity == 3


def test_a_queue_is_served_by_workers_that_claim_some_of_its_ready_jobs() -> None:
    kinds = {"mail": {State.PENDING: 3}, "img": {State.COMPLETED: 9}}
    mailer, painter = worker(kinds=("mail",)), worker(kinds=("img",))
    elsewhere, silent, ending = worker(queues=("other",)), worker(alive=False), worker(draining=True)
    assert find_serving_workers([mailer, painter, elsewhere, silent, ending], "q", kinds, NOW) == [mailer]
    assert find_serving_workers([mailer, painter], "q", {"img": {State.COMPLETED: 9}}, NOW) == [painter]
    assert find_serving_workers([worker(queues=("q",)), elsewhere], "q", {}, NOW) == [worker(queues=("q",))]


def test_ready_jobs_of_kinds_that_no_worker_knows_are_counted() -> None:
    mixed = backlog(10, kinds=("mail", "img"), workers=(worker(kinds=("mail",)),))
    assert mixed.unserved == {"img": 5}
    assert backlog(10).unserved == {}
