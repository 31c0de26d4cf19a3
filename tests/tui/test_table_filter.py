"""Which jobs the table shows: the filter and the tabs."""

from __future__ import annotations

from typing import Any

from tests.tui.playing import play, table
from tests.tui.still import Still, deck_of, seen, settled
from textual.pilot import Pilot


def test_enter_on_a_queue_filters_by_it_and_escape_shows_all_again(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("3", "enter")
        await seen(pilot, lambda: table(pilot).total == 3)
        await pilot.press("escape")
        await seen(pilot, lambda: table(pilot).total == 6)

    play(few.app(), scene)


def test_the_filter_works_while_it_is_typed_is_kept_by_enter_and_cleared_by_escape(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"state:fail")
        await seen(pilot, lambda: table(pilot).total == 3)
        await pilot.press("enter")
        await settled(pilot)
        assert table(pilot).has_focus
        assert table(pilot).total == 3
        await pilot.press("slash", "escape")
        await seen(pilot, lambda: table(pilot).total == 6)

    play(few.app(), scene)


def test_a_filter_completes_fields_and_values(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"que")
        await pilot.pause(0.1)
        await pilot.press("right", *"im")
        await pilot.pause(0.1)
        await pilot.press("right")
        await seen(pilot, lambda: pilot.app.screen.query_one("#filter").value == "queue:img")  # type: ignore[attr-defined]
        await seen(pilot, lambda: table(pilot).total == 3)

    play(few.app(), scene)


def test_the_tabs_show_the_jobs_of_one_state(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("l")
        await seen(pilot, lambda: table(pilot).total == 3 and deck_of(pilot).page.view.tab == "pending")
        await pilot.press("h")
        await seen(pilot, lambda: table(pilot).total == 6)

    play(few.app(), scene)


def test_what_is_announced_as_new_are_the_jobs_that_match(few: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"queue:img", "enter")
        await seen(pilot, lambda: table(pilot).total == 3)
        await pilot.press("j")
        few.queue.enqueue_many([few.queue.draft("report.daily", {"day": str(n)}) for n in range(20)])
        few.queue.enqueue("img.resize", {"path": "x"})
        await seen(pilot, lambda: table(pilot).total == 4)
        assert table(pilot).arrived == 1

    play(few.app(), scene)
