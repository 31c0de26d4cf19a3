"""Operations on schedules, and workers that enqueue their jobs, in one process and in several."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.helpers import NOON, FakeClock, open_queue, registry, wait_until

from jobdeck import (
    InvalidArguments,
    InvalidCron,
    InvalidOption,
    Queue,
    ScheduleExists,
    ScheduleNotFound,
    Settings,
    State,
    UnknownKind,
    Worker,
)
from jobdeck.maintenance.loop import MaintenanceLoop
from jobdeck.scheduling.ticker import enqueue_due

HOUR = 3600.0
START = NOON - NOON % (24 * HOUR)
"""A midnight, UTC."""


def mail(to: str, count: int = 1) -> None: ...


def stamp() -> None: ...


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> Iterator[Queue]:
    clock.wall = START
    with Queue(
        tmp_path / "jobs.db", registry=registry(mail=mail, stamp=stamp), settings=Settings(synchronous="OFF"), clock=clock
    ) as opened:
        yield opened


def tick(queue: Queue) -> int:
    """Run the due tasks and return the number of jobs enqueued."""
    before = queue.count()
    enqueue_due(queue.store, queue.clock)
    return queue.count() - before


def test_a_schedule_uses_the_defaults_of_its_kind_and_the_settings(queue: Queue) -> None:
    made = queue.schedules.add("nightly", "0 3 * * *", mail, {"to": "ann"}, timezone="Europe/Berlin")
    assert (made.kind, made.args, made.queue, made.max_attempts, made.timeout) == ("mail", {"to": "ann"},
                                                                                 "default", 5, None)  # fmt: skip
    assert (made.next_at, made.created_at) == (START + HOUR, START)  # Berlin is on summer time
    assert queue.schedules.get("nightly") == made
    assert list(queue.schedules.list()) == [made]


def test_the_jobs_of_a_schedule_are_found_by_its_name(queue: Queue, clock: FakeClock) -> None:
    queue.schedules.add("shop/nightly", "@hourly", "stamp", tags=("x",))
    clock.advance(HOUR)
    tick(queue)
    (job,) = queue.list("tag:schedule:shop/nightly")
    assert job.tags == ("x", "schedule:shop/nightly")


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"cron": "61 * * * *"}, InvalidCron, "minute '61'"),
        ({"timezone": "Mars/Phobos"}, InvalidOption, "timezone"),
        ({"args": {"to": "ann", "too": 1}}, InvalidArguments, "'too'"),
        ({"kind": "nosuch"}, UnknownKind, "nosuch"),
        ({"queue": ""}, InvalidOption, "queue"),
        ({"priority": 10**9}, InvalidOption, "priority"),
        ({"tags": ("",)}, InvalidOption, "tag"),
        ({"name": ""}, InvalidOption, "name of a schedule"),
        ({"name": "-x"}, InvalidOption, "name of a schedule"),
        ({"name": "a b"}, InvalidOption, "name of a schedule"),
        ({"name": "a" * 101}, InvalidOption, "name of a schedule"),
        ({"name": "\x1b[2J"}, InvalidOption, "name of a schedule"),
    ],
)
def test_an_invalid_schedule_is_refused_by_name(queue: Queue, given: dict[str, Any], error: type[Exception], told: str) -> None:
    options: dict[str, Any] = {"name": "s", "cron": "@daily", "kind": "mail", "args": {"to": "ann"}} | given
    where = [options.pop(part) for part in ("name", "cron", "kind", "args")]
    with pytest.raises(error, match=told):
        queue.schedules.add(*where, **options)
    assert not queue.schedules.list()


def test_a_taken_name_is_refused_without_replace(queue: Queue, clock: FakeClock) -> None:
    queue.schedules.add("s", "@hourly", "mail", {"to": "ann"}, priority=3)
    with pytest.raises(ScheduleExists, match="'s' already"):
        queue.schedules.add("s", "@daily", "stamp")
    queue.schedules.run("s")
    queue.schedules.pause("s")
    clock.advance(0.5 * HOUR)
    replaced = queue.schedules.add("s", "@daily", "stamp", replace=True)
    assert (replaced.cron, replaced.kind, replaced.args, replaced.priority) == ("@daily", "stamp", {}, 0)
    assert (replaced.paused, replaced.last_job, replaced.created_at) == (True, 1, START)
    assert replaced.next_at == START + 24 * HOUR
    assert queue.schedules.add("new", "@daily", "stamp", replace=True).next_at == START + 24 * HOUR


def test_replacing_a_schedule_at_each_deployment_loses_no_tick(queue: Queue, clock: FakeClock) -> None:
    queue.schedules.add("s", "@hourly", "stamp")
    clock.advance(1.5 * HOUR)
    queue.schedules.add("s", "@hourly", "stamp", replace=True)
    assert tick(queue) == 1


def test_ticks_missed_during_a_pause_are_skipped(queue: Queue, clock: FakeClock) -> None:
    queue.schedules.add("s", "@hourly", "stamp")
    assert queue.schedules.pause("s")
    assert not queue.schedules.pause("s")
    clock.advance(3.5 * HOUR)
    assert tick(queue) == 0
    assert queue.schedules.resume("s")
    assert not queue.schedules.resume("s")
    assert tick(queue) == 0
    assert queue.schedules.get("s").next_at == START + 4 * HOUR
    clock.advance(0.5 * HOUR)
    assert tick(queue) == 1


def test_an_edit_changes_only_the_given_options(queue: Queue, clock: FakeClock) -> None:
    before = queue.schedules.add("s", "@daily", "mail", {"to": "ann"}, timeout=9, tags=("x",), priority=4)
    clock.advance(60)
    edited = queue.schedules.edit("s", queue="mail")
    assert (edited.queue, edited.args, edited.timeout, edited.tags) == ("mail", {"to": "ann"}, 9, ("x",))
    assert (edited.priority, edited.next_at, edited.created_at) == (4, before.next_at, before.created_at)
    edited = queue.schedules.edit("s", args={"to": "bob"}, timeout=0, tags=(), priority=0, max_attempts=1)
    assert (edited.args, edited.timeout, edited.tags) == ({"to": "bob"}, None, ())
    assert (edited.priority, edited.max_attempts, edited.queue, edited.next_at) == (0, 1, "mail", before.next_at)
    edited = queue.schedules.edit("s", kind="stamp", args={})
    assert (edited.kind, edited.args, edited.cron) == ("stamp", {}, "@daily")


def test_an_edited_time_applies_from_now_on(queue: Queue, clock: FakeClock) -> None:
    queue.schedules.add("s", "0 3 * * *", "stamp")
    clock.advance(5 * HOUR)
    edited = queue.schedules.edit("s", cron="0 4 * * *")
    assert edited.next_at == START + 28 * HOUR
    assert tick(queue) == 0
    assert queue.schedules.edit("s", timezone="America/New_York").next_at == START + 8 * HOUR
    assert queue.schedules.get("s").cron == "0 4 * * *"


def test_a_refused_edit_changes_nothing(queue: Queue) -> None:
    before = queue.schedules.add("s", "@daily", "mail", {"to": "ann"})
    changes: list[dict[str, Any]] = [
        {"queue": "q", "cron": "nonsense"}, {"queue": "q", "timezone": "x"}, {"args": {"to": 5}}, {"kind": "stamp"},
        {"max_attempts": 0}, {"timeout": -1},
    ]  # fmt: skip
    for change in changes:
        with pytest.raises((InvalidOption, InvalidArguments)):
            queue.schedules.edit("s", **change)
    assert queue.schedules.get("s") == before


def test_a_process_without_the_kind_can_still_edit_and_enqueue(queue: Queue, tmp_path: Path) -> None:
    queue.schedules.add("s", "@daily", "mail", {"to": "ann"})
    with Queue(tmp_path / "jobs.db", registry=registry(), clock=queue.clock, settings=queue.settings) as stranger:
        assert stranger.schedules.edit("s", cron="@hourly", priority=2).priority == 2
        with pytest.raises(UnknownKind):
            stranger.schedules.edit("s", args={"to": "bob"})
        assert stranger.schedules.run("s").args == {"to": "ann"}


def test_an_edit_repairs_a_schedule_whose_row_is_invalid(queue: Queue, clock: FakeClock) -> None:
    made = queue.schedules.add("s", "@hourly", "stamp")
    with queue.transaction():
        seen = queue.store.schedules.get(made.name)
        assert seen is not None
        assert queue.store.schedules.record_error(seen, "some reason", START + 60)
    assert queue.schedules.get("s").error == "some reason"
    edited = queue.schedules.edit("s", cron="@hourly")
    assert (edited.error, edited.next_at) == (None, START + HOUR)


def test_run_enqueues_now_even_if_paused_and_keeps_the_next_tick(queue: Queue, clock: FakeClock) -> None:
    queue.schedules.add("s", "@hourly", "stamp", queue="q")
    queue.schedules.pause("s")
    clock.advance(60)
    job = queue.schedules.run("s")
    assert (job.kind, job.queue, job.state, job.tags) == ("stamp", "q", State.PENDING, ("schedule:s",))
    after = queue.schedules.get("s")
    assert (after.last_job, after.last_at, after.next_at, after.paused) == (job.id, START + 60, START + HOUR, True)


def test_deleting_a_schedule_keeps_its_jobs(queue: Queue, clock: FakeClock) -> None:
    queue.schedules.add("s", "@hourly", "stamp")
    job = queue.schedules.run("s")
    queue.schedules.delete("s")
    clock.advance(HOUR)
    assert tick(queue) == 0
    assert queue.get(job.id).state is State.PENDING


def test_an_unknown_schedule_is_refused_by_name(queue: Queue) -> None:
    schedules = queue.schedules
    for act in (schedules.get, schedules.edit, schedules.pause, schedules.resume, schedules.run, schedules.delete):
        with pytest.raises(ScheduleNotFound, match="Schedule 'nosuch' does not exist"):
            act("nosuch")


def test_a_preview_needs_no_schedule(queue: Queue) -> None:
    assert queue.schedules.preview("0 3 * * *", n=2) == (START + 3 * HOUR, START + 27 * HOUR)
    assert queue.schedules.explain("0 3 * * *") == "At 03:00 every day"
    with pytest.raises(InvalidOption):
        queue.schedules.preview("0 3 * * *", n=0)


# -- the keeping of time -----------------------------------------------------------------------------------


def test_the_maintenance_loop_pauses_at_most_until_the_next_tick(queue: Queue, clock: FakeClock) -> None:
    upkeep = MaintenanceLoop(queue.store, queue.settings, clock)
    upkeep.run_due_tasks()
    assert upkeep.pause(1.0) == 1.0
    queue.schedules.add("s", "@hourly", "stamp")
    clock.advance(HOUR - 0.25)
    upkeep.run_due_tasks()
    assert upkeep.pause(1.0) == 0.25
    clock.advance(0.25)
    assert upkeep.pause(1.0) < 0.01
    upkeep.run_due_tasks()
    assert queue.count() == 1
    assert upkeep.pause(1.0) == 1.0


def test_a_worker_enqueues_and_runs_each_second_on_time(tmp_path: Path) -> None:
    with open_queue(tmp_path / "jobs.db", registry(stamp=stamp)) as queue:
        queue.schedules.add("s", "* * * * * *", "stamp")
        with Worker(queue, threads=1):
            wait_until(lambda: queue.count("state:completed") >= 4)
        jobs = queue.list("tag:schedule:s", sort="id", descending=False)
    ticks = [job.scheduled_at for job in jobs]
    # If the machine stalls for a second it misses a tick; no tick is repeated.
    assert ticks == sorted(set(ticks))
    assert all(tick == int(tick) for tick in ticks)
    # The first tick may be late, until the worker has read the new schedule.
    late = sorted((job.started_at or 1e12) - job.scheduled_at for job in jobs[1:4])
    assert late[0] >= 0
    assert late[1] < 0.2, late


PROGRAM = """
import signal, threading
from jobdeck import Queue, Worker
asked = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: asked.set())
with Queue() as queue, Worker(queue, threads=1):
    asked.wait()
"""


def test_processes_without_the_kind_enqueue_each_tick_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBDECK_DATABASE", str(tmp_path / "jobs.db"))
    with open_queue(tmp_path / "jobs.db", registry(mail=mail)) as queue:
        processes = [subprocess.Popen([sys.executable, "-c", PROGRAM]) for _ in range(3)]
        try:
            wait_until(lambda: len(queue.workers.list()) == 3, timeout=20)
            queue.schedules.add("mine", "* * * * * *", "mail", {"to": "ann"})
            queue.schedules.add("theirs", "*/2 * * * * *", "shell", {"command": ["true"]})
            wait_until(lambda: queue.count("kind:mail") >= 4 and queue.count("kind:shell state:completed") >= 2, timeout=20)
        finally:
            for process in processes:
                process.terminate()
            assert [process.wait(timeout=15) for process in processes] == [0, 0, 0]
        for kind, step in (("mail", 1), ("shell", 2)):
            ticks = [job.scheduled_at for job in queue.list(f"kind:{kind}", sort="id", descending=False)]
            assert ticks == sorted(set(ticks))
            assert all(tick % step == 0 for tick in ticks)
        assert queue.count("kind:mail") == queue.count("kind:mail state:pending")
