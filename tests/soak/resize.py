"""Resize the cockpit at random moments while it opens: it must stay calm, and SIGTERM must end it.

    python tests/soak/resize.py --runs 500 --seed 7

Each run opens the cockpit in a pseudo-terminal with one of the common values of TERM, resizes it at random moments of its
first two seconds, opens a random screen, and waits until it is idle. Then it uses little of a core, and after SIGTERM it ends
within a second. The time is the longest of all runs.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path
from random import Random

from jobdeck import Queue

TERMS = (
    *("xterm", "xterm-256color", "xterm-color", "xterm-16color", "xterm-kitty", "xterm-ghostty", "alacritty", "foot", "kitty"),
    *("screen", "screen-256color", "screen.xterm-256color", "tmux", "tmux-256color", "linux", "vt100", "vt102", "vt220"),
    *("ansi", "rxvt", "rxvt-unicode", "rxvt-unicode-256color", "konsole", "konsole-256color", "gnome", "gnome-256color"),
    *("putty", "putty-256color", "st-256color", "wezterm"),
)
SCREENS = "1346789?n:/"
"""Keys that open a screen or a dialog, or none."""
IDLE = 0.4
"""The share of a core that an idle cockpit may use; a redraw loop uses all of it."""
OPENED = 20_000
"""The bytes that only an open cockpit has written: the splash and the sequences that enter the screen are shorter."""


class Run:
    """One cockpit in a pseudo-terminal."""

    def __init__(self, database: Path, term: str, random: Random) -> None:
        self.random = random
        self.written = 0
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = term
            os.execv(sys.executable, [sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--threads", "0"])
        self.resize()

    def resize(self) -> None:
        columns, lines = self.random.randint(60, 220), self.random.randint(15, 70)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds: float) -> bool:
        """Read what it writes for some time; return whether it has ended."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.terminal], [], [], left)[0]:
                try:
                    written = os.read(self.terminal, 65536)
                    self.written += len(written)
                    if not written:
                        return True
                except OSError:
                    return True
        return False

    def cpu(self) -> float:
        """Return the seconds of CPU it has used."""
        numbers = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")

    def play(self) -> tuple[str | None, float]:
        """Return the problem, if there is one, and the seconds from SIGTERM to the end."""
        moments = sorted(self.random.uniform(0.05, 2) for _ in range(self.random.randint(2, 25)))
        began, key = time.monotonic(), self.random.uniform(0.6, 1.8)
        for moment in moments:
            self.read(moment - (time.monotonic() - began))
            if key and time.monotonic() - began > key:
                os.write(self.terminal, self.random.choice(SCREENS).encode())
                key = 0.0
            self.resize()
        while self.written < OPENED and time.monotonic() < began + 30:
            self.read(0.1)
        self.read(1.5)
        used, at = self.cpu(), time.monotonic()
        self.read(1.0)
        share = (self.cpu() - used) / (time.monotonic() - at)
        at = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        ended = self.read(10)
        took = time.monotonic() - at
        if not ended:
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.terminal)
        if self.written < OPENED:
            return "did not open within 30 s", took
        if share > IDLE:
            return f"used {share:.0%} of a core", took
        return (None if status == 0 else f"ended with status {status}"), took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    problems, longest, slow = 0, 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "jobs.db"
        with Queue(database) as queue:
            for n in range(30):
                queue.enqueue("shell", {"command": ["true"]}, queue=("mail", "img")[n % 2], delay=86_400)
        for n in range(options.runs):
            random = Random(f"{options.seed}-{n}")
            term = TERMS[n % len(TERMS)]
            problem, took = Run(database, term, random).play()
            longest, slow = max(longest, took), slow + (took > 1)
            if problem:
                problems += 1
                print(f"run {n}, TERM={term}: {problem}")
            if n % 50 == 49:
                print(f"{n + 1} runs: {problems} problems, the longest end {longest:.2f} s, {slow} over a second", flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
