"""Tests of the metrics screen: its charts, its cursor, its groups and its keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.workday import screen_text, toasts, watch, workday
from textual.pilot import Pilot

from jobdeck_tui.app import Cockpit
from jobdeck_tui.feed.feed import Feed
from jobdeck_tui.preferences import Preferences
from jobdeck_tui.screens.help import HelpScreen
from jobdeck_tui.screens.jobs import JobsScreen
from jobdeck_tui.screens.metrics import MetricsScreen
from jobdeck_tui.widgets.charts.metric_chart import MetricChart
from jobdeck_tui.widgets.charts.metric_charts import RunTime, ThroughputChart

Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


@pytest.fixture
def worked(still: FrozenQueue) -> FrozenQueue:
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
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, MetricsScreen) and metrics(pilot).seen is not None)
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
        charts = [chart for chart in screen.query(MetricChart) if chart.display]
        return screen.seen is not before and all(
            chart.reading is not None and screen.seen is not None and chart.reading.metrics is screen.seen.charts
            for chart in charts
        )

    await wait_for(pilot, is_shown)


def title(pilot: Pilot[Any], chart: type[MetricChart]) -> str:
    return str(metrics(pilot).query_one(chart).border_title)


def groups(screen: MetricsScreen) -> list[str]:
    return [str(row.key) for row in screen.query_one("#groups").rows]  # type: ignore[attr-defined]


# -- snapshots ------------------------------------------------------------------------------------


@sizes
def test_the_metrics_of_an_hour(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    workday(still)

    async def look(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await opened(pilot, "right_square_bracket")

    assert snap_compare(still.app(), terminal_size=size, run_before=look)


@sizes
def test_the_metrics_of_an_empty_queue(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    async def look(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await opened(pilot)

    assert snap_compare(still.app(), terminal_size=size, run_before=look)


@sizes
def test_the_metrics_of_a_queue_at_a_moment(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    workday(still)

    async def look(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await opened(pilot, "t", "b", "enter", "h", "H")

    assert snap_compare(still.app(), terminal_size=size, run_before=look)


@sizes
def test_a_chart_alone(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    workday(still)

    async def look(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await opened(pilot, "t", "2", "enter")

    assert snap_compare(still.app(), terminal_size=size, run_before=look)


# -- keys -----------------------------------------------------------------------------------------


def test_1_opens_the_metrics_and_2_the_run_times_from_every_screen(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("1")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MetricsScreen))
        await wait_for(pilot, lambda: metrics(pilot).query_one("#groups").has_focus)
        await pilot.press("2")
        await wait_for(pilot, lambda: metrics(pilot).query_one(RunTime).has_focus)
        await pilot.press("1")
        await wait_for(pilot, lambda: metrics(pilot).query_one(ThroughputChart).has_focus)
        await pilot.press("3", "2")
        await wait_for(
            pilot, lambda: isinstance(pilot.app.screen, MetricsScreen) and metrics(pilot).query_one(RunTime).has_focus
        )

    watch(worked.app(), scene, size=(80, 24))


def test_brackets_and_t_change_the_time_range(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        begun = [screen.current_query().seconds]
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
            begun.append(screen.current_query().seconds)
        minute, hour, day, week = 600.0, 3600.0, 86400.0, 604800.0
        assert begun == [minute, minute, hour, day, week, week, day, week, minute]
        assert "10m is the shortest range" in toasts(pilot)
        assert "7d is the longest range" in toasts(pilot)
        await opened(pilot, "right_square_bracket")
        total = screen.query_one(ThroughputChart).reading
        assert total is not None
        assert total.metrics.total.completed == worked.queue.history.metrics(seconds=3600).total.completed

    watch(worked.app(), scene)


def test_b_groups_by_queue_by_nothing_and_by_kind(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        assert set(groups(screen)) == {"mail.send_receipt", "webhook.post", "img.resize", "report.daily"}
        await opened(pilot, "b")
        assert set(groups(screen)) == {"mail", "webhook", "img", "default"}
        await opened(pilot, "b")
        assert not screen.query_one("#groups").display
        assert screen.query_one(ThroughputChart).has_focus
        await opened(pilot, "b")
        assert "mail.send_receipt" in groups(screen)
        assert screen.query_one("#groups").has_focus

    watch(worked.app(), scene)


def test_h_and_l_move_the_cursor_and_escape_clears_it(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        whole = title(pilot, ThroughputChart)
        await pilot.press("h")
        assert screen.seen is not None
        slots = screen.seen.charts.slices
        assert screen.cursor == len(slots) - 2
        await pilot.press("h", "left", "l", "H", "shift+left", "L", "shift+right", "right")
        assert screen.cursor == len(slots) - 2 - 2 + 1 + 1
        at = slots[screen.cursor]
        await pilot.press("H")
        told = slots[screen.cursor]
        assert told is not at
        assert f"{told.run.count} measured" in str(screen.query_one(RunTime).border_subtitle)
        assert title(pilot, ThroughputChart) != whole
        assert "│" in screen_text(pilot).split("\n")[7]
        await pilot.press("escape")
        assert screen.cursor is None
        assert title(pilot, ThroughputChart) == whole

    watch(worked.app(), scene)


def test_the_cursor_stays_at_its_time_as_time_passes(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "h", "H")
        assert screen.seen is not None
        assert screen.cursor is not None
        before, at = screen.seen.charts, screen.seen.charts.slices[screen.cursor].at
        worked.clock.advance(45)
        await wait_for(pilot, lambda: screen.seen is not None and screen.seen.charts.slices[-1].at > before.slices[-1].at)
        assert screen.seen.charts.slices[screen.cursor].at == at

    watch(worked.app(), scene)


def test_enter_filters_the_charts_by_a_group_and_then_shows_its_jobs(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "j", "enter")
        (_, kind), *_ = screen.filters
        assert groups(screen)[1] == kind
        assert len(groups(screen)) == 4
        reading = screen.query_one(ThroughputChart).reading
        assert reading is not None
        assert reading.metrics.total.completed == worked.queue.history.metrics(kind=kind).total.completed
        assert f"kind {kind} ×" in screen_text(pilot)
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
        await wait_for(pilot, lambda: f"/kind:{kind}" in screen_text(pilot))

    watch(worked.app(), scene)


def test_a_queue_can_be_filtered_by_kind_and_escape_removes_filters_one_by_one(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "b", "enter", "b", "b")
        (_, queue), *_ = screen.filters
        kinds = groups(screen)
        assert kinds == [*worked.queue.history.metrics(queue=queue, by="kind").groups]
        await opened(pilot, "enter")
        assert dict(screen.filters) == {"queue": queue, "kind": kinds[0]}
        await opened(pilot, "escape")
        assert dict(screen.filters) == {"queue": queue}
        await opened(pilot, "escape")
        assert screen.filters == ()
        assert len(groups(screen)) == 4
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, JobsScreen)

    watch(worked.app(), scene)


def test_o_shows_the_jobs_of_the_group_or_all_if_ungrouped(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "b")
        name = groups(screen)[0]
        await pilot.press("o")
        await wait_for(pilot, lambda: f"/queue:{name}" in screen_text(pilot))
        await opened(pilot, "b")
        await pilot.press("o")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
        await wait_for(pilot, lambda: "/queue:" not in screen_text(pilot))

    watch(worked.app(), scene)


def test_s_and_a_click_on_a_column_head_sort_the_groups(worked: FrozenQueue) -> None:
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
def test_each_percentile_is_labeled_however_few_columns_fit(worked: FrozenQueue, width: int) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        table = screen.query_one("#groups")
        told = re.findall(r"(?:(?:RUN|WAIT) )?P\d\d", table.render_line(0).text)
        assert told[0].startswith("RUN ")
        runs = told[: next((at for at, head in enumerate(told) if head.startswith("WAIT ")), len(told))]
        assert len({head[-3:] for head in runs}) == len(runs)  # no wait percentile is among those of runs

    watch(worked.app(), scene, (width, 40))


def test_enter_on_a_chart_shows_it_alone(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "2", "enter")
        assert [chart.id for chart in screen.query(MetricChart) if chart.display] == ["run-over-time"]
        assert screen.query_one(RunTime).size.height > 25
        await opened(pilot, "enter")
        assert sum(chart.display for chart in screen.query(MetricChart)) == 6
        await opened(pilot, "enter", "escape")
        assert sum(chart.display for chart in screen.query(MetricChart)) == 6

    watch(worked.app(), scene)


def test_everything_can_be_clicked(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)

        async def click(word: str) -> None:
            line = screen_text(pilot).split("\n")[2]
            await pilot.click("#metrics-choices", offset=(line.index(word) + 1, 0))
            await shown(pilot)

        await click("1h")
        assert screen.current_query().seconds == 3600
        await click("queue")
        assert screen.current_query().by == "queue"
        await click("none")
        assert screen.current_query().by == "none"
        await click("kind")
        await pilot.click(ThroughputChart, offset=(40, 3))
        assert screen.cursor is not None
        assert abs(screen.cursor - (40 - 1 - 6) * len(screen.query_one(ThroughputChart).reading.metrics.slices) // 52) <= 1  # type: ignore[union-attr]
        await click("at ")
        assert screen.cursor is None
        screen.query_one("#groups").focus()
        await opened(pilot, "enter")
        await click("kind mail")
        assert screen.filters == ()
        await pilot.click(ThroughputChart, offset=(20, 3), times=2)
        await shown(pilot)
        assert [chart.id for chart in screen.query(MetricChart) if chart.display] == ["throughput-over-time"]

    watch(worked.app(), scene)


def test_range_and_grouping_are_remembered(worked: FrozenQueue) -> None:
    remembered = Preferences()

    def app() -> Cockpit:
        return Cockpit(lambda post: Feed(worked.queue, post), where="x", remembered=remembered)

    async def first(pilot: Pilot[Any]) -> None:
        await opened(pilot, "t", "b")

    async def second(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        assert (screen.current_query().seconds, screen.current_query().by) == (3600, "queue")

    watch(app(), first)
    watch(app(), second)


def test_an_invalid_remembered_range_means_the_default(worked: FrozenQueue) -> None:
    remembered = Preferences()
    remembered.put("metrics range", 7.0)
    remembered.put("metrics by", "color")

    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        assert (screen.current_query().seconds, screen.current_query().by) == (600, "kind")

    watch(Cockpit(lambda post: Feed(worked.queue, post), where="x", remembered=remembered), scene)


def test_every_key_is_in_the_help_and_q_returns(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await pilot.press("question_mark")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        told = pilot.app.screen.query_one("#help-text").render().plain  # type: ignore[union-attr]
        for keys in ("[", "]", "t", "b", "← h", "→ l", "o", "s", "1", "2", "3", "5", "7", "z", "Z", "esc q", "⏎"):
            assert f"\n  {keys} " in told, keys
        await pilot.press("escape", "q")
        assert isinstance(pilot.app.screen, JobsScreen)

    watch(worked.app(), scene)


def test_the_terminal_can_be_resized_while_the_charts_are_open(worked: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot)
        for size, charts in (((60, 15), 2), ((200, 60), 6), ((40, 10), 6), ((100, 30), 4), ((300, 100), 6)):
            await pilot.resize_terminal(*size)
            await wait_for_redraw(pilot)
            if size[0] >= 60:
                await wait_for(pilot, lambda charts=charts: sum(chart.display for chart in screen.query(MetricChart)) == charts)  # type: ignore[misc]
                await shown(pilot)
                reading = screen.query_one(ThroughputChart).reading
                assert reading is not None
                assert len(reading.metrics.slices) <= max(20, screen.query_one(ThroughputChart).plot_width)

    watch(worked.app(), scene)


def test_hostile_names_of_kinds_stay_text(still: FrozenQueue) -> None:
    still.queue.enqueue("img.resize", {"path": "x"}, queue="[red]q[/red]")
    (claimed,) = still.claim(1)
    from jobdeck.model.attempt_result import Completed

    still.store.completer.complete([Completed(claimed, still.clock.now(), still.clock.now(), None)])

    async def scene(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "b", "enter")
        assert "queue [red]q[/red] ×" in screen_text(pilot)
        await opened(pilot, "b")
        assert groups(screen) == ["[red]q[/red]"] or not screen.query_one("#groups").display

    watch(still.app(), scene)
