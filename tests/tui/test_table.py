"""The table in the hand: cursor, order, columns."""

from __future__ import annotations

from typing import Any

from tests.tui.playing import play, table, text_of
from tests.tui.still import Still, deck_of, seen, settled
from textual.pilot import Pilot

from jobdeck import State
from jobdeck_tui.screens.job import JobScreen


def test_the_cursor_follows_the_job_and_not_the_row(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        more = [few.queue.draft("img.resize", {"path": str(n)}) for n in range(50)]
        few.queue.enqueue_many(more)
        await seen(pilot, lambda: table(pilot).total == 56)
        await pilot.press("j", "j")
        assert table(pilot).chosen == 55
        few.queue.enqueue_many(more)
        await seen(pilot, lambda: table(pilot).total == 106)
        assert table(pilot).chosen == 55
        assert table(pilot).arrived == 50
        assert (table(pilot).row, table(pilot).top) == (51, 50)

    play(few.app(), scene)


def test_a_live_table_shows_the_newest_jobs_as_they_come(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        few.queue.enqueue_many([few.queue.draft("img.resize", {"path": str(n)}) for n in range(50)])
        await seen(pilot, lambda: table(pilot).total == 56)
        assert table(pilot).visible_ids()[0] == 56

    play(few.app(), scene)


def test_enter_opens_the_job_and_escape_comes_back_to_the_same_row(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "enter")
        await seen(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.detail is not None)
        assert "ValueError: no" in text_of(pilot.app.screen, "attempts")
        await pilot.press("r")
        await seen(pilot, lambda: few.queue.get(1).state is State.PENDING)
        await pilot.press("escape")
        await seen(pilot, lambda: table(pilot).has_focus)
        assert table(pilot).chosen == 1

    play(few.app(), scene)


def test_a_frozen_view_holds_still_until_it_is_let_go(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("f")
        await settled(pilot)
        few.queue.enqueue("img.resize", {"path": "new"})
        await settled(pilot)
        assert table(pilot).total == 6
        await pilot.press("f")
        await seen(pilot, lambda: table(pilot).total == 7)

    play(few.app(), scene)


def test_a_job_that_left_the_list_stays_chosen_until_the_person_moves(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("l")
        await seen(pilot, lambda: table(pilot).total == 3)
        await pilot.press("j", "j")
        assert table(pilot).chosen == 5
        few.queue.cancel(5)
        await seen(pilot, lambda: table(pilot).total == 2)
        assert (table(pilot).chosen, table(pilot).gone) == (5, True)
        await pilot.press("x")  # meant for job 5, and must not hit job 4
        await settled(pilot)
        assert few.queue.get(4).state is State.PENDING
        await pilot.press("j")
        assert table(pilot).chosen == 4

    play(few.app(), scene)


def test_a_frozen_view_shows_each_job_as_it_was(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("f")
        await settled(pilot)
        few.queue.cancel(6)
        few.queue.delete(5)
        await settled(pilot)
        await settled(pilot)
        jobs = deck_of(pilot).page.jobs
        assert (jobs[6].state, jobs[5].state) == (State.PENDING, State.PENDING)

    play(few.app(), scene)
