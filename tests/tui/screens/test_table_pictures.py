"""Snapshots of the table's dialogs and lists at three sizes. Review a changed snapshot before you accept it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import weighed
from textual.pilot import Pilot

from jobdeck_tui.feed.messages import ActionProgress

Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
Size = tuple[int, int]


def still_cursor(pilot: Pilot[Any]) -> None:
    """Stop the cursor from blinking, which would make snapshots differ."""
    for each in pilot.app.screen.query("Input"):
        each.cursor_blink = False  # type: ignore[attr-defined]


@sizes
def test_the_list_of_completions(snap_compare: Compare, still: FrozenQueue, size: Size) -> None:
    still.busy()

    async def type_it(pilot: Pilot[Any]) -> None:
        await press_keys("slash")(pilot)
        bar = pilot.app.screen.query_one("#filter")
        await wait_for(pilot, lambda: "args.order_id" in bar.words.values)  # type: ignore[attr-defined]
        await pilot.press(*"queue:mail", "space", *"ar", "down")
        await wait_for_redraw(pilot)
        still_cursor(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=type_it)


@sizes
def test_an_error_in_the_filter_is_pointed_at_in_its_place(snap_compare: Compare, still: FrozenQueue, size: Size) -> None:
    still.busy()

    async def type_it(pilot: Pilot[Any]) -> None:
        await press_keys("slash", *"queue:mail", "space", *"wait>soon")(pilot)
        still_cursor(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=type_it)


@sizes
def test_the_chooser_of_columns(snap_compare: Compare, still: FrozenQueue, size: Size) -> None:
    still.busy()
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("C", "j", "j", "j", "space"))


@sizes
def test_the_chooser_of_the_order(snap_compare: Compare, still: FrozenQueue, size: Size) -> None:
    still.busy()
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("o"))


@sizes
@pytest.mark.parametrize("full", [True, False], ids=["full", "empty"])
def test_the_saved_filters(snap_compare: Compare, still: FrozenQueue, size: Size, full: bool) -> None:
    still.busy()
    app = still.app()
    if full:
        app.preferences.put("filters.saved", {"slow mails": "queue:mail run>10s", "broken today": "state:failed age<1d"})
    assert snap_compare(app, terminal_size=size, run_before=press_keys("F"))


@sizes
def test_the_question_before_an_act_on_everything(snap_compare: Compare, still: FrozenQueue, size: Size) -> None:
    still.busy()

    async def ask(pilot: Pilot[Any]) -> None:
        await press_keys("slash", *"queue:mail,webhook", "enter", "A", "x")(pilot)
        await wait_for(pilot, lambda: weighed(pilot) is not None)
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=ask)


@sizes
def test_a_long_act_tells_how_far_it_is(snap_compare: Compare, still: FrozenQueue, size: Size) -> None:
    still.busy()

    async def begin(pilot: Pilot[Any]) -> None:
        await press_keys("j", "A")(pilot)
        pilot.app.on_action_progress(ActionProgress("cancelling", 12_480, 214, 51_402))  # type: ignore[attr-defined]
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=begin)


@sizes
def test_other_columns_in_another_order(snap_compare: Compare, still: FrozenQueue, size: Size) -> None:
    still.busy()
    app = still.app()
    app.preferences.put(
        "table.columns", ["id", "kind", "state", "wait", "took", "created", "started", "finished", "detail", "worker", "tags"]
    )
    app.preferences.put("table.sort", ["took", False])
    assert snap_compare(app, terminal_size=size, run_before=press_keys("j", "j"))
