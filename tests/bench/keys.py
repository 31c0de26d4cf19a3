"""Measure the time from key press to repaint through a pseudo-terminal, as a user's terminal sees it.

    python tests/bench/keys.py                                  100,000 jobs, four waiting threads
    python tests/bench/keys.py --jobs 1000000 --handlers cpu    a million jobs, four computing threads

The cockpit runs in a 120×40 pseudo-terminal that claims to support synchronized output (mode 2026), so the cockpit
brackets every repaint, and its first and last byte are known exactly. The cockpit also repaints on its own as jobs
change. To distinguish such a repaint from the response to a key, the response to a movement key is the first repaint
that draws the cursor row (❯).

Reported for each group of keys, in milliseconds:

    first    from the key press to the first byte of the repaint that responds to it
    painted  from the key press to the last byte of that repaint: what the user sees
    settled  from the key press to the end of the last repaint in the chain that follows without a pause of 60 ms
             (the chain may include a repaint that the cockpit makes on its own)

"none" counts keys without a response within a second, or before the next key. While a key is held down, at thirty
presses per second, the response to the next key counts for this one too: it shows the new position of the cursor.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import platform
import pty
import select
import shlex
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fill import TASKS, fill

from jobdeck import Settings, __version__

SYNC_BEGIN, SYNC_END = b"\x1b[?2026h", b"\x1b[?2026l"
ANSWERS = {b"\x1b[?2026$p": b"\x1b[?2026;2$y", b"\x1b[?2048$p": b"\x1b[?2048;0$y", b"\x1b[c": b"\x1b[?62;22c"}
CURSOR = "❯".encode()
JOB = b"bench."
"""Part of each job's kind: it is on the screen once jobs are."""
PANELS = 1000
"""The minimum bytes of a repaint that draws the panels. The first repaint is only the header: database and counts."""
PATIENCE = 1.0
"""Seconds after which a key counts as having no response."""
PAUSE = 0.06
"""Seconds without a repaint that end a chain of repaints."""
KEYS = {
    "PgDn": b"\x1b[6~",
    "PgUp": b"\x1b[5~",
    "enter": b"\r",
    "esc": b"\x1b",
    "left": b"\x1b[D",
    "right": b"\x1b[C",
}


@dataclass(frozen=True)
class Press:
    """Record a key press."""

    group: str
    at: float
    cursor: bool
    """Whether the response must draw the cursor row."""


@dataclass(frozen=True)
class Frame:
    """Record one repaint."""

    started: float
    ended: float
    size: int
    cursor: bool
    job: bool


@dataclass
class Terminal:
    """Run a program in a pseudo-terminal, and record its output with times."""

    command: Sequence[str]
    environ: dict[str, str]
    columns: int = 120
    rows: int = 40
    chunks: list[tuple[float, bytes]] = field(default_factory=list)
    status: int | None = None

    def __post_init__(self) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            # Set the size before the program reads it.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
            os.execvpe(self.command[0], list(self.command), self.environ)
        self.started = time.monotonic()
        self._tail = b""

    def pump(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Read for the given time, or until a condition holds; return whether it holds."""
        end = time.monotonic() + seconds
        while not until():
            remaining = end - time.monotonic()
            if remaining <= 0:
                return False
            if not select.select([self._fd], [], [], min(remaining, 0.5))[0]:
                continue
            try:
                read = os.read(self._fd, 1 << 16)
            except OSError:
                read = b""
            if not read:
                raise SystemExit(f"The cockpit exited on its own. Its last output:\n{self.text()[-3000:]}")
            self.chunks.append((time.monotonic(), read))
            recent = self._tail + read
            for question, answer in ANSWERS.items():
                if question in recent and question not in self._tail:
                    os.write(self._fd, answer)
            self._tail = recent[-16:]
        return True

    def text(self) -> str:
        """Return the output so far."""
        return b"".join(chunk for _, chunk in self.chunks).decode(errors="replace")

    def frames(self) -> list[Frame]:
        """Return the repaints so far; without synchronized output, bursts of bytes without a pause of 5 ms."""
        return list(_synchronized(self.chunks) if any(SYNC_END in chunk for _, chunk in self.chunks) else _bursts(self.chunks))

    def press(self, key: str) -> float:
        """Press a key; return when."""
        at = time.monotonic()
        os.write(self._fd, KEYS.get(key, key.encode()))
        return at

    def cpu(self) -> float:
        """Return the CPU seconds so far. Linux only."""
        if not Path("/proc/self/stat").exists():
            return float("nan")
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Return the resident memory in MB. Linux only."""
        if not Path("/proc/self/statm").exists():
            return float("nan")
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def end(self) -> None:
        """Terminate the program; kill it after ten seconds."""
        os.kill(self.pid, signal.SIGTERM)
        for kill in (signal.SIGKILL, None):
            end = time.monotonic() + 10
            while time.monotonic() < end:
                with contextlib.suppress(OSError):
                    if select.select([self._fd], [], [], 0.05)[0]:
                        os.read(self._fd, 1 << 16)
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.status = os.waitstatus_to_exitcode(status)
                    os.close(self._fd)
                    return
            if kill:
                os.kill(self.pid, kill)


def _synchronized(chunks: Sequence[tuple[float, bytes]]) -> Iterator[Frame]:
    whole = b"".join(chunk for _, chunk in chunks)
    ends: list[int] = []
    for _, chunk in chunks:
        ends.append((ends[-1] if ends else 0) + len(chunk))

    def when(position: int) -> float:
        return chunks[bisect_right(ends, position)][0]

    begin = whole.find(SYNC_BEGIN)
    while begin >= 0:
        end = whole.find(SYNC_END, begin)
        if end < 0:
            return
        painted = whole[begin + len(SYNC_BEGIN) : end]
        if painted:
            yield Frame(when(begin), when(end + len(SYNC_END) - 1), len(painted), CURSOR in painted, JOB in painted)
        begin = whole.find(SYNC_BEGIN, end)


def _bursts(chunks: Sequence[tuple[float, bytes]]) -> Iterator[Frame]:
    burst: list[tuple[float, bytes]] = []
    for at, chunk in [*chunks, (float("inf"), b"")]:
        if burst and at - burst[-1][0] > 0.005:
            painted = b"".join(each for _, each in burst)
            yield Frame(burst[0][0], burst[-1][0], len(painted), CURSOR in painted, JOB in painted)
            burst = []
        burst.append((at, chunk))


# -- key presses ------------------------------------------------------------------------------------------


def script() -> Iterator[tuple[str, str, float, bool]]:
    """Yield group, key, mean seconds until the next key, and whether the response draws the cursor row."""
    for _ in range(60):
        yield "j", "j", 0.12, True
    for _ in range(90):
        yield "j held down", "j", 0.033, True
    yield "", "", 0.5, False
    for _ in range(60):
        yield "k", "k", 0.12, True
    for _ in range(40):
        yield "PgDn", "PgDn", 0.15, True
    for _ in range(20):
        yield "PgUp", "PgUp", 0.15, True
    for _ in range(12):
        yield "G", "G", 0.35, True
        yield "g", "g", 0.35, True
    for _ in range(2):
        for _ in range(4):
            yield "state tabs", "l", 0.4, False
        for _ in range(4):
            yield "state tabs", "h", 0.4, False
    for _ in range(4):
        for digit in "12345":
            yield "panels 1–5", digit, 0.25, False
    for _ in range(3):
        yield "/ and typing", "/", 0.3, False
        for letter in "state:failed queue:mail":
            yield "/ and typing", letter, 0.13, False
        yield "enter and esc of /", "enter", 0.5, False
        yield "enter and esc of /", "esc", 0.6, False
    for _ in range(8):
        yield "open a job, back", "enter", 0.4, False
        yield "open a job, back", "esc", 0.4, False


def play(terminal: Terminal, random: Random) -> list[Press]:
    """Press the keys of the script at the uneven pace of a human."""
    presses = []
    for group, key, pace, cursor in script():
        if key:
            presses.append(Press(group, terminal.press(key), cursor))
        terminal.pump(pace if pace < 0.05 else pace * random.uniform(0.7, 1.3))
    terminal.pump(1.0)
    return presses


# -- results ----------------------------------------------------------------------------------------------


@dataclass
class Row:
    """Hold the times of a group of keys, in milliseconds."""

    group: str
    first: list[float] = field(default_factory=list)
    painted: list[float] = field(default_factory=list)
    settled: list[float] = field(default_factory=list)
    none: int = 0


def judge(presses: Sequence[Press], frames: Sequence[Frame]) -> list[Row]:
    """Find the response to each key."""
    rows: dict[str, Row] = {}
    starts = [frame.started for frame in frames]
    for press, following in zip(presses, [*presses[1:], None], strict=True):
        row = rows.setdefault(press.group, Row(press.group))
        until = press.at + PATIENCE
        if following is not None and following.at > press.at + 0.1:
            until = min(until, following.at + 0.005)  # later repaints respond to the next key
        chain = [frame for frame in frames[bisect_right(starts, press.at) :] if frame.started < until]
        answer = next((frame for frame in chain if frame.cursor or not press.cursor), None)
        if answer is None:
            row.none += 1
            continue
        last = answer
        for frame in chain[chain.index(answer) + 1 :]:
            if frame.started - last.ended > PAUSE or (following is not None and frame.started > following.at):
                break
            last = frame
        row.first.append(1e3 * (answer.started - press.at))
        row.painted.append(1e3 * (answer.ended - press.at))
        row.settled.append(1e3 * (last.ended - press.at))
    total = Row("all keys")
    for row in rows.values():
        total.first += row.first
        total.painted += row.painted
        total.settled += row.settled
        total.none += row.none
    return [*rows.values(), total]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def table(rows: Sequence[Row]) -> str:
    """Format the figures as a table."""
    lines = [
        f"{'':20}{'keys':>6}{'first':>9}{'painted':>10}{'':>8}{'':>8}{'settled':>10}{'':>8}{'none':>6}",
        f"{'ms':20}{'':6}{'median':>9}{'median':>10}{'p95':>8}{'max':>8}{'median':>10}{'p95':>8}",
    ]
    for row in rows:
        if row.painted:
            lines.append(
                f"{row.group:20}{len(row.painted) + row.none:6}{statistics.median(row.first):9.1f}"
                f"{statistics.median(row.painted):10.1f}{percentile(row.painted, 0.95):8.1f}{max(row.painted):8.1f}"
                f"{statistics.median(row.settled):10.1f}{percentile(row.settled, 0.95):8.1f}{row.none or '':>6}"
            )
        else:
            lines.append(f"{row.group:20}{row.none:6}{'no reply':>9}{'':50}{row.none:>6}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument(
        "--handlers", choices=("sleep", "cpu"), default="sleep", help="handler of the running jobs (default sleep)"
    )
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--db", help="filled database to use and change (default: a new one in a temporary folder)")
    parser.add_argument("--command", help="command to run instead of `jobdeck --db … --threads …`")
    parser.add_argument("--limit", type=float, help="exit with 1 if the painted p95 of all keys exceeds this many milliseconds")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    columns, rows = map(int, given.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="jobdeck-bench-") as folder:
        database = given.db or str(Path(folder) / "bench.db")
        if not given.db and not given.command:
            started = time.monotonic()
            counts = fill(database, given.jobs, kind=f"bench.{given.handlers}")
            if not given.json:
                print(f"Filled with {sum(counts.values()):,} jobs in {time.monotonic() - started:.1f} s: {counts}")
        return measure(given, database, columns, rows)


def measure(given: argparse.Namespace, database: str, columns: int, rows: int) -> int:
    """Run the cockpit twice: with workers and key presses, and without workers."""
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TEXTUAL_ANIMATIONS")}
    environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "JOBDECK_APP": str(TASKS), "JOBDECK_DATABASE": database}
    cockpit = [str(Path(sys.executable).with_name("jobdeck")), "--db", database, "--threads"]
    busy = shlex.split(given.command) if given.command else [*cockpit, str(given.threads)]
    idle = shlex.split(given.command) if given.command else [*cockpit, "0"]

    def start(command: Sequence[str]) -> tuple[Terminal, tuple[float, float, float]]:
        terminal = Terminal(command, environ, columns, rows)
        if not terminal.pump(20, lambda: any(frame.size > PANELS for frame in terminal.frames())):
            raise SystemExit(f"Nothing was painted within 20 s:\n{terminal.text()[-3000:]}")
        terminal.pump(5, lambda: any(frame.job for frame in terminal.frames()))
        frames = terminal.frames()
        wanted: tuple[Callable[[Frame], bool], ...] = (
            lambda frame: True,
            lambda frame: frame.size > PANELS,
            lambda frame: frame.job,
        )
        first, screen, jobs = (
            next((frame.ended for frame in frames if each(frame)), float("nan")) - terminal.started for each in wanted
        )
        return terminal, (first, screen, jobs)

    terminal, (first_paint, first_screen, first_jobs) = start(busy)
    terminal.pump(3.0)
    cpu, frames, at = terminal.cpu(), len(terminal.frames()), time.monotonic()
    terminal.pump(8.0)
    took = time.monotonic() - at
    busy_cpu, own_repaints = (terminal.cpu() - cpu) / took, (len(terminal.frames()) - frames) / took
    presses = play(terminal, Random(5))
    result = judge(presses, terminal.frames())
    busy_memory = terminal.memory()
    done = _throughput(database) if not given.command else float("nan")
    terminal.end()

    watching, _ = start(idle)
    watching.pump(3.0)
    cpu, at = watching.cpu(), time.monotonic()
    watching.pump(8.0)
    idle_cpu = (watching.cpu() - cpu) / (time.monotonic() - at)
    idle_memory = watching.memory()
    watching.end()

    synchronous = Settings.load(environ).synchronous
    figures = {
        "jobs": given.jobs,
        "handlers": given.handlers,
        "threads": given.threads,
        "synchronous": synchronous,
        "size": given.size,
        "first_paint_ms": round(1e3 * first_paint, 1),
        "first_screen_ms": round(1e3 * first_screen, 1),
        "first_jobs_ms": round(1e3 * first_jobs, 1),
        "jobs_per_second": round(done, 1),
        "own_repaints_per_second": round(own_repaints, 1),
        "busy_cpu_percent": round(100 * busy_cpu, 1),
        "busy_rss_mb": round(busy_memory, 1),
        "idle_cpu_percent": round(100 * idle_cpu, 1),
        "idle_rss_mb": round(idle_memory, 1),
        "exit_status": [terminal.status, watching.status],
        "keys": {
            row.group: {
                "n": len(row.painted) + row.none,
                "none": row.none,
                "painted_median": round(percentile(row.painted, 0.5), 1),
                "painted_p95": round(percentile(row.painted, 0.95), 1),
                "painted_max": round(max(row.painted, default=float("nan")), 1),
            }
            for row in result
        },
    }
    if given.json:
        print(json.dumps(figures, ensure_ascii=False))
    else:
        print(
            f"jobdeck {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores"
            f" (load {os.getloadavg()[0]:.1f}), {given.size}\n"
            f"{given.jobs:,} jobs · {given.threads} threads, handlers: {given.handlers} · durability: synchronous={synchronous}"
            f" (an acknowledged job survives {'power loss' if synchronous == 'FULL' else 'kill -9'})\n\n"
            f"first paint  {1e3 * first_paint:6.0f} ms (header with counts)    panels {1e3 * first_screen:6.0f} ms"
            f"    jobs on screen {1e3 * first_jobs:6.0f} ms\n"
            f"with workers {100 * busy_cpu:6.1f} % CPU of a core, {busy_memory:.0f} MB, {done:.0f} jobs/s done,"
            f" {own_repaints:.1f} repaints/s on its own\n"
            f"watching     {100 * idle_cpu:6.1f} % CPU of a core, {idle_memory:.0f} MB (--threads 0, idle)\n\n"
            f"{table(result)}"
        )
    slow = percentile(result[-1].painted, 0.95)
    if given.limit is not None and not slow <= given.limit:
        print(f"The p95 of all keys is {slow:.1f} ms, more than {given.limit:g} ms.", file=sys.stderr)
        return 1
    return 0


def _throughput(database: str) -> float:
    from jobdeck import Queue

    with Queue(database) as queue:
        slots = queue.overview(seconds=20, slices=20).slices[:-1]
    return sum(slot.completed for slot in slots) / sum(slot.seconds for slot in slots)


if __name__ == "__main__":
    sys.exit(main())
