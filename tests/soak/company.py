"""Company in one process: a second SQLite library, plain opens and closes, and forks, at random moments beside the queue.

    python -m tests.soak.company --rounds 200 --seed 7               on a file
    python -m tests.soak.company --rounds 200 --seed 7 --postgres    forks only, on a server, which it starts

As `ledger.py`: producers and workers are killed with SIGKILL at random points. Meanwhile a thread of each of them opens the
queue's file with Python's `sqlite3`, reads and closes it, opens and closes the file and its log, copies the file, and forks
children that enqueue jobs of their own. Then, in addition to what `ledger.py` checks:

- no attempt of a job was started twice;
- no job was started again while an earlier attempt still ran within its lease.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.soak.ledger import Ledger, Verdict, new_database

APP = """
import os, random, shutil, sqlite3, threading, time
from jobdeck import context, job

def write(name, line):
    file = os.open(os.environ[name], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\\n".encode())
    if name == "LEDGER":
        os.fsync(file)
    os.close(file)

def attempt(seconds):
    name = f"{context().job_id} {context().attempt}"
    write("STARTS", f"{name} start {time.monotonic()}")
    time.sleep(seconds)
    write("STARTS", f"{name} end {time.monotonic()}")

@job(name="noop")
def noop() -> None:
    attempt(0)

@job(name="nap")
def nap(seconds: float) -> None:
    attempt(seconds)

@job(name="flaky", backoff=(0.1, 0.2))
def flaky() -> None:
    attempt(0)
    if context().attempt == 1:
        raise ConnectionError("not yet")

def enqueue(queue, choose):
    kind = choose.choice(["noop"] * 6 + ["nap"] * 3 + ["flaky"])
    job = queue.enqueue(kind, {"seconds": choose.uniform(0, 0.05)} if kind == "nap" else {}, priority=choose.randint(0, 2))
    write("LEDGER", f"{job.id} {job.max_attempts}")

def read(path):
    connection = sqlite3.connect(path)
    connection.execute("SELECT count(*) FROM jobdeck_jobs").fetchall()
    connection.close()

def open_and_close(path):
    for name in (path, f"{path}-wal"):
        open(name, "rb").close()

def disturb(queue, choose):
    path = os.environ["JOBDECK_DATABASE"]
    while not os.path.exists("quiet"):
        time.sleep(choose.uniform(0, 0.05))
        act = choose.choice(["read", "connect", "open", "copy", "fork"] if os.path.exists(path) else ["fork"])
        try:
            if act == "read":
                read(path)
            elif act == "connect":
                sqlite3.connect(path).close()
            elif act == "open":
                open_and_close(path)
            elif act == "copy":
                shutil.copyfile(path, f"{path}.copy.{os.getpid()}")
                os.unlink(f"{path}.copy.{os.getpid()}")
            else:
                child = os.fork()
                if not child:
                    try:
                        enqueue(queue, choose)
                    except BaseException as error:
                        write("ERRORS", f"child {error!r}")
                    os._exit(0)
                os.waitpid(child, 0)
            write("ACTS", act)
        except BaseException as error:
            write("ERRORS", f"{act} {error!r}")

def start_disturbing(queue, choose):
    open(f"ready.{os.getpid()}", "w").close()
    threading.Thread(target=disturb, args=(queue, choose), daemon=True).start()
"""
WORKER = """
import os, random, signal, sys, threading
import ledger_tasks
from jobdeck import Queue, Worker
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
with Queue() as queue:
    worker = Worker(queue, threads=3)
    worker.start()
    ledger_tasks.start_disturbing(queue, random.Random(int(sys.argv[1])))
    stop.wait()
    worker.stop()
    os._exit(0)
"""
PRODUCER = """
import random, sys, time
import ledger_tasks
from jobdeck import Queue
choose = random.Random(int(sys.argv[1]))
with Queue() as queue:
    ledger_tasks.start_disturbing(queue, random.Random(int(sys.argv[1]) + 1))
    while True:
        try:
            ledger_tasks.enqueue(queue, choose)
        except Exception as error:
            ledger_tasks.write("ERRORS", f"producer {error!r}")
        time.sleep(0.004)
"""


class Company(Ledger):
    """A run with company."""

    app, worker, producer = APP, WORKER, PRODUCER

    def __init__(self, folder: Path, seed: int, *, address: str | None = None) -> None:
        super().__init__(folder, seed, address=address)
        self.environment |= {"ERRORS": str(folder / "errors"), "ACTS": str(folder / "acts")}

    def _start_missing(self) -> None:
        super()._start_missing()
        end = time.monotonic() + 60
        while time.monotonic() < end:  # otherwise a busy machine would run nothing but starts
            alive = [process.pid for role in self.processes.values() for process in role if process.poll() is None]
            if all((self.folder / f"ready.{pid}").exists() for pid in alive):
                return
            time.sleep(0.02)

    def _wait_for_jobs(self) -> None:
        (self.folder / "quiet").touch()  # nobody enqueues any more
        super()._wait_for_jobs()

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def _verdict(self) -> Verdict:
        lease = float(self.environment["JOBDECK_LEASE"])
        starts: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        ends: dict[tuple[int, int], float] = {}
        records = [line.split() for line in self._lines("starts")]
        for job_id, attempt, event, moment in records:
            if event == "start":
                starts[int(job_id)][int(attempt)].append(float(moment))
            else:
                ends[int(job_id), int(attempt)] = float(moment)
        (self.folder / "starts").write_text("".join(f"{record[0]} {record[1]}\n" for record in records if record[2] == "start"))
        verdict = super()._verdict()
        for job_id, attempts in starts.items():
            verdict.problems += [f"attempt {n} of job {job_id} was started twice" for n, at in attempts.items() if len(at) > 1]
            for n, at in attempts.items():
                end = ends.get((job_id, n))
                later = min(attempts.get(n + 1, []), default=None)
                if end is not None and later is not None and later < end and end - at[0] < lease:
                    verdict.problems.append(f"attempts {n} and {n + 1} of job {job_id} ran at once")
        return verdict


def main() -> int:
    """Run the soak test as a command; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--postgres", action="store_true", help="use a PostgreSQL server instead of a file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    address = new_database() if options.postgres else None
    with tempfile.TemporaryDirectory() as folder, Company(Path(folder), options.seed, address=address) as company:
        verdict = company.run(options.rounds, lambda text: print(text, flush=True))
        acts, errors = company._lines("acts"), company._lines("errors")
    print(
        f"{verdict.kills} processes killed, {verdict.acknowledged:,} jobs acknowledged, {verdict.starts:,} starts, "
        f"{', '.join(f'{n:,} {state}' for state, n in verdict.states.most_common())}"
    )
    print(", ".join(f"{acts.count(act):,} × {act}" for act in sorted(set(acts))))
    print(f"{len(errors)} refusals, of nothing that was acknowledged")
    for line in sorted(set(errors))[:20]:
        print(f"  {errors.count(line)} × {line}")
    for problem in verdict.problems[:20]:
        print(f"PROBLEM: {problem}")
    print("No problems." if not verdict.problems else f"{len(verdict.problems)} problems.")
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
