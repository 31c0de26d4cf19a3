"""Tests of the kind's history on the job screen: the run times of other jobs, and this one's place among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, Step, press_keys, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play
from tests.tui.workday import workday
from textual.pilot import Pilot

from jobdeck import Job, Latency, Outcome, TimeSlice
from jobdeck.model.attempt_result import Completed, Failed
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.screens.metrics import MetricsScreen
from jobdeck_tui.text.kind_history import OwnRun, compare, describe_run, describe_total, read_history
from jobdeck_tui.widgets.charts.kind_chart import KindChart

Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
HOUR, DAY = 3600.0, 86400.0


def ran(still: FrozenQueue, count: int, took: float = 0.2, *, fails: int = 0) -> list[Job]:
    """Run this many jobs of the kind `img.resize` one after the other; the first ones fail."""
    jobs = []
    for n in range(count):
        still.queue.enqueue("img.resize", {"path": f"{n}.jpg"}, priority=1000, max_attempts=1)
        (claimed,) = still.claim(1)
        begun = still.clock.now()
        still.clock.advance(took)
        if n < fails:
            still.store.completer.fail([Failed(claimed, begun, still.clock.now(), None, "ValueError", "no")])
        else:
            still.store.completer.complete([Completed(claimed, begun, still.clock.now(), None)])
        jobs.append(claimed)
        still.clock.advance(5)
    return jobs


def running(still: FrozenQueue, seconds: float) -> int:
    """Return a job that has run for this many seconds."""
    still.queue.enqueue("img.resize", {"path": "uploads/41.jpg"}, priority=1000)
    (claimed,) = still.claim(1)
    still.clock.advance(seconds)
    still.beat()
    return claimed.id


def opened(job_id: int, *keys: str) -> Step:
    async def run(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        pilot.app.open_job(job_id)  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: getattr(pilot.app.screen, "detail", None) is not None)
        for key in keys:
            await pilot.press(key)
        await wait_for_redraw(pilot)
        await wait_for(pilot, lambda: not chart(pilot).display or chart(pilot).history is not None)
        await wait_for_redraw(pilot)

    return run


def chart(pilot: Pilot[Any]) -> KindChart:
    return pilot.app.screen.query_one(KindChart)


def title(pilot: Pilot[Any]) -> str:
    titles = chart(pilot)._titles  # Textual's own are markup
    return titles[0].plain if titles else ""


def below(pilot: Pilot[Any]) -> str:
    titles = chart(pilot)._titles
    return titles[1].plain if titles else ""


def drawn(pilot: Pilot[Any]) -> list[str]:
    """The lines of the chart, without its frame."""
    return ["".join(text for text, _ in chart(pilot).draw(y, chart(pilot).size.width)) for y in range(chart(pilot).size.height)]


# -- snapshots ------------------------------------------------------------------------------------------------------------


@sizes
def test_the_history_of_a_busy_kind(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    workday(still)
    assert snap_compare(still.app(), terminal_size=size, run_before=opened(running(still, 14.0), "6"))


# -- content --------------------------------------------------------------------------------------------------------------


def test_it_compares_the_run_time_with_the_others_and_marks_it(still: FrozenQueue) -> None:
    ran(still, 40, fails=2)
    job_id = running(still, 9.0)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        lines = drawn(pilot)
        assert lines[0] == "◆ runs for 9.0s, longer than 99 of 100"
        assert title(pilot) == "⁶history of img.resize · last hour"
        assert below(pilot).split("  ") == [" 40 runs", "5.0% failed", "p50 202ms", "p95 202ms "]
        (marked,) = [line for line in lines[1:] if "◆" in line]
        assert marked.rstrip().endswith("◆")  # now, at the right edge
        assert lines.index(marked) < next(
            y for y, line in enumerate(lines) if any("\u2801" <= cell <= "\u28ff" for cell in line)
        )
        assert [line.split()[0] for line in lines if line.split()[:1] in (["done"], ["fail"])] == ["done", "fail"]

    play(still.app(), scene)


def test_each_run_of_a_retried_job_is_marked_and_the_latest_stands_out(still: FrozenQueue) -> None:
    ran(still, 10)
    still.queue.enqueue("img.resize", {"path": "41.jpg"}, priority=1000)
    for retry in (600.0, None):
        (claimed,) = still.claim(1)
        begun = still.clock.now()
        still.clock.advance(3.0)
        now = still.clock.now()
        still.store.completer.fail([Failed(claimed, begun, now, None if retry is None else now + retry, "ValueError", "no")])
        still.clock.advance(900.0)
        still.store.transitions.stage()

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(claimed.id)(pilot)
        plot = "\n".join(drawn(pilot)[1:])
        assert (plot.count("◆"), plot.count("◇")) == (1, 1)
        assert drawn(pilot)[0] == "◆ failed after 3.0s, longer than most"

    play(still.app(), scene)


def test_it_omits_the_failures_if_there_are_none_and_notes_missing_runs(still: FrozenQueue) -> None:
    ran(still, 10)
    queued = still.queue.enqueue("img.resize", {"path": "a.jpg"})
    first = still.queue.enqueue("report.daily", {"day": "2025-06-01"})

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(queued.id)(pilot)
        assert [line.split()[0] for line in drawn(pilot) if line.split()[:1] in (["done"], ["fail"])] == ["done"]
        assert "◆" not in "".join(drawn(pilot))
        await pilot.press("escape")
        await opened(first.id)(pilot)
        assert [line.strip() for line in drawn(pilot)] == ["no run of this kind has ended in the last 7 days"]
        assert below(pilot) == ""
        still.queue.reprioritize(first.id, 2000)
        still.claim(1)
        await wait_for(pilot, lambda: drawn(pilot)[0].startswith("◆ runs for 0ms") and len(drawn(pilot)) == 2)

    play(still.app(), scene)


def test_it_updates_while_the_job_runs_and_after_it_has_finished(still: FrozenQueue) -> None:
    ran(still, 10)
    job_id = running(still, 1.0)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        still.clock.advance(4.0)
        await wait_for(pilot, lambda: drawn(pilot)[0].startswith("◆ runs for 5.0s"))
        job = still.queue.get(job_id)
        still.store.completer.complete([Completed(job, job.started_at or 0.0, still.clock.now(), None)])
        await wait_for(pilot, lambda: drawn(pilot)[0].startswith("◆ completed after 5.0s"))
        await wait_for(pilot, lambda: " 11 runs" in below(pilot))

    play(still.app(), scene)


def test_its_range_covers_enough_runs_and_the_job_itself(still: FrozenQueue) -> None:
    def reach(job: Job) -> float:
        return read_history(still.queue, still.queue.get(job.id), 60).seconds

    few = ran(still, 3)
    assert reach(few[0]) == 7 * DAY  # no range has more
    many = ran(still, 10)
    assert reach(many[-1]) == HOUR
    still.clock.advance(2 * HOUR)
    assert reach(many[-1]) == DAY
    newest = ran(still, 10)
    assert (reach(newest[0]), reach(many[0])) == (HOUR, DAY)
    still.clock.advance(30 * DAY)
    assert reach(many[0]) == 7 * DAY  # the job is older than that, as are all others
    newer = ran(still, 10)
    assert (reach(newer[0]), reach(many[0])) == (HOUR, HOUR)


@pytest.mark.parametrize(
    ("took", "outcome", "told"),
    [
        (50.0, None, "longer than 99 of 100"),
        (8.0, Outcome.FAILED, "longer than 95 of 100"),
        (3.0, None, "longer than most"),
        (1.05, Outcome.COMPLETED, "like most"),
        (0.5, Outcome.COMPLETED, "like most"),
        (0.5, None, ""),
    ],
)
def test_a_run_is_compared_with_what_most_of_them_take(took: float, outcome: Outcome | None, told: str) -> None:
    others = Latency(p50=1.0, p95=5.0, p99=10.0, count=100)
    assert compare(OwnRun(0.0, took, outcome), others) == told
    assert compare(OwnRun(0.0, took, outcome), Latency(p50=1.0, p95=5.0, p99=10.0, count=4)) == ""


def test_the_summary_of_a_history() -> None:
    assert describe_total(TimeSlice(at=0.0, seconds=60.0)) == ["no runs"]
    slot = TimeSlice(at=0.0, seconds=60.0, completed=1, run=Latency(p50=0.041, p95=0.212, p99=1.0, count=1))
    assert describe_total(slot) == ["1 run", "p50 41ms", "p95 212ms"]
    assert describe_total(TimeSlice(at=0.0, seconds=60.0, completed=1200, failed=34)) == ["1,234 runs", "2.8% failed"]
    assert describe_run(OwnRun(0.0, 2.0, Outcome.TIMED_OUT), Latency()) == ("timed out after 2.0s", "")


def test_a_hostile_name_stays_text(still: FrozenQueue) -> None:
    from tests.core.helpers import new

    (job,) = still.store.enqueuer.enqueue([new(kind="a\x1b[31m[red]b\u202e")])

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job.id)(pilot)
        assert r"of a\x1b[31m[red]b\u202e · last 7 days" in title(pilot)

    play(still.app(), scene)


# -- layout ---------------------------------------------------------------------------------------------------------------


def test_side_by_side_it_uses_the_lines_that_the_lifecycle_does_not_need(still: FrozenQueue) -> None:
    ran(still, 10)
    job_id = running(still, 9.0)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        life, left = pilot.app.screen.query_one("#life"), pilot.app.screen.query_one("#job-left")
        assert 8 <= chart(pilot).outer_size.height <= 14
        assert life.max_scroll_y == 0
        assert chart(pilot).region.bottom == left.region.bottom
        await pilot.resize_terminal(120, 26)
        await wait_for(pilot, lambda: not chart(pilot).display)
        await pilot.press("6")
        await wait_for(pilot, lambda: chart(pilot).display and chart(pilot).has_focus)
        await pilot.press("1")
        await wait_for(pilot, lambda: not chart(pilot).display)
        for _ in range(4):  # stepping through the panels skips hidden ones
            await pilot.press("tab")
            assert not chart(pilot).display
        await pilot.resize_terminal(120, 50)
        await wait_for(pilot, lambda: chart(pilot).display)
        await pilot.resize_terminal(80, 24)
        await pilot.press("6")
        await wait_for(pilot, lambda: chart(pilot).outer_size.height > 14)

    play(still.app(), scene)


def test_it_is_queried_only_while_it_is_visible(still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(still, 10)
    job_id = running(still, 9.0)
    asked: list[int] = []
    metrics = still.queue.history.metrics

    def counted(**how: Any) -> Any:
        asked.append(how["slices"])
        return metrics(**how)

    monkeypatch.setattr(still.queue.history, "metrics", counted)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "1")(pilot)
        assert asked == []
        await pilot.press("6")
        await wait_for(pilot, lambda: chart(pilot).history is not None)
        assert {*asked} == {chart(pilot).columns}
        await pilot.press("2")
        await wait_for(pilot, lambda: chart(pilot).history is None)
        before = len(asked)
        await wait_for_redraw(pilot)
        assert len(asked) == before

    play(still.app(), scene, size=(80, 24))


# -- keys -----------------------------------------------------------------------------------------------------------------


def test_6_focuses_it_and_enter_opens_the_metrics_of_the_kind_with_the_same_range(still: FrozenQueue) -> None:
    ran(still, 10)
    job_id = running(still, 9.0)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "6")(pilot)
        assert chart(pilot).has_focus
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MetricsScreen) and pilot.app.screen.seen is not None)
        screen = pilot.app.screen
        assert isinstance(screen, MetricsScreen)
        assert screen.filters == (("kind", "img.resize"),)
        await wait_for(pilot, lambda: screen.seen is not None and screen.seen.charts.total.completed == 10)
        assert screen.current_query().seconds == HOUR
        assert pilot.app.preferences.get("metrics range", 0.0) == 0.0  # type: ignore[attr-defined]

    play(still.app(), scene)


def test_a_second_click_also_opens_the_metrics(still: FrozenQueue) -> None:
    ran(still, 10)
    job_id = running(still, 9.0)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id)(pilot)
        await pilot.click("#history", offset=(10, 3))
        assert isinstance(pilot.app.screen, JobScreen)
        await pilot.click("#history", offset=(10, 3), times=2)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, MetricsScreen))

    play(still.app(), scene)


def test_the_next_job_of_the_list_has_its_own_history(still: FrozenQueue) -> None:
    ran(still, 10)
    still.queue.enqueue("report.daily", {"day": "2025-06-01"})

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(10)(pilot)
        assert "of img.resize" in title(pilot)
        await pilot.press("K")
        await wait_for(pilot, lambda: "of report.daily" in title(pilot))
        await pilot.press("J")
        await wait_for(pilot, lambda: "of img.resize" in title(pilot))

    play(still.app(), scene)
