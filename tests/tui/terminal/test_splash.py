"""The splash screen, drawn before Textual is loaded."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.core.helpers import wait_until
from tests.tui.terminal.test_driver import Terminal

from jobdeck import Queue

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
Start = Callable[..., Terminal]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with Queue(tmp_path / "jobs.db") as queue:
        for _ in range(12):
            queue.enqueue("shell", {"command": ["true"]})
    return tmp_path / "jobs.db"


@pytest.fixture
def start(database: Path) -> Iterator[Start]:
    started: list[Terminal] = []

    def start(size: tuple[int, int] = (120, 40), **environ: str) -> Terminal:
        command = (sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--threads", "0")
        started.append(Terminal(*command, size=size, **{"COLORTERM": "", "JOBDECK_THEME": "", **environ}))
        return started[-1]

    yield start
    for terminal in started:
        terminal.end()


def test_it_shows_the_queue_and_its_counts_and_the_cockpit_draws_over_it(start: Start, database: Path) -> None:
    terminal = start()
    terminal.shows("LIVE")
    first, _, rest = terminal.written.partition(b"\x1b[?2026l")
    assert first.startswith(b"\x1b[?2026h" + ENTER)
    assert b"jobdeck" in first
    assert f"{database}  opening".encode() in first
    assert b"pending 12" in first
    assert ENTER not in rest  # the screen is not cleared again
    terminal.press("q")
    assert terminal.process.wait(timeout=10) == 0
    wait_until(lambda: LEAVE in terminal.written)


@pytest.mark.parametrize(("theme", "ground"), [("dark", "13;15;20"), ("light", "251;250;247"), ("contrast", "0;0;0")])
def test_it_has_the_themes_background_if_the_terminal_supports_it(start: Start, theme: str, ground: str) -> None:
    terminal = start(COLORTERM="truecolor", JOBDECK_THEME=theme)
    terminal.shows("opening")
    first = terminal.written.partition(b"\x1b[?2026l")[0]
    assert f"48;2;{ground}m".encode() in first


@pytest.mark.parametrize(
    "environ", [{}, {"COLORTERM": "truecolor", "NO_COLOR": "1"}, {"COLORTERM": "truecolor", "JOBDECK_THEME": "ansi"}]
)
def test_it_sends_no_colors_if_the_terminal_uses_its_own(start: Start, environ: dict[str, str]) -> None:
    terminal = start(**environ)
    terminal.shows("opening")
    first = terminal.written.partition(b"\x1b[?2026l")[0]
    assert b"38;2" not in first
    assert b"48;2" not in first


def test_a_failed_start_restores_the_terminal_before_the_error(start: Start) -> None:
    terminal = start(JOBDECK_THEME="nonsense")
    assert terminal.process.wait(timeout=20) == 2
    terminal.shows("JOBDECK_THEME is 'nonsense'")
    assert terminal.written.count(LEAVE) == 1
    assert terminal.written.index(ENTER) < terminal.written.index(LEAVE) < terminal.written.index(b"nonsense")


def test_a_signal_while_loading_restores_the_terminal(start: Start) -> None:
    terminal = start()
    terminal.shows("opening")
    terminal.process.send_signal(signal.SIGTERM)
    terminal.process.wait(timeout=20)
    wait_until(lambda: terminal.written.rfind(LEAVE) > terminal.written.rfind(ENTER))


def test_a_terminal_that_is_too_small_shows_no_splash(start: Start) -> None:
    terminal = start(size=(50, 12))
    terminal.shows("jobdeck needs at least")
    assert not terminal.written.startswith(b"\x1b[?2026h" + ENTER)
