"""What cannot be undone is asked about first, wherever it is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play, table, toasts, weighed
from textual.pilot import Pilot
from textual.widgets import Button

from jobdeck import Job, State
from jobdeck_tui.screens.confirm import ConfirmScreen
from jobdeck_tui.screens.job import JobScreen


@pytest.fixture
def running(few: FrozenQueue) -> Job:
    """Return a running job: number 4."""
    (claimed,) = few.claim(1)
    return claimed


async def asked(pilot: Pilot[Any]) -> ConfirmScreen:
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
    assert pilot.app.focused is pilot.app.screen.query_one("#no", Button)
    return pilot.app.screen  # type: ignore[return-value]


def text(screen: Any) -> str:
    return "\n".join(str(each.render()) for each in screen.query("Static, Button"))


def test_x_asks_before_it_stops_a_running_job(few: FrozenQueue, running: Job) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j", "j")
        await wait_for(pilot, lambda: table(pilot).job is not None and table(pilot).job.id == running.id)
        await pilot.press("x")
        said = text(await asked(pilot))
        assert f"Stop job {running.id}?" in said
        assert "This cannot be undone." in said
        await pilot.press("escape")
        await pilot.press("x")
        await asked(pilot)
        await pilot.press("enter")  # the safe answer has the focus
        await wait_for_redraw(pilot)
        assert not few.queue.get(running.id).cancelling
        await pilot.press("x")
        await asked(pilot)
        await pilot.press("y")
        await wait_for(pilot, lambda: few.queue.get(running.id).cancelling)
        await wait_for(pilot, lambda: f"Job {running.id} asked to stop" in toasts(pilot))
        await pilot.press("x")
        await wait_for(pilot, lambda: f"Job {running.id} has already been asked to stop" in toasts(pilot))
        await pilot.press("z")
        refusal = f"Job {running.id} was running, and its code was asked to stop."
        await wait_for(pilot, lambda: any(refusal in each for each in toasts(pilot)))

    play(few.app(), scene)


def test_marked_jobs_of_both_kinds_are_one_question_that_says_how_many_run(few: FrozenQueue, running: Job) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "space", "space", "space")  # 6, 5 and 4
        assert len(table(pilot).selection.ids) == 3
        await pilot.press("x")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        said = text(pilot.app.screen)
        assert "3 will be cancelled" in said
        assert "1 ▸ running     asked to stop; z cannot undo this" in said
        assert "z undoes it for the other 2, as one change." in said
        await pilot.press("escape")
        assert len(table(pilot).selection.ids) == 3
        assert few.queue.count("state:cancelled") == 0
        await pilot.press("x")
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        await pilot.press("y")
        await wait_for(pilot, lambda: few.queue.count("state:cancelled") == 2)
        await wait_for(pilot, lambda: not table(pilot).marks)
        await wait_for(pilot, lambda: any("1 of them asked to stop · z to undo 2 of them" in each for each in toasts(pilot)))

    play(few.app(), scene)
    assert few.queue.get(running.id).cancelling


def test_queued_jobs_are_cancelled_at_once_and_lose_their_marks(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "space", "space", "x")
        await wait_for(pilot, lambda: few.queue.count("state:cancelled") == 2)
        await wait_for(pilot, lambda: not table(pilot).marks)
        await pilot.press("z")
        await wait_for(pilot, lambda: few.queue.count("state:cancelled") == 0)

    play(few.app(), scene)


def test_the_page_of_a_job_and_the_palette_ask_too(few: FrozenQueue, running: Job) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        pilot.app.open_job(running.id)  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.job is not None)
        await pilot.press("x")
        await asked(pilot)
        await pilot.press("n")
        await pilot.press("colon", *"cancel")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await asked(pilot)
        await pilot.press("y")
        await wait_for(pilot, lambda: few.queue.get(running.id).cancelling)

    play(few.app(), scene)


def test_the_question_does_not_open_above_a_dialog_that_was_opened_meanwhile(few: FrozenQueue, running: Job) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j", "j")
        await wait_for(pilot, lambda: table(pilot).job is not None and table(pilot).job.id == running.id)
        with few.queue.transaction():  # the feed waits
            await pilot.press("x", "question_mark")
        await wait_for(pilot, lambda: any("was not done; press its key again" in each for each in toasts(pilot)))
        assert not isinstance(pilot.app.screen, ConfirmScreen)

    play(few.app(), scene)
    assert few.queue.get(running.id).state is State.RUNNING
    assert not few.queue.get(running.id).cancelling
