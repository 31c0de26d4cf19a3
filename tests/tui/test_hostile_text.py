"""Tests that control sequences and markup in user data stay text on every screen and in every command, and stall nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from tests.tui.frozen_queue import press_keys, wait_for, wait_for_redraw
from tests.tui.hostile_queue import MARK, TEXTS, fill
from tests.tui.jobs_pilot import table
from tests.tui.loop_stall import Stalls
from tests.tui.pseudo_terminal import Screen, stray
from textual.color import Color
from textual.pilot import Pilot

from jobdeck import Queue, Registry, Settings
from jobdeck_tui.app import Cockpit
from jobdeck_tui.feed.feed import Feed
from jobdeck_tui.screen_registry import SCREENS
from jobdeck_tui.screens.confirm_bulk import BulkConfirmScreen
from jobdeck_tui.screens.help import HelpScreen
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.screens.new_job import NewJobScreen
from jobdeck_tui.terminal.line_filters import ControlCharFilter

JOBDECK = (sys.executable, "-m", "jobdeck_tui")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "jobs.db"
    fill(path)
    return path


@pytest.fixture
def queue(filled: Path) -> Iterator[Queue]:
    with Queue(filled, registry=Registry(), settings=Settings(synchronous="OFF")) as opened:
        yield opened


def shown(pilot: Pilot[Any]) -> str:
    """Return the text on the screen."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


def check(pilot: Pilot[Any]) -> None:
    """Assert that the screen contains no control character."""
    text = shown(pilot)
    marks = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    bad = {
        character
        for character in text.replace("\n", "")
        if unicodedata.category(character) in ("Cc", "Cs") or character in marks
    }
    assert not bad, (bad, type(pilot.app.screen))


def test_the_queue_is_as_hostile_as_it_is_meant_to_be(queue: Queue) -> None:
    jobs = queue.list(limit=10_000)
    for text in ("escape", "link", "clipboard", "C1", "bidi", "closing tag", "markup", "emoji"):
        assert any(job.kind == TEXTS[text] for job in jobs), text
        assert any(job.queue == TEXTS[text] for job in jobs), text
        assert any(TEXTS[text] in job.tags for job in jobs), text
    assert any(job.error and MARK in job.error for job in jobs)
    assert max(len(job.args_json) for job in jobs) > 10_000_000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=str)
def test_every_screen_opens_and_nothing_stalls(queue: Queue, size: tuple[int, int]) -> None:
    app = Cockpit(lambda post: Feed(queue, post, threads=0), where=f"~/{TEXTS['escape']}.db")
    stalls: dict[str, float] = {}

    async def look(pilot: Pilot[Any], name: str) -> None:
        check(pilot)
        stalls[name] = max(stalls.get(name, 0.0), watch.longest)
        watch.longest = 0.0

    watch = Stalls()

    async def scene(pilot: Pilot[Any]) -> None:
        await press_keys()(pilot)
        await look(pilot, "opening")
        assert MARK in shown(pilot)
        for _ in range(len(queue.ids()) // size[1] + 2):
            await pilot.press("pagedown")
            await wait_for_redraw(pilot)
            await look(pilot, "jobs")
        ids = queue.ids()
        for job in queue.get_many([*ids[:5], *ids[5::4]]):
            app.open_job(job.id)
            await wait_for(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen.detail is not None, 60)
            for panel in "123":
                await pilot.press(panel)
                await look(pilot, "job")
            await pilot.press("escape")
            app.explain_job(job.id)
            await wait_for(pilot, lambda: bool(getattr(app.screen, "shown_text", "")), 60)
            await look(pilot, "why")
            await pilot.press("escape")
            while len(app.screen_stack) > 1:
                app.pop_screen()
            app.clear_notifications()
        for job in queue.list("kind:shell", limit=100):
            app.new_job(job)
            await wait_for(pilot, lambda: isinstance(app.screen, NewJobScreen) and bool(app.screen.query("Input")), 60)
            await pilot.pause(0.05)
            await look(pilot, "duplicate")
            app.pop_screen()
        for room in SCREENS:
            app.action_open_screen(room.name)
            await wait_for_redraw(pilot)
            for key in ("j", "j", "G", "pagedown"):
                await pilot.press(key)
            await wait_for_redraw(pilot)
            await look(pilot, room.name)
            await pilot.press("question_mark")
            await wait_for(pilot, lambda: isinstance(app.screen, HelpScreen))
            await look(pilot, "help")
            await pilot.press("escape")
            app.action_open_screen("jobs")
        table(pilot).focus()
        for text in TEXTS.values():
            app.jobs_screen.show_matching(text)
            await wait_for_redraw(pilot)
            await look(pilot, "filter")
        app.jobs_screen.show_matching("")
        await wait_for_redraw(pilot)
        await pilot.press("j", "A", "D")
        await wait_for(pilot, lambda: isinstance(app.screen, BulkConfirmScreen))
        await look(pilot, "confirm")
        await pilot.press("escape")
        await pilot.press("colon", "q", "u")
        await pilot.pause(0.3)
        await look(pilot, "palette")

    async def run() -> None:
        async with app.run_test(size=size) as pilot, watch:
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())
    print({name: round(longest, 2) for name, longest in stalls.items()})
    slow = {name: longest for name, longest in stalls.items() if longest > 1.0}
    assert not slow


def test_the_control_character_filter_keeps_every_cell_in_its_place() -> None:
    hostile = "".join(TEXTS.values())
    (strained,) = ControlCharFilter().apply([Segment(hostile)], Color(0, 0, 0))
    assert stray(strained.text.encode("utf-8", "replace")) == []
    assert cell_len(strained.text) == cell_len(hostile)
    plain = [Segment("日本 [red] e\u0301 ok")]
    assert ControlCharFilter().apply(plain, Color(0, 0, 0)) == plain


KEYS = [
    "j", "j", "enter", "1", "2", "3", "G", "escape", "w", "escape", "d", "escape", "G", "enter", "1", "2", "3", "escape", "k",
    "k", "k", "k", "enter", "2", "3", "escape", "escape", "?", "escape", "/", "x", "escape", "p", "z", "+", "z", "y", "A", "D",
    "escape", ":", "escape",
]  # fmt: skip
"""Press keys that open every screen."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=str)
def test_no_hostile_byte_reaches_a_real_terminal(filled: Path, size: tuple[int, int]) -> None:
    deck = Screen(*JOBDECK, "--db", str(filled), "--threads", "0", "--readonly", size=size)
    try:
        deck.see("LIVE")
        for key in KEYS:
            deck.type(key, pause=0.15)
        for room in SCREENS:
            deck.type("5", room.digit, room.digit, pause=0.3)
            deck.type("j", "G", "?", "escape", "escape", pause=0.2)
        deck.type("escape", "escape", pause=0.2)
        deck.see(lambda text: MARK in text)
        deck.type("q")
        assert deck.process.wait(timeout=30) == 0
    finally:
        deck.end()
    assert MARK.encode() in deck.written
    ours = b"\x1b]52;c;", b"\x1b]22;"  # y copies an id; Textual sets the shape of the mouse pointer
    assert [each for each in stray(deck.written) if not each.startswith(ours)] == []
    assert b"\x1b]52;c;ZXZpbA" not in deck.written
    assert b"\x1b]8;" not in deck.written


COMMANDS = [
    ("list", "--limit", "300"),
    ("list", "--json"),
    ("show", "ID"),
    ("show", "ID", "--json"),
    ("why", "ID"),
    ("stack", "ID"),
    ("stack", "ID", "--json"),
    ("logs", "ID"),
    ("logs", "ID", "--json"),
    ("errors",),
    ("errors", "--json"),
    ("journal",),
    ("stats",),
    ("workers",),
    ("health",),
    ("doctor",),
    ("schedule", "list"),
    ("kinds",),
    ("events",),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_hostile_byte_reaches_the_terminal_from_a_command(filled: Path, queue: Queue, command: tuple[str, ...]) -> None:
    if command[0] == "events":
        from jobdeck_tui.cli import COMMANDS as known

        if "events" not in known:
            pytest.skip("there is no such command yet")
    ids = [""]
    if "ID" in command:
        found = queue.ids()
        ids = [str(job_id) for job_id in [*found[:4], *found[4::20]]]
    for job_id in ids:
        words = [job_id if word == "ID" else word for word in command]
        begun = time.monotonic()
        done = subprocess.run([*JOBDECK, *words, "--db", str(filled)], capture_output=True, timeout=60)
        assert time.monotonic() - begun < 30
        assert b"Traceback (most recent call last)" not in done.stderr
        assert done.returncode in (0, 1)
        for output in (done.stdout, done.stderr):
            assert [each for each in stray(output) if each != b"\t"] == []
            assert b"\x1b" not in output
