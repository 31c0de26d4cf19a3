"""Damage a queue in random places, and check that commands and workers survive it or say one sentence.

    python -m tests.soak.damaged rows --seconds 600 --seed 7     # any value of any row, as another program would
    python -m tests.soak.damaged bits --seconds 600 --seed 7     # any bits of the file

Every damage is applied to a fresh copy of a small queue. After damaged values, everything must work. After flipped bits, each
command must end in time, with a result or with one sentence that calls nothing a bug. Prints what failed; exit code 1 if
anything did.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
from click.testing import CliRunner
from tests.core import damage

from jobdeck import JobdeckError, Queue, Settings, Worker
from jobdeck_tui.cli import cli

COMMANDS = (
    "doctor", "list", "list --json", "show 4", "show 4 --json", "why 4", "logs 1", "stats", "queues", "errors", "events",
    "timeline", "workers", "journal", "schedule list", "batch 1", "health", "prune --dry-run", "backup {copy} --force",
    "delete 4", "undo", "list",
)  # fmt: skip


def commands(path: Path) -> Iterator[str]:
    """Run the commands; return those that failed to be a result or a sentence."""
    for line in COMMANDS:
        words = line.format(copy=path.with_name("copy.db")).split()
        result = CliRunner().invoke(cli, ["--db", str(path), *words])
        crashed = result.exception is not None and not isinstance(result.exception, SystemExit)
        if crashed or "a bug in jobdeck" in result.output or result.stderr.count("\n") > 2:
            yield f"{line}: {result.exception!r} {result.stderr.strip()[:300]}"


def work(path: Path) -> Iterator[str]:
    """Run a worker on what may not be a queue any more; return what it calls a bug."""
    try:
        with (
            Queue(path, registry=damage.registry(), settings=Settings(synchronous="OFF")) as queue,
            Worker(queue, threads=1) as worker,
        ):
            job = queue.enqueue(damage.KIND, {})
            until = time.monotonic() + 1.0
            while not queue.get(job.id).state.is_final and time.monotonic() < until:
                time.sleep(0.01)
            if (problem := worker.last_error) and "a bug in jobdeck" in problem.lower():
                yield f"worker: {problem[:300]}"
    except JobdeckError:
        pass
    except Exception as error:
        yield f"worker: {error!r}"


def rows(base: Path, path: Path, seed: int) -> Iterator[str]:
    """Damage values, in random order, and check each; return what failed."""
    every = [*damage.damages(base, seed, rows=3)]
    Random(seed).shuffle(every)
    for each in every:
        copy(base, path)
        if damage.apply(path, each):
            if failed := [*commands(path)]:
                yield f"{each}: {failed}"
            copy(base, path)
            damage.apply(path, each)
            if failed := damage.survives(path):
                yield f"{each}: {failed}"
            yield ""


def bits(base: Path, path: Path, seed: int) -> Iterator[str]:
    """Flip bits and overwrite bytes, nine in ten where the file is not empty, and check each; return what failed."""
    random, sound = Random(seed), base.read_bytes()
    used = [at for at, byte in enumerate(sound) if byte]
    while True:
        content, changed = bytearray(sound), []
        for _ in range(random.choice([1, 1, 1, 3, 8])):
            at = random.choice(used) if random.random() < 0.9 else random.randrange(len(sound))
            n = random.choice([0, 0, 1, 16])
            if n:
                content[at : at + n] = random.randbytes(len(content[at : at + n]))
            else:
                content[at] ^= 1 << random.randrange(8)
            changed.append((at, n))
        copy(base, path)
        path.write_bytes(content)
        if failed := [*commands(path), *work(path)]:
            yield f"{changed}: {failed}"
        yield ""


def copy(base: Path, path: Path) -> None:
    """Replace the file by a sound one."""
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    shutil.copy(base, path)


def main() -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["rows", "bits"])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tried = failures = 0
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base.db"
        damage.fill(base)
        connection = apsw.Connection(str(base))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        until = time.monotonic() + given.seconds
        for failed in (rows if given.what == "rows" else bits)(base, Path(folder) / "jobs.db", given.seed):
            if failed:
                failures += 1
                print(failed, flush=True)
            else:
                tried += 1
            if time.monotonic() >= until:
                break
    print(f"{tried:,} damaged copies, {failures:,} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
