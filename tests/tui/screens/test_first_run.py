"""Tests of the empty states: an empty queue introduces jobdeck, and every empty list says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play, table
from textual.pilot import Pilot

from jobdeck_tui.feed.messages import View
from jobdeck_tui.screens.help import HelpScreen
from jobdeck_tui.screens.new_job import NewJobScreen
from jobdeck_tui.widgets.table.empty_state import nothing_matches, welcome

SIZES = [(60, 15), (80, 24), (120, 40), (200, 60)]
Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


def told(pilot: Pilot[Any]) -> str:
    view = table(pilot)
    return "\n".join(view.render_line(y).text.rstrip() for y in range(view.size.height))


@sizes
def test_the_first_run_is_welcoming(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys())


@sizes
def test_a_filter_without_hits_offers_the_way_out(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    still.busy()
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("slash", *"queue:nowhere", "enter"))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_introduces_jobdeck_its_keys_and_its_commands(still: FrozenQueue, size: tuple[int, int]) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        text = told(pilot)
        assert "Welcome to jobdeck" in text
        assert "jobdeck run --db ~/app/jobs.db -- echo hello" in text
        assert all(f"{key}  " in text for key in "n?:")
        if size[1] >= 24:
            assert "A durable job queue and its cockpit" in text
        if size[1] >= 40:
            assert 'Queue("~/app/jobs.db").enqueue("shell", {"command": ["echo", "hello"]})' in text
            assert "jobdeck demo" in text
        assert "…" not in text
        still.queue.enqueue("img.resize", {"path": "x"})
        await wait_for(pilot, lambda: table(pilot).total == 1)
        assert "Welcome" not in told(pilot)

    play(still.app(), scene, size=size)


def test_its_keys_can_be_clicked(still: FrozenQueue) -> None:
    async def click(pilot: Pilot[Any], what: str) -> None:
        lines = told(pilot).split("\n")
        y = next(n for n, line in enumerate(lines) if what in line)
        await pilot.click("#table", offset=(lines[y].index(what), y))

    async def scene(pilot: Pilot[Any]) -> None:
        await click(pilot, "a new job")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, NewJobScreen))
        await pilot.press("escape")
        await click(pilot, "every key")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))

    play(still.app(), scene)


def test_a_queue_with_jobs_never_shows_the_empty_state(still: FrozenQueue) -> None:
    still.queue.enqueue("img.resize", {"path": "x"})

    async def scene(pilot: Pilot[Any]) -> None:
        fresh = type(table(pilot))()
        fresh._size = table(pilot).size
        assert list(fresh._empty(3)) == []  # before the first snapshot

    play(still.app(), scene)


def test_an_empty_filter_or_tab_offers_esc_and_esc_leaves_it(still: FrozenQueue) -> None:
    still.queue.enqueue("img.resize", {"path": "x"})

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"queue:no", "enter")
        await wait_for(pilot, lambda: "No job matches queue:no" in told(pilot))
        assert "esc  clears the filter" in told(pilot)
        await pilot.press("escape")
        await wait_for(pilot, lambda: table(pilot).total == 1)
        await pilot.press("right", "right", "right", "right")
        await wait_for(pilot, lambda: "No job has failed" in told(pilot))
        assert "esc  shows all jobs" in told(pilot)
        await pilot.press("escape")
        await wait_for(pilot, lambda: table(pilot).total == 1)
        await wait_for_redraw(pilot)

    play(still.app(), scene)


def test_the_text_of_each_empty_list() -> None:
    def first(view: View, problem: str | None = None) -> str:
        return nothing_matches(view, problem)[0].pieces[0][0]

    assert first(View(filter="\x1b[31mx")) == r"No job matches \x1b[31mx"
    assert first(View(filter="x", tab="failed")) == "No failed job matches x"
    assert first(View(tab="running")) == "No job is running"
    assert first(View(filter="a:"), "…") == "The filter is not complete yet"


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("height", range(1, 40))
def test_an_empty_state_never_exceeds_the_screen(height: int, readonly: bool) -> None:
    for width in range(56, 120, 7):
        lines = welcome("~/q.db", width, height, default=False, readonly=readonly)
        assert len(lines) <= height
        assert all(line.width <= width for line in lines)
        assert not (readonly and any(text.startswith("n ") for line in lines for text, _ in line.pieces))


def test_the_default_database_needs_no_option() -> None:
    assert any(
        "jobdeck run -- echo hello" in text for line in welcome("~/x.db", 100, 30, default=True) for text, _ in line.pieces
    )


def test_before_the_database_is_read_nothing_is_said_about_its_jobs(
    still: FrozenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    still.busy()
    app = still.app()
    monkeypatch.setattr(app.feed, "start", lambda: None)

    async def run() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            lines = [strip.text for strip in app.screen._compositor.render_strips()]
            assert "opening" in lines[0]
            shown = "\n".join(lines)
            assert not [said for said in ("no queue", "no worker", "live", "0 jobs") if said in shown], shown

    asyncio.run(run())
