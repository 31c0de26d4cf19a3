"""Tests of an opened job: its lifecycle, its actions, and why it is not running."""

from __future__ import annotations

import gc
import re
import time
from dataclasses import replace
from typing import Any

from tests.tui.frozen_queue import FrozenQueue, wait_for
from tests.tui.jobs_pilot import play, text_of
from textual.pilot import Pilot

from jobdeck import State
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.screens.why import WhyScreen


def test_w_explains_why_a_job_is_not_running_and_keeps_checking(few: FrozenQueue) -> None:
    few.queue.pause("img")

    def told(pilot: Pilot[Any]) -> str:
        assert isinstance(pilot.app.screen, WhyScreen)
        return pilot.app.screen.shown_text

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "w")
        await wait_for(pilot, lambda: "Job 6 cannot start: queue img has been paused" in told(pilot))
        assert "jobdeck resume img" in told(pilot)
        assert "✗ No worker is alive." in told(pilot)
        few.queue.resume("img")
        few.beat()
        await wait_for(pilot, lambda: "all conditions are met" in told(pilot))
        assert "Starts now" in told(pilot)
        few.queue.delete(6)
        await wait_for(pilot, lambda: "no longer exists" in told(pilot))
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, WhyScreen)

    play(few.app(readonly=True), scene)


def test_w_also_works_on_the_job_screen(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "enter", "w")
        await wait_for(pilot, lambda: "Job 1 failed" in getattr(pilot.app.screen, "shown_text", ""))
        await pilot.press("w")
        assert isinstance(pilot.app.screen, JobScreen)

    play(few.app(), scene)


def test_hostile_text_in_the_explanation_stays_text(still: FrozenQueue) -> None:
    queue = "[red]q[/red]"
    still.queue.enqueue("img.resize", {"path": "x"}, queue=queue)
    still.queue.pause(queue)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "w")
        await wait_for(pilot, lambda: f"queue {queue} has been paused" in getattr(pilot.app.screen, "shown_text", ""))

    play(still.app(), scene)


def test_an_opened_job_is_deleted_and_restored_in_place(few: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("G", "enter")
        await wait_for(pilot, lambda: getattr(pilot.app.screen, "detail", None) is not None)
        await pilot.press("D")
        await wait_for(pilot, lambda: pilot.app.screen.detail.job is None)  # type: ignore[attr-defined]
        await pilot.press("z")
        await wait_for(pilot, lambda: pilot.app.screen.detail.job is not None)  # type: ignore[attr-defined]
        await pilot.press("r")
        await wait_for(pilot, lambda: few.queue.get(1).state is State.PENDING)
        await pilot.press("z")
        await wait_for(pilot, lambda: few.queue.get(1).state is State.FAILED)
        await pilot.press("Z")
        await wait_for(pilot, lambda: few.queue.get(1).state is State.PENDING)

    play(few.app(), scene)


def test_a_job_is_opened_with_its_parents_children_key_batch_and_expiry(few: FrozenQueue) -> None:
    job = {"url": "u", "event": "e"}
    few.queue.batches.enqueue([few.queue.new_job("webhook.post", job, after=[6], unique="one a day", expires=7200)], name="b")
    few.queue.enqueue_many([few.queue.new_job("webhook.post", job, after=[7])] * 11)

    async def scene(pilot: Pilot[Any]) -> None:
        pilot.app.open_job(7)  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.detail is not None)
        facts = text_of(pilot.app.screen, "life")
        for told in ("unique    one a day", "batch     1", "in 2h00m", "starts when job 6 has completed"):
            assert told in facts
        bonds = ["".join(text for cell in row.cells for text, _ in cell) for row in pilot.app.screen.query_one("#related").rows]
        assert bonds[0].startswith("waits for6○ pendingimg.resize")
        assert bonds[1].startswith("before8◌ waitingwebhook.post")
        assert len(bonds) == 1 + 11 + 1
        assert bonds[12].startswith("batch10 of 1 finished")
        assert "if one fails: cancel" in str(pilot.app.screen.query_one("#related").border_subtitle)
        assert "it waits for job 6" in str(pilot.app.screen.query_one("#job-title").render_line(1).text)

    play(few.app(), scene)


def test_an_opened_job_shows_its_effective_priority_if_priorities_age(few: FrozenQueue) -> None:
    few.queue.settings = replace(few.queue.settings, ageing=60.0)
    few.clock.advance(600)

    async def scene(pilot: Pilot[Any]) -> None:
        pilot.app.open_job(6)  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.detail is not None)
        assert re.search(r"priority  -?\d+  effectively -?\d+ by its age", text_of(pilot.app.screen, "life"))

    play(few.app(), scene)


def test_a_line_of_a_megabyte_is_shown_as_fast_as_a_short_one(few: FrozenQueue) -> None:
    lines = ["x" * 1_000_000, "漢" * 300_000, "\x1b" * 300_000]
    few.store.logs.append([(1, 1, few.clock.now(), "out", line) for line in lines], 1 << 23)
    few.store.logs.append([(2, 1, few.clock.now(), "out", "a short line")], 1 << 23)

    async def scene(pilot: Pilot[Any]) -> None:
        async def opening(*keys: str, shows: str) -> float:
            begun = time.thread_time()
            await pilot.press(*keys, "enter", "4")
            await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and shows in wrapped(pilot))
            return time.thread_time() - begun

        gc.collect()
        gc.freeze()  # measure this work, not the collection of what earlier tests left in the process
        try:
            short = await opening("G", "k", shows="ashortline")
            await pilot.press("escape")
            assert await opening("G", shows="morecharacters") < short + 1  # would take seconds more
        finally:
            gc.unfreeze()

    def wrapped(pilot: Pilot[Any]) -> str:
        view = pilot.app.screen.query_one("#log")
        return "".join("".join(view.render_line(y).text.split()) for y in range(view.size.height))

    play(few.app(), scene)
