"""Tests of the cockpit with its own worker threads, and of quitting it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.core.helpers import wait_until
from tests.tui.frozen_queue import deck_of, wait_for
from tests.tui.jobs_pilot import play
from textual.pilot import Pilot

from jobdeck import Queue, Registry, Settings, State, context
from jobdeck.kinds.registry import job
from jobdeck_tui.app import Cockpit
from jobdeck_tui.feed.feed import Feed
from jobdeck_tui.screens.quit import QuitScreen


@pytest.fixture
def live(tmp_path: Path) -> Any:
    """Return a real queue with kinds that run until they are asked to stop."""
    kinds = Registry()

    @job(name="wait", registry=kinds)
    def wait() -> None:
        while True:
            context().sleep(0.05)

    @job(name="quick", registry=kinds)
    def quick(n: int) -> int:
        return n

    settings = Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF", shutdown_grace=20.0)
    with Queue(settings=settings, registry=kinds) as queue:
        yield queue


def cockpit(queue: Queue, threads: int, grace: float = 20.0) -> Cockpit:
    return Cockpit(lambda post: Feed(queue, post, threads=threads), where="~/jobs.db", grace=grace)


def test_its_worker_threads_run_the_jobs(live: Queue) -> None:
    ids = [live.enqueue("quick", {"n": n}).id for n in range(20)]

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: deck_of(pilot).overview.counts.get(State.COMPLETED) == 20)
        await pilot.press("q")
        await wait_for(pilot, lambda: not pilot.app.is_running or pilot.app._exit)

    play(cockpit(live, 4), scene)
    assert [live.get(each).result for each in ids] == list(range(20))
    assert not live.workers.list()


def test_the_pool_grows_and_shrinks(live: Queue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press(*["greater_than_sign"] * 5)
        await wait_for(pilot, lambda: deck_of(pilot).local_worker.threads == 7)
        await pilot.press(*["less_than_sign"] * 6)
        await wait_for(pilot, lambda: [worker.threads for worker in live.workers.list()] == [1])

    play(cockpit(live, 2), scene)


def test_quitting_with_running_jobs_asks_first_and_staying_keeps_them(live: Queue) -> None:
    live.enqueue("wait")

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: deck_of(pilot).overview.counts.get(State.RUNNING) == 1)
        await pilot.press("q")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, QuitScreen))
        await pilot.press("escape")
        await wait_for(pilot, lambda: not isinstance(pilot.app.screen, QuitScreen))
        assert live.get(1).state is State.RUNNING

    play(cockpit(live, 1), scene)


def test_releasing_on_quit_returns_the_job_without_losing_an_attempt(live: Queue) -> None:
    live.enqueue("wait")

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: deck_of(pilot).overview.counts.get(State.RUNNING) == 1)
        await pilot.press("q")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, QuitScreen))
        await pilot.press("r")
        await wait_for(pilot, lambda: pilot.app._exit)

    play(cockpit(live, 1), scene)
    assert (live.get(1).state, live.get(1).attempt) == (State.PENDING, 0)


def test_draining_counts_down_and_exits_with_the_last_job(live: Queue) -> None:
    live.enqueue("wait")

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: deck_of(pilot).overview.counts.get(State.RUNNING) == 1)
        await pilot.press("q", "d")
        await wait_for(pilot, lambda: "s remaining" in str(pilot.app.screen.query_one("#quit-title").render()))
        live.cancel(1)
        await wait_for(pilot, lambda: pilot.app._exit)

    play(cockpit(live, 1), scene)
    wait_until(lambda: live.get(1).state is State.CANCELLED)
    assert not live.workers.list()


def test_a_drain_can_be_cut_short(live: Queue) -> None:
    live.enqueue("wait")

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: deck_of(pilot).overview.counts.get(State.RUNNING) == 1)
        await pilot.press("q", "d")
        await wait_for(pilot, lambda: "s remaining" in str(pilot.app.screen.query_one("#quit-title").render()))
        await pilot.press("r")
        await wait_for(pilot, lambda: pilot.app._exit, timeout=4.0)

    play(cockpit(live, 1), scene)
    assert (live.get(1).state, live.get(1).attempt) == (State.PENDING, 0)
    assert all(attempt.late_at is None for attempt in live.attempts(1))
