"""Tests of the stack of a running job on its screen: shown at the innermost call, unfolded and copied."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, Step, press_keys, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play, text_of
from textual.pilot import Pilot

from jobdeck import State, Worker
from jobdeck.execution.stack_trace import decode_request, encode_reply
from jobdeck.kinds.registry import Entry
from jobdeck_tui.screens.copy_job import CopyScreen
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.widgets.job.attempts_view import AttemptsView

Compare = Callable[..., bool]
CALLS = [
    ["/srv/app/img.py", 77, "resize", "picture = shrink(Image.open(path), width)"],
    ["/srv/app/img.py", 51, "shrink", "return picture.resize(size, Resampling.LANCZOS)"],
    ["/usr/lib/python3/dist-packages/PIL/Image.py", 2350, "resize", "return self._new(self.im.resize(size, resample, box))"],
]


class Answering:
    """A stand-in for the worker `web-1:4021:9f2c1a`, which the test treats as local."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {"pid": 4021, "calls": CALLS, "left_out": 0, "outer": 0}
        self.times = 0

    def __call__(self, question: str, reply: Callable[[str], None]) -> bool:
        about = decode_request(question)
        if about is None or not about[0].startswith("web-1:4021"):
            return False
        self.times += 1
        reply(encode_reply(self.answer))
        return True


@pytest.fixture
def worker(still: FrozenQueue, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    monkeypatch.setattr("socket.gethostname", lambda: "web-1")
    made = Answering()
    with still.store.notifier.serve(made), still.store.notifier.listen(lambda: None):
        yield made


def running(still: FrozenQueue) -> int:
    """Return a job that has run for nine seconds."""
    still.busy()
    job = still.queue.enqueue("img.resize", {"path": "uploads/41.jpg", "width": 1280}, priority=1000)
    (claimed,) = still.claim(1)
    begun = still.clock.now()
    still.store.logs.append([(job.id, 1, begun, "info", "4,032 × 3,024 pixels")], 1 << 20)
    still.store.transitions.report_progress(claimed.id, claimed.lease or 0, 0.4)
    still.clock.advance(9)
    still.beat()
    return job.id


def opened(job_id: int, *keys: str) -> Step:
    async def run(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        pilot.app.open_job(job_id)  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: getattr(pilot.app.screen, "detail", None) is not None)
        await wait_for_redraw(pilot)
        for key in keys:
            await pilot.press(key)
        await wait_for_redraw(pilot)

    return run


def attempts(pilot: Pilot[Any]) -> str:
    return text_of(pilot.app.screen, "attempts")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_running_job_with_its_stack(
    snap_compare: Compare, still: FrozenQueue, worker: Answering, size: tuple[int, int]
) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=opened(running(still), "3"))


def test_the_stack_shows_the_innermost_call_and_enter_unfolds_it(still: FrozenQueue, worker: Answering) -> None:
    job_id = running(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "3")(pilot)
        innermost = "now at /usr/lib/python3/dist-packages/PIL/Image.py:2350 in resize\n       return self._new(self.im.resize("
        assert innermost in attempts(pilot)
        assert "▸ 2 more frames · enter unfolds" in attempts(pilot)
        assert "/srv/app/img.py" not in attempts(pilot)
        await pilot.press("enter")
        told = attempts(pilot)
        assert told.index("/srv/app/img.py:77 in resize\n       picture = shrink(") < told.index("/srv/app/img.py:51 in shrink")
        assert told.index("/srv/app/img.py:51 in shrink") < told.index("Image.py:2350 in resize")
        await pilot.press("enter")
        assert "/srv/app/img.py" not in attempts(pilot)

    play(still.app(), scene)


def test_the_stack_is_polled_only_while_the_job_is_open(still: FrozenQueue, worker: Answering) -> None:
    job_id = running(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for_redraw(pilot)
        assert worker.times == 0
        await opened(job_id, "3")(pilot)
        worker.answer = {**worker.answer, "calls": [["/srv/app/img.py", 80, "resize", "picture.save(target)"]]}
        await wait_for(pilot, lambda: "now at /srv/app/img.py:80 in resize\n       picture.save(target)" in attempts(pilot))
        assert "frame" not in attempts(pilot)
        await pilot.press("escape")
        await wait_for_redraw(pilot)
        before = worker.times
        await wait_for_redraw(pilot)
        assert worker.times == before

    play(still.app(), scene)


def test_c_and_s_copy_the_whole_stack(still: FrozenQueue, worker: Answering) -> None:
    job_id = running(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "c", "s")(pilot)
        await wait_for(pilot, lambda: pilot.app.clipboard.startswith("Stack (most recent call last):\n"))
        assert pilot.app.clipboard.split("\n")[1:3] == [
            '  File "/srv/app/img.py", line 77, in resize',
            "    picture = shrink(Image.open(path), width)",
        ]
        assert len(pilot.app.clipboard.split("\n")) == 7
        assert isinstance(pilot.app.screen, JobScreen)

    play(still.app(), scene)


def test_a_missing_stack_is_explained_and_nothing_can_be_copied(still: FrozenQueue) -> None:
    job_id = running(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "3")(pilot)
        words = f"stack  It runs on web-1, in process 4021; run jobdeck stack {job_id} there."
        assert words in attempts(pilot)
        await pilot.press("c", "s")
        assert isinstance(pilot.app.screen, CopyScreen)

    play(still.app(), scene)


def test_a_child_process_is_named_and_omitted_frames_are_counted(still: FrozenQueue, worker: Answering) -> None:
    job_id = running(still)
    worker.answer = {**worker.answer, "pid": 5107, "left_out": 1201, "outer": 1}

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "3", "enter")(pilot)
        assert "stack  in child process 5107, most recent call last\n     /srv/app/img.py:77 in resize\n" in attempts(pilot)
        assert "[1,201 calls omitted]\n     /srv/app/img.py:51 in shrink" in attempts(pilot)

    play(still.app(), scene)


def test_the_stack_disappears_when_the_job_has_finished(still: FrozenQueue, worker: Answering) -> None:
    job_id = running(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "3")(pilot)
        assert "now at" in attempts(pilot)
        still.clock.advance(120)
        still.store.transitions.rescue()
        await wait_for(pilot, lambda: "crashed" in attempts(pilot))
        assert "now at" not in attempts(pilot)

    play(still.app(), scene)


def test_hostile_text_of_a_stack_stays_text(still: FrozenQueue, worker: Answering) -> None:
    job_id = running(still)
    evil = "\x1b]52;c;ZXZpbA==\x07[red]x[/red]\u202egnp"
    worker.answer = {**worker.answer, "calls": [[evil, 1, evil, evil], [evil, 2, evil, evil]]}

    async def scene(pilot: Pilot[Any]) -> None:
        await opened(job_id, "3", "enter")(pilot)
        view = pilot.app.screen.query_one(AttemptsView)
        shown = "".join(view.render_line(y).text for y in range(view.size.height))
        assert r"\x1b]52;c;ZXZpbA==\x07[red]x[/red]" in "".join(shown.split())
        assert not {"\x1b", "\x07", "\u202e"} & {*shown}
        worker.answer = {"reason": evil}
        await wait_for(pilot, lambda: "1 of" not in attempts(pilot) and r"stack  \x1b]52" in attempts(pilot))

    play(still.app(), scene)


def test_the_stack_of_a_job_in_this_process(still: FrozenQueue) -> None:
    go = threading.Event()

    def inner() -> None:
        go.wait(30)

    def held() -> None:
        inner()

    still.queue.registry.add(Entry("held", held))
    job = still.queue.enqueue("held")

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: still.queue.get(job.id).state is State.RUNNING)
        await opened(job.id, "3", "enter")(pilot)
        await wait_for(pilot, lambda: "in held\n       inner()" in attempts(pilot))
        assert "in inner\n       go.wait(30)" in attempts(pilot)
        go.set()
        await wait_for(pilot, lambda: "completed" in attempts(pilot))

    with Worker(still.queue, threads=1):
        play(still.app(), scene)


def test_the_stack_of_a_coroutine_shows_what_it_awaits(still: FrozenQueue) -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    go = asyncio.Event()

    async def inner() -> None:
        await go.wait()

    async def held() -> None:
        loops.append(asyncio.get_running_loop())
        await inner()

    still.queue.registry.add(Entry("held", held))
    job = still.queue.enqueue("held")

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: loops)
        await opened(job.id, "3", "enter")(pilot)
        try:
            await wait_for(pilot, lambda: "in held\n       await inner()" in attempts(pilot))
            assert "in inner\n       await go.wait()" in attempts(pilot)
        finally:
            loops[0].call_soon_threadsafe(go.set)
        await wait_for(pilot, lambda: "completed" in attempts(pilot))
        assert "await" not in attempts(pilot)

    with Worker(still.queue, threads=1):
        play(still.app(), scene)


def test_the_lines_below_do_not_move_when_the_stack_changes(still: FrozenQueue, worker: Answering) -> None:
    job_id = running(still)
    long = "/usr/lib/python3/dist-packages/a_package_of_a_very_long_name/with_modules_of_long_names_too.py"
    stacks = {name: [[file, 7, "work", f"{name}()"]] for name, file in (("short", "a.py"), ("long", long), ("other", "b.py"))}

    async def scene(pilot: Pilot[Any]) -> None:
        worker.answer = {**worker.answer, "calls": stacks["short"]}
        await opened(job_id)(pilot)
        tops = []
        for name, calls in stacks.items():
            worker.answer = {**worker.answer, "calls": calls}
            await wait_for(pilot, lambda name=name: f"{name}()" in attempts(pilot))
            await wait_for_redraw(pilot)
            tops.append(pilot.app.screen.query_one("#log").region.y)
        assert tops[0] < tops[1] == tops[2]
        await pilot.press("3", "enter", "enter")  # folded again, it takes only the lines it needs
        await wait_for_redraw(pilot)
        assert pilot.app.screen.query_one("#log").region.y == tops[0]

    play(still.app(), scene)
