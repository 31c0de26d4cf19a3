"""Tests of the queues screen: its content and its keys."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, deck_of, press_keys, wait_for, wait_for_redraw
from tests.tui.screen_pilot import drawn, keys, open_screen, play, table, text, toasts, wait_for_toast
from textual.pilot import Pilot
from textual.widgets import Input

from jobdeck import Limits, WorkerInfo
from jobdeck.model.attempt_result import Completed
from jobdeck.store.claim_capacity import ClaimRequest
from jobdeck_tui.preferences import Preferences
from jobdeck_tui.screens.jobs import JobsScreen
from jobdeck_tui.screens.queues import QueuesScreen
from jobdeck_tui.screens.workers import WorkersScreen
from jobdeck_tui.text.progress import bar
from jobdeck_tui.widgets.charts.queue_chart import bars, depths_at

WORKER = "web-1:4021:9f2c1a"
_ARGS: dict[str, dict[str, Any]] = {
    "mail.send_receipt": {"order_id": 1, "to": "ann@example.org"},
    "img.resize": {"path": "a.jpg"},
    "webhook.post": {"url": "https://hooks.example.com/in/7", "event": "order.paid"},
}


def put(still: FrozenQueue, kind: str, queue: str, count: int) -> None:
    still.queue.enqueue_many([still.queue.new_job(kind, _ARGS[kind], queue=queue) for _ in range(count)])


def work(still: FrozenQueue, queue: str, count: int) -> None:
    """Complete this many jobs of the queue at once."""
    now = still.clock.now()
    claimed = still.store.claimer.claim(
        ClaimRequest(WORKER, count, kinds=still.queue.registry.kinds, queues=(queue,), lease=60.0)
    )
    still.store.completer.complete([Completed(job, now, now + 0.2, None) for job in claimed])


def lively(still: FrozenQueue) -> None:
    """Create five minutes of history: queues that drain, grow or keep up, and paused, unserved and limited ones."""
    queue, store, clock = still.queue, still.store, still.clock
    clock.advance(60 - clock.now() % 60 + 5)
    still.beat()

    put(still, "mail.send_receipt", "mail", 2400)
    for second in range(0, 300, 5):
        put(still, "webhook.post", "webhook", 10 + round(3 * math.sin(second / 20)))
        put(still, "img.resize", "img", 4)
        for name, count in (("mail", 28 + round(8 * math.sin(second / 30))), ("webhook", 6), ("img", 4)):
            work(still, name, count)
        clock.advance(5)
        store.metrics.sample_depths()
    put(still, "img.resize", "thumbnails", 40)
    queue.pause("thumbnails")
    put(still, "webhook.post", "search index", 7)
    queue.limits.set("mail", running=4, rate=400, period=60)
    queue.enqueue("report.daily", {"day": "2025-06-01"}, delay=600)
    store.claimer.claim(ClaimRequest(WORKER, 3, kinds=queue.registry.kinds, queues=("mail",), lease=60.0))
    store.claimer.claim(ClaimRequest(WORKER, 2, kinds=queue.registry.kinds, queues=("webhook",), lease=60.0))
    clock.advance(2)
    serve(still, "mail", "img", "webhook", "thumbnails", "default")


def serve(still: FrozenQueue, *queues: str) -> None:
    """Send the heartbeat of a worker with eight threads, for these queues only."""
    still.store.workers.deregister("web-2:4107:03be77")
    info = WorkerInfo(
        id=WORKER, host="web-1", pid=4021, threads=8, queues=queues, started_at=still.clock.now() - 3600,
        heartbeat_at=0.0, draining=False, running=0, alive=True, kinds=tuple(still.queue.registry.kinds),
    )  # fmt: skip
    still.store.workers.report(info)


Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


def opened(*presses: str) -> Callable[[Pilot[Any]], Any]:
    """Open the screen, press the keys and wait for their effect."""

    async def run(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await open_screen(pilot, "queues", rows="empty" not in presses)
        for key in presses:
            if key != "empty":
                await pilot.press(key)
        await wait_for_redraw(pilot)

    return run


# -- snapshots ------------------------------------------------------------------------------------


@sizes
def test_the_screen_of_busy_queues(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    lively(still)
    assert snap_compare(still.app(), terminal_size=size, run_before=opened())


@sizes
def test_the_screen_without_any_queue(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=opened("empty"))


def test_a_paused_queue_is_chosen_on_a_low_terminal(snap_compare: Compare, still: FrozenQueue) -> None:
    lively(still)
    assert snap_compare(still.app(), terminal_size=(60, 15), run_before=opened("j", "j"))


@sizes
def test_limits_are_edited_in_place_and_an_error_is_told_as_it_is_typed(
    snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]
) -> None:
    lively(still)

    async def type_it(pilot: Pilot[Any]) -> None:
        await opened("l", "end", "comma", "space", "9")(pilot)
        pilot.app.screen.query_one(Input).cursor_blink = False

    assert snap_compare(still.app(), terminal_size=size, run_before=type_it)


def test_the_help_of_the_screen(snap_compare: Compare, still: FrozenQueue) -> None:
    lively(still)
    assert snap_compare(still.app(), terminal_size=(120, 40), run_before=opened("question_mark"))


# -- content --------------------------------------------------------------------------------------


def test_each_queue_shows_its_forecast(still: FrozenQueue) -> None:
    lively(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        lines = {line[2:].split("  ")[0]: line for line in drawn(pilot)}
        assert "empty in " in lines["mail"]
        assert "growing " in lines["webhook"]
        assert "‖ paused" in lines["thumbnails"]
        assert "stalled: no worker serves it" in lines["search index"]
        assert "3/4" in lines["mail"]
        assert "2/8" in lines["webhook"]

    play(still.app(), scene)


def test_the_forecast_follows_what_the_screen_sees_between_the_samples(still: FrozenQueue) -> None:
    """Ten jobs a second start and none arrive: shown within seconds, although samples are taken only once a minute."""
    serve(still, "mail")
    put(still, "mail.send_receipt", "mail", 400)
    still.clock.advance(5)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        for _ in range(20):
            work(still, "mail", 10)
            still.clock.advance(1)
            await wait_for_redraw(pilot)
        await wait_for(pilot, lambda: "empty in 20s" in drawn(pilot)[1])
        assert "10/s fewer" in text(pilot, "#queue-facts")

    play(still.app(), scene)


def test_the_selected_queue_is_described_in_plain_words(still: FrozenQueue) -> None:
    lively(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        told_of_mail = text(pilot, "#queue-facts")
        assert "At most 4 run at once across all processes (3 now)." in told_of_mail
        assert "At most 400 jobs start in any 1m." in told_of_mail
        assert "1 process, 8 threads: web-1:4021 (8)" in told_of_mail
        assert "mail.send_receipt" in told_of_mail
        await pilot.press("j", "j")
        await wait_for(pilot, lambda: "Paused for 2s" in text(pilot, "#queue-facts"))
        assert "p resumes it" in text(pilot, "#queue-facts")
        await pilot.press("j")
        await wait_for(pilot, lambda: "jobdeck worker --queues 'search index'" in text(pilot, "#queue-facts"))

    play(still.app(), scene)


def test_hostile_names_stay_text(still: FrozenQueue) -> None:
    still.store.queues.pause("a\x1b[31m[red]b")
    still.store.queues.set_limits("c\u202ed[/]", Limits(running=1))

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        await pilot.press("S", "j", "k", "l", "escape")
        shown = "\n".join([*drawn(pilot), text(pilot, "#queue-facts")])
        assert r"\x1b[31m[red]b" in shown
        assert r"\u202ed[/]" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown

    play(still.app(), scene)


# -- keys -----------------------------------------------------------------------------------------


def test_enter_shows_the_jobs_of_the_selected_queue(still: FrozenQueue) -> None:
    lively(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        await pilot.press("j", "j", "j", "enter")
        await wait_for(pilot, lambda: deck_of(pilot).page.view.filter == 'queue:"search index"')
        await wait_for(pilot, lambda: len(deck_of(pilot).page.ids) == 7)
        assert isinstance(pilot.app.screen, JobsScreen)

    play(still.app(), scene)


def test_p_pauses_and_resumes_and_z_and_shift_z_undo_and_redo_it(still: FrozenQueue) -> None:
    lively(still)

    def paused() -> set[str]:
        return {each.name for each in still.queue.queues() if each.paused}

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        await pilot.press("p")
        await wait_for(pilot, lambda: "mail" in paused())
        await wait_for(pilot, lambda: "‖ paused" in drawn(pilot)[1])
        await pilot.press("z")
        await wait_for(pilot, lambda: "mail" not in paused())
        await pilot.press("Z")
        await wait_for(pilot, lambda: "mail" in paused())
        await wait_for_toast(pilot, "Redone")
        await pilot.press("p")
        await wait_for(pilot, lambda: "mail" not in paused())

    play(still.app(), scene)


def test_shift_p_pauses_every_queue_and_z_restores_each(still: FrozenQueue) -> None:
    lively(still)

    def paused() -> set[str]:
        return {each.name for each in still.queue.queues() if each.paused}

    every = {each.name for each in still.queue.queues()}
    assert paused() == {"thumbnails"}

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        await pilot.press("P")
        await wait_for_toast(
            pilot, f"All {len(every)} queues paused, 1 of them before: running jobs continue, nothing new starts"
        )
        assert paused() == every
        await wait_for(pilot, lambda: all("‖ paused" in line for line in drawn(pilot)[1 : 1 + len(every)]))
        await pilot.press("z")
        await wait_for_toast(pilot, f"Undone: paused {len(every) - 1} queues")
        assert paused() == {"thumbnails"}
        await pilot.press("Z")
        await wait_for_toast(pilot, "Redone")
        assert paused() == every

    play(still.app(), scene)


def test_shift_p_resumes_every_queue_if_all_are_paused_and_z_undoes_it(still: FrozenQueue) -> None:
    lively(still)
    still.queue.pause_all()
    before = still.queue.queues()

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        await pilot.press("P")
        await wait_for_toast(pilot, f"All {len(before)} queues resumed · z to undo")
        assert not any(each.paused for each in still.queue.queues())
        await pilot.press("z")
        await wait_for_toast(pilot, f"Undone: resumed {len(before)} queues")

    play(still.app(), scene)
    assert still.queue.queues() == before


def test_l_changes_the_limits_and_the_toast_shows_the_old_ones(still: FrozenQueue) -> None:
    lively(still)

    def limits() -> Limits:
        return next(each.limits for each in still.queue.queues() if each.name == "mail")

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        await pilot.press("l")
        field = pilot.app.screen.query_one(Input)
        assert field.value == "4 at once, 400/1m"
        field.value = "2, 5/s"
        await pilot.press("enter")
        await wait_for(pilot, lambda: limits() == Limits(running=2, rate=5, period=1))
        await wait_for_toast(pilot, "Queue mail limited to 2 at once, 5 per 1s · before: 4 at once, 400 per 1m")
        assert table(pilot).has_focus
        await pilot.press("l")
        field.value = "none"
        await pilot.press("enter")
        await wait_for(pilot, lambda: limits() == Limits())
        await wait_for_toast(pilot, "has no limits now")

    play(still.app(), scene)


def test_invalid_limits_are_not_saved_and_escape_discards_the_input(still: FrozenQueue) -> None:
    lively(still)
    before = still.queue.queues()

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        await pilot.press("l")
        field = pilot.app.screen.query_one(Input)
        field.value = "lots"
        await wait_for(pilot, lambda: "neither a number" in str(pilot.app.screen.query_one("#editor-problem").render()))
        await pilot.press("enter")
        assert pilot.app.screen.query_one("#queues-editor").display
        await pilot.press("escape")
        assert not pilot.app.screen.query_one("#queues-editor").display
        assert table(pilot).has_focus
        await wait_for_redraw(pilot)

    play(still.app(), scene)
    assert still.queue.queues() == before


def test_s_sorts_by_the_next_column_shift_s_reverses_it_and_it_is_remembered(still: FrozenQueue) -> None:
    lively(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        assert keys(pilot)[:2] == ["mail", "webhook"]
        await pilot.press("S")
        assert keys(pilot)[-1] == "mail"
        orders = []
        for _ in range(5):
            await pilot.press("s")
            orders.append(keys(pilot))
        assert [order[0] for order in orders] == ["mail", "mail", "mail", "search index", "default"]
        assert orders[3][1] == "webhook"  # stalled queues first, then growing ones
        assert orders[4] == sorted(orders[4])

    remembered = Preferences()
    app = still.app()
    app.preferences = remembered
    play(app, scene)
    again = still.app()
    again.preferences = remembered

    async def look(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        assert keys(pilot) == sorted(keys(pilot))

    play(again, look)


def test_a_click_on_a_column_head_sorts_by_it_and_a_second_one_reverses_it(still: FrozenQueue) -> None:
    lively(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        head = drawn(pilot)[0]
        at = head.index("QUEUE") + 1
        await pilot.click("#queues-table", offset=(at + 1, 1))
        assert keys(pilot) == sorted(keys(pilot))
        await pilot.click("#queues-table", offset=(at + 1, 1))
        assert keys(pilot) == sorted(keys(pilot), reverse=True)

    play(still.app(), scene)


def test_the_cursor_follows_its_queue_when_the_order_changes(still: FrozenQueue) -> None:
    lively(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        await pilot.press("G")
        last = table(pilot).key
        await pilot.press("S")
        assert table(pilot).key == last == keys(pilot)[0]
        await pilot.press("pagedown", "k", "g", "j", "pageup")
        assert table(pilot).key == keys(pilot)[0]

    play(still.app(), scene)


def test_a_click_selects_and_a_second_one_opens(still: FrozenQueue) -> None:
    lively(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        await pilot.click("#queues-table", offset=(6, 3))
        assert table(pilot).key == "webhook"
        await pilot.click("#queues-table", offset=(6, 3), times=2)
        await wait_for(pilot, lambda: deck_of(pilot).page.view.filter == "queue:webhook")

    play(still.app(), scene)


def test_escape_q_and_digits_close_the_screen_and_reopening_keeps_the_cursor(still: FrozenQueue) -> None:
    lively(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        await pilot.press("j")
        for leave in ("escape", "q", "5"):
            await pilot.press(leave)
            await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
            await open_screen(pilot, "queues")
            assert table(pilot).key == "webhook"
        await pilot.press("4")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, WorkersScreen))
        await pilot.press("3")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, QueuesScreen))

    play(still.app(), scene)


def test_the_details_can_be_scrolled_when_focused(still: FrozenQueue) -> None:
    lively(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        await pilot.press("tab")
        view = pilot.app.screen.query_one("#queue-facts")
        assert view.has_focus
        await pilot.press("G")
        assert view.scroll_offset.y == view.max_scroll_y > 0
        await pilot.press("g")
        assert view.scroll_offset.y == 0

    play(still.app(), scene, size=(80, 20))


def test_a_readonly_cockpit_refuses_pauses_and_limits(still: FrozenQueue) -> None:
    lively(still)
    before = still.queue.queues()

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues")
        for key in ("p", "P", "l", "z", "Z"):
            await pilot.press(key)
        await wait_for_toast(pilot, "--readonly")
        assert not pilot.app.screen.query_one("#queues-editor").display
        await wait_for_redraw(pilot)

    play(still.app(readonly=True), scene)
    assert still.queue.queues() == before


def test_without_queues_its_keys_do_nothing(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "queues", rows=False)
        await pilot.press("p", "P", "l", "s", "S", "enter", "j", "k", "g", "G")
        await wait_for_redraw(pilot)
        assert isinstance(pilot.app.screen, QueuesScreen)
        assert toasts(pilot) == []

    play(still.app(), scene)


# -- drawing --------------------------------------------------------------------------------------


def test_depths_are_interpolated_between_samples_and_unknown_before_the_first() -> None:
    assert depths_at([(10.0, 100), (20.0, 0)], [5.0, 10.0, 15.0, 20.0, 25.0]) == [None, 100, 50, 0, 0]
    assert depths_at([], [1.0]) == [None]


def test_a_bar_is_as_high_as_its_share_and_never_empty_above_zero() -> None:
    assert bars([0, 0.01, 4, 8, None], 2, 8) == ["   █ ", " ▁██ "]
    assert bar(0, 4) == "╌╌╌╌"
    assert bar(0.01, 4) == "━╌╌╌"
    assert bar(1, 4) == "━━━━"
