"""Changes of schedules and of queue limits can be undone, unless they were changed again since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.helpers import FakeClock

from jobdeck import NothingToUndo, Queue, Registry, Schedule, Settings, UndoConflict
from jobdeck.kinds.registry import job
from jobdeck.scheduling.ticker import enqueue_due

DAY = 86400.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> Iterator[Queue]:
    kinds = Registry()
    job(name="a.report", registry=kinds)(_report)
    job(name="a.sweep", registry=kinds)(_sweep)
    settings = Settings(synchronous="OFF")
    with Queue(tmp_path / "jobs.db", settings=settings, registry=kinds, clock=clock, actor="ann") as opened:
        opened.schedules.add("s", "0 3 * * *", "a.report", {"day": "today"}, timezone="Europe/Berlin", timeout=60, tags=["x"])
        yield opened


def _report(day: str) -> None:
    pass


def _sweep() -> None:
    pass


def stand(queue: Queue) -> list[Schedule]:
    return [*queue.schedules.list()]


Do = Callable[[Queue], Any]
ACTS: dict[str, tuple[str, Do]] = {
    "added schedule t": ("t", lambda queue: queue.schedules.add("t", "every 5m", "a.sweep")),
    "paused schedule s": ("s", lambda queue: queue.schedules.pause("s")),
    "deleted schedule s": ("s", lambda queue: queue.schedules.delete("s")),
    "edited schedule s": (
        "s",
        lambda queue: queue.schedules.edit(
            "s",
            cron="@hourly",
            timezone="UTC",
            kind="a.sweep",
            args={},
            queue="q",
            priority=9,
            max_attempts=2,
            timeout=0,
            tags=[],
        ),
    ),
}


@pytest.mark.parametrize("told", ACTS)
def test_an_operation_on_a_schedule_is_undone_and_redone(queue: Queue, told: str) -> None:
    name, do = ACTS[told]
    before = stand(queue)
    do(queue)
    after = stand(queue)
    assert after != before
    undoing = queue.journal.undo(of="ann")
    assert (undoing.entry.summary, undoing.done, undoing.refused) == (told, (name,), {})
    assert stand(queue) == before
    assert queue.journal.redo(of="ann").done == (name,)
    assert stand(queue) == after
    assert queue.journal.undo().done == (name,)
    assert stand(queue) == before


def test_undoing_a_resume_pauses_the_schedule(queue: Queue) -> None:
    queue.schedules.pause("s", actor="ben")
    paused = stand(queue)
    assert queue.schedules.resume("s")
    assert queue.journal.undo(of="ann").entry.summary == "resumed schedule s"
    assert stand(queue) == paused
    assert queue.journal.undo(of="ben").entry.summary == "paused schedule s"
    assert not queue.schedules.get("s").paused


def test_undoing_a_replacement_restores_the_schedule(queue: Queue) -> None:
    before = stand(queue)
    queue.schedules.add("s", "@daily", "a.sweep", replace=True)
    assert queue.journal.undo().entry.summary == "edited schedule s"
    assert stand(queue) == before


def test_undo_keeps_the_ticks_since_then_and_skips_those_missed_meanwhile(queue: Queue, clock: FakeClock) -> None:
    queue.schedules.edit("s", priority=7)
    clock.advance(DAY)
    enqueue_due(queue.store, clock)
    assert queue.count() == 1
    coming = queue.schedules.get("s")
    queue.journal.undo()
    assert queue.schedules.get("s").priority == 0
    assert queue.schedules.get("s").next_at == coming.next_at
    assert queue.schedules.get("s").last_job == 1
    queue.schedules.delete("s")
    clock.advance(3 * DAY)
    queue.journal.undo()
    back = queue.schedules.get("s")
    assert (back.last_job, back.last_at) == (1, coming.last_at)
    assert clock.now() < back.next_at <= clock.now() + DAY
    queue.schedules.pause("s")
    clock.advance(3 * DAY)
    queue.journal.undo()
    enqueue_due(queue.store, clock)
    assert queue.count() == 1


@pytest.mark.parametrize(
    ("do", "since", "problem"),
    [
        (lambda s: s.pause("s"), lambda s: s.edit("s", priority=3), "Schedule s was changed since."),
        (lambda s: s.pause("s"), lambda s: s.delete("s"), "Schedule s was deleted since."),
        (lambda s: s.edit("s", queue="q"), lambda s: s.edit("s", queue="r"), "Schedule s was changed since."),
        (lambda s: s.delete("s"), lambda s: s.add("s", "@daily", "a.sweep"), "Schedule s was made again since."),
    ],
)
def test_later_changes_by_another_actor_are_not_overwritten(queue: Queue, do: Any, since: Any, problem: str) -> None:
    do(queue.schedules)
    act = queue.journal.entries(limit=1)[0].id
    since(queue.schedules)
    before = stand(queue)
    undoing = queue.journal.undo(act)
    assert undoing.done == ()
    (refusal,) = undoing.refused.values()
    assert isinstance(refusal, UndoConflict)
    assert str(refusal) == problem
    assert stand(queue) == before


def test_an_operation_without_effect_is_not_journaled(queue: Queue) -> None:
    queue.journal.undo()  # undoes the addition
    queue.journal.redo()
    acts = len(queue.journal.entries())
    assert not queue.schedules.resume("s")
    queue.schedules.edit("s", priority=0)
    queue.schedules.pause("s")
    assert not queue.schedules.pause("s")
    queue.limits.set("mail")
    assert len(queue.journal.entries()) == acts + 1
    assert [act.actor for act in queue.journal.entries()] == ["ann", "ann"]


def test_a_change_of_queue_limits_is_undone(queue: Queue) -> None:
    queue.enqueue("a.sweep", queue="mail")

    def limits() -> tuple[Any, ...]:
        (mail,) = [each for each in queue.queues() if each.name == "mail"]
        return mail.limits.running, mail.limits.rate, mail.limits.period

    queue.limits.set("mail", running=2, rate=10, period=60)
    queue.limits.set("mail", running=5)
    queue.pause("mail")
    assert queue.journal.undo().entry.operation == "pause"
    assert queue.journal.undo().entry.summary == "changed the limits of queue mail"
    assert limits() == (2, 10, 60.0)
    queue.journal.redo()
    assert limits() == (5, None, None)
    queue.journal.undo()
    queue.journal.undo()
    assert limits() == (None, None, None)
    queue.journal.undo()
    with pytest.raises(NothingToUndo):
        queue.journal.undo()


def test_limits_changed_since_by_another_actor_are_kept(queue: Queue) -> None:
    queue.limits.set("mail", running=2)
    act = queue.journal.entries(limit=1)[0].id
    queue.limits.set("mail", running=3, actor="ben")
    (refusal,) = queue.journal.undo(act).refused.values()
    assert str(refusal) == "Queue mail got other limits since."
