"""Snapshots of each screen at the two common terminal sizes. Review a changed snapshot before you accept it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, deck_of, press_keys, wait_for, wait_for_redraw
from textual.pilot import Pilot

from jobdeck.model.attempt_result import Completed

SIZES = [(80, 24), pytest.param((120, 40), marks=pytest.mark.screens)]
Compare = Callable[..., bool]

sizes = pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])


@sizes
def test_the_main_screen_of_a_busy_queue(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    still.busy()
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("j", "j", "space", "j"))


@sizes
def test_the_main_screen_of_an_empty_queue(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys())


def test_a_wide_terminal_docks_a_preview(snap_compare: Compare, still: FrozenQueue) -> None:
    still.busy()
    assert snap_compare(still.app(), terminal_size=(200, 60), run_before=press_keys("j", "j", "j"))


@sizes
def test_a_failed_job_in_detail(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    still.busy()

    async def open_it(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        pilot.app.open_job(still.failed)  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: getattr(pilot.app.screen, "detail", None) is not None)
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=open_it)


@sizes
def test_why_a_job_does_not_run(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    still.busy()
    still.queue.store.queues.pause("img")
    stuck = still.queue.enqueue("img.resize", {"path": "a.jpg", "width": 640, "formats": None}, delay=5400)

    async def ask(pilot: Pilot[Any]) -> None:
        await press_keys("j", "w")(pilot)
        await wait_for(pilot, lambda: f"Job {stuck.id} cannot start" in getattr(pilot.app.screen, "shown_text", ""))

    assert snap_compare(still.app(), terminal_size=size, run_before=ask)


@sizes
def test_a_job_that_waits_for_others_in_detail(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    queue = still.queue
    receipt = {"order_id": 70411, "to": "ann@example.org", "language": "en", "attach_pdf": False}
    done, open_ = queue.enqueue("img.resize", {"path": "a.jpg"}, priority=99), queue.enqueue("img.resize", {"path": "b.jpg"})
    (claimed,) = still.claim(1)
    still.store.completer.complete([Completed(claimed, still.clock.now(), still.clock.now(), None)])
    options: dict[str, Any] = {"unique": "receipt 70411", "expires": 7200, "tags": ["shop"]}
    queue.batches.enqueue([queue.new_job("mail.send_receipt", receipt, after=[done.id, open_.id], **options)], name="orders")
    for event in ("order.paid", "order.sent"):
        queue.enqueue("webhook.post", {"url": "https://hooks.example.com/in/7", "event": event}, after=[3])
    still.clock.advance(95)

    async def open_it(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        pilot.app.open_job(3)  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: getattr(pilot.app.screen, "detail", None) is not None)
        await wait_for_redraw(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=open_it)


def test_a_limited_queue_in_the_panel_of_queues(snap_compare: Compare, still: FrozenQueue) -> None:
    still.busy()
    still.queue.limits.set("mail", running=4, rate=100, period=60)
    still.queue.limits.set("webhook", rate=5, period=1)
    assert snap_compare(still.app(), terminal_size=(120, 40), run_before=press_keys("3"))


@sizes
def test_the_form_of_a_new_job(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    still.busy()

    async def fill(pilot: Pilot[Any]) -> None:
        await press_keys("n")(pilot)
        pilot.app.screen.query_one("#kind").value = "mail.send_receipt"  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: len(pilot.app.screen.query("Field")) == 13)
        await pilot.pause()
        await pilot.press("a", "b", "tab", "x")
        await wait_for(pilot, lambda: "valid integer" in str(pilot.app.screen.query(".field-problem").first().render()))
        blink_off(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=fill)


@sizes
def test_the_help_of_the_main_screen(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    still.busy()
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("question_mark"))


def test_a_filter_with_an_error_points_at_it(snap_compare: Compare, still: FrozenQueue) -> None:
    still.busy()

    async def type_it(pilot: Pilot[Any]) -> None:
        await press_keys("slash", *"queue:mail", "space", *"ags:3")(pilot)
        await wait_for(pilot, lambda: deck_of(pilot).page.problem)
        blink_off(pilot)

    assert snap_compare(still.app(), terminal_size=(100, 30), run_before=type_it)


def test_the_light_theme(snap_compare: Compare, still: FrozenQueue) -> None:
    still.busy()

    async def lighten(pilot: Pilot[Any]) -> None:
        pilot.app.theme = "jobdeck-light"
        await press_keys("j", "j")(pilot)

    assert snap_compare(still.app(), terminal_size=(120, 40), run_before=lighten)


def test_a_terminal_that_is_too_small_says_which_size_it_needs(snap_compare: Compare, still: FrozenQueue) -> None:
    assert snap_compare(still.app(), terminal_size=(50, 12), run_before=press_keys())


def blink_off(pilot: Pilot[Any]) -> None:
    """Stop the cursor from blinking, which would make snapshots differ."""
    for each in pilot.app.screen.query("Input"):
        each.cursor_blink = False  # type: ignore[attr-defined]
