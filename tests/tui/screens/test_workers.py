"""Tests of the workers screen: its content and its keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, deck_of, press_keys, wait_for, wait_for_redraw
from tests.tui.screen_pilot import drawn, keys, open_screen, play, table, text, wait_for_toast
from textual.pilot import Pilot

from jobdeck import Job, Queue, Registry, Settings, StuckJob, WorkerInfo
from jobdeck.model.attempt_result import Completed
from jobdeck.store.claim_capacity import ClaimRequest
from jobdeck_tui.app import Cockpit
from jobdeck_tui.feed.feed import Feed
from jobdeck_tui.screens.confirm import ConfirmScreen
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.screens.jobs import JobsScreen
from jobdeck_tui.screens.queues import QueuesScreen
from jobdeck_tui.screens.workers import WorkersScreen
from jobdeck_tui.text.worker_slots import WorkerSlots

HERE = "web-1:4021:9f2c1a"
ENDING = "web-2:4107:03be77"
SILENT = "db-7:977:c0ffee"
OLD = "db-7:31:0000aa"
GONE = "lost:5:beef01"


def report(still: FrozenQueue, name: str, threads: int, *, up: float = 3600.0, **more: object) -> None:
    host, pid, _ = name.split(":")
    info = WorkerInfo(
        id=name, host=host, pid=int(pid), threads=threads, started_at=still.clock.now() - up, heartbeat_at=0.0,
        running=0, alive=True, **{"queues": (), "draining": False, "kinds": tuple(still.queue.registry.kinds), **more},
    )  # fmt: skip
    still.store.workers.report(info)


def run(still: FrozenQueue, worker: str, kind: str, **args: object) -> Job:
    """Return a job that this worker runs."""
    made = still.queue.enqueue(kind, args)
    claimed = still.store.claimer.claim(ClaimRequest(worker, 1, kinds=[kind], queues=(), lease=60.0))
    assert [job.id for job in claimed] == [made.id]
    return claimed[0]


def crew(still: FrozenQueue) -> dict[str, Job]:
    """Create a busy process, a draining one with a stuck thread, two silent ones and a lost job."""
    jobs = {}
    report(still, OLD, 2, up=7200)
    still.clock.advance(2000)
    report(still, SILENT, 4, up=1800)
    still.clock.advance(30)
    run(still, GONE, "report.daily", day="2025-06-01")
    jobs["silent"] = run(still, SILENT, "img.resize", path="uploads/31.jpg", width=1280)
    run(still, SILENT, "img.resize", path="uploads/32.jpg", width=1280)
    still.clock.advance(4)
    jobs["stuck"] = run(still, ENDING, "webhook.post", url="https://legacy.example.com/in", event="order.paid")
    still.queue.cancel(jobs["stuck"].id)
    asked = still.clock.now() + 1
    still.clock.advance(20)
    jobs["slow"] = run(still, HERE, "img.resize", path="uploads/77.jpg", width=640)
    still.clock.advance(11)
    held = [(job.id, job.lease) for job in (jobs["stuck"], jobs["slow"]) if job.lease is not None]
    still.store.transitions.heartbeat(held, 60.0)
    report(
        still, ENDING, 4, draining=True, stuck=1, processes=2, queues=("webhook", "mail"),
        stopping=(StuckJob(job_id=jobs["stuck"].id, kind="webhook.post", since=asked, reason="cancelled"),),
    )  # fmt: skip
    still.clock.advance(3)
    jobs["mail"] = run(still, HERE, "mail.send_receipt", order_id=70411, to="ann@example.org")
    jobs["told"] = run(still, HERE, "report.daily", day="2025-06-14")
    still.store.transitions.report_progress(jobs["told"].id, jobs["told"].lease or 0, 0.4, "section 2 of 5")
    still.clock.advance(2)
    report(still, HERE, 6, up=5400)
    still.clock.advance(1.5)
    return jobs


Compare = Callable[..., bool]
sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


def opened(*presses: str, rows: bool = True) -> Callable[[Pilot[Any]], Any]:
    """Open the screen, press the keys and wait for their effect."""

    async def run(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await open_screen(pilot, "workers", rows=rows)
        await pilot.press(*presses)
        await wait_for_redraw(pilot)

    return run


# -- snapshots ------------------------------------------------------------------------------------


@sizes
def test_the_screen_of_a_crew(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    crew(still)
    assert snap_compare(still.app(), terminal_size=size, run_before=opened())


@sizes
def test_the_screen_without_any_worker(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=opened(rows=False))


def test_a_stuck_slot_is_pointed_at(snap_compare: Compare, still: FrozenQueue) -> None:
    crew(still)
    assert snap_compare(still.app(), terminal_size=(120, 40), run_before=opened(*["j"] * 6))


def test_the_help_of_the_screen(snap_compare: Compare, still: FrozenQueue) -> None:
    crew(still)
    assert snap_compare(still.app(), terminal_size=(120, 40), run_before=opened("question_mark"))


# -- content --------------------------------------------------------------------------------------


def test_each_process_is_shown_with_its_jobs(still: FrozenQueue) -> None:
    crew(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        lines = {line[2:].split("  ")[0].strip(): line for line in drawn(pilot)}
        assert "3/6" in lines["● web-1:4021"]
        assert "all queues · 4 kinds" in lines["● web-1:4021"]
        assert "draining" in lines["● web-2:4107"]
        assert "1 stuck" in lines["● web-2:4107"]
        assert "silent for 34m · it stopped without deregistering" in lines["✗ db-7:31"]
        assert "its 2 jobs will be rescued within 18s" in lines["✗ db-7:977"]
        assert "missing · its job will be rescued in 18s" in lines["✗ lost:5"]
        (stuck,) = (line for line in drawn(pilot) if "webhook.post" in line)
        assert "stuck: asked to stop 36s ago (cancelled)" in stuck
        (told_of,) = (line for line in drawn(pilot) if "report.daily" in line and "40%" in line)
        assert "1/3" in told_of
        assert "1 stuck" in str(table(pilot).border_title)

    play(still.app(), scene, size=(160, 40))


def test_without_live_workers_lost_jobs_say_that_no_process_rescues_them(still: FrozenQueue) -> None:
    report(still, SILENT, 2)
    run(still, SILENT, "img.resize", path="a.jpg")
    still.clock.advance(61)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        assert "no live worker to rescue it" in drawn(pilot)[1]

    play(still.app(), scene, size=(160, 40))


def test_a_lease_bar_empties_as_the_lease_expires(still: FrozenQueue) -> None:
    report(still, HERE, 1)
    run(still, HERE, "img.resize", path="a.jpg")

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        full = drawn(pilot)[2]
        assert full.count("━") == 8
        still.clock.advance(45)
        await wait_for(pilot, lambda: drawn(pilot)[2].count("━") == 2)
        assert "15s" in drawn(pilot)[2]

    play(still.app(), scene, size=(160, 40))


def test_the_stuck_code_of_a_job_that_runs_elsewhere_is_shown_and_opens_the_job(still: FrozenQueue) -> None:
    made = still.queue.enqueue("webhook.post", {"url": "https://a.example", "event": "x"})
    lost = StuckJob(job_id=made.id, kind="webhook.post", since=still.clock.now() - 90, reason="lease lost")
    report(still, HERE, 2, stuck=1, stopping=(lost,))

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        (line,) = (each for each in drawn(pilot) if "webhook.post" in each)
        assert "stuck: asked to stop 1m ago (lease lost) · it no longer owns the job" in line
        await pilot.press("G", "x")
        await wait_for_toast(pilot, "Select a running job first")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.job_id == made.id)

    play(still.app(), scene, size=(160, 40))


def test_a_job_keeps_its_slot_until_it_finishes(still: FrozenQueue) -> None:
    report(still, HERE, 4)
    first, second = (run(still, HERE, "img.resize", path=f"{n}.jpg") for n in range(2))
    slots = WorkerSlots()

    def seats() -> list[int | None]:
        (process,) = slots.assign(still.queue.overview())
        return [job and job.id for job in process.slots]

    assert seats() == [first.id, second.id]
    still.store.completer.complete([Completed(first, still.clock.now(), still.clock.now(), None)])
    assert seats() == [None, second.id]
    third, fourth = (run(still, HERE, "img.resize", path=f"{n}.jpg") for n in range(2, 4))
    assert seats() == [third.id, second.id, fourth.id]
    still.store.completer.complete([Completed(each, still.clock.now(), still.clock.now(), None) for each in (third, fourth)])
    (process,) = slots.assign(still.queue.overview())
    assert ([job and job.id for job in process.slots], process.more_idle) == ([None, second.id, None], 1)


def test_hostile_text_of_workers_and_jobs_stays_text(still: FrozenQueue) -> None:
    evil = "\x1b]0;x\x07[red]\u202e"
    report(still, f"h{evil}:7:ab", 2, queues=(evil,), kinds=(evil,))
    run(still, f"h{evil}:7:ab", "img.resize", path=evil)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        shown = "\n".join([*drawn(pilot), text(pilot, "#worker-facts")])
        await pilot.press("j")
        await wait_for(pilot, lambda: "img.resize" in text(pilot, "#worker-facts"))
        shown += "\n".join([*drawn(pilot), text(pilot, "#worker-facts")])
        assert r"h\x1b]0;x\x07[red]\u202e" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)

    play(still.app(), scene, size=(160, 40))


# -- keys -----------------------------------------------------------------------------------------


def test_enter_on_a_slot_opens_its_job_and_on_a_process_shows_its_jobs(still: FrozenQueue) -> None:
    jobs = crew(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        assert pilot.app.screen.job_id == jobs["slow"].id  # type: ignore[attr-defined]
        await pilot.press("escape", "k", "enter")
        await wait_for(pilot, lambda: deck_of(pilot).page.view.filter == f"worker:{HERE}")
        await wait_for(pilot, lambda: len(deck_of(pilot).page.ids) == 3)

    play(still.app(), scene)


def test_a_click_selects_a_slot_and_a_second_one_opens_its_job(still: FrozenQueue) -> None:
    jobs = crew(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        await pilot.click("#workers-table", offset=(10, 3), times=2)
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        assert pilot.app.screen.job_id == jobs["slow"].id  # type: ignore[attr-defined]

    play(still.app(), scene)


def test_x_asks_before_the_selected_running_job_is_stopped(still: FrozenQueue) -> None:
    jobs = crew(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        await pilot.press("x")
        await wait_for_toast(pilot, "Select a running job first")
        await pilot.press("j", "x")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert not still.queue.get(jobs["slow"].id).cancelling
        await pilot.press("y")
        await wait_for(pilot, lambda: still.queue.get(jobs["slow"].id).cancelling)
        await wait_for_toast(pilot, f"Job {jobs['slow'].id} asked to stop")
        await wait_for(pilot, lambda: any("cancelling: not yet delivered" in line for line in drawn(pilot)))

    play(still.app(), scene)
    assert not still.queue.get(jobs["mail"].id).cancelling


def test_x_does_not_affect_a_job_that_has_just_replaced_the_selected_one(still: FrozenQueue) -> None:
    report(still, HERE, 1)
    first = run(still, HERE, "img.resize", path="1.jpg")

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        await pilot.press("j")
        await wait_for_redraw(pilot)
        still.store.completer.complete([Completed(first, still.clock.now(), still.clock.now(), None)])
        second = run(still, HERE, "img.resize", path="2.jpg")
        pilot.app.feed.refresh()  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: f" {second.id} img.resize" in drawn(pilot)[2])
        await pilot.press("x")
        await wait_for_toast(pilot, f"The selected job has just ended; press x again to stop job {second.id}")
        assert not still.queue.get(second.id).cancelling
        await pilot.press("x")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("y")
        await wait_for(pilot, lambda: still.queue.get(second.id).cancelling)

    play(still.app(), scene)


def test_w_explains_the_selected_job(still: FrozenQueue) -> None:
    jobs = crew(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        await pilot.press("w")
        await wait_for_toast(pilot, "Select a running job first")
        await pilot.press("j", "w")
        await wait_for(pilot, lambda: f"Job {jobs['slow'].id} is running" in getattr(pilot.app.screen, "shown_text", ""))

    play(still.app(), scene)


def test_angle_brackets_resize_the_pool_of_this_cockpit(tmp_path: Path) -> None:
    with Queue(settings=Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF"), registry=Registry()) as queue:
        app = Cockpit(lambda post: Feed(queue, post, threads=0), where="here")

        def threads() -> list[int]:
            return [worker.threads for worker in queue.workers.list()]

        async def scene(pilot: Pilot[Any]) -> None:
            await open_screen(pilot, "workers", rows=False)
            await pilot.press("greater_than_sign")
            await wait_for(pilot, lambda: threads() == [1])
            await pilot.press("greater_than_sign")
            await wait_for(pilot, lambda: threads() == [2])
            await wait_for(pilot, lambda: "this cockpit" in drawn(pilot)[1])
            await wait_for(pilot, lambda: "this cockpit: 2 threads" in str(table(pilot).border_subtitle))
            await pilot.press("less_than_sign")
            await wait_for(pilot, lambda: threads() == [1])
            await pilot.press("ctrl+q")

        play(app, scene)


def test_digits_escape_and_q_close_the_screen_and_reopening_keeps_the_cursor(still: FrozenQueue) -> None:
    crew(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        await pilot.press("j", "j")
        chosen = table(pilot).key
        for leave in ("escape", "q", "5"):
            await pilot.press(leave)
            await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
            await open_screen(pilot, "workers")
            assert table(pilot).key == chosen
        await pilot.press("3")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, QueuesScreen))
        await pilot.press("4")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, WorkersScreen))

    play(still.app(), scene)


def test_the_workers_panel_opens_the_workers_screen(still: FrozenQueue) -> None:
    crew(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("4", "4")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, WorkersScreen))

    play(still.app(), scene)


def test_the_movement_keys_of_the_table_and_the_details(still: FrozenQueue) -> None:
    crew(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        rows = keys(pilot)
        for key, at in (("G", -1), ("g", 0), ("pagedown", 10), ("pageup", 0), ("j", 1), ("k", 0), ("end", -1), ("home", 0)):
            await pilot.press(key)
            assert table(pilot).key == rows[at], key
        await pilot.press("j", "tab")
        view = pilot.app.screen.query_one("#worker-facts")
        assert view.has_focus
        await wait_for(pilot, lambda: view.max_scroll_y > 0)
        await pilot.press("G")
        assert view.scroll_offset.y == view.max_scroll_y
        await pilot.press("g")
        assert view.scroll_offset.y == 0

    play(still.app(), scene, size=(80, 24))


def test_a_readonly_cockpit_stops_no_job_and_keeps_its_threads(still: FrozenQueue) -> None:
    jobs = crew(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers")
        await pilot.press("j")
        for key in ("x", "less_than_sign", "greater_than_sign", "z", "Z"):
            await pilot.press(key)
        await wait_for_toast(pilot, "--readonly")
        await wait_for_redraw(pilot)
        assert deck_of(pilot).local_worker.threads == 0

    play(still.app(readonly=True), scene)
    assert not still.queue.get(jobs["slow"].id).cancelling


def test_without_workers_it_says_how_to_start_one_and_its_keys_do_nothing(still: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await open_screen(pilot, "workers", rows=False)
        await wait_for(pilot, lambda: any("No workers are running." in line for line in drawn(pilot)))
        assert any("starts a thread in this cockpit" in line for line in drawn(pilot))
        await pilot.press("enter", "j", "k", "g", "G")
        assert isinstance(pilot.app.screen, WorkersScreen)
        await pilot.press("x")
        await wait_for_toast(pilot, "Select a running job first")

    play(still.app(), scene)
