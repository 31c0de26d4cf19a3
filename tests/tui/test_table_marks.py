"""Marks, and acts on many jobs."""

from __future__ import annotations

from typing import Any

from tests.tui.playing import play, table
from tests.tui.still import Still, seen, settled
from textual.pilot import Pilot

from jobdeck import State
from jobdeck_tui.screens.confirm import ConfirmScreen


def test_r_retries_all_marked_jobs_at_once(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "space", "k", "k", "space", "r")
        await seen(pilot, lambda: few.queue.get(1).state is State.PENDING)
        await settled(pilot)
        assert not table(pilot).marks

    play(few.app(), scene)
    assert few.queue.get(1).state is State.PENDING
    assert [few.queue.get(each).state for each in (2, 3)].count(State.PENDING) == 1


def test_a_range_is_marked_from_the_newest_mark_to_the_cursor(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "space", "j", "j", "ctrl+at")
        await seen(pilot, lambda: len(table(pilot).marks) >= 3)
        assert table(pilot).marks == {6, 5, 4, 3}

    play(few.app(), scene)


def test_deleting_asks_with_the_count_and_the_safe_answer_has_the_focus(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "space", "space", "D")
        await seen(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "no"
        await pilot.press("enter")
        await settled(pilot)
        assert few.queue.count() == 6
        await pilot.press("D", "y")
        await seen(pilot, lambda: few.queue.count() == 4)

    play(few.app(), scene)


def test_marks_do_not_outlive_the_filter_they_were_made_under(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("A")
        assert len(table(pilot).marks) == 6
        await pilot.press("slash", *"queue:mail", "enter")
        await seen(pilot, lambda: table(pilot).total == 3)
        assert not table(pilot).marks

    play(few.app(), scene)


def test_cancelling_very_many_asks_with_the_count(few: Still) -> None:
    few.queue.enqueue_many([few.queue.draft("img.resize", {"path": str(n)}) for n in range(30)])

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("A", "x")
        await seen(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("escape")
        await settled(pilot)
        assert few.queue.count("state:cancelled") == 0
        await pilot.press("x", "y")
        await seen(pilot, lambda: few.queue.count("state:cancelled") == 33)

    play(few.app(), scene)
