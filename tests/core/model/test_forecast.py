"""When a queue will be empty, said only where it can be known."""

from __future__ import annotations

from typing import Any

import pytest

from jobdeck import Backlog, Limits, Outlook, QueueInfo, Slot, State, WorkerInfo, forecast
from jobdeck.model.forecast import pace_of, served_by, started_a_second

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
) -> Backlog:
    """A queue of which `started` jobs a second were started in the last five minutes."""
    counts = {State.PENDING: ready, State.RUNNING: running}
    slots = tuple(Slot(at=NOW - 300 + 10 * n, seconds=10, started=round(started * 10)) for n in range(30))
    return Backlog(
        at=NOW,
        info=QueueInfo(name="q", counts=counts, paused_at=1.0 if paused else None, limits=limits),
        slots=slots,
        total=Slot(at=NOW - 300, seconds=300),
        oldest=oldest if ready else None,
        kinds={kind: {State.PENDING: ready // len(kinds)} for kind in kinds},
        served_by=workers,
        trail=(*trail, (NOW, ready)),
    )


def test_a_queue_that_falls_is_empty_in_what_is_left_by_how_fast_it_falls() -> None:
    told = forecast(backlog(1200, started=10, trail=((NOW - 120, 2400), (NOW - 60, 1800))))
    assert told.outlook is Outlook.DRAINING
    assert told.empty_in == pytest.approx(120)
    assert told.growth == pytest.approx(-10)


def test_a_queue_into_which_more_comes_than_is_started_grows_by_the_difference() -> None:
    told = forecast(backlog(1200, started=10, trail=((NOW - 120, 240), (NOW - 60, 720))))
    assert (told.outlook, told.empty_in) == (Outlook.GROWING, None)
    assert told.growth == pytest.approx(8)


def test_what_chance_may_do_is_no_trend() -> None:
    """10 a second come and go: 1200 in two minutes, give or take 70."""
    for before in (960, 1040):
        assert forecast(backlog(1000, started=10, trail=((NOW - 120, before), (NOW - 60, 1000)))).outlook is Outlook.STEADY
    assert forecast(backlog(1000, started=10, trail=((NOW - 120, 1100), (NOW - 60, 1050)))).outlook is Outlook.DRAINING


def test_where_nothing_came_every_job_less_counts() -> None:
    told = forecast(backlog(6, started=0.1, trail=((NOW - 120, 18), (NOW - 60, 12))))
    assert told.outlook is Outlook.DRAINING
    assert told.empty_in == pytest.approx(60)


def test_a_heap_that_came_at_once_is_worked_off_and_no_growth() -> None:
    heap = ((NOW - 110, 0), (NOW - 100, 10_000), (NOW - 60, 9600), (NOW - 20, 9200))
    told = forecast(backlog(9000, started=10, trail=heap))
    assert told.outlook is Outlook.DRAINING
    assert told.empty_in == pytest.approx(900)
    just_now = ((NOW - 110, 0), (NOW - 15, 0), (NOW - 5, 9050))
    told = forecast(backlog(9000, started=10, trail=just_now))
    assert (told.outlook, told.growth, told.why) == (Outlook.DRAINING, None, "if nothing more comes")
    assert told.empty_in == pytest.approx(900, rel=0.1)


def test_what_came_between_two_looks_far_apart_may_have_come_one_by_one() -> None:
    told = forecast(backlog(250, started=1.2, trail=((NOW - 67, 200), (NOW - 7, 252))))
    assert told.outlook is Outlook.GROWING


def test_small_heaps_again_and_again_are_a_pace() -> None:
    waves = tuple((NOW - 120 + 10 * n, 500 + 40 * n) for n in range(12))
    assert forecast(backlog(980, started=2, trail=waves)).outlook is Outlook.GROWING


def test_nobody_has_watched_long_enough_so_that_it_goes_by_the_starts_alone() -> None:
    assert pace_of([(NOW - 10, 5), (NOW, 4)]) is None
    assert pace_of([(NOW, 4)]) is None
    told = forecast(backlog(600, started=10))
    assert (told.outlook, told.why) == (Outlook.DRAINING, "if nothing more comes")
    assert told.empty_in == pytest.approx(60, rel=0.1)


def test_watching_more_closely_than_the_samples_is_believed() -> None:
    coarse = backlog(600, started=10, trail=((NOW - 60, 600),))
    assert forecast(coarse).outlook is Outlook.STEADY
    assert forecast(coarse, ((NOW - 30, 900), (NOW, 600))).empty_in == pytest.approx(60)


def test_what_is_worked_off_within_moments_keeps_up_unless_something_is_left_lying() -> None:
    assert forecast(backlog(40, started=10, oldest=2.0)).outlook is Outlook.KEEPS_UP
    assert forecast(backlog(40, started=10, oldest=400.0)).outlook is not Outlook.KEEPS_UP


def test_an_empty_queue_is_empty_and_a_paused_one_is_paused() -> None:
    assert forecast(backlog(0, started=10)).empty_in == 0
    assert forecast(backlog(0)).outlook is Outlook.EMPTY
    assert forecast(backlog(50, started=10, paused=True)).outlook is Outlook.PAUSED
    assert forecast(backlog(50, started=10, paused=True)).empty_in is None


@pytest.mark.parametrize(
    ("queue", "why"),
    [
        (backlog(50, started=10, workers=()), "no worker serves it"),
        (backlog(50, limits=Limits(running=2), running=2), "2 at once are running"),
        (backlog(50, running=4, workers=(worker(4, running=4),)), "every thread is busy"),
        (backlog(50, limits=Limits(rate=1, period=3600)), "its rate is used up"),
        (backlog(50, workers=(worker(kinds=("other",)),)), "no worker knows its kinds"),
        (backlog(50), "nothing has started"),
    ],
)
def test_a_queue_from_which_nothing_starts_stands_still_and_says_why(queue: Backlog, why: str) -> None:
    told = forecast(queue)
    assert (told.outlook, told.why, told.empty_in) == (Outlook.STILL, why, None)


def test_a_job_that_has_just_come_to_a_quiet_queue_does_not_stand_still() -> None:
    assert forecast(backlog(1, oldest=0.5)).outlook is Outlook.KEEPS_UP
    assert forecast(backlog(1, oldest=60.0)).outlook is Outlook.STILL


def test_the_pace_is_that_since_the_workers_began() -> None:
    slots = (Slot(at=NOW - 20, seconds=10, started=0), Slot(at=NOW - 10, seconds=10, started=100))
    fresh = backlog(500, workers=(worker(started_at=NOW - 10),))
    fresh = Backlog(at=NOW, info=fresh.info, slots=slots, total=fresh.total, served_by=fresh.served_by)
    assert started_a_second(fresh) == pytest.approx(10)


def test_the_room_is_what_limit_and_threads_allow() -> None:
    assert backlog(1).room == 4
    assert backlog(1, limits=Limits(running=2)).room == 2
    assert backlog(1, limits=Limits(running=100)).room == 4
    assert backlog(1, limits=Limits(running=3), workers=()).room == 3


def test_a_queue_is_served_by_those_who_take_something_of_what_is_ready() -> None:
    kinds = {"mail": {State.PENDING: 3}, "img": {State.COMPLETED: 9}}
    mailer, painter = worker(kinds=("mail",)), worker(kinds=("img",))
    elsewhere, silent, ending = worker(queues=("other",)), worker(alive=False), worker(draining=True)
    assert served_by([mailer, painter, elsewhere, silent, ending], "q", kinds, NOW) == [mailer]
    assert served_by([mailer, painter], "q", {"img": {State.COMPLETED: 9}}, NOW) == [painter]
    assert served_by([worker(queues=("q",)), elsewhere], "q", {}, NOW) == [worker(queues=("q",))]


def test_ready_jobs_of_kinds_that_nobody_knows_are_counted() -> None:
    mixed = backlog(10, kinds=("mail", "img"), workers=(worker(kinds=("mail",)),))
    assert mixed.unserved == {"img": 5}
    assert backlog(10).unserved == {}
