"""Tests of the metrics screen: its charts, its cursor, its groups and its keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.tui.frozen_queue import Still, seen, settled, steps
from tests.tui.workday import screen_text, toasts, watch, workday
from textual.pilot import Pilot

from jobdeck_tui.app import Cockpit
from jobdeck_tui.feed.feed import Feed
from jobdeck_tui.preferences import Remembered
from jobdeck_tui.screens.help import HelpScreen
from jobdeck_tui.screens.jobs import JobsScreen
from jobdeck_tui.screens.metrics import MetricsScreen
from jobdeck_tui.widgets.charts.metric_chart import MeasureChart
from jobdeck_tui.widgets.charts.metric_charts import RunTime, Throughput

Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


@pytest.fixture
def worked(still: Still) -> Still:
    """Return a queue with an hour of history."""
    workday(still, seconds=1800)
    return still


def metrics(pilot: Pilot[Any]) -> MetricsScreen:
    """Return the screen, which must be active."""
    assert isinstance(pilot.app.screen, MetricsScreen)
    return pilot.app.screen


async def opened(pilot: Pilot[Any], *keys: str) -> MetricsScreen:
    """Open the screen, wait until its charts are drawn, and press keys."""
    pilot.app.action_open_screen("metrics")  # type: ignore[attr-defined]
    await seen(pilot, lambda: isinstance(pilot.app.screen, MetricsScreen) and metrics(pilot).seen is not None)
    await shown(pilot)
    for key in keys:
        await pilot.press(key)
        await shown(pilot)
    return metrics(pilot)


async def shown(pilot: Pilot[Any]) -> None:
    """Wait until the charts show data read after the last key."""
    await pilot.pause()
    screen = pilot.app.screen
    if not isinstance(screen, MetricsScreen):
        return
    before = screen.seen
    pilot.app.feed.refresh()  # type: ignore[attr-defined]

    def is_shown() -> bool:
        charts = [chart for chart in screen.query(MeasureChart) if chart.display]
        return screen.seen is not before and all(
            chart.reading is not None and screen.seen is not None and chart.reading.metrics is screen.seen.charts
            for chart in charts
        )

    await seen(pilot, is_shown)


def title(pilot: Pilot[Any], chart: type[MeasureChart]) -> str:
    return str(metrics(pilot).query_one(chart).border_title)


def groups(screen: MetricsScreen) -> list[str]:
    return [str(row.key) for row in screen.query_one("#groups").rows]  # type: ignore[attr-defined]


# -- snapshots ------------------------------------------------------------------------------------


@sizes
def test_the_metrics_of_an_hour(snap_compare: Compare, still: Still, size: tuple[int, int]) -> None:
    workday(still)

    async def look(pilot: Pilot[Any]) -> None:
        await steps()(pilot)
        await opened(pilot, "right_square_bracket")

    assert snap_compare(still.app(), terminal_size=size, run_before=look)


@sizes
def test_the_metrics_of_an_empty_queue(snap_compare: Compare, still: Still, size: tuple[int, int]) -> None:
    async def look(pilot: Pilot[Any]) -> None:
        await steps()(pilot)
        await opened(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=look)


@sizes
def test_the_metrics_of_a_queue_at_a_moment(snap_compare: Compare, still: Still, size: tuple[int, int]) -> None:
    workday(still)

    async def look(pilot: Pilot[Any]) -> None:
        await steps()(pilot)
        await opened(pilot, "t", "b", "enter", "h", "H")

    assert snap_compare(still.app(), terminal_size=size, run_before=look)


@sizes
def test_a_chart_alone(snap_compare: Compare, still: Still, size: tuple[int, int]) -> None:
    workday(still)

    async def look(pilot: Pilot[Any]) -> None:
        await steps()(pilot)
        await opened(pilot, "t", "2", "enter")

    assert snap_compare(still.app(), terminal_size=size, run_before=look)


# -- keys -----------------------------------------------------------------------------------------


def test_1_opens_the_metrics_and_2_the_run_times_from_every_screen(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("1")
        await seen(pilot, lambda: isinstance(pilot.app.screen, MetricsScreen))
        await seen(pilot, lambda: metrics(pilot).query_one("#groups").has_focus)
        await pilot.press("2")
        await seen(pilot, lambda: metrics(pilot).query_one(RunTime).has_focus)
        await pilot.press("1")
        await seen(pilot, lambda: metrics(pilot).query_one(Throughput).has_focus)
        await pilot.press("3", "2")
        await seen(pilot, lambda: isinstance(pilot.app.screen, MetricsScreen) and metrics(pilot).query_one(RunTime).has_focus)

    watch(worked.app(), scene, size=(80, 24))


def test_brackets_and_t_change_the_time_range(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        begun = [screen.look().seconds]
        for key in (
            "left_square_bracket",
            "right_square_bracket",
            "t",
            "t",
            "right_square_bracket",
            "left_square_bracket",
            "t",
            "t",
        ):
            await pilot.press(key)
            begun.append(screen.look().seconds)
        minute, hour, day, week = 600.0, 3600.0, 86400.0, 604800.0
        assert begun == [minute, minute, hour, day, week, week, day, week, minute]
        assert "10m is the shortest range" in toasts(pilot)
        assert "7d is the longest range" in toasts(pilot)
        await opened(pilot, "right_square_bracket")
        total = screen.query_one(Throughput).reading
        assert total is not None
        assert total.metrics.total.completed == worked.queue.history.metrics(seconds=3600).total.completed

    watch(worked.app(), scene)


def test_b_groups_by_queue_by_nothing_and_by_kind(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        assert set(groups(screen)) == {"mail.send_receipt", "webhook.post", "img.resize", "report.daily"}
        await opened(pilot, "b")
        assert set(groups(screen)) == {"mail", "webhook", "img", "default"}
        await opened(pilot, "b")
        assert not screen.query_one("#groups").display
        assert screen.query_one(Throughput).has_focus
        await opened(pilot, "b")
        assert "mail.send_receipt" in groups(screen)
        assert screen.query_one("#groups").has_focus

    watch(worked.app(), scene)


def test_h_and_l_move_the_cursor_and_escape_clears_it(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        whole = title(pilot, Throughput)
        await pilot.press("h")
        assert screen.seen is not None
        slots = screen.seen.charts.slots
        assert screen.cursor == len(slots) - 2
        await pilot.press("h", "left", "l", "H", "shift+left", "L", "shift+right", "right")
        assert screen.cursor == len(slots) - 2 - 2 + 1 + 1
        at = slots[screen.cursor]
        await pilot.press("H")
        told = slots[screen.cursor]
        assert told is not at
        assert f"{told.run.count} measured" in str(screen.query_one(RunTime).border_subtitle)
        assert title(pilot, Throughput) != whole
        assert "│" in screen_text(pilot).split("\n")[7]
        await pilot.press("escape")
        assert screen.cursor is None
        assert title(pilot, Throughput) == whole

    watch(worked.app(), scene)


def test_the_cursor_stays_at_its_time_as_time_passes(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "h", "H")
        assert screen.seen is not None
        assert screen.cursor is not None
        before, at = screen.seen.charts, screen.seen.charts.slots[screen.cursor].at
        worked.clock.advance(45)
        await seen(pilot, lambda: screen.seen is not None and screen.seen.charts.slots[-1].at > before.slots[-1].at)
        assert screen.seen.charts.slots[screen.cursor].at == at

    watch(worked.app(), scene)


def test_enter_filters_the_charts_by_a_group_and_then_shows_its_jobs(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "j", "enter")
        (_, kind), *_ = screen.narrowed
        assert groups(screen)[1] == kind
        assert len(groups(screen)) == 4
        reading = screen.query_one(Throughput).reading
        assert reading is not None
        assert reading.metrics.total.completed == worked.queue.history.metrics(kind=kind).total.completed
        assert f"kind {kind} ×" in screen_text(pilot)
        await pilot.press("enter")
        await seen(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
        await seen(pilot, lambda: f"/kind:{kind}" in screen_text(pilot))

    watch(worked.app(), scene)


def test_a_queue_can_be_filtered_by_kind_and_escape_removes_filters_one_by_one(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "b", "enter", "b", "b")
        (_, queue), *_ = screen.narrowed
        kinds = groups(screen)
        assert kinds == [*worked.queue.history.metrics(queue=queue, by="kind").groups]
        await opened(pilot, "enter")
        assert dict(screen.narrowed) == {"queue": queue, "kind": kinds[0]}
        await opened(pilot, "escape")
        assert dict(screen.narrowed) == {"queue": queue}
        await opened(pilot, "escape")
        assert screen.narrowed == ()
        assert len(groups(screen)) == 4
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, JobsScreen)

    watch(worked.app(), scene)


def test_o_shows_the_jobs_of_the_group_or_all_if_ungrouped(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "b")
        name = groups(screen)[0]
        await pilot.press("o")
        await seen(pilot, lambda: f"/queue:{name}" in screen_text(pilot))
        await opened(pilot, "b")
        await pilot.press("o")
        await seen(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
        await seen(pilot, lambda: "/queue:" not in screen_text(pilot))

    watch(worked.app(), scene)


def test_s_and_a_click_on_a_column_head_sort_the_groups(worked: Still) -> None:
    found = worked.queue.history.metrics(by="kind").groups
    slowest = max(found, key=lambda name: found[name].run.p95 or 0)

    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        assert groups(screen)[0] == max(found, key=lambda name: found[name].completed + found[name].failed)
        await pilot.press("s", "s")
        assert groups(screen)[0] == slowest
        await pilot.press("s", "s")
        assert groups(screen) == sorted(found)
        table = screen.query_one("#groups")
        heads = screen_text(pilot).split("\n")[table.region.y + 1]
        await pilot.click(table, offset=(heads.index("JOBS"), 1))
        assert groups(screen)[0] == max(found, key=lambda name: found[name].completed + found[name].failed)
        assert "JOBS ▼" in screen_text(pilot)

    watch(worked.app(), scene)


@pytest.mark.parametrize("width", range(60, 130, 5))
def test_each_percentile_is_labeled_however_few_columns_fit(worked: Still, width: int) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        table = screen.query_one("#groups")
        told = re.findall(r"(?:(?:RUN|WAIT) )?P\d\d", table.render_line(0).text)
        assert told[0].startswith("RUN ")
        runs = told[: next((at for at, head in enumerate(told) if head.startswith("WAIT ")), len(told))]
        assert len({head[-3:] for head in runs}) == len(runs)  # no wait percentile is among those of runs

    watch(worked.app(), scene, (width, 40))


def test_enter_on_a_chart_shows_it_alone(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "2", "enter")
        assert [chart.id for chart in screen.query(MeasureChart) if chart.display] == ["run-over-time"]
        assert screen.query_one(RunTime).size.height > 25
        await opened(pilot, "enter")
        assert sum(chart.display for chart in screen.query(MeasureChart)) == 6
        await opened(pilot, "enter", "escape")
        assert sum(chart.display for chart in screen.query(MeasureChart)) == 6

    watch(worked.app(), scene)


def test_everything_can_be_clicked(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)

        async def click(word: str) -> None:
            line = screen_text(pilot).split("\n")[2]
            await pilot.click("#metrics-choices", offset=(line.index(word) + 1, 0))
            await shown(pilot)

        await click("1h")
        assert screen.look().seconds == 3600
        await click("queue")
        assert screen.look().by == "queue"
        await click("none")
        assert screen.look().by == "none"
        await click("kind")
        await pilot.click(Throughput, offset=(40, 3))
        assert screen.cursor is not None
        assert abs(screen.cursor - (40 - 1 - 6) * len(screen.query_one(Throughput).reading.metrics.slots) // 52) <= 1  # type: ignore[union-attr]
        await click("at ")
        assert screen.cursor is None
        screen.query_one("#groups").focus()
        await opened(pilot, "enter")
        await click("kind mail")
        assert screen.narrowed == ()
        await pilot.click(Throughput, offset=(20, 3), times=2)
        await shown(pilot)
        assert [chart.id for chart in screen.query(MeasureChart) if chart.display] == ["throughput-over-time"]

    watch(worked.app(), scene)


def test_range_and_grouping_are_remembered(worked: Still) -> None:
    remembered = Remembered()

    def app() -> Cockpit:
        return Cockpit(lambda post: Feed(worked.queue, post), where="x", remembered=remembered)

    async def first(pilot: Pilot[Any]) -> None:
        await opened(pilot, "t", "b")

    async def second(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        assert (screen.look().seconds, screen.look().by) == (3600, "queue")

    watch(app(), first)
    watch(app(), second)


def test_an_invalid_remembered_range_means_the_default(worked: Still) -> None:
    remembered = Remembered()
    remembered.put("metrics range", 7.0)
    remembered.put("metrics by", "colour")

    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        assert (screen.look().seconds, screen.look().by) == (600, "kind")

    watch(Cockpit(lambda post: Feed(worked.queue, post), where="x", remembered=remembered), scene)


def test_every_key_is_in_the_help_and_q_returns(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await pilot.press("question_mark")
        await seen(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        told = pilot.app.screen.query_one("#help-text").render().plain  # type: ignore[union-attr]
        for keys in ("[", "]", "t", "b", "← h", "→ l", "o", "s", "1", "2", "3", "5", "7", "z", "Z", "esc q", "⏎"):
            assert f"\n  {keys} " in told, keys
        await pilot.press("escape", "q")
        assert isinstance(pilot.app.screen, JobsScreen)

    watch(worked.app(), scene)


def test_the_terminal_can_be_resized_while_the_charts_are_open(worked: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        for size, charts in (((60, 15), 2), ((200, 60), 6), ((40, 10), 6), ((100, 30), 4), ((300, 100), 6)):
            await pilot.resize_terminal(*size)
            await settled(pilot)
            if size[0] >= 60:
                await seen(pilot, lambda charts=charts: sum(chart.display for chart in screen.query(MeasureChart)) == charts)  # type: ignore[misc]
                await shown(pilot)
                reading = screen.query_one(Throughput).reading
                assert reading is not None
                assert len(reading.metrics.slots) <= max(20, screen.query_one(Throughput).plot_width)

    watch(worked.app(), scene)


def test_hostile_names_of_kinds_stay_text(still: Still) -> None:
    still.queue.enqueue("img.resize", {"path": "x"}, queue="[red]q[/red]")
    (claimed,) = still.claim(1)
    from jobdeck.model.attempt_result import Completion

    still.store.completer.complete([Completion(claimed, still.clock.now(), still.clock.now(), None)])

    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "b", "enter")
        assert "queue [red]q[/red] ×" in screen_text(pilot)
        await opened(pilot, "b")
        assert groups(screen) == ["[red]q[/red]"] or not screen.query_one("#groups").display

    watch(still.app(), scene)
