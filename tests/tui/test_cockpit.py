"""Tests of the whole cockpit: header, help, command palette and robustness."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from rich.style import Style
from tests.tui.frozen_queue import FrozenQueue, deck_of, wait_for
from tests.tui.jobs_pilot import play
from textual.pilot import Pilot
from textual.widgets._toast import Toast

from jobdeck import State
from jobdeck_tui.feed.messages import DatabaseUnavailable, Snapshot
from jobdeck_tui.screens.help import HelpScreen
from jobdeck_tui.widgets.charts.dashboard_charts import nothing_ran
from jobdeck_tui.widgets.chrome.header import Header
from jobdeck_tui.widgets.chrome.state_tabs import StateTabs


def test_a_limited_queue_is_marked_and_the_selected_one_shows_its_limits(few: FrozenQueue) -> None:
    few.queue.limits.set("img", running=2, rate=100, period=60)
    few.queue.pause("img")

    async def scene(pilot: Pilot[Any]) -> None:
        panel = pilot.app.screen.query_one("#queues")
        shown = [panel.render_line(y).text for y in range(panel.size.height)]
        assert [line.split()[1] for line in shown if line.startswith(" img")] == ["≤"]
        assert not any("≤" in line for line in shown if not line.startswith(" img"))
        await pilot.press("3")
        for _ in shown:
            if "2 at once, 100 per 1m" in str(panel.border_subtitle):
                break
            await pilot.press("j")
        assert "2 at once, 100 per 1m" in str(panel.border_subtitle)
        await pilot.press("5")
        await wait_for(pilot, lambda: "at once" not in str(panel.border_subtitle))

    play(few.app(), scene)


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (140, "jobdeck  ~/app/jobs.db  ● LIVE  pending 1,414  running 4  retrying 15  failed 621  completed 2,727"),
        (125, "jobdeck  …/jobs.db  ● LIVE  pending 1.4k  running 4  retrying 15  failed 621  completed 2.7k"),
        (110, "jobdeck  ~/app/jobs.db  ● LIVE  pending 1,414  running 4  retrying 15  failed 621  completed 2,727"),
        (100, "jobdeck  …/jobs.db  ● LIVE  pending 1,414  running 4  retrying 15  failed 621  completed 2,727"),
        (80, "jobdeck  …/jobs.db  ● LIVE  ○ 1,414  ▸ 4  ↻ 15  ✗ 621  ✓ 2,727  ◷ 200  ⊘ 60"),
        (60, "jobdeck  ~/app/jobs.db  ● LIVE  ○ 1,414  ▸ 4  ↻ 15  ✗ 621"),
    ],
)
def test_the_name_of_the_queue_is_the_last_to_go(few: FrozenQueue, width: int, told: str) -> None:
    counts = [1414, 4, 15, 621, 2727, 200, 60]
    states = [State.PENDING, State.RUNNING, State.RETRYING, State.FAILED, State.COMPLETED, State.SCHEDULED, State.CANCELLED]

    async def scene(pilot: Pilot[Any]) -> None:
        deck, header = deck_of(pilot), pilot.app.screen.query_one(Header)
        header.show(replace(deck, overview=replace(deck.overview, counts=dict(zip(states, counts, strict=True)))))
        text = "".join(piece for piece, _ in header.draw(0, width))
        assert " ".join(text.split()).startswith(" ".join(told.split()))
        assert text.rstrip().endswith("scheduled 200  cancelled 60" if width >= 125 else told[-10:])
        assert len(text) <= width

    play(few.app(), scene)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_more_running_jobs_than_threads_show_no_share(still: FrozenQueue, size: tuple[int, int]) -> None:
    still.queue.enqueue_many([still.queue.new_job("report.daily", {"day": str(n)}) for n in range(10)])
    still.beat()
    still.claim(10)  # two workers have four threads each
    still.clock.advance(2)  # too long ago for jobs that are claimed ahead: these are async

    async def scene(pilot: Pilot[Any]) -> None:
        panel = pilot.app.screen.query_one("#workers")
        shown = f"{panel.border_title} {panel.render_line(0).text}"
        assert "10 jobs on 8 threads" in shown
        assert "10/8" not in shown

    play(still.app(), scene, size)


def test_the_help_lists_every_key_of_the_screen(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        keys = {key for binding in type(pilot.app.jobs_screen).BINDINGS for key in binding.key.split(",")}  # type: ignore[attr-defined]
        await pilot.press("question_mark")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        from jobdeck_tui.widgets.chrome.key_hints import key_name

        shown = str(pilot.app.screen.query_one("#help-text").render())
        missing = {key for key in keys if key_name(key) not in shown}
        assert not missing

    play(few.app(), scene)


def test_the_palette_finds_a_command_by_name(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "colon")
        await pilot.pause(0.2)
        await pilot.press(*"cancel")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await wait_for(pilot, lambda: few.queue.get(6).state is State.CANCELLED)

    play(few.app(), scene)


def test_a_snapshot_during_shutdown_is_ignored(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        last = deck_of(pilot)
        await pilot.app.screen.query("Header, #table").remove()
        pilot.app.on_snapshot(Snapshot(last))  # type: ignore[attr-defined]
        pilot.app.on_database_unavailable(DatabaseUnavailable("gone"))  # type: ignore[attr-defined]
        pilot.app.exit()

    app = few.app()
    play(app, scene)
    assert not app.is_running


def test_a_repeated_toast_replaces_the_previous_one_and_few_are_shown_at_once(few: FrozenQueue) -> None:
    app = few.app()

    async def run() -> None:
        async with app.run_test(notifications=True) as pilot:
            for _ in range(5):
                app.notify_user("Job 7 deleted · z to undo")
            await wait_for(pilot, lambda: len(app.screen.query(Toast)) == 1)
            for number in range(8, 13):
                app.notify_user(f"Job {number} deleted · z to undo")
            await wait_for(pilot, lambda: len(app.screen.query(Toast)) == 3)
            assert [each.message for each in app._notifications] == [f"Job {n} deleted · z to undo" for n in (10, 11, 12)]
        app.feed.end()

    asyncio.run(run())


def test_an_empty_chart_tells_a_quiet_hour_from_a_new_queue(few: FrozenQueue) -> None:
    overview = few.queue.overview(seconds=600, slices=4)
    quiet = replace(overview, slices=tuple(replace(each, completed=0, failed=0) for each in overview.slices))
    assert nothing_ran(replace(quiet, counts={State.PENDING: 3})) == "nothing has run yet"
    assert nothing_ran(replace(quiet, counts={State.COMPLETED: 10})) == "nothing has run in the last 10m"


@pytest.mark.parametrize("width", [58, 78, 98, 118])
def test_the_tabs_have_the_same_words_at_every_width(few: FrozenQueue, width: int) -> None:
    tabs = StateTabs()
    tabs.style = tabs.state_style = lambda *_: Style()  # type: ignore[method-assign]
    overview = few.queue.overview(seconds=600, slices=4)
    tabs._overview = replace(overview, counts=dict.fromkeys(State, 32_000))
    for tab in ("all", *State):
        tabs.tab = str(tab)
        parts = [*tabs.compose_line(width)]
        line = "".join(text for pieces, _ in parts for text, _ in pieces)
        assert len(line) <= width
        assert f"[{tab} " in line
        assert {word for word in line.translate(str.maketrans("[]", "  ")).split() if word.isalpha()} <= {
            "all",
            *map(str, State),
        }
        assert line.endswith("…") or "cancelled" in line
