"""Measure the live experiments of the lab through a pseudo-terminal: first frame, frames a second, keys.

    python tests/bench/lab.py                       every experiment at 120x40
    python tests/bench/lab.py race crash --size 80x24

The demo runs with its own workload and threads meanwhile, as for a presenter. Reported for each experiment:

    first    from enter in the list to the end of the first repaint that shows the lanes, in milliseconds
    frames   repaints a second while it is played
    key p95  from `space` (pause) to the end of the repaint whose title says so, in milliseconds

Targets: 500 ms, 15 a second, 50 ms. A missed target is a result, not a failure.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

from keys import SYNC_BEGIN, SYNC_END, Terminal

from jobdeck_tui.lab.catalog import EXPERIMENTS, module_of
from jobdeck_tui.lab.live import picture_before

PLAYED = [name for name in EXPERIMENTS if name != "scheduler"]
ENTER, ESC = "\r", "\x1b"
SECONDS = 3.0
"""Seconds during which frames are counted."""
PRESSES = 10


def repaints(terminal: Terminal, since: float) -> list[tuple[float, bytes]]:
    """The repaints that ended after a time: when, and what was painted."""
    found: list[tuple[float, bytes]] = []
    painted = b""
    for at, chunk in terminal.chunks:
        if at < since:
            continue
        painted += chunk
        while (end := painted.find(SYNC_END)) >= 0:
            begin = painted.rfind(SYNC_BEGIN, 0, end)
            if begin >= 0 and end > begin + len(SYNC_BEGIN):
                found.append((at, painted[begin:end]))
            painted = painted[end + len(SYNC_END) :]
    return found


def wait_painted(terminal: Terminal, since: float, words: bytes) -> float:
    """Wait for a repaint with these words; return when it ended."""

    def find() -> float | None:
        return next((at for at, painted in repaints(terminal, since) if words in painted), None)

    terminal.pump(20, lambda: find() is not None)
    at = find()
    if at is None:
        raise SystemExit(f"{words!r} was not painted within 20 s:\n{terminal.text()[-2000:]}")
    return at


def measure(terminal: Terminal, name: str) -> tuple[float, float, list[float]]:
    """Play an experiment; return the milliseconds to the first frame, the frames a second, the milliseconds of the keys."""
    label = picture_before(module_of(name)).lanes[0].label.encode()
    began = terminal.press(ENTER)
    first = wait_painted(terminal, began, label) - began
    terminal.pump(0.3)
    counted = time.monotonic()
    terminal.pump(SECONDS, lambda: any(b"done" in painted and b"seed" in painted for _, painted in repaints(terminal, counted)))
    frames = repaints(terminal, counted)
    rate = (len(frames) - 1) / (frames[-1][0] - frames[0][0]) if len(frames) > 1 else 0.0
    terminal.press("R")  # the short ones have ended
    terminal.pump(0.8)
    keys = []
    for _ in range(PRESSES):
        pressed = terminal.press(" ")
        if not terminal.pump(1.0, lambda pressed=pressed: any(b"paused" in each for _, each in repaints(terminal, pressed))):  # type: ignore[misc]
            break  # it has ended meanwhile
        keys.append(1000 * (wait_painted(terminal, pressed, b"paused") - pressed))
        terminal.pump(0.15)
        terminal.press(" ")
        terminal.pump(0.1)
    terminal.press(ESC)
    terminal.pump(0.8)
    return 1000 * first, rate, keys


def main() -> int:
    """Measure as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=PLAYED, metavar="NAME")
    parser.add_argument("--size", default="120x40")
    given = parser.parse_args()
    columns, rows = map(int, given.size.split("x"))
    unset = ("JOBDECK_", "NO_COLOR", "TEXTUAL")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {given.size}")
    print(f"{'experiment':<14} {'first ms':>9} {'frames/s':>9} {'key p95 ms':>11}")
    firsts, rates, keys = [], [], []
    terminal = Terminal([sys.executable, "-m", "jobdeck_tui", "demo"], environ, columns, rows)
    try:
        terminal.pump(4.0)
        terminal.press("L")
        terminal.pump(1.5)
        for name in given.names:
            terminal.press("g")
            for _ in range([*EXPERIMENTS].index(name)):
                terminal.press("j")
                terminal.pump(0.05)
            terminal.pump(0.3)
            first, rate, pressed = measure(terminal, name)
            firsts.append(first)
            rates.append(rate)
            keys += pressed
            p95 = f"{statistics.quantiles(pressed, n=20)[-1]:11.0f}" if len(pressed) > 1 else f"{'—':>11}"
            print(f"{name:<14} {first:9.0f} {rate:9.1f} {p95}", flush=True)
    finally:
        terminal.end()
    all_keys = f"{statistics.quantiles(keys, n=20)[-1]:11.0f}" if len(keys) > 1 else f"{'—':>11}"
    print(f"{'worst':<14} {max(firsts):9.0f} {min(rates):9.1f} {all_keys}  (p95 of all {len(keys)} keys)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
