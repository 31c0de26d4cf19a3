"""The tour in a real terminal, many times: keys at a random pace, left at a random moment.

    python -m tests.soak.tour --times 30 --seed 7

After each run the program must have ended with 0, its terminal must be as before, no process and no file may be left.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import termios
import time
from pathlib import Path
from random import Random

from tests.tui.tour.test_terminal import leave_nothing, tour, wander

SIZES = ((80, 24), (120, 40), (200, 60))


def run(random: Random, folder: Path) -> str:
    """Run the tour once, and return what was done."""
    size, plan = random.choice(SIZES), random.choice(("5m", "90s"))
    keys, way = random.randint(0, 30), random.choice(("ctrl+c", "esc q", "SIGTERM"))
    terminal = tour(folder, size, plan)
    try:
        before = termios.tcgetattr(terminal.near)
        terminal.see("Two workers, one job")
        wander(terminal, plan, random, keys)
        time.sleep(random.random() * 3)
        if way == "SIGTERM":
            terminal.process.terminate()
        elif way == "ctrl+c":
            terminal.press("\x03")
        else:
            terminal.type("escape", "q")
        leave_nothing(terminal, before, folder)
    finally:
        terminal.end()
    return f"{plan} at {size[0]}x{size[1]}, {keys} keys, left with {way}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    for n in range(given.times):
        with tempfile.TemporaryDirectory(prefix="tour-") as folder:
            inner = Path(folder) / "t"
            inner.mkdir()
            started = time.monotonic()
            print(f"{n + 1}: {run(Random(f'{given.seed} {n}'), inner)} ({time.monotonic() - started:.1f} s)", flush=True)
    print(f"{given.times} tours, nothing was left behind")
    return 0


if __name__ == "__main__":
    sys.exit(main())
