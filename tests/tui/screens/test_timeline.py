"""Tests of the timeline screen: the effect of each key, and snapshots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.tui.busy_workers import lively
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play, toasts
from textual.pilot import Pilot

from jobdeck import Outcome
from jobdeck.model.attempt_result import Completed, Failed
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.screens.timeline import TimelineScreen
from jobdeck_tui.widgets.timeline.run_panel import RunPanel
from jobdeck_tui.widgets.timeline.timeline import SPANS, Timeline

Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


@pytest.fixture
def ran(still: FrozenQueue) -> FrozenQueue:
    """Create runs. Worker 1: job 1 fails and is retried in its slot, job 2 still runs beside it. Worker 2: job 3 failed."""
    queue, clock, store = still.queue, still.clock, still.store
    still.beat()
    queue.enqueue("mail.send_receipt", {"order_id": 1, "to": "x"}, priority=9)
    queue.enqueue("img.resize", {"path": "a"}, priority=8)
    first, second = still.claim(2)
    assert (first.id, second.id) == (1, 2)
    clock.advance(10)
    now = clock.now()
    store.completer.fail([Failed(first, now - 10, now, now + 5, "TimeoutError", "too slow")])
    queue.enqueue("webhook.post", {"url": "u", "event": "e"}, max_attempts=1)
    (third,) = still.claim(1, worker=1)
    clock.advance(5)
    store.completer.fail([Failed(third, clock.now() - 5, clock.now(), None, "ValueError", "no such event")])
    store.transitions.stage()
    (again,) = still.claim(1)
    clock.advance(8)
    store.completer.complete([Completed(again, clock.now() - 8, clock.now())])
    store.transitions.heartbeat([(second.id, second.lease or 0)], 30.0)
    still.beat()
    clock.advance(2)
    return still


def timeline(pilot: Pilot[Any]) -> Timeline:
    return pilot.app.screen.query_one(Timeline)


def drawn(pilot: Pilot[Any]) -> str:
    """Return the lines of the lanes."""
    widget = timeline(pilot)
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


def told(pilot: Pilot[Any]) -> str:
    """Return the text of the run panel."""
    panel = pilot.app.screen.query_one(RunPanel)
    return "\n".join("".join(text for text, _ in panel.draw(y, 200)) for y in range(3))


def chosen(pilot: Pilot[Any]) -> tuple[int, int] | None:
    run = timeline(pilot).chosen
    return None if run is None else (run.job_id, run.number)


async def opened(pilot: Pilot[Any]) -> None:
    await pilot.press("6")
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, TimelineScreen) and timeline(pilot).seen is not None)
    await wait_for_redraw(pilot)


async def press(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause()
    await wait_for_redraw(pilot)


def test_every_worker_has_its_slots_as_lanes_and_every_run_a_bar(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        lanes = [
            (each.worker, [[bar.run.job_id for bar in lane] for lane in each.lanes]) for each in timeline(pilot).seen.workers
        ]  # type: ignore[union-attr]
        assert lanes == [("web-1:4021:9f2c1a", [[1], [2], [1], []]), ("web-2:4107:03be77", [[3], [], [], []])]
        text = drawn(pilot)
        assert "web-1:4021" in text
        assert "1 of 4 busy" in text
        assert "mail.send_rec…" in text
        assert "1 of 8 busy" in str(timeline(pilot).border_title)
        assert "▸ 1 running" in told(pilot)
        assert "✗ 1 failed" in told(pilot)
        assert "↻ 1 retried" in told(pilot)

    play(ran.app(), scene)


def test_tab_goes_to_the_newest_run_and_on_along_its_lane(still: FrozenQueue) -> None:
    still.beat()
    for n in range(3):
        still.queue.enqueue("img.resize", {"path": str(n)})
        (job,) = still.claim(1)
        still.clock.advance(12)
        still.store.completer.complete([Completed(job, still.clock.now() - 12, still.clock.now())])

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        widget = timeline(pilot)
        assert chosen(pilot) is None
        await press(pilot, "tab")
        assert chosen(pilot) == (3, 1)
        await press(pilot, "tab")  # the last of its lane: each run took the longest idle slot
        assert chosen(pilot) == (3, 1)
        assert widget.app.focused is widget

    play(still.app(), scene)


def test_tab_and_shift_tab_move_along_a_lane(still: FrozenQueue) -> None:
    for n in range(3):
        still.queue.enqueue("img.resize", {"path": str(n)})
        (job,) = still.claim(1)
        still.clock.advance(12)
        still.store.completer.complete([Completed(job, still.clock.now() - 12, still.clock.now())])

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "tab", "shift+tab")
        assert chosen(pilot) == (2, 1)
        await press(pilot, "shift+tab")
        assert chosen(pilot) == (1, 1)
        await press(pilot, "tab")
        assert chosen(pilot) == (2, 1)

    play(still.app(), scene)


def test_j_and_k_move_between_lanes_to_the_run_nearest_in_time(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "j")
        assert chosen(pilot) == (1, 1)
        await press(pilot, "j")
        assert chosen(pilot) == (2, 1)
        await press(pilot, "down")
        assert chosen(pilot) == (1, 2)
        await press(pilot, "j")
        assert chosen(pilot) is None  # an idle lane
        await press(pilot, "j")
        assert chosen(pilot) == (3, 1)
        await press(pilot, "k", "up")
        assert chosen(pilot) == (1, 2)
        await press(pilot, "G")
        assert chosen(pilot) is None
        await press(pilot, "g")
        assert chosen(pilot) == (1, 1)

    play(ran.app(), scene)


def test_k_starts_at_the_last_lane(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "k")
        assert chosen(pilot) is None
        assert "❯  4" in drawn(pilot)

    play(ran.app(), scene)


def test_the_selected_run_is_distinguishable_without_color(ran: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert "❯" not in drawn(pilot)
        await press(pilot, "n")
        (line,) = {line.strip() for line in drawn(pilot).split("\n") if "❯" in line}
        assert line.startswith("❯  1 ")  # its lane
        assert line.count("❯") == 2
        assert "❯webhook.post" in line or "❯█" in line or "❯w" in line

    play(ran.app(), scene)


def test_the_selected_run_is_described_below(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "j")
        text = told(pilot)
        assert "↻ failed · retried   #1 mail.send_receipt   queue mail   attempt 1 of 5" in text
        assert "started 15:06:40.000   took 10.0s   on web-1:4021" in text
        assert "TimeoutError: too slow" in text
        await press(pilot, "j")
        text = told(pilot)
        assert "▸ running   #2 img.resize" in text
        assert "runs for 25.0s   lease ends in 28.0s" in text

    play(ran.app(), scene)


def test_attempts_of_the_selected_job_are_joined_by_an_arrow(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert "╮" not in drawn(pilot)[200:]
        await press(pilot, "j")
        assert "╮" in drawn(pilot)

    play(ran.app(), scene)


def test_n_goes_from_failure_to_failure(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "n")
        assert chosen(pilot) == (3, 1)  # first the newest
        await press(pilot, "N")
        assert chosen(pilot) == (1, 1)
        await press(pilot, "N")
        assert any("No earlier failure" in each for each in toasts(pilot))
        await press(pilot, "n")
        assert chosen(pilot) == (3, 1)
        await press(pilot, "n")
        assert any("No later failure" in each for each in toasts(pilot))

    play(ran.app(), scene)


def test_n_reports_that_no_run_failed(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "n", "tab", "j", "G", "enter")
        assert any("No run failed in this period" in each for each in toasts(pilot))

    play(still.app(), scene)


def test_plus_and_minus_zoom_from_ten_seconds_to_a_day(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        widget = timeline(pilot)
        assert widget.seconds == 60
        await press(pilot, "plus")
        assert widget.seconds == 30
        await press(pilot, "equals_sign", "plus", "plus")
        assert widget.seconds == SPANS[0] == 10
        assert "last 10s" in str(widget.border_title)
        for _ in SPANS:
            await pilot.press("minus")
        await wait_for_redraw(pilot)
        assert widget.seconds == SPANS[-1] == 86400
        assert "last 1d" in str(widget.border_title)
        assert widget.seen is not None
        assert widget.seen.until - widget.seen.since >= 86400

    play(ran.app(), scene)


def test_zooming_keeps_the_selected_run_visible(still: FrozenQueue) -> None:
    lively(still, 300)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "minus", "minus", "f", "h", "h", "tab", "shift+tab", "shift+tab", "shift+tab")
        widget = timeline(pilot)
        run = widget.chosen
        assert run is not None
        for key in ("plus", "plus", "plus", "plus"):
            await press(pilot, key)
            window = widget.window
            assert run.started_at <= window.end
            assert (run.finished_at or window.now) >= window.begin

    play(still.app(), scene)


def test_h_and_l_scroll_in_time_and_follow_again_at_the_end(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        widget = timeline(pilot)
        begin = widget.window.begin
        await press(pilot, "h")
        assert not widget.following
        assert begin - 15 < widget.window.begin < begin - 5
        assert "frozen, 0 follows now" in str(widget.border_title)
        await press(pilot, "left")
        assert widget.window.begin < begin - 12
        await press(pilot, "right", "l")
        assert widget.following
        await press(pilot, "l")
        assert widget.following  # nothing is later

    play(ran.app(), scene)


def test_older_runs_are_read_when_scrolled_to(ran: FrozenQueue) -> None:
    ran.clock.advance(600)
    ran.beat()

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        widget = timeline(pilot)
        ended = lambda: {bar.run.job_id for _, _, bar in widget._bars() if bar.run.outcome}  # noqa: E731
        assert ended() == set()
        await press(pilot, "minus", "minus", "minus")
        await wait_for(pilot, lambda: ended() == {1, 3})
        await press(pilot, "plus", "plus", "plus")
        assert ended() == set()
        for _ in range(72):
            await pilot.press("h")
        await wait_for(pilot, lambda: ended() == {1, 3})
        await pilot.press("0")
        await wait_for(pilot, lambda: widget.following and ended() == set())

    play(ran.app(), scene)


def test_zero_and_home_return_to_now(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        widget = timeline(pilot)
        for key in ("0", "home"):
            await press(pilot, "h", "h")
            assert not widget.following
            await press(pilot, key)
            assert widget.following

    play(ran.app(), scene)


def test_f_stops_and_resumes_following(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        widget = timeline(pilot)
        await press(pilot, "f")
        begin = widget.window.begin
        ran.clock.advance(20)
        await wait_for_redraw(pilot)
        assert widget.window.begin == begin
        await press(pilot, "f")
        await wait_for(pilot, lambda: widget.window.begin > begin + 15)
        assert widget.following

    play(ran.app(), scene)


def test_following_moves_on_by_whole_cells(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        widget = timeline(pilot)
        before = widget.window
        ran.clock.advance(3.3)
        await wait_for(pilot, lambda: widget.window.begin > before.begin)
        moved = (widget.window.begin - before.begin) / before.cell
        assert moved == pytest.approx(round(moved))

    play(ran.app(), scene)


def test_enter_opens_the_job_and_escape_returns(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, TimelineScreen)  # nothing is selected
        await press(pilot, "n", "enter")
        assert isinstance(pilot.app.screen, JobScreen)
        assert pilot.app.screen.job_id == 3
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, TimelineScreen)
        assert chosen(pilot) == (3, 1)
        await press(pilot, "escape")
        assert not isinstance(pilot.app.screen, TimelineScreen)

    play(ran.app(), scene)


def test_the_mouse_selects_opens_zooms_and_scrolls(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        widget = timeline(pilot)
        row = next(
            y
            for y in range(widget.size.height)
            if "❯" in widget.render_line(y).text or "  1 " in widget.render_line(y).text[:5]
        )
        run = next(bar for _, _, bar in widget._bars() if bar.run.job_id == 1)
        x = 5 + int(widget.window.place((run.start + run.end) / 2))
        await pilot.click(Timeline, offset=(x + 1, row + 1))
        await pilot.pause()
        assert chosen(pilot) == (1, 1)
        await pilot.click(Timeline, offset=(x + 30 + 1, 2))  # the line of a worker
        await pilot.pause()
        assert chosen(pilot) == (1, 1)
        from textual.events import MouseScrollDown, MouseScrollUp

        def wheel(kind: type, **held: bool) -> None:
            keys = {"shift": False, "meta": False, "ctrl": False, **held}
            event = kind(widget, 5, 5, 0, 0, 0, keys["shift"], keys["meta"], keys["ctrl"])
            (widget.on_mouse_scroll_up if kind is MouseScrollUp else widget.on_mouse_scroll_down)(event)

        wheel(MouseScrollUp, ctrl=True)
        assert widget.seconds == 30
        wheel(MouseScrollDown, ctrl=True)
        assert widget.seconds == 60
        wheel(MouseScrollUp, shift=True)
        assert not widget.following
        await pilot.press("0")
        await wait_for_redraw(pilot)
        await pilot.click(Timeline, offset=(x + 1, row + 1), times=2)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen))

    play(ran.app(), scene)


def test_more_lanes_than_fit_scroll_with_the_cursor(still: FrozenQueue) -> None:
    still.queue.enqueue_many([still.queue.new_job("img.resize", {"path": str(n)}) for n in range(60)])
    still.claim(60)
    still.clock.advance(3)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        widget = timeline(pilot)
        assert "lines to" in str(widget.border_subtitle)
        await press(pilot, "G")
        assert "❯ 60" in drawn(pilot)
        await press(pilot, "g")
        assert "❯  1" in drawn(pilot)

    play(still.app(), scene, size=(80, 24))


def test_a_sample_is_marked_as_such(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        from dataclasses import replace

        widget = timeline(pilot)
        assert widget.seen is not None
        widget.show(replace(widget.seen, is_complete=False, ended=12_345))
        assert "a sample of 12,345 runs" in str(widget.border_title)

    play(ran.app(), scene)


def test_hostile_text_stays_text(still: FrozenQueue) -> None:
    still.queue.enqueue("img.resize", {"path": "x"}, queue="[red]q", max_attempts=1)
    (job,) = still.claim(1)
    still.clock.advance(30)
    now = still.clock.now()
    still.store.completer.fail([Failed(job, now - 30, now, None, "E\x1b[31m", "[bold]\x9b]52;\x00\u202e" + "x" * 100_000)])

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await press(pilot, "n")
        text = drawn(pilot) + told(pilot)
        assert "[red]q" in text
        assert not set(text) & set("\x1b\x9b\x00\u202e")

    play(still.app(), scene, size=(200, 60))


def test_the_smallest_terminal_shows_lanes(ran: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert "█" in drawn(pilot)

    play(ran.app(), scene, size=(60, 15))


def test_every_outcome_of_the_engine_is_drawn() -> None:
    from tests.tui.widgets.test_run_bars import bar

    from jobdeck_tui.widgets.timeline.run_bars import GLYPHS, style_of

    assert {style_of(bar(0, 1, outcome=each).run) for each in Outcome} | {"running", "again"} == set(GLYPHS)


# -- snapshots --------------------------------------------------------------------------------------


@sizes
def test_the_timeline_of_busy_workers(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    lively(still)
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("6", "n", "N"))


@sizes
def test_the_timeline_of_an_empty_queue(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("6"))


def test_many_runs_seen_from_afar(snap_compare: Compare, still: FrozenQueue) -> None:
    lively(still, 1200)
    assert snap_compare(still.app(), terminal_size=(120, 40), run_before=press_keys("6", "minus", "minus", "minus", "minus"))


def test_the_timeline_in_light_colors(snap_compare: Compare, still: FrozenQueue) -> None:
    lively(still)
    app = still.app()
    app.theme = "jobdeck-light"
    assert snap_compare(app, terminal_size=(120, 40), run_before=press_keys("6", "n"))


def test_the_timeline_without_color(snap_compare: Compare, still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    lively(still)
    assert snap_compare(still.app(), terminal_size=(120, 40), run_before=press_keys("6", "n"))
