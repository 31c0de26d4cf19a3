"""Copy a queue both ways, kill the copy at random moments, start it again, and compare every table.

    python -m tests.soak.copies --jobs 100000 --kills 20 --seed 7

Starts a PostgreSQL server of its own. Prints the moments of the kills, the seconds and the peak memory of each copy.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from tests.core.full_queue import dump, fill
from tests.core.postgres import Server

from jobdeck import StoreRefused, copy_queue

_KILLED = -signal.SIGKILL
_COMPLETE = 3
"""The exit code of a copy whose source was moved before."""


def copy_with_kills(source: str, target: str, kills: int, chance: random.Random, longest: float) -> tuple[int, str]:
    """Copy in processes that are killed at random moments, but for the last one; return how many were, and its memory."""
    killed = 0
    while True:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.copies", "--copy", source, target], stdout=subprocess.PIPE, text=True
        )
        try:
            code = process.wait(chance.uniform(0.3, longest) if killed < kills else None)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code == 0 or (code == _COMPLETE and killed):  # the last one may have been killed after its last write
            assert process.stdout is not None
            return killed, process.stdout.read().strip()
        assert code == _KILLED, f"the copy exited with {code}"
        killed += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000, metavar="N", help="pending jobs beside those of every state")
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="kills of each copy")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    parser.add_argument("--copy", nargs=2, metavar=("FROM", "TO"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.copy:
        try:
            copy_queue(*given.copy)
        except StoreRefused as refusal:
            if "was moved to" not in str(refusal):
                raise
            return _COMPLETE
        # Of this process alone: what `getrusage` says begins with the memory of the one that started it.
        print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
        return 0
    print(f"seed {given.seed}")
    chance = random.Random(given.seed)
    server = Server()
    with tempfile.TemporaryDirectory() as folder:
        first = str(Path(folder) / "first.db")
        fill(first, given.jobs)
        wanted = dump(first)
        addresses = [first, server.url(server.new_database()), str(Path(folder) / "back.db"), str(Path(folder) / "last.db")]
        for source, target in pairwise(addresses):
            started = time.monotonic()
            killed, memory = copy_with_kills(source, target, given.kills, chance, longest=max(2.0, given.jobs / 100_000))
            took = time.monotonic() - started
            found = dump(target)
            assert found == wanted, [table for table in wanted if found[table] != wanted[table]]
            print(
                f"{source} → {target}: {killed} kills, {took:.1f} s, {memory.split(':')[-1].strip()}; every table is equal",
                flush=True,
            )
    server.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
