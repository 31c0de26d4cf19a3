"""Crashes of the server, and threads stopped by a debugger: no worker stays wedged, and `health` says which makes no progress.

    python -m tests.soak.crashes --crashes 20 --seed 7
    python -m tests.soak.crashes --crashes 0              only the stopped threads

For each crash of a PostgreSQL server with CPU load beside it: kill its processes with -9 at a random moment while two workers
run jobs and a producer enqueues them, restart it, and wait until each worker runs jobs again and `jobdeck health` says healthy.
At the end each acknowledged job has completed. Then, on each store, stop one thread of a worker with ptrace as a debugger does:
`health` must say unhealthy within 15 s, and healthy again once the thread goes on.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from random import Random

from tests.core.postgres import Server

from jobdeck import Queue, Settings, State, StoreError, load_apps

APP = """
from jobdeck import job

@job(name="noop")
def noop() -> None:
    pass
"""
WORKER = """
import logging, sys, threading, time
from pathlib import Path
from jobdeck import Queue, Settings, Worker, load_apps
logging.basicConfig(level="INFO", format="%(asctime)s %(process)d %(threadName)s %(message)s")
load_apps([sys.argv[2]])
with Queue(sys.argv[1], settings=Settings(shutdown_grace=2.0)) as queue, Worker(queue, threads=2) as worker:
    tids = "".join(f"{each.name} {each.native_id}\\n" for each in threading.enumerate())
    Path(sys.argv[3]).write_text(tids + f"id {worker.id}\\n")
    while True:
        time.sleep(1)
"""
BOUND = 15.0
"""Seconds within which `health` says unhealthy."""
SLOW = 10.0
"""Seconds of a recovery after which the log of the workers is shown."""
RECOVERY = 60.0
"""Seconds that a worker gets to work again after a crash, on a machine that has other things to do."""


class Cluster:
    """Workers on one queue, and the ways to look at them."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address
        self.app = folder / "crash_tasks.py"
        self.app.write_text(APP)
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.processes: list[subprocess.Popen[bytes]] = []

    def start_worker(self) -> dict[str, str]:
        """Start a worker; return the identifiers of its threads by name, and its own."""
        told = self.folder / f"worker-{len(self.processes)}"
        self.processes.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, self.address, str(self.app), str(told)],
                env=self.environment,
                stderr=(self.folder / "log").open("ab"),
            )
        )
        wait(lambda: told.exists() and told.read_text().count("id "), 60, "the worker to start")
        return dict(line.split(" ", 1) for line in told.read_text().splitlines())

    def health(self) -> tuple[bool, str]:
        """Return what `jobdeck health` says."""
        command = [sys.executable, "-c", "from jobdeck_tui.cli import main; main()", "--db", self.address, "health"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def wait(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Wait until the condition holds; return the seconds that it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def cpu_load(processes: int) -> Iterator[None]:
    """Keep the processors busy."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


class Producer:
    """Enqueues a hundred jobs a second, less than busy workers process."""

    def __init__(self, queue: Queue) -> None:
        self.ids: list[int] = []
        self._queue = queue
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(0.1):
            with suppress(StoreError):
                self.ids.extend(job.id for job in self._queue.enqueue_many([self._queue.new_job("noop") for _ in range(10)]))

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(60)


def crash(server: Server, random: Random) -> str:
    """Crash the server in one of the ways that a server crashes."""
    root = server.pid
    backends = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    how = random.choice(["one backend", "all backends", "everything", "immediate"])
    if how == "immediate":
        server.restart()
        return how
    victims = [random.choice(backends)] if how == "one backend" else backends
    if how == "everything":
        os.kill(root, signal.SIGKILL)
    for victim in victims:
        with suppress(ProcessLookupError):
            os.kill(int(victim), signal.SIGKILL)
    if how == "everything":
        server.forget()
        (server.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        server.start()
    return how


def completed_by(queue: Queue, worker: str, after: float) -> bool:
    """Return whether this worker has completed a job after this time."""
    try:
        return any((job.finished_at or 0) > after and job.worker == worker for job in queue.list("state:completed", limit=200))
    except StoreError:
        return False


def crashes(n: int, random: Random, load: int) -> list[str]:
    """Crash the server n times; return the problems found."""
    server = Server()
    problems: list[str] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name, cpu_load(load):
        server.run("CREATE DATABASE crashed")
        address = server.url("crashed")
        cluster = Cluster(Path(name), address)
        load_apps([str(cluster.app)])
        try:
            with Queue(address, settings=Settings()) as queue:
                workers = [cluster.start_worker()["id"] for _ in range(2)]
                producer = Producer(queue)
                for number in range(1, n + 1):
                    time.sleep(random.uniform(0.5, 2.5))
                    how = crash(server, random)
                    crashed_at = time.time()
                    try:
                        took = max(
                            wait(lambda w=worker, at=crashed_at: completed_by(queue, w, at), RECOVERY, f"work of {worker}")
                            for worker in workers
                        )
                        slowest = max(slowest, took)
                        if took > SLOW:
                            print((cluster.folder / "log").read_text()[-4000:])
                        healthy = wait(lambda: cluster.health()[0], RECOVERY, "healthy")
                        print(
                            f"crash {number:2} ({how}): both workers again after {took:4.1f} s, healthy {healthy:4.1f} s later",
                            flush=True,
                        )
                    except AssertionError as problem:
                        problems.append(f"crash {number} ({how}): {problem}; health: {cluster.health()[1]}")
                        print(problems[-1], flush=True)
                producer.stop()
                wait(lambda: not queue.count("state:pending,running,retrying"), 120, "the end of all jobs")
                found = {job.id: job for job in queue.get_many(producer.ids)}
                lost = [each for each in producer.ids if each not in found or found[each].state is not State.COMPLETED]
                if lost:
                    problems.append(f"{len(lost)} of {len(producer.ids)} acknowledged jobs did not complete")
                print(f"{len(producer.ids):,} acknowledged jobs completed; slowest recovery {slowest:.1f} s")
        finally:
            cluster.stop()
            if problems:
                print((cluster.folder / "log").read_text()[-4000:])
            server.remove()
    return problems


_LIBC = ctypes.CDLL(None, use_errno=True)
_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17


@contextmanager
def stopped_thread(tid: int) -> Iterator[None]:
    """Stop one thread of another process, as a debugger does."""
    for request in (_SEIZE, _INTERRUPT):
        if _LIBC.ptrace(request, tid, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace is not allowed here")
    os.waitpid(tid, 0x40000000)  # __WALL
    try:
        yield
    finally:
        _LIBC.ptrace(_DETACH, tid, None, None)


def stop_one(cluster: Cluster, thread: str, random: Random) -> str:
    """Stop a thread of a new worker; return what was seen.

    Raises:
        AssertionError: `health` did not say so in time.
    """
    told = cluster.start_worker()
    wait(lambda: cluster.health()[0], 30, "healthy at first")
    time.sleep(random.uniform(0, 1))
    with stopped_thread(int(told[thread])):
        took = wait(lambda: not cluster.health()[0], BOUND, "unhealthy")
        said = cluster.health()[1]
    again = wait(lambda: cluster.health()[0], 60, "healthy again")
    return f"unhealthy after {took:.1f} s, healthy {again:.1f} s after it went on\n   {said}"


def stopped_threads(rounds: int, random: Random) -> list[str]:
    """Stop threads of workers on both stores; return the problems found."""
    problems = []
    server = Server()
    try:
        for number, store, thread in product(range(rounds), ("sqlite", "postgres"), ("jobdeck-claimer", "jobdeck-heartbeat")):
            with tempfile.TemporaryDirectory() as name:
                address = f"{name}/jobs.db"
                if store == "postgres":
                    database = f"stopped_{number}_{thread[8:]}"
                    server.run(f"CREATE DATABASE {database}")
                    address = server.url(database)
                cluster = Cluster(Path(name), address)
                try:
                    print(f"{store} {thread}: {stop_one(cluster, thread, random)}", flush=True)
                except AssertionError as problem:
                    problems.append(f"{store} {thread}: {problem}")
                    print(problems[-1], flush=True)
                finally:
                    cluster.stop()
    finally:
        server.remove()
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crashes", type=int, default=20)
    parser.add_argument("--stops", type=int, default=2, help="rounds of stopped threads")
    parser.add_argument("--load", type=int, default=2, help="processes that keep the processors busy")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    random = Random(given.seed)
    problems = crashes(given.crashes, random, given.load) if given.crashes else []
    problems += stopped_threads(given.stops, random)
    print(f"{len(problems)} problems" if problems else "no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
