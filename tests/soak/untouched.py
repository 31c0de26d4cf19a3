"""Play every experiment of the lab in a cockpit of a real queue, and compare the queue's tables and file before and after.

    python -m tests.soak.untouched
    python -m tests.soak.untouched race crash

The cockpit has no threads of its own (`--threads 0`), so that nothing else may change the queue. Each experiment is played
for longer than it takes. Prints a line for each and exits 1 if a byte of the file or a row of a table has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from pathlib import Path

import apsw

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
from keys import Terminal
from lab import ENTER, ESC

from jobdeck import Queue
from jobdeck_tui.lab.catalog import EXPERIMENTS

_LONGER = 3.0
"""Seconds that an experiment is played beyond those that it takes."""


def read_tables(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every table."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [*connection.execute(f'SELECT * FROM "{name}"')] for name in names}
    finally:
        connection.close()


def digest(database: Path) -> dict[str, str]:
    """Return a digest of each file of the database but the index of its log, which readers change."""
    files = [database, database.with_name(f"{database.name}-wal")]
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files if each.exists()}


def play(terminal: Terminal, name: str) -> float:
    """Play an experiment for a little longer than it takes; return the seconds."""
    terminal.press("g")
    for _ in range([*EXPERIMENTS].index(name)):
        terminal.press("j")
        terminal.pump(0.05)
    terminal.pump(0.3)
    terminal.press(ENTER)
    if name == "scheduler":
        for key in "1122e":
            terminal.pump(0.3)
            terminal.press(key)
    seconds = float(EXPERIMENTS[name].takes.removesuffix(" s")) + _LONGER
    terminal.pump(seconds)
    terminal.press(ESC)
    terminal.pump(1.5)
    return seconds


def main() -> int:
    """Play as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*EXPERIMENTS], metavar="NAME")
    given = parser.parse_args()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("JOBDECK_", "NO_COLOR", "TEXTUAL"))}
    environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    changed = 0
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "own.db"
        with Queue(str(database)) as queue:
            for n in range(20):
                queue.enqueue("shell", {"command": ["true"]}, delay=3600 * (n % 2), queue=f"q{n % 3}")
        command = [sys.executable, "-m", "jobdeck_tui", "--db", str(database), "--threads", "0"]
        terminal = Terminal(command, environ, 120, 40)
        try:
            terminal.pump(3.0)
            terminal.press("L")
            terminal.pump(1.5)
            rows, files = read_tables(database), digest(database)
            for name in given.names:
                seconds = play(terminal, name)
                now = read_tables(database)
                tables = [table for table in {*rows, *now} if rows.get(table) != now.get(table)]
                equal = digest(database) == files
                changed += bool(tables) or not equal
                told = f"changed: {', '.join(tables) or 'the file'}" if tables or not equal else "untouched, byte for byte"
                print(f"{name:<13} {told}, in {seconds:.0f} s", flush=True)
        finally:
            terminal.end()
    return int(changed > 0)


if __name__ == "__main__":
    sys.exit(main())
