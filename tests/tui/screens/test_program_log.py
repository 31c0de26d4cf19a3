"""Tests of the program log: warnings and output are collected and shown, and nothing prints over the screen."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.core.helpers import wait_until
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for, wait_for_redraw
from tests.tui.terminal.test_driver import Terminal
from textual.pilot import Pilot

from jobdeck import Queue, State
from jobdeck_tui.app import Cockpit
from jobdeck_tui.frame_capture import screen_text
from jobdeck_tui.screens.program_log import ProgramLogScreen
from jobdeck_tui.terminal.program_log import ProgramLog, RedirectedStreams, logging_to
from jobdeck_tui.widgets.base.text_view import TextView

Compare = Callable[..., bool]

NOISY = '''
import logging, os, subprocess, sys, time, warnings
from jobdeck import job

@job(name="noisy", max_attempts=1)
def noisy() -> None:
    """Say something in every way there is."""
    print("PRINTED-OUT \\x1b[2J\\x1b]0;title\\x07")
    print("PRINTED-ERR", file=sys.stderr)
    os.write(1, b"WRITTEN-OUT\\n")
    os.write(2, b"WRITTEN-ERR\\n")
    subprocess.run(["echo", "ECHOED"], check=True)
    warnings.warn("WARNED", stacklevel=1)
    logging.getLogger("mine").warning("LOGGED")
    sys.__stdout__.flush()
    for n in range(2000):
        print("line", n)
'''


def texts(log: ProgramLog) -> list[str]:
    return [entry.text for entry in log.entries()]


def test_only_warnings_count_and_only_until_they_are_seen() -> None:
    log = ProgramLog()
    with logging_to(log, "INFO"):
        named = logging.getLogger("jobdeck.test")
        named.info("started")
        named.warning("disk %s %% full", 91)
        log.handle(logging.makeLogRecord({"name": "x", "levelname": "ERROR", "msg": "no number: %d", "args": ("y",)}))
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert [entry.level for entry in log.entries()][:3] == ["info", "warning", "error"]
    assert texts(log)[1] == "disk 91 % full"
    assert "TypeError while its arguments were formatted" in texts(log)[2]
    assert log.unseen >= 2
    log.mark_seen()
    assert log.unseen == 0


def test_an_error_that_ends_a_thread_is_logged() -> None:
    log = ProgramLog()

    def fail() -> None:
        raise KeyError("nothing")

    with logging_to(log, "INFO"):
        thread = threading.Thread(target=fail, name="doomed")
        thread.start()
        thread.join()
    assert texts(log) == ["thread doomed ended with an error (KeyError: 'nothing')"]
    assert logging.getLogger().handlers.count(log) == 0


def test_prints_of_several_threads_are_not_mixed_and_unfinished_lines_wait() -> None:
    log = ProgramLog()
    log.add_printed("be")
    other = threading.Thread(target=lambda: log.add_printed("between\n"), name="other")
    other.start()
    other.join()
    log.add_printed("gun\nand mo")
    assert texts(log) == ["between", "begun"]
    assert [entry.source for entry in log.entries()] == ["printed by other", f"printed by {threading.current_thread().name}"]


def test_a_flood_is_bounded() -> None:
    log = ProgramLog()
    for n in range(10_000):
        log.add_printed(f"{n}\n")
    log.add_printed("x" * 1_000_000)
    assert len(log.entries()) == 2000
    assert max(map(len, texts(log))) == 2000
    assert texts(log)[-2] == "9999"


def test_the_standard_descriptors_are_redirected_to_the_log_and_back(capfd: pytest.CaptureFixture[str]) -> None:
    log = ProgramLog()
    before = sys.__stdout__
    with RedirectedStreams(log):
        os.write(1, b"from C\n")
        subprocess.run(["sh", "-c", "echo from a program >&2"], check=True)
        assert sys.__stderr__ is not None
        sys.__stderr__.write("the screen")
        wait_until(lambda: len(log.entries()) == 2)
    os.write(1, b"after\n")
    assert texts(log) == ["from C", "from a program"]
    out, err = capfd.readouterr()
    assert (out, err) == ("after\n", "the screen")
    assert sys.__stdout__ is before


def test_a_handler_that_prints_warns_and_writes_does_not_touch_the_screen(tmp_path: Path) -> None:
    module = tmp_path / "noisy.py"
    module.write_text(NOISY)
    database = tmp_path / "jobs.db"
    terminal = Terminal(
        sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--app", str(module), "--threads", "2",
        XDG_STATE_HOME=str(tmp_path),
    )  # fmt: skip
    try:
        terminal.shows("LIVE")
        with Queue(database) as queue:
            subprocess.run(
                [sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--app", str(module), "enqueue", "noisy"],
                check=True,
            )
            wait_until(lambda: queue.get(1).state is State.COMPLETED)
            terminal.shows("! ")  # the mark of unseen warnings
        for word in (b"PRINTED", b"WRITTEN", b"ECHOED", b"WARNED", b"LOGGED", b"]0;title"):
            assert word not in terminal.written, word
        terminal.press("!")
        terminal.shows("program log")
        terminal.press("w")
        terminal.shows("LOGGED")
        terminal.shows("WARNED")
        terminal.press("q")
        terminal.press("q")
        assert terminal.process.wait(timeout=15) == 0
        assert b"\x1b]0;" not in terminal.written
    finally:
        terminal.end()


# -- the panel -----------------------------------------------------------------------------------


def cockpit(still: FrozenQueue) -> Cockpit:
    app = still.app()
    for at, (level, source, text) in enumerate(
        [
            ("info", "jobdeck.worker", "worker web-1:4021 started with 4 threads"),
            ("out", "printed by jobdeck-worker-1", "connected to smtp-3.example.org"),
            ("warning", "jobdeck.schedule", "schedule nightly was 12 s late: the machine was asleep"),
            ("warning", "py.warnings", "app/mail.py:41: DeprecationWarning: use send_message \x1b[31m"),
            ("error", "jobdeck.feed", "the overview could not be read (BusyError: database is locked)"),
        ]
    ):
        app.program_log.add(level, source, text, 1_750_000_000.0 + at)
    return app


def play(app: Cockpit, scene: Any, size: tuple[int, int] = (120, 40)) -> None:
    async def run() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


def shown(pilot: Pilot[Any]) -> list[str]:
    return ["".join(text for text, _ in told) for told in pilot.app.screen.query_one(TextView).lines]


def test_the_header_counts_unseen_warnings_and_the_mark_opens_the_log(still: FrozenQueue) -> None:
    app = cockpit(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: "! 3" in screen_text(app).splitlines()[0])
        await pilot.click("#header", offset=(screen_text(app).splitlines()[0].index("! 3"), 0))
        await wait_for(pilot, lambda: isinstance(app.screen, ProgramLogScreen))
        await pilot.press("escape")
        await wait_for(pilot, lambda: "! " not in screen_text(app).splitlines()[0])
        app.program_log.add("warning", "x", "again")
        await wait_for(pilot, lambda: "! 1" in screen_text(app).splitlines()[0])

    play(app, scene)


def test_the_log_follows_shows_warnings_only_and_copies(still: FrozenQueue) -> None:
    app = cockpit(still)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("exclamation_mark")
        await wait_for(pilot, lambda: len(shown(pilot)) == 5)
        assert r"use send_message \x1b[31m" in shown(pilot)[3]
        app.program_log.add("info", "jobdeck.worker", "one more")
        await wait_for(pilot, lambda: "one more" in shown(pilot)[-1])
        await pilot.press("w")
        await wait_for(pilot, lambda: len(shown(pilot)) == 3)
        await pilot.press("y")
        assert app.clipboard.count("\n") == 2
        await pilot.press("w")
        await wait_for(pilot, lambda: len(shown(pilot)) == 6)
        await pilot.press("exclamation_mark")
        assert not isinstance(app.screen, ProgramLogScreen)
        await pilot.press("colon", *"log", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, ProgramLogScreen))
        await pilot.press("q")
        assert not isinstance(app.screen, ProgramLogScreen)

    play(app, scene)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_log_as_a_picture(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    still.busy()

    async def open_it(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await wait_for(pilot, lambda: "! 3" in screen_text(pilot.app))
        await pilot.press("exclamation_mark")
        await wait_for(pilot, lambda: len(shown(pilot)) == 5 and "! 3" not in screen_text(pilot.app))
        await wait_for_redraw(pilot)

    assert snap_compare(cockpit(still), terminal_size=size, run_before=open_it)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_an_empty_log_as_a_picture(snap_compare: Compare, still: FrozenQueue, size: tuple[int, int]) -> None:
    assert snap_compare(still.app(), terminal_size=size, run_before=press_keys("exclamation_mark"))


def test_warnings_that_a_demo_stages_are_named_as_such_and_do_not_alarm() -> None:
    log = ProgramLog(staged=("jobdeck.worker",))
    for source in ("jobdeck.worker", "jobdeck.worker.jobs", "jobdeck.workers", "my.app"):
        log.add("warning", source, "something failed")
    assert [entry.staged for entry in log.entries()] == [True, True, False, False]
    assert log.unseen == 2
