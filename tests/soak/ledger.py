"""The crash ledger: kill producers and workers at random points, and check that no job is lost or started too often.

    python -m tests.soak.ledger --rounds 200 --seed 7               on a file
    python -m tests.soak.ledger --rounds 200 --seed 7 --postgres    on a server, which it starts

Two producers enqueue jobs of several kinds, some of which fail, and some of which kill their own worker. A producer writes
the id of each acknowledged job to a ledger and syncs it to disk before it continues. A handler records each start. Each
round kills one process with SIGKILL and starts another. Finally the workers run undisturbed until all jobs are final. Then:

- every acknowledged job exists once and is final;
- no job was started more often than its `max_attempts`;
- the depth counters match the rows;
- the database passes its integrity check.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Self

import apsw
import psycopg
from tests.core.postgres import Server

APP = """
import os, time
from jobdeck import context, job

def started():
    file = os.open(os.environ["STARTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{context().job_id} {context().attempt}\\n".encode())
    os.close(file)

@job(name="noop")
def noop() -> None:
    started()

@job(name="nap")
def nap(seconds: float) -> None:
    started()
    time.sleep(seconds)

@job(name="flaky", backoff=(0.1, 0.2))
def flaky() -> None:
    started()
    if context().attempt == 1:
        raise ConnectionError("not yet")

@job(name="doomed", max_attempts=2, backoff=(0.1, 0.2))
def doomed() -> None:
    started()
    raise ValueError("never")

@job(name="deadly", max_attempts=2)
def deadly() -> None:
    started()
    os.kill(os.getpid(), 9)
"""
WORKER = """
import signal, threading
import ledger_tasks
from jobdeck import Queue, Worker
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
with Queue() as queue:
    worker = Worker(queue, threads=3)
    worker.start()
    stop.wait()
    worker.stop()
"""
PRODUCER = """
import os, random, sys, time
import ledger_tasks
from jobdeck import Queue
choose = random.Random(int(sys.argv[1]))
ledger = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
kinds = ["noop"] * 60 + ["nap"] * 20 + ["flaky"] * 15 + ["doomed"] * 4
with Queue() as queue:
    while True:
        kind = "deadly" if choose.random() < 0.003 else choose.choice(kinds)
        args = {"seconds": choose.uniform(0, 0.05)} if kind == "nap" else {}
        job = queue.enqueue(kind, args, priority=choose.randint(0, 2), delay=choose.choice([None, None, 0.2]))
        os.write(ledger, f"{job.id} {job.max_attempts}\\n".encode())
        os.fsync(ledger)
        time.sleep(0.004)
"""


@dataclass
class Verdict:
    """The result of a run."""

    acknowledged: int = 0
    kills: int = 0
    states: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    problems: list[str] = field(default_factory=list)


class Ledger:
    """One run, in its own directory."""

    app, worker, producer = APP, WORKER, PRODUCER
    """The programs of the handlers and of the two kinds of processes."""

    def __init__(
        self, folder: Path, seed: int, *, address: str | None = None, workers: int = 3, producers: int = 2, lease: float = 0.8
    ) -> None:
        """Create the run.

        Args:
            folder: for its files.
            seed: of the random choices.
            address: the address of a PostgreSQL server, which is used instead of a file.
            workers: the number of workers.
            producers: the number of producers.
            lease: the lease, in seconds.
        """
        self.folder = folder
        self.address = address
        self.random = Random(seed)
        self.kills = 0
        (folder / "ledger_tasks.py").write_text(self.app)
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)]),
            "STARTS": str(folder / "starts"),
            "LEDGER": str(folder / "ledger"),
            "JOBDECK_DATABASE": address or str(folder / "jobs.db"),
            "JOBDECK_LEASE": str(lease),
        }
        self.processes: dict[str, list[subprocess.Popen[bytes]]] = {"worker": [], "producer": []}
        self.wanted = {"worker": workers, "producer": producers}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for role in self.processes:
            self.wanted[role] = 0
            self._kill_all(role)

    def run(self, rounds: int, say: Callable[[str], None] = lambda text: None) -> Verdict:
        """Kill one process per round, let the others finish, and check the ledger."""
        for number in range(rounds):
            self._start_missing()
            self._wait_for_another_job()  # on a busy machine, a round would consist of starts alone
            time.sleep(self.random.uniform(0.05, 0.35))  # the next process dies at a random point
            role = self.random.choice(["worker", "worker", "producer"])
            victim = self.random.choice(self.processes[role])
            victim.kill()
            self.kills += 1
            if (number + 1) % 20 == 0:
                say(f"round {number + 1} of {rounds}: {len(self._acknowledged()):,} jobs acknowledged")
        self.wanted["producer"] = 0
        self._kill_all("producer")
        self._wait_for_jobs()
        for process in self.processes["worker"]:
            process.terminate()
        for process in self.processes["worker"]:
            process.wait(timeout=30)
        return self._verdict()

    def _start_missing(self) -> None:
        """Start processes until each role has the number wanted."""
        for role, program in (("worker", self.worker), ("producer", self.producer)):
            alive = [process for process in self.processes[role] if process.poll() is None]
            while len(alive) < self.wanted[role]:
                argv = [sys.executable, "-c", program, str(self.random.getrandbits(30))]
                process = subprocess.Popen(argv, cwd=self.folder, env=self.environment, stderr=subprocess.DEVNULL)
                alive.append(process)
            self.processes[role] = alive

    def _kill_all(self, role: str) -> None:
        for process in self.processes[role]:
            process.kill()
            process.wait()
        self.processes[role] = []

    def _wait_for_another_job(self) -> None:
        known, end = len(self._acknowledged()), time.monotonic() + 30
        while len(self._acknowledged()) == known and time.monotonic() < end:
            time.sleep(0.01)

    def _wait_for_jobs(self) -> None:
        end = time.monotonic() + 120
        while self._count_unfinished() and time.monotonic() < end:
            self._start_missing()  # some jobs kill their worker
            time.sleep(0.05)

    def _count_unfinished(self) -> int:
        return int(self._query("SELECT count(*) FROM jobdeck_jobs WHERE finished_at IS NULL")[0][0])

    def _query(self, query: str) -> list[tuple[object, ...]]:
        if self.address is not None:
            with psycopg.connect(self.address) as server:
                return server.execute(query.encode()).fetchall()
        connection = apsw.Connection(str(self.folder / "jobs.db"))
        connection.set_busy_timeout(10_000)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def _acknowledged(self) -> dict[int, int]:
        """Return the maximum number of starts by job. Ignore a line that a kill has cut off: its job was not acknowledged."""
        path = self.folder / "ledger"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return {int(line.split()[0]): int(line.split()[1]) for line in lines if line.endswith("\n")}

    def _verdict(self) -> Verdict:
        acknowledged = self._acknowledged()
        stored = {int(str(row[0])): str(row[1]) for row in self._query("SELECT id, state FROM jobdeck_jobs")}
        allowed = {int(str(row[0])): int(str(row[1])) for row in self._query("SELECT id, max_attempts FROM jobdeck_jobs")}
        starts = Counter(int(line.split()[0]) for line in (self.folder / "starts").read_text().splitlines())
        verdict = Verdict(len(acknowledged), self.kills, Counter(stored.values()), sum(starts.values()))
        for job_id in acknowledged:
            state = stored.get(job_id, "missing")
            if state not in ("completed", "failed", "cancelled"):
                verdict.problems.append(f"job {job_id} was acknowledged and is {state}")
        verdict.problems += [
            f"job {job_id} was started {n} times, {allowed.get(job_id)} allowed"
            for job_id, n in starts.items()
            if n > allowed.get(job_id, 0)
        ]
        counted = self._query("SELECT queue, kind, state, count(*) FROM jobdeck_jobs GROUP BY 1, 2, 3")
        kept = self._query("SELECT queue, kind, state, n FROM jobdeck_counts WHERE n <> 0")
        counted, kept = sorted(counted, key=str), sorted(kept, key=str)
        if counted != kept:
            verdict.problems.append(f"the counters are {kept}, the rows give {counted}")
        if self.address is None and (sound := self._query("PRAGMA integrity_check")) != [("ok",)]:
            verdict.problems.append(f"integrity_check: {sound}")
        return verdict


def new_database() -> str:
    """Start a PostgreSQL server, which ends with this program, and return the address of a database on it."""
    server = Server()
    return server.url(server.new_database())


def main() -> int:
    """Run the soak test as a command; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--postgres", action="store_true", help="use a PostgreSQL server instead of a file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    address = new_database() if options.postgres else None
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder), options.seed, address=address) as ledger:
        verdict = ledger.run(options.rounds, lambda text: print(text, flush=True))
    print(
        f"{verdict.kills} processes killed, {verdict.acknowledged:,} jobs acknowledged, {verdict.starts:,} starts, "
        f"{', '.join(f'{n:,} {state}' for state, n in verdict.states.most_common())}"
    )
    for problem in verdict.problems[:20]:
        print(f"PROBLEM: {problem}")
    print("No problems." if not verdict.problems else f"{len(verdict.problems)} problems.")
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
