"""Copying through the terminal, and with the system's clipboard tool if there is one."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.tui.frozen_queue import FrozenQueue, press_keys, wait_for
from tests.tui.terminal.test_driver import Terminal
from textual.pilot import Pilot

from jobdeck import Queue
from jobdeck_tui.terminal.clipboard import Tool, system_tool


def put_tool(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return tool


@pytest.mark.parametrize(
    ("environ", "system", "names", "expected"),
    [
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, "linux", ("wl-copy", "xclip"), "wl-copy"),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, "linux", ("xsel",), "xsel"),
        ({"DISPLAY": ":0"}, "linux", ("wl-copy", "xclip", "xsel"), "xclip"),
        ({}, "linux", ("wl-copy", "xclip", "xsel", "pbcopy"), None),
        ({}, "darwin", ("pbcopy",), "pbcopy"),
        ({}, "linux", ("clip.exe",), "clip.exe"),
    ],
)
def test_the_tool_matches_the_desktop(
    tmp_path: Path, environ: dict[str, str], system: str, names: tuple[str, ...], expected: str | None
) -> None:
    for name in names:
        put_tool(tmp_path, name, "cat")
    found = system_tool({**environ, "PATH": str(tmp_path)}, system)
    assert (found.name if found else None) == expected


def test_a_tool_gets_the_text_unchanged_and_reports_success(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert Tool("t", (str(put_tool(tmp_path, "good", f"cat > {out}")),)).copy("zwölf\n$(id) 'x'")
    assert out.read_text() == "zwölf\n$(id) 'x'"
    assert not Tool("t", (str(put_tool(tmp_path, "bad", "exit 3")),)).copy("x")
    assert not Tool("t", (str(tmp_path / "none"),)).copy("x")


def play(still: FrozenQueue, scene: Any) -> None:
    app = still.app()

    async def run() -> None:
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await press_keys()(pilot)
            await scene(pilot)
        app.feed.end()

    asyncio.run(run())


def toasts(pilot: Pilot[Any]) -> list[str]:
    return [note.message for note in pilot.app._notifications]


def test_y_uses_the_tool_names_it_and_does_not_block_the_keys(
    still: FrozenQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still.queue.enqueue("img.resize", {"path": "a.jpg"})
    out = tmp_path / "out"
    put_tool(tmp_path / "bin", "xclip", f"/bin/sleep 0.5; /bin/cat > {out}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j")
        start = time.monotonic()
        await pilot.press("y")
        assert time.monotonic() - start < 0.45
        assert not out.exists()
        await wait_for(pilot, lambda: "Copied id 1 with xclip" in toasts(pilot))
        assert out.read_text() == "1"
        assert pilot.app.clipboard == "1"  # and also through the terminal

    play(still, scene)


def test_without_a_working_tool_the_toast_names_the_terminal(
    still: FrozenQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still.queue.enqueue("img.resize", {"path": "a.jpg"})
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.delenv("DISPLAY", raising=False)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "y")
        await wait_for(pilot, lambda: "Copied id 1 through the terminal" in toasts(pilot))
        put_tool(tmp_path / "bin", "wl-copy", "exit 1")
        await pilot.press("Y")
        await wait_for(pilot, lambda: any("through the terminal; wl-copy failed" in each for each in toasts(pilot)))

    play(still, scene)


def test_osc_52_reaches_the_terminal(tmp_path: Path) -> None:
    with Queue(tmp_path / "jobs.db") as queue:
        queue.enqueue("shell", {"command": ["true"]})
    terminal = Terminal(
        sys.executable, "-m", "jobdeck_tui", "--db", str(tmp_path / "jobs.db"), "--threads", "0",
        DISPLAY="", WAYLAND_DISPLAY="", PATH=os.environ["PATH"],
    )  # fmt: skip
    try:
        terminal.shows("LIVE")
        terminal.press("jY")
        terminal.shows("\x1b]52;c;" + base64.b64encode(b"jobdeck run --max-attempts").decode()[:20])
        terminal.press("q")
        assert terminal.process.wait(timeout=15) == 0
    finally:
        terminal.end()
